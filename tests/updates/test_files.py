"""Files that the template changes, renames or deletes, and that a team edits, moves or deletes."""

import pytest

from tests.updates.conftest import NEXT, edit

HEALTH, MOVED = "common/health.py", "common/probes.py"


def test_a_conflict_in_the_readme_alone_leaves_all_else_merged(template, make, update):
    service = make()
    edit(service.path / "README.md", "## Run it\n", "## Start it\n")
    service.commit()
    edit(template.file("README.md"), "## Run it\n", "## Run the service\n")
    edit(template.file(HEALTH), '"""', '"""A word of a release.\n\n')
    template.release(NEXT)
    output = update(service, status=1)
    assert "## Left to resolve\n\n- `README.md`\n\n" in output
    assert service.unmerged() == {"README.md"}
    assert (
        "<<<<<<< HEAD\n## Start it\n=======\n## Run the service\n>>>>>>> "
        in (service.path / "README.md").read_text()
    )
    assert "A word of a release." in (service.path / HEALTH).read_text()


def edited(repository, name):
    path = repository.file(name) if hasattr(repository, "file") else repository.path / name
    path.write_text(f"{path.read_text()}# {type(repository).__name__}\n")


def moved(repository, name):
    path = repository.file(name) if hasattr(repository, "file") else repository.path / name
    path.rename(path.with_name("probes.py"))


def deleted(repository, name):
    path = repository.file(name) if hasattr(repository, "file") else repository.path / name
    path.unlink()


def moved_and_edited(repository, name):
    edited(repository, name)
    moved(repository, name)


@pytest.mark.parametrize(
    ("theirs", "ours", "status", "left", "told"),
    [
        (edited, moved, 0, {MOVED: "# Template"}, f"`{HEALTH}` is `{MOVED}` here: merged there"),
        (edited, deleted, 0, {}, f"`{HEALTH}` is deleted here: left out"),
        (moved, edited, 0, {MOVED: "# Repository"}, f"`{HEALTH}` is edited here: merged"),
        (moved, deleted, 0, {}, f"`{MOVED}` is deleted here: left out"),
        (moved_and_edited, deleted, 0, {}, f"`{MOVED}` is deleted here: left out"),
        (deleted, edited, 1, {HEALTH: "# Repository"}, f"- `{HEALTH}`\n"),
        (deleted, moved_and_edited, 1, {MOVED: "# Repository"}, f"- `{MOVED}`\n"),
        (deleted, deleted, 0, {}, ""),
        (moved_and_edited, moved, 0, {MOVED: "# Template"}, ""),
    ],
)  # fmt: skip
def test_a_file_that_both_change(template, make, update, theirs, ours, status, left, told):
    service = make()
    ours(service, HEALTH)
    service.commit()
    theirs(template, HEALTH)
    template.release(NEXT)
    output = update(service, status=status)
    assert told in output
    for name in (HEALTH, MOVED):
        path = service.path / name
        assert path.exists() == (name in left), output
        assert left.get(name, "") in (path.read_text() if path.exists() else "")


def test_a_new_file_of_a_folder_that_a_team_moved_is_named(template, make, update):
    service = make()
    (service.path / "apps/shop").rename(service.path / "apps/store")
    service.commit()
    template.file("apps/shop/more.py").write_text('"""More."""\n')
    template.release(NEXT)
    output = update(service, status=1)
    assert "- `apps/store/more.py`\n" in output


def test_an_app_that_looks_like_the_deleted_example_is_left_alone(template, make, update):
    service = make()
    service.manage("startapp", "orders", "--model", "Product")
    service.run("git", "rm", "-r", "--quiet", "apps/shop")
    service.commit()
    for name in ("apps.py", "admin.py", "tests/factories.py"):
        edited(template, f"apps/shop/{name}")
    template.release(NEXT)
    update(service)
    assert service.run("git", "diff", "HEAD", "--stat", "--", "apps") == ""


def test_a_file_that_git_ignores_is_not_overwritten(template, make, update):
    service = make()
    (service.path / ".env.local").write_text("SECRET\n")
    template.file(".env.local").write_text("")
    template.run("git", "add", "--force", str(template.file(".env.local")))
    template.release(NEXT)
    output = update(service, status=1)
    assert output.endswith(
        "The template adds .env.local, which is here and which git ignores. Move it away, then try again.\n"
    )
    assert (service.path / ".env.local").read_text() == "SECRET\n"
    assert service.run("git", "status", "--porcelain") == ""


def test_a_service_in_a_folder_of_a_larger_repository(template, make, update):
    service = make()
    service.run("git", "rm", "--cached", "-r", "--quiet", ".")
    (service.path / ".git").rename(service.path.parent / ".git")
    outer = type(service)(service.path.parent, service.env)
    (outer.path / "README.md").write_text("Ours.\n")
    outer.commit()
    edited(template, HEALTH)
    template.release(NEXT)
    update(service)
    changed = outer.run("git", "diff", "HEAD", "--name-only").split()
    assert changed == ["my-service/.cruft.json", f"my-service/{HEALTH}"]
