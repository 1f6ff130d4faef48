"""Update a service to another release of the template: ``manage.py update_template`` runs this.

The service's ``common/update.py`` clones the template, checks out the newest release, and runs this file
with the packages of ``requirements.txt``, in the folder of the service.
"""

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import record
import report
from commands import STOPS, UpdateError, git, try_git
from merging import Service
from notes import news
from plan import TEMPLATE, Plan, make_plan, title_of
from propose import ci_provider, propose
from rendering import render


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="manage.py update_template",
        description="Merge what a newer release of the template changed into this service.",
        epilog="Exit status: 0 if nothing is left to resolve; 1 after conflicts, each of which is named,"
        " and after an error, which leaves the service as it was.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="change nothing: exit with 1 if there is a newer release or if common was edited here",
    )
    parser.add_argument("--to", metavar="REF", help="a tag, branch or commit, not the newest tag")
    parser.add_argument(
        "--answer",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change an answer, such as database=postgresql; may be repeated",
    )
    parser.add_argument("--template", metavar="URL", help="where the template is from now on")
    parser.add_argument(
        "--propose",
        action="store_true",
        help="in CI: run the tests, and open a pull request (GitHub) or merge request (GitLab);"
        " also exit with 1 if there is nothing newer but common was edited here",
    )
    return parser.parse_args(arguments)


def lock(service: Path, conflicts: list[str]) -> str:
    """Run ``uv lock`` where the service has a lock file; return what is left to do about it."""
    if not git(service, "ls-files", "uv.lock"):
        return ""
    prefix = git(service, "rev-parse", "--show-prefix")
    if f"{prefix}pyproject.toml" in conflicts:
        return "run `uv lock` after you have resolved pyproject.toml"
    env = {name: value for name, value in os.environ.items() if name != "UV_FROZEN"}
    if subprocess.run(["uv", "lock"], cwd=service, env=env, stdout=sys.stderr).returncode:
        return "`uv lock` failed, for the reason above"
    git(service, "add", "uv.lock")
    return ""


def renderings(service: Path, plan: Plan, known: record.Record, scratch: Path) -> list[Path]:
    """Return the folders of the service as the template made it, and as it makes it now."""
    print("Rendering the template as it was and as it is …", file=sys.stderr)
    arguments = [
        (plan.old, known.answers, scratch / "old"),
        (plan.new, plan.answers, scratch / "new"),
    ]
    with ThreadPoolExecutor() as pool:
        made = pool.map(
            lambda commit, answers, folder: render(
                TEMPLATE, commit, plan.template, answers, folder
            ),
            *zip(*arguments, strict=True),
        )
        old, new = made
    shutil.copyfile(service / record.NAME, old / record.NAME)
    tag = try_git(
        TEMPLATE, "describe", "--tags", "--exact-match", "--match=v*", plan.new
    ).stdout.strip()
    record.write(new, known, plan.template, plan.new, tag or None)
    return [old, new]


def update(options: argparse.Namespace, path: Path, scratch: Path) -> int:
    """Update the service in the folder ``path``; return the exit status."""
    if options.propose:
        ci_provider()  # Stop before anything changes if this is no job of CI.
    known = record.read(path)
    service = Service(path, scratch)
    guard = Path(service.git_dir, "update-template.lock").open("w")  # noqa: SIM115 # until the process ends
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)  # Two updates would undo each other.
    except OSError:
        raise UpdateError("Another update of this service is running.") from None
    service.require_clean()
    plan = make_plan(options, known)
    old, new = map(service.tree, renderings(path, plan, known, scratch))
    common = service.changed(old, "HEAD", f"{service.prefix}common")
    titles = title_of(plan.old), title_of(plan.new)
    if options.check or not plan.is_change:
        print(report.state(*titles, common))
        told = (options.check and plan.is_newer) or ((options.check or options.propose) and common)
        return int(bool(told))
    try:
        changes = service.merge(old, new, f"template {titles[1]}")
        left = lock(path, changes.conflicts)
        changelogs = [git(TEMPLATE, "show", f"{c}:CHANGELOG.md") for c in (plan.old, plan.new)]
        text = report.update(titles, plan.explanations, changes, news(*changelogs), common, left)
        for number in STOPS:
            signal.signal(number, signal.SIG_IGN)  # The update is complete: say so.
    except BaseException:
        service.restore()
        raise
    print(text, flush=True)
    if options.propose:
        tests = subprocess.run(["uv", "run", "pytest"], cwd=path, stdout=sys.stderr).returncode
        print(propose(path, f"Update the template to {titles[1]}", text + report.tests(tests)))
    else:
        print(f"\n{report.ending(len(changes.conflicts) + bool(left))}", file=sys.stderr)
    return int(bool(changes.conflicts or left))


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    for number in STOPS:
        signal.signal(number, stop)
    try:
        with tempfile.TemporaryDirectory(prefix="update-template-") as scratch:
            return update(options, Path.cwd(), Path(scratch))
    except UpdateError as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print("Stopped. The service is as it was.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
