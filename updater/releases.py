"""The releases of the template: versions, their tags, and the questions that changed since."""

import json
import re
from pathlib import Path

from commands import git
from removed import Entry, removed_answers, unexplained

VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", re.ASCII)
Version = tuple[int, ...]


def parse(text: str) -> Version | None:
    found = VERSION.fullmatch(text)
    return tuple(map(int, found.groups())) if found else None


def last_release(root: Path) -> Version | None:
    """Return the greatest version among the tags that HEAD contains."""
    tags = git(root, "tag", "--list", "v*", "--merged", "HEAD").split()
    return max(filter(None, (parse(tag.removeprefix("v")) for tag in tags)), default=None)


def shown(version: Version) -> str:
    return ".".join(map(str, version))


def removals(root: Path, last: Version) -> tuple[list[str], list[str]]:
    """Return what the questions lost since ``last``, and the part that removed.json does not explain."""
    old = json.loads(git(root, "show", f"v{shown(last)}:cookiecutter.json"))
    new = json.loads((root / "cookiecutter.json").read_text())
    entries: list[Entry] = json.loads((root / "updater/removed.json").read_text())
    removed, missing = removed_answers(old, new), unexplained(old, new, entries)
    return ["=".join(filter(None, pair)) for pair in removed], [
        "=".join(filter(None, pair)) for pair in missing
    ]
