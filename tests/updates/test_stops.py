"""An update that cannot go on changes nothing and says why in one line."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from tests.updates.conftest import CURRENT, NEXT, edit


@pytest.fixture
def released(template):
    edit(template.file("common/health.py"), '"""', '"""A word of a release.\n\n')
    template.file("common/more.py").write_text('"""More."""\n')
    template.release(NEXT)
    return template


def snapshot(service):
    files = {path: path.read_bytes() for path in service.files()}
    return (
        files,
        service.run("git", "status", "--porcelain"),
        service.run("git", "rev-parse", "HEAD"),
    )


JOB = dict.fromkeys(
    ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_REF_NAME", "GITHUB_TOKEN"), "none"
)
REFUSED = {
    "--answer=databse=sqlite": "--answer 'databse=sqlite': write NAME=VALUE with one of: project_name, ",
    "--answer=database=mysql": "--answer 'database=mysql': the choices are sqlite, postgresql\n",
    "--answer=example_app=perhaps": "--answer 'example_app=perhaps': the choices are true, false\n",
    "--answer=project_slug=No Slug": "cookiecutter stops: project_slug: 'No Slug': use lower-case",
    "--to=v98.0.0": "--to 'v98.0.0': the template has no such tag, branch or commit.\n",
    "--to=before-sessions": "--to 'before-sessions' is older than this service",
    "--propose": "The variable GITHUB_API_URL is not set. Run update_template --propose in a job of CI.",
    "--too": "unrecognized arguments: --too\n",
}


@pytest.mark.parametrize("argument", REFUSED)
def test_a_wrong_argument(released, make, update, argument):
    service = make()
    before = snapshot(service)
    output = update(service, argument, status=2 if argument == "--too" else 1)
    assert REFUSED[argument] in output
    assert "Traceback" not in output
    assert snapshot(service) == before


def test_a_tree_with_changes(released, make, update):
    service = make()
    (service.path / "new.txt").write_text("")
    edit(service.path / "README.md", "## Run it", "## Start it")
    before = snapshot(service)
    output = update(service, status=1)
    assert "The working tree has changes: M README.md and 1 more. Commit or stash them.\n" in output
    assert snapshot(service) == before


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, r"\.cruft\.json is missing: "),
        ("{", r"\.cruft\.json is not what cruft or cookiecutter wrote: JSONDecodeError"),
        ("[]", r"\.cruft\.json is not what cruft or cookiecutter wrote: TypeError"),
        ("unknown commit", r"commit '0{40}' is not in the template's repository\."),
    ],
)
def test_a_record_that_is_no_use(released, make, update, content, told):
    service = make()
    path = service.path / ".cruft.json"
    if content == "unknown commit":
        content = json.dumps(json.loads(path.read_text()) | {"commit": "0" * 40})
    path.unlink()
    if content is not None:
        path.write_text(content)
    service.commit()
    output = update(service, status=1)
    assert re.search(told, output)
    assert "Traceback" not in output


def test_a_folder_without_git(released, make, update):
    service = make()
    shutil.rmtree(service.path / ".git")
    output = service.run(sys.executable, str(released.path / "updater/update.py"), status=1)
    assert "not a git repository" in output
    assert "Traceback" not in output


def test_a_template_without_releases(template, make, update):
    service = make()
    template.run("git", "tag", "-d", CURRENT)
    template.run("git", "tag", "v100.0.0-rc1")
    output = update(service, status=1)
    assert output == "The template has no release yet. Name a branch or a commit with --to.\n"
    update(service, "--to", "main")


SLOW_UV = """#!/bin/sh
echo changed >> uv.lock
echo locking
exec sleep 60
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle(released, make, tmp_path, sent):
    service = make()
    (service.path / "uv.lock").write_text("version = 1\n")
    service.commit()
    before = snapshot(service)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "uv").write_text(SLOW_UV)
    (tools / "uv").chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, str(released.path / "updater/update.py")],
        cwd=service.path,
        env={**service.env, "PATH": f"{tools}{os.pathsep}{service.env['PATH']}"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in process.stderr:
        if line == "locking\n":
            break
    assert (service.path / "common/more.py").exists()
    os.killpg(process.pid, sent)
    assert process.wait(timeout=30) == 1
    assert process.stderr.read() == "Stopped. The service is as it was.\n"
    process.stderr.close()
    assert snapshot(service) == before


@pytest.mark.long
def test_a_signal_at_any_time(released, make):
    service = make()
    before = snapshot(service)
    command = [sys.executable, str(released.path / "updater/update.py")]
    start = time.monotonic()
    service.clone().run(*command)
    seconds = time.monotonic() - start
    statuses = []
    for part in range(1, 7):
        process = subprocess.Popen(
            command,
            cwd=service.path,
            env=service.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        time.sleep(seconds * part / 7)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        statuses.append(process.returncode)
        if process.returncode == 0:  # The signal came too late: the update is complete.
            assert b"# From v99.0.0 to v99.1.0 of the template" in output
            service.run("git", "reset", "--quiet", "--hard")
        assert snapshot(service) == before
    assert set(statuses) - {0}


def test_local_edits_of_common_are_told(make, update, template):
    service = make()
    assert "There is nothing newer." in update(service, "--check")
    edit(service.path / "common/health.py", '"""', '"""Ours.\n\n')
    (service.path / "common/signals.py").unlink()
    (service.path / "common/ours.py").write_text("")
    service.commit()
    output = update(service, "--check", status=1)
    told = "- `common/health.py`: edited here\n- `common/ours.py`: added here\n- `common/signals.py`: deleted here\n"
    assert output.endswith(told)
    assert "change the template instead" in output
    assert update(service).endswith(told)
    assert update(service, "--propose", status=1, **JOB) == output
