"""Promises that do not depend on a combination of answers: size, smoke tests, the example."""

import re
import shutil

from tests.conventions.broken import UNMIGRATED


def lines(paths):
    return sum(len(path.read_text().splitlines()) for path in paths if path.suffix == ".py")


def test_a_default_bake_stays_within_its_budgets(bake_only):
    project = bake_only()
    common = [path for path in project.files() if path.is_relative_to(project.path / "common")]
    tests = [path for path in common if "tests" in path.parts]
    assert len(project.files()) <= 101
    assert len(bake_only(example_app=False).files()) <= 83
    assert lines(project.files()) <= 4120
    assert lines(common) - lines(tests) <= 2000
    assert lines(tests) <= 450


def test_background_jobs_add_at_most_13_files_and_1085_lines(bake_only):
    without, jobs = bake_only().files(), bake_only(background_jobs=True).files()
    assert len(jobs) <= len(without) + 13
    assert lines(jobs) <= lines(without) + 1085


def test_realtime_adds_at_most_22_files_and_2089_lines_of_all_kinds(bake_only):
    without, realtime = bake_only(), bake_only(realtime=True)
    added = {path.relative_to(realtime.path) for path in realtime.files()} - {
        path.relative_to(without.path) for path in without.files()
    }
    assert len(added) <= 22
    assert sum(len((realtime.path / name).read_text().splitlines()) for name in added) <= 2089


def test_a_bake_without_realtime_has_nothing_of_it(bake_only):
    words = re.compile(r"realtime|kogame|channels|uvicorn|websocket|caddy", re.I)
    project = bake_only(background_jobs=True)
    for path in project.files():
        name = str(path.relative_to(project.path))
        if name != ".cruft.json":
            found = {*words.findall(name + path.read_text(errors="ignore"))}
            assert found <= ({"uvicorn"} if name == "config/asgi.py" else set()), name


def test_a_default_bake_installs_at_most_45_packages(service):
    service.run("uv", "sync", "--quiet")
    python = service.env["UV_PROJECT_ENVIRONMENT"]
    packages = service.run("uv", "pip", "list", "--quiet", "--python", python)
    assert len(packages.splitlines()) - 2 <= 45


def test_removing_the_example_by_hand_gives_a_bake_without_it(bake):
    project = bake()
    shutil.rmtree(project.path / "apps/shop")
    for path in (project.path / "config").rglob("*.py"):
        text = path.read_text()
        if "# example\n" in text:
            path.write_text(
                "".join(line for line in text.splitlines(True) if not line.endswith("# example\n"))
            )

    project.uv("ruff", "check", ".")
    project.uv("ruff", "format", "--check", ".")
    project.manage("makemigrations", "--check")
    project.uv("pytest")
    project.track()
    without = bake(example_app=False)
    without.track()
    left = {*project.run("git", "ls-files").splitlines()} - {"uv.lock"}
    assert left == {*without.run("git", "ls-files").splitlines()}
    for path in (without.path / "config").rglob("*.py"):
        assert (project.path / path.relative_to(without.path)).read_bytes() == path.read_bytes()


def test_git_ignores_files_of_secrets_but_not_their_example(bake_only):
    project = bake_only()
    project.run("git", "init", "--quiet")
    secret = [".env", ".env.local", ".env.production", ".envrc", "apps/.env.test"]
    ignored = project.run("git", "check-ignore", *secret, ".env.example", "config/env.py")
    assert ignored.split() == secret


def test_django_s_test_command_names_pytest(bake):
    project = bake()
    for more in ([], ["apps.users", "--keepdb"]):
        assert (
            project.manage("test", *more, status=1) == "The tests run with pytest: uv run pytest\n"
        )


def test_the_suite_ignores_dotenv_and_the_chosen_settings_module(bake):
    project = bake()
    (project.path / ".env").write_text(
        "SUSPEND_SIGNALS=true\nSTATIC_URL=https://cdn.example.com/\nSTATIC_ROOT=static\n"
        "SECRET_KEY=of-development\nALLOWED_HOSTS=example.com\n"
    )
    project.uv("pytest", DJANGO_SETTINGS_MODULE="config.settings.local")


def test_the_suite_passes_in_random_order_and_in_parallel(bake):
    project = bake()
    project.run("uv", "lock")
    more = ["--frozen", "--with", "pytest-xdist", "--with", "pytest-randomly"]
    project.uv(*more, "pytest", "-n", "2", "--randomly-seed=1", UV_OFFLINE="0")


def test_the_suite_passes_with_receivers_suspended_and_its_header_says_so(bake):
    project = bake()
    assert "\nsignals: suspended\n" in project.uv("pytest", TEST_SUSPEND_SIGNALS="1")
    assert "signals:" not in project.uv("pytest", "apps/users")


CRASH = """

urlpatterns += [urls.path("crash/<uuid:pk>/<slug:name>", lambda request, pk, name: 1 / 0)]
"""
HIDDEN = """

urlpatterns += [urls.path("admin/more/", admin.site.urls[0][0].callback)]
"""
UNSEARCHABLE = """

UserAdmin.search_fields = ["gone"]
"""
UNADDABLE = """

admin.site.register(Profile, get_form=lambda *args, **kwargs: None)
"""


BROKEN_PAGES = [
    ("config/urls.py", CRASH, "test_each_url_is_answered[/crash/<uuid:pk>/<slug:name>]"),
    ("config/urls.py", HIDDEN, "test_each_url_is_answered[/admin/more/]"),
    ("apps/users/admin.py", UNSEARCHABLE, "test_each_admin_page_opens[admin:users_user]"),
    ("apps/users/admin.py", UNADDABLE, "test_each_admin_page_opens[admin:users_profile]"),
]


def test_the_smoke_tests_fail_for_each_broken_url_and_admin_page(bake):
    project = bake()
    for path, code, _ in BROKEN_PAGES:
        with (project.path / path).open("a") as file:
            file.write(code)
    printed = project.uv("pytest", "config", status=1)
    for _, _, failed in BROKEN_PAGES:
        assert f"FAILED config/tests/test_smoke.py::{failed}" in printed


def test_the_smoke_tests_fail_for_missing_migrations_and_for_an_app_without_any(bake):
    project = bake()
    project.manage("startapp", "pets")
    shutil.rmtree(project.path / "apps/pets/migrations")
    with (project.path / "apps/users/models.py").open("a") as file:
        file.write(UNMIGRATED)
    printed = project.uv("pytest", "config", "-k", "migration", status=1)
    assert "FAILED config/tests/test_smoke.py::test_no_migration_is_missing" in printed
    assert "Create model Pets" in printed
    assert "Add field nick to profile" in printed
