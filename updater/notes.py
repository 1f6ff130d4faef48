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


def news(old: str, new: str) -> Iterator[Release]:
    """Return what the changelog ``new`` says and ``old`` does not, the oldest release first.

    A service may come from a commit between two releases: bullets count, and not their headings.
    """
    known = {*BULLET.findall(old)}
    _, *parts = RELEASE.split(new)
    for title, text in reversed([*zip(parts[::2], parts[1::2], strict=True)]):
        changes, _, to_do = text.partition(TO_DO)
        release = Release(
            title, *([b for b in BULLET.findall(t) if b not in known] for t in (changes, to_do))
        )
        if release.changes or release.to_do:
            yield release
