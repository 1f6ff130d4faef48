"""Decide which commit and which answers a service gets."""

import argparse
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import record
from answers import given_answers
from commands import UpdateError, git, try_git
from removed import apply_removals
from rendering import questions, resolve

TEMPLATE = Path(__file__).resolve().parents[1]
REMOVED = TEMPLATE / "updater/removed.json"
RELEASE = re.compile(r"v\d+\.\d+\.\d+")


@dataclass(frozen=True)
class Plan:
    """An update from one commit of the template to another, with the answers that it then has."""

    old: str
    new: str
    answers: Mapping[str, object]
    explanations: list[str]
    template: str
    is_change: bool  # also if only the answers or the URL of the template change

    @property
    def is_newer(self) -> bool:
        return self.old != self.new


def title_of(commit: str) -> str:
    """Return the release of a commit, such as v1.1.0, or v1.1.0-3-g1a2b3c4 for one after it."""
    return git(TEMPLATE, "describe", "--tags", "--always", "--match", "v*", commit)


def newest_release() -> str:
    """Return the newest tag of a release. Raise ``UpdateError`` if there is none."""
    for tag in git(TEMPLATE, "tag", "--list", "v*", "--sort=-version:refname").splitlines():
        if RELEASE.fullmatch(tag):
            return tag
    raise UpdateError("The template has no release yet. Name a branch or a commit with --to.")


def target(current: str, to: str | None) -> str:
    """Return the commit to update to: ``to``, or the newest release, or ``current`` if that is older."""
    wanted = to or newest_release()
    commit = resolve(TEMPLATE, wanted)
    if not commit:
        raise UpdateError(f"--to {wanted!r}: the template has no such tag, branch or commit.")
    older = try_git(TEMPLATE, "merge-base", "--is-ancestor", commit, current).returncode == 0
    if older and commit != current and to:
        raise UpdateError(
            f"--to {to!r} is older than this service, which is at {title_of(current)}."
            " To go back, revert the commit of the update."
        )
    commit = current if older else commit
    if try_git(TEMPLATE, "cat-file", "-e", f"{commit}:updater").returncode:
        raise UpdateError(f"{wanted!r} is older than this command. Choose a newer one with --to.")
    return commit


def make_plan(options: argparse.Namespace, known: record.Record) -> Plan:
    """Return what the options ask for. Raise ``UpdateError`` with each problem of the answers."""
    old = resolve(TEMPLATE, known.commit)
    if not old:
        raise UpdateError(
            f"{record.NAME}: commit {known.commit!r} is not in the template's repository. Push it"
            " there, or write the commit that is nearest to it into the file."
        )
    new = target(old, options.to)
    asked = questions(TEMPLATE, new)
    given = given_answers(options.answer, asked)
    try:
        entries = json.loads(REMOVED.read_text())
        answers, lines = apply_removals({**known.answers, **given}, entries, asked)
    except ValueError as error:
        raise UpdateError(str(error)) from error
    lines += [
        f"{name}: {value!r} (was {known.answers[name]!r})"
        for name, value in given.items()
        if known.answers.get(name, value) != value
    ]
    lines += [
        f"{name}: a new question, answered with its default. Change it with --answer."
        for name in asked
        if name not in answers
    ]
    template = record.template_of(known, options.template)
    is_change = old != new or answers != known.answers or template != known.template
    return Plan(old, new, answers, lines, template, is_change)
