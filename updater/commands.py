"""Run git, and stop with one line instead of a traceback."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# If a git hook runs this program, these variables name the repository of that hook.
REPOSITORY = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"}


STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class UpdateError(Exception):
    """Something that the user must change first. Its text is one clear message."""


def try_git(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a git command in ``folder``, in English, with more environment variables."""
    outer = {name: value for name, value in os.environ.items() if name not in REPOSITORY}
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**outer, "LC_ALL": "C", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def git(folder: Path, *arguments: str, **variables: str) -> str:
    """Return what a git command in ``folder`` prints, without the last newline.

    Raise ``UpdateError`` with git's own message if the command fails.
    """
    result = try_git(folder, *arguments, **variables)
    if result.returncode:
        reason = (result.stderr or result.stdout).strip()
        raise UpdateError(f"git {arguments[0]} failed in {folder}: {reason}")
    return result.stdout.removesuffix("\n")


def names(listed: str) -> list[str]:
    """Return the names that a git command printed with ``-z``."""
    return listed.removesuffix("\0").split("\0") if listed else []


@contextmanager
def undivided() -> Iterator[None]:
    """Delay ``STOPS`` until the end of the block, in this process and those that it starts."""
    signals = {*STOPS}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)


def identity() -> Mapping[str, str]:
    """Return variables for commits that exist only during the merge, with the same ids everywhere."""
    fields = {"NAME": "template", "EMAIL": "template@example.com", "DATE": "2000-01-01T00:00Z"}
    return {
        f"GIT_{role}_{name}": value
        for role in ("AUTHOR", "COMMITTER")
        for name, value in fields.items()
    }
