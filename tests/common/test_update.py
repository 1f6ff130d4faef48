"""``common.update`` runs the updater of the template's newest release, wherever the template is recorded."""
# ruff: noqa: S603, S607 -- git comes from PATH

import json
import os
import subprocess

import pytest

from common import update

# In place of uvx: print the arguments, with the release whose updater they name, and exit with 3.
UVX = """#!/bin/sh
for argument in "$@"; do folder=$argument; test "${folder%update.py}" != "$folder" && cat "$folder"; done
echo "$@"
exit 3
"""


@pytest.fixture
def template(tmp_path):
    """Return a template with releases, a tag that is none and a pre-release; uvx runs no program."""
    folder = tmp_path / "template"
    (folder / "updater").mkdir(parents=True)
    commit = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet"]
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    for tag in ("v1.9.0", "v1.10.0", "v2.0.0-rc1", "vnext"):
        (folder / "updater/update.py").write_text(f"{tag}\n")
        subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
        subprocess.run([*commit, "--message", tag], cwd=folder, check=True)
        subprocess.run(["git", "tag", tag], cwd=folder, check=True)
    return folder


@pytest.fixture
def record(tmp_path, monkeypatch):
    (tmp_path / "uvx").write_text(UVX)
    (tmp_path / "uvx").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(update, "RECORD", tmp_path / ".cruft.json")
    return tmp_path / ".cruft.json"


def test_the_updater_of_the_newest_release_gets_the_arguments(template, record, capfd):
    record.write_text(json.dumps({"template": str(template)}, indent=2))
    assert update.update_template(["--check", "--to=v1.9.0"]) == 3
    release, arguments = capfd.readouterr().out.splitlines()
    assert release == "v1.10.0"
    assert arguments.startswith("--python=>=3.11 --with-requirements=")
    assert arguments.endswith("/updater/update.py --check --to=v1.9.0")


def test_another_template_may_be_named_where_none_is_recorded(template, record, capfd):
    for arguments in (["--template", str(template)], [f"--template={template}"]):
        assert update.update_template(arguments) == 3
        assert capfd.readouterr().out.startswith("v1.10.0\n")
    record.write_text('{\n  "template": "",\n')
    with pytest.raises(SystemExit, match="does not say where the template is. Add --template URL"):
        update.update_template([])


def test_a_template_that_cannot_be_cloned(record, tmp_path, capfd):
    assert update.update_template(["--template", str(tmp_path / "gone")]) == 1
    assert "does not exist" in capfd.readouterr().err
