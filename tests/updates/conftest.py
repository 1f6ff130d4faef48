"""Services that have lived, and releases of the template to update them to.

The working tree is the release ``CURRENT`` of a repository with the template's history. A test adds its own
releases. ``BEFORE`` are commits before two large changes; each real release joins them.
"""

import itertools
import json
import re
import shutil
import sys
from functools import cache

import pytest

from tests.harness.project import COMMIT, SOURCE, TEMPLATE, Project, copy_template

BEFORE = {
    "before-sessions": "ba33c94d2b0b229d1706643b4c64bb25c0159e62",
    "before-the-weight": "6884d750a997cd54b73d9320a84e4c225337d446",
}
CURRENT, NEXT, LAST = "v99.0.0", "v99.1.0", "v99.2.0"
NUMBERS = itertools.count()
MARKER = re.compile(r"^(<{7} |>{7} )", re.MULTILINE)


def edit(path, old, new):
    """Replace ``old``, which must be in the file."""
    text = path.read_text()
    assert old in text, path
    path.write_text(text.replace(old, new, 1))


class Repository(Project):
    """A project in a git repository of its own."""

    def commit(self, message="work"):
        self.run("git", "add", "--all")
        self.run(*COMMIT, "--no-verify", "--allow-empty", "--message", message)
        return self.run("git", "rev-parse", "HEAD").strip()

    def clone(self):
        """Return a fresh clone, which has only the objects of its commits."""
        folder = self.path.parent / f"clone{next(NUMBERS)}"
        self.run("git", "clone", "--quiet", "--no-local", str(self.path), str(folder))
        return Repository(folder, self.env)

    def unmerged(self):
        listed = self.run("git", "diff", "--name-only", "--diff-filter=U").split()
        return {*listed}

    def resolve(self):
        """Resolve each conflict in favour of the service, and commit."""
        for name in sorted(self.unmerged()):
            stages = self.run("git", "ls-files", "--unmerged", name)
            if " 2\t" in stages:
                self.run("git", "checkout", "--ours", "--", name)
            else:
                self.run("git", "rm", "--quiet", name)
        self.commit("update")

    def staged(self):
        """Return the id of the tree that a commit would have now."""
        self.run("git", "add", "--all")
        return self.run("git", "write-tree").strip()


class Template(Repository):
    def file(self, name):
        return self.path / SOURCE.name / name

    def release(self, tag, to_do="- Do what the release asks for."):
        """Commit all changes as the release ``tag`` with a section in the changelog."""
        section = f"## Unreleased\n\n## {tag[1:]} – 2026-11-26\n\n- Change it in {tag}.\n\n"
        section += f"### To do when you update\n\n{to_do}\n"
        edit(self.path / "CHANGELOG.md", "## Unreleased\n", section)
        self.commit(tag)
        self.run("git", "tag", tag)


@pytest.fixture(scope="session")
def history(tmp_path_factory, environment):
    """Return a repository whose newest release, ``CURRENT``, is the working tree."""
    folder = tmp_path_factory.mktemp("history") / "template"
    repository = Template(folder.parent, environment)
    repository.run("git", "clone", "--quiet", "--shared", str(TEMPLATE), str(folder))
    repository = Template(folder, environment)
    repository.run("git", "checkout", "--quiet", "-B", "main")
    repository.run("git", "rm", "-r", "--quiet", ".")
    copy_template(folder)
    repository.commit("the working tree")
    repository.run("git", "tag", CURRENT)
    for tag, commit in BEFORE.items():
        try:
            repository.run("git", "tag", tag, commit)
        except AssertionError:
            pytest.skip("this checkout does not have the template's history")
    return repository


@pytest.fixture
def template(history, tmp_path):
    """Return a clone of ``history`` for the releases of one test."""
    history.run(
        "git", "clone", "--quiet", "--shared", str(history.path), str(tmp_path / "template")
    )
    return Template(tmp_path / "template", history.env)


