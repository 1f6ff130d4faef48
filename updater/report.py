"""What the command prints and what a pull request says, as Markdown."""

from collections.abc import Iterable, Iterator, Mapping

from merging import Changes
from notes import Release

COMMON = """common belongs to the template, and updates merge into it: change the template instead, and take the release that has it."""


def section(title: str, lines: Iterable[str], text: str = "") -> str:
    """Return a section with ``lines`` as its list, or an empty string without any."""
    items = "".join(f"- {line.removeprefix('- ')}\n" for line in lines)
    return (
        "\n".join(filter(None, [f"\n## {title}\n", text and f"{text}\n", items])) if items else ""
    )


def edited_common(common: Mapping[str, str]) -> str:
    verbs = {"A": "added", "D": "deleted"}
    lines = [f"`{path}`: {verbs.get(letter, 'edited')} here" for path, letter in common.items()]
    return section("Local edits of common", lines, COMMON)


def state(old: str, new: str, common: Mapping[str, str]) -> str:
    """Return whether the release ``new`` is a newer one, and the local edits of ``common``."""
    news = "There is nothing newer."
    if old != new:
        news = f"{new} is newer: run `uv run manage.py update_template`."
    return f"This service is at {old} of the template. {news}\n{edited_common(common)}".rstrip()


def met(changes: Changes) -> Iterator[str]:
    conflicts = {*changes.conflicts}
    for path, here in changes.moved.items():
        if not {path, here} & conflicts:
            yield f"`{path}` is `{here}` here: merged there"
    for path in changes.edited:
        if path not in conflicts:
            yield f"`{path}` is edited here: merged"
    for path in changes.deleted:
        yield f"`{path}` is deleted here: left out"


def update(
    titles: tuple[str, str],
    explanations: Iterable[str],
    changes: Changes,
    releases: Iterable[Release],
    common: Mapping[str, str],
    left: str,
) -> str:
    """Return what an update did, what is left to do, and what is new."""
    old, new = titles
    news = [*releases]
    resolve = [f"`{path}`" for path in changes.conflicts] + ([f"`uv.lock`: {left}"] if left else [])
    parts = [
        f"# From {old} to {new} of the template\n"
        if old != new
        else f"# New answers, at {old} of the template\n",
        section("Left to resolve", resolve),
        section("What git says of these conflicts", changes.messages),
        section("Answers", explanations),
        *(section(f"To do for {release.title}", release.to_do) for release in news),
        section("The template changed what you had changed", met(changes)),
        edited_common(common),
        *(section(f"Changes of {release.title}", release.changes) for release in news),
    ]
    return "".join(parts).rstrip()


def ending(left: int) -> str:
    """Return what to do after the report."""
    undo = "`git reset --hard` undoes the update."
    if left:
        return f"Left to resolve: {left}, listed at the top. Then stage, test and commit. {undo}"
    return f"Nothing is left to resolve. Run the tests and the hooks, then commit. {undo}"


def tests(status: int) -> str:
    """Return a section with the result of the tests of the updated service."""
    result = "passed" if status == 0 else f"failed: `uv run pytest` exits with {status}"
    return section("Tests", [result])
