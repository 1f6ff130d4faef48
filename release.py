"""Make a release: uv run release.py 1.1.0 (or major, minor, patch).

The release is checked and committed in a temporary worktree. Only then do the branch and the tag move, so an
error or Ctrl-C leaves the files, the index, the branch and the tags as they were.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "updater"))
from commands import UpdateError, git  # noqa: E402 # found only now
from releases import Version, last_release, parse, removals, shown  # noqa: E402 # found only now

CHECKS = ("uv run pre-commit run --all-files", "uv run pytest")
TODO = "### To do when you update"


def version_for(argument: str, last: Version | None) -> Version:
    x, y, z = last or (0, 0, 0)
    steps = {"major": (x + 1, 0, 0), "minor": (x, y + 1, 0), "patch": (x, y, z + 1)}
    version = steps.get(argument) or parse(argument)
    if version is None:
        raise SystemExit(f"{argument!r} is no version: use X.Y.Z, major, minor or patch.")
    if last and version <= last:
        raise SystemExit(f"{shown(version)} is not greater than the last release, {shown(last)}.")
    return version


def check_branch(root: Path) -> str:
    """Return the default branch: that of the remote repository, or main. Exit if another one is checked out."""
    remote = "refs/remotes/origin/HEAD"
    default = git(root, "for-each-ref", "--format=%(symref:lstrip=3)", remote) or "main"
    branch = git(root, "branch", "--show-current")
    if branch != default:
        raise SystemExit(f"{branch or 'HEAD'!r} is checked out: switch to {default!r}.")
    return default


def check_removals(root: Path, last: Version, version: Version) -> None:
    removed, missing = removals(root, last)
    if missing:
        raise SystemExit(f"No entry in updater/removed.json explains {', '.join(missing)}.")
    size, kind = (1, "major") if last[0] else (2, "minor")  # before 1.0.0, a minor one may break
    if removed and version[:size] == last[:size]:
        raise SystemExit(f"{', '.join(removed)} went away: this must be a {kind} release.")


def released(changelog: str, version: Version) -> str:
    """Return ``changelog`` with the Unreleased section under the heading of ``version``."""
    found = re.search(r"^## Unreleased\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    news, _, todo = (found[1] if found else "").partition(f"\n{TODO}\n")
    if not re.search(r"^- \S", news, re.MULTILINE):
        raise SystemExit("CHANGELOG.md: '## Unreleased' has no bullet: say what changed.")
    if not re.search(r"^(- \S|Nothing\.$)", todo, re.MULTILINE):
        raise SystemExit(f"CHANGELOG.md: '## Unreleased' needs {TODO!r} with bullets or 'Nothing.'")
    today = date.today().isoformat()  # noqa: DTZ011 # the day of the maintainer
    empty = f"## Unreleased\n\n{TODO}\n\nNothing.\n\n"
    return changelog.replace("## Unreleased\n", f"{empty}## {shown(version)} – {today}\n", 1)


def run(command: str, folder: Path) -> None:
    """Run ``command`` in a process group of its own, which gets one SIGINT after Ctrl-C; wait for its end."""
    print(f"+ {command}", flush=True)
    # Without the environment of this script: uv warns that it is not that of the folder.
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    process = subprocess.Popen(
        shlex.split(command), cwd=folder, env=env, stdin=subprocess.DEVNULL, process_group=0
    )
    try:
        status = process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGINT)
        process.wait()
        raise
    if status:
        raise SystemExit(f"Nothing is released: {command!r} failed with exit status {status}.")


def publish(root: Path, name: str, commit: str) -> None:
    branch = check_branch(root)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # so that the tag and the branch move together
    git(root, "tag", "--annotate", f"v{name}", "--message", f"Release {name}", commit)
    try:
        git(root, "merge", "--quiet", "--ff-only", commit)
    except BaseException:
        git(root, "tag", "--delete", f"v{name}")
        raise
    print(f"{name} is released. Publish it: git push --atomic origin {branch} v{name}")


def prepare(root: Path, version: Version, last: Version | None) -> dict[str, str]:
    """Return the new texts of the files that a release changes. Exit if the repository is not ready for it."""
    check_branch(root)
    if changed := git(root, "status", "--porcelain"):
        raise SystemExit(f"Commit or stash first: {changed.splitlines()[0].strip()}")
    if git(root, "tag", "--list", f"v{shown(version)}"):
        raise SystemExit(f"The tag v{shown(version)} exists: choose another version.")
    if last:
        check_removals(root, last, version)
    questions = (root / "cookiecutter.json").read_text()
    return {
        "CHANGELOG.md": released((root / "CHANGELOG.md").read_text(), version),
        "cookiecutter.json": re.sub(r'("_version": )"[^"]*"', rf'\1"{shown(version)}"', questions),
    }


def main(argument: str, root: Path = ROOT, checks: Sequence[str] = CHECKS) -> None:
    # A shell that runs this in the background ignores SIGINT, and so would the checks.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    last = last_release(root)
    version = version_for(argument, last)
    files = prepare(root, version, last)
    try:
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder, "release")
            git(root, "worktree", "add", "--detach", str(tree))
            for file, text in files.items():
                (tree / file).write_text(text)
            for command in checks:
                run(command, tree)
            git(tree, "commit", "--message", f"release: {shown(version)}", "--", *files)
            publish(root, shown(version), git(tree, "rev-parse", "HEAD"))
    except UpdateError as error:
        raise SystemExit(f"Nothing is released: {error}") from error
    except KeyboardInterrupt:
        raise SystemExit("Interrupted: nothing is released.") from None
    finally:
        git(root, "worktree", "prune")  # the temporary one


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