@pytest.fixture(scope="session")
def make_once(history, tmp_path_factory):
    """Return a function that makes a service by ``cruft create`` and commits it."""

    @cache
    def make_once(checkout, answers):
        folder = tmp_path_factory.mktemp("service")
        history.run(
            sys.executable, "-m", "cruft", "create", str(history.path), "--no-input", "--checkout",
            checkout, "--output-dir", str(folder), "--extra-context", answers,
        )  # fmt: skip
        [path] = folder.iterdir()
        service = Repository(path, history.env)
        service.run("git", "init", "--quiet")
        service.commit("first")
        return service

    return make_once


@pytest.fixture
def make(make_once, tmp_path, environment, environment_for):
    """Return a function that returns a new service, committed, with ``answers``."""
    numbers = itertools.count()

    def make(checkout=CURRENT, **answers):
        made = make_once(checkout, json.dumps(answers)).path
        path = tmp_path / f"service{next(numbers)}" / made.name
        shutil.copytree(made, path)
        env = environment_for(path) if checkout == CURRENT else environment
        return Repository(path, env)

    return make


@pytest.fixture
def update(template):
    """Return a function that runs the updater of the newest release, and checks its outcome.

    There are two: nothing is left, or the exit status is 1 and each file with a conflict is named.
    """

    def update(service, *arguments, status=0, **env):
        updater = template.path / "updater/update.py"
        output = service.run(sys.executable, str(updater), *arguments, status=status, **env)
        marked = {
            name
            for name in service.run("git", "ls-files").split()
            if (service.path / name).is_file() and MARKER.search((service.path / name).read_text())
        }
        left = service.unmerged() | marked
        assert bool(left) <= bool(status)
        for name in left:
            assert f"- `{name}`\n" in output
        assert not [*service.path.rglob("*.rej")]
        return output

    return update


def live(service):
    """Do what a team does: an app, a setting, a dependency, README, no example, a line of common."""
    if "UV_PROJECT_ENVIRONMENT" in service.env:
        service.manage("startapp", "orders", "--model", "Order")
    else:
        (service.path / "apps/orders").mkdir()
        (service.path / "apps/orders/models.py").write_text('"""Orders."""\n')
    shutil.rmtree(service.path / "apps/shop", ignore_errors=True)
    for path in (service.path / "config").rglob("*.py"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if not line.endswith("# example\n")))
    base = service.path / "config/settings/base.py"
    base.write_text(f"{base.read_text()}\nORDERS_PER_DAY = 10\n")
    service.run("uv", "add", "--quiet", "--frozen", "sqlparse~=0.5")
    readme = service.path / "README.md"
    readme.write_text(f"{readme.read_text()}\n## Orders\n\nHow we take orders.\n")
    health = service.path / "common/health.py"
    health.write_text(f"{health.read_text()}\n\n# A line of ours.\n")
    service.commit("what a team does")


def is_lived(service, has_example=False):
    """Return whether everything that ``live`` did is there."""
    path = service.path
    return (
        (path / "apps/orders/models.py").exists()
        and (path / "apps/shop").exists() == has_example
        and "ORDERS_PER_DAY = 10\n" in (path / "config/settings/base.py").read_text()
        and '"sqlparse~=0.5"' in (path / "pyproject.toml").read_text()
        and "How we take orders." in (path / "README.md").read_text()
        and "# A line of ours." in (path / "common/health.py").read_text()
    )


def proven(service, production):
    """Assert that the hooks, the suite and the deployment checks of an updated service pass."""
    if not service.run("git", "ls-files", "uv.lock"):
        service.run("uv", "lock")
    service.run("git", "add", "--all")
    # Other bakes share the old environment, and new answers can replace its packages.
    own = {"UV_PROJECT_ENVIRONMENT": str(service.path.with_name("venv"))}
    service.uv("pre-commit", "run", "--all-files", **own)
    service.uv("pytest", "-q", **own)
    production = {**production, **own}
    service.manage("collectstatic", "--no-input", **production)
    service.manage("check", "--deploy", "--fail-level", "WARNING", **production)
