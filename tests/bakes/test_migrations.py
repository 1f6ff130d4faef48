"""The commands that write migrations format them, so that the hooks change nothing."""

import pytest

from tests.bakes.test_changed_apps import CHANGES, assert_formatted, change, fields

pytestmark = pytest.mark.long
WITHOUT_RUFF = """
import runpy, sys
sys.modules["ruff"] = None
sys.argv = ["manage.py", "makemigrations"]
runpy.run_path("manage.py", run_name="__main__")
"""


def test_all_migrations_that_commands_write_are_formatted(bake):
    project = bake()
    project.manage("startapp", "orders", "--model=Order")
    folder = project.path / "apps/orders/migrations"
    change(project, *CHANGES["a required foreign key"])
    assert_formatted(project)
    change(project, fields("    note = models.TextField(blank=True)\n"), "", "--update")
    assert_formatted(project)
    [first] = folder.glob("0002*")
    assert '"note"' in first.read_text()
    (folder / "0002_b.py").write_text(
        (folder / "0001_initial.py")
        .read_text()
        .replace("dependencies = []", 'dependencies = [("orders", "0001_initial")]')
        .partition("    operations")[0]
        + "    operations = []\n"
    )
    project.manage("makemigrations", "--merge", "--no-input")
    assert_formatted(project)
    project.manage("squashmigrations", "orders", first.stem, "--no-input")
    assert_formatted(project)
    assert len([*folder.glob("0*.py")]) == 5


def test_migrations_are_written_where_ruff_is_not_installed(bake):
    project = bake()
    project.manage("startapp", "orders", "--model=Order")
    (project.path / "apps/orders/migrations/0001_initial.py").unlink()
    project.uv("python", "-c", WITHOUT_RUFF)
    [migration] = (project.path / "apps/orders/migrations").glob("0001*")
    assert "('name', " in migration.read_text()
    for option in ("--check", "--dry-run"):
        project.manage("makemigrations", option)
        assert "('name', " in migration.read_text()
    project.manage("makemigrations")
    assert '("name", ' in migration.read_text()
