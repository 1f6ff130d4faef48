"""What the changelogs of the releases in between say."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

RELEASE = re.compile(r"^## (.+)\n", re.MULTILINE)
TO_DO = "\n### To do when you update\n"
BULLET = re.compile(r"^- .+(?:\n(?:  .*|(?=\n  )))*", re.MULTILINE)


@dataclass(frozen=True)
class Release:
    """The bullets of a release that an older changelog does not have."""

    title: str
    changes: list[str]
    to_do: list[str]


def sections(changelog: str) -> Iterator[tuple[str, str]]:
    """Yield the title and the text of each release of a changelog."""
    _, *parts = RELEASE.split(changelog)
    return zip(parts[::2], parts[1::2], strict=True)


def news(old: str, new: str) -> Iterator[Release]:
    """Return what the changelog ``new`` says and ``old`` does not, the oldest release first.

    A service may come from a commit between two releases, so leave out what was unreleased then.
    """
    before = dict(sections(old))
    for title, text in reversed([*sections(new)]):
        known = {*BULLET.findall(before.get(title, before.get("Unreleased", "")))}
        changes, _, to_do = text.partition(TO_DO)
        release = Release(
            title, *([b for b in BULLET.findall(t) if b not in known] for t in (changes, to_do))
        )
        if release.changes or release.to_do:
            yield release
