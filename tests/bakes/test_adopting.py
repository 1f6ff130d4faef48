"""``docs/adopting.md``: a site that did not come from the template adopts one convention as the page says."""

import re
import shutil
import tomllib

import pytest
import yaml

from tests.conventions.broken import all_broken
from tests.harness.answers import CHOICES
from tests.harness.project import COMMIT, SOURCE, TEMPLATE, Project, copy_template

# The tests in the table of the pieces that have no section of their own are one statement.
TEST_CASE = """
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import TestCase

class Tests(TestCase):
    def test(self):
        {}
"""


def rows(text):
    """Return the rows of the tables: the first cell, and what stands in backticks in each other cell."""
    cells = [line.split(" | ") for line in re.findall(r"^\| (.+) \|$", text, re.M)]
    return {first: [re.findall("`(.+?)`", cell) for cell in others] for first, *others in cells}


def section(piece):
    return next(text for text in SECTIONS if piece in text.partition("\n")[0])


def blocks(text):
    """Yield the path and the content of each file that a code block shows."""
    for block in re.findall(r"^```\w+\n(.+?)^```", text, re.M | re.S):
        path, _, content = block.partition("\n")
        yield path.removeprefix("# "), content


BEGINNING, *SECTIONS = (TEMPLATE / "docs/adopting.md").read_text().split("\n## ")
PIECES = {name: cells for name, cells in rows(BEGINNING).items() if cells[0]}
FILES = dict(blocks(BEGINNING))


OLDEST, *NEWER = CHOICES["django_version"]
VERSIONS = [OLDEST, *(pytest.param(version, marks=pytest.mark.long) for version in NEWER)]


@pytest.fixture(scope="session", params=VERSIONS)
def plain(request, tmp_path_factory, bake_into):
    """A site as ``startproject`` makes it. Its environment names a template with the tag of the page."""
    folder = tmp_path_factory.mktemp("adopting")
    # For the packages of tasks and of sockets.
    answers = {"django_version": request.param, "background_jobs": True, "realtime": True}
    env = bake_into(folder / "bake", TEMPLATE, answers).env
    template = Project(copy_template(folder / "template"), env)
    template.track()
    template.run(*COMMIT, "--message", "first")
    template.run("git", "tag", re.search("version=(.+)", FILES["update_common.sh"])[1])
    path = f"{env['UV_PROJECT_ENVIRONMENT']}/bin:{env['PATH']}"
    site = Project(folder, {**env, "PATH": path, "TEMPLATE": template.path.as_uri()})
    site.run("django-admin", "startproject", "mysite")
    return Project(folder / "mysite", site.env)


@pytest.fixture
def site(tmp_path, plain):
    shutil.copytree(plain.path, tmp_path, dirs_exist_ok=True)
    return Project(tmp_path, plain.env)


def add(site, path, content):
    file = site.path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as opened:
        opened.write(content)


def copy(site, files):
    script = FILES["update_common.sh"].replace("__init__.py signals.py", files)
    add(site, "update_common.sh", script)
    site.run("sh", "update_common.sh")


@pytest.mark.parametrize("piece", PIECES)
def test_a_plain_site_adopts_one_convention(site, piece):
    files, bans, hooks = PIECES[piece]
    copy(site, " ".join(files))
    copied = [path for path in site.files() if path.is_relative_to(site.path / "common")]
    assert all(
        any(path.is_relative_to(site.path / "common" / name) for name in files) for path in copied
    )
    assert all((site.path / "common" / name).exists() for name in files)
    for path, content in blocks(section(piece)):
        add(site, path, content)
    if row := rows(section(piece)).get(piece):
        settings, [use] = row
        add(site, "mysite/settings.py", "\n".join(settings))
        add(site, "mysite/tests.py", TEST_CASE.format(use))
    output = site.run("python", "manage.py", "test")  # It runs the checks, too.
    assert "no issues (0 silenced)" in output
    assert "Ran 1 test in" in output
    assert_bans_reject(site, *bans)
    for hook in hooks:
        assert_hook_rejects(site, hook)


def assert_bans_reject(site, text=None):
    lines = (SOURCE / "ruff.toml").read_text().splitlines()
    config = "\n".join([FILES["ruff.toml"], *(line for line in lines if text and text in line)])
    banned = tomllib.loads(config)["lint"]["flake8-tidy-imports"]["banned-api"]
    assert bool(banned) == bool(text)
    add(site, "ruff.toml", config)
    ruff = ("ruff", "check", "--no-cache", "--select=TID251")
    site.run(*ruff)
    for name in banned:
        module, _, last = name.rpartition(".")
        add(site, "old.py", f"from {module} import {last}\n")
    assert site.run(*ruff, status=int(bool(banned))).count("TID251") == len(banned)


def assert_hook_rejects(site, hook):
    config = yaml.safe_load((SOURCE / ".pre-commit-config.yaml").read_text())
    hooks = [each for repo in config["repos"] for each in repo["hooks"] if each["id"] == hook]
    copied = yaml.dump({"repos": [{"repo": "local", "hooks": hooks}]})
    add(site, ".pre-commit-config.yaml", copied)
    site.track()
    site.run("pre-commit", "run", hook, "--all-files")
    add(site, "old.py", next(old.code for old in all_broken() if old.hook == hook))
    assert "old.py" in site.run("pre-commit", "run", hook, "--all-files", status=1)


def test_a_site_without_apps_is_checked_and_startapp_names_what_is_missing(site):
    copy(site, ".")
    for path in site.path.rglob("*tasks.py-tpl"):  # This site does not adopt jobs.
        path.unlink()
    add(site, "mysite/settings.py", "INSTALLED_APPS += ['common']\n")
    site.run("python", "manage.py", "check")
    startapp = ["python", "manage.py", "startapp", "orders"]
    refused = (
        f"CommandError: '{site.path}/apps' is no folder. Please make it: all new apps are put "
    )
    assert site.run(*startapp, status=1).startswith(refused)
    (site.path / "apps").mkdir()
    line = re.search(r"^    .*apps.orders.*", site.run(*startapp), re.M)[0]
    add(site, "mysite/settings.py", f"INSTALLED_APPS += [{line}]\n")
    site.run("pytest", "--ds=mysite.settings", "-p", "no:cacheprovider", "apps")


def test_a_file_that_a_release_does_not_have_is_named_and_nothing_is_copied(site):
    add(site, "update_common.sh", FILES["update_common.sh"].replace("signals.py", "no_signals.py"))
    assert "'no_signals.py' did not match" in site.run("sh", "update_common.sh", status=128)
    assert not (site.path / "common").exists()
