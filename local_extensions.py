"""Refuses answers that would not make a working service, before cookiecutter writes anything.

It also tells where the template comes from, for the record that updates need.

The last key of ``cookiecutter.json`` applies the filter: ``"{{ cookiecutter | checked }}"``. Keep its name for
ever: ``cruft update`` renders the old and the new template in one process, with one import of this module.
"""

import os
import re
import subprocess
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from cookiecutter.exceptions import FailedHookException
from cookiecutter.utils import simple_filter

SLUG = re.compile(r"[a-z]([a-z0-9_-]{0,48}[a-z0-9])?")
# Control, surrogate, private use and unassigned characters; line and paragraph separators.
REFUSED_CATEGORIES = {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
# They reorder the text around them, so that code seems to do something else than it does.
BIDI_CONTROLS = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}


def slug_problems(value: str) -> Iterator[str]:
    if not SLUG.fullmatch(value):
        yield (
            "use lower-case letters, digits, '-' and '_', starting with a letter"
            " and ending with a letter or digit, at most 50"
        )


def text_problems(value: str) -> Iterator[str]:
    if not value.strip():
        yield "use at least one character that is not a blank"
    if len(value) > 200:
        yield f"use at most 200 characters, not {len(value)}"
    refused = {c for c in value if unicodedata.category(c) in REFUSED_CATEGORIES} | (
        BIDI_CONTROLS & set(value)
    )
    if refused:
        codes = ", ".join(f"U+{ord(c):04X}" for c in sorted(refused))
        yield f"use one line of printable text, without {codes}"


PROBLEMS: dict[str, Callable[[str], Iterator[str]]] = {
    "project_name": text_problems,
    "project_slug": slug_problems,
    "description": text_problems,
}


# A URL with a host and without a password. A folder of this machine would mean nothing to others.
URL = re.compile(
    r"(?!file:)[a-z+]+://([\w.-]+@)?[\w.-]+(:\d+)?/[\w./~%+-]+|[\w.-]+@[\w.-]+:[\w./~+-]+"
)
TOKEN = re.compile(r"(?<=^https://)[^/@]*@|(?<=^http://)[^/@]*@")


def origin(version: object) -> str:
    """Return the commit of this template and, after a blank, the URL that it was cloned from.

    The commit is the tag of the version if this is no git repository. The URL has no credentials;
    it is missing if it is unknown or a path.
    """
    template = Path(__file__).resolve().parent
    commit = git(template, "rev-parse", "HEAD") if (template / ".git").exists() else ""
    url = TOKEN.sub("", git(template, "config", "remote.origin.url")) if commit else ""
    return f"{commit or f'v{version}'} {url if URL.fullmatch(url) else ''}".strip()


def git(folder: Path, *command: str) -> str:
    """Return what a git command in ``folder`` prints, or an empty string if it fails."""
    # If a git hook runs cookiecutter, GIT_DIR names the repository of that hook.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        result = subprocess.run(["git", *command], cwd=folder, env=env, capture_output=True)
    except FileNotFoundError:
        return ""
    return str(result.stdout, "utf-8").strip()


@simple_filter  # type: ignore[untyped-decorator] # cookiecutter has no types
def checked(answers: Mapping[str, object]) -> str:
    """Return where the template comes from, or raise ``FailedHookException`` with all problems, one on each line.

    cookiecutter prints the text of the exception and exits with 1. A missing answer is not checked:
    during an update, the older template may not have asked that question. The hook records the origin.
    """
    problems = [
        f"{name}: {answers[name]!r}: {problem}"
        for name, find in PROBLEMS.items()
        if name in answers
        for problem in find(str(answers[name]))
    ]
    if problems:
        raise FailedHookException("\n".join(problems))
    return origin(answers.get("_version"))
