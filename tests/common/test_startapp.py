import ast
import re
import stat

import pytest
from django.core.management import get_commands

from common.management.commands.startapp import TEMPLATES
from common_tests.startapp_helpers import ADDED, LINE, ROUTE, ROUTED, URLS

FILES = """
__init__.py
admin.py
apps.py
migrations/0001_initial.py
migrations/__init__.py
models.py
receivers.py
tests/factories.py
tests/test_made_by_startapp.py
"""
# In bakes with background_jobs.
JOBS = ["tasks.py", "tests/test_tasks.py"] if (TEMPLATES[0] / "tasks.py-tpl").exists() else []
PAGE = "templates/made_by_startapp/list.html urls.py views.py"


def test_the_command_replaces_that_of_django():
    assert get_commands()["startapp"] == "common"


@pytest.mark.parametrize("page", [False, True])
def test_the_app_has_all_files_and_no_left_over_template_syntax(service, page):
    output = service.startapp(model="Order", page=page)
    assert "Made apps/made_by_startapp, with the model Order." in output
    made = sorted(path for path in service.app.rglob("*") if path.is_file())
    expected = [*FILES.split(), *JOBS, *(PAGE.split() if page else [])]
    assert [str(path.relative_to(service.app)) for path in made] == sorted(expected)
    for path in made:
        text = path.read_text()
        if path.suffix == ".py":
            ast.parse(text)
            assert not re.search(r"\{\{|\}\}|[{]%", text)
    test = (service.app / "tests/test_made_by_startapp.py").read_text()
    assert ("test_the_page" in test) == ("import reverse" in test) == page
    assert "class MadeByStartappConfig(AppConfig)" in (service.app / "apps.py").read_text()
    assert "sender=Order)" in (service.app / "receivers.py").read_text()
    assert service.app.stat().st_mode == service.app.parent.stat().st_mode
    assert [*service.app.parent.iterdir()] == [service.app]


def test_without_model_the_model_is_named_after_the_app(service):
    assert "with the model MadeByStartapp." in service.startapp()
    assert "class MadeByStartapp(models.Model)" in (service.app / "models.py").read_text()


def test_the_settings_get_one_new_line(service):
    output = service.startapp()
    assert "It is in INSTALLED_APPS of config/settings/base.py.\n" in output
    assert output.endswith("Next: uv run manage.py migrate\n")
    assert service.base.read_bytes() == ADDED
    assert stat.S_IMODE(service.base.stat().st_mode) == 0o640
    assert service.urls.read_bytes() == URLS


def test_with_a_page_the_urls_get_one_new_line(service):
    output = service.startapp(page=True)
    assert "It is in INSTALLED_APPS of config/settings/base.py.\n" in output
    assert "It is in urlpatterns of config/urls.py.\n" in output
    assert service.base.read_bytes() == ADDED
    assert service.urls.read_bytes() == ROUTED
    assert stat.S_IMODE(service.urls.stat().st_mode) == 0o640


def test_settings_behind_a_symbolic_link_are_edited_where_they_are(service):
    shared = service.base.rename(service.root / "shared.py")
    service.base.symlink_to(shared)
    service.startapp()
    assert service.base.is_symlink()
    assert shared.read_bytes() == ADDED


@pytest.mark.parametrize(
    "source",
    [
        "",
        "INSTALLED_APPS = []\n",
        'INSTALLED_APPS = ["a", "b"]\n',
        'INSTALLED_APPS = ["a",\n"b"]\n',
        'INSTALLED_APPS = [\n    "a"\n]\n',
        'INSTALLED_APPS = [\n    "a",\n] + OTHERS\n',
        'INSTALLED_APPS = [\n    "a",\n]\nINSTALLED_APPS = ["b", *INSTALLED_APPS]\n',
        'OTHERS = [\n    "a",\n]\n',
        'INSTALLED_APPS = [\r\n    "a",\r\n]\r\n',
        'INSTALLED_APPS = [\n    "a"  # b,\n]\n',
        'INSTALLED_APPS = [\n    "a",\n]  # the last\n',
        'INSTALLED_APPS = [\n    "a",\n]\nINSTALLED_APPS = INSTALLED_APPS + OTHERS\n',
        None,
    ],
)
def test_another_form_of_list_is_left_alone_and_the_output_shows_the_line(service, source):
    service.base.write_bytes((source or "").encode())
    if source is None:
        service.base.unlink()
    before = service.files()
    output = service.startapp()
    assert (
        "config/settings/base.py was not changed, because its INSTALLED_APPS does not list one"
        in output
    )
    assert '\n\n    "apps.made_by_startapp",\n\n' in output
    assert service.app.exists()
    assert {path: service.files()[path] for path in before} == before


@pytest.mark.parametrize(
    "source",
    [
        "",
        "from django import urls\n\nurlpatterns = []\n",
        "from django import urls\n\nurlpatterns = [\n    urls.path(),\n] + more()\n",
        "from django import urls\n\nurlpatterns = [\n    urls.path()\n]\n",
        "from django import urls\n\nurlpatterns = [\n    urls.path()  # a),\n]\n",
        "from django.urls import path\n\nurlpatterns = [\n    path(),\n]\n",
    ],
)
def test_other_urls_are_left_alone_and_the_output_shows_the_line(service, source):
    service.urls.write_text(source)
    output = service.startapp(page=True)
    assert (
        "config/urls.py was not changed, because its urlpatterns does not list one element"
        in output
    )
    assert f"\n\n{ROUTE.decode()}\n" in output
    assert service.urls.read_text() == source
    assert service.base.read_bytes() == ADDED
    assert (service.app / "urls.py").exists()


@pytest.mark.parametrize(
    "source",
    [
        'INSTALLED_APPS: list[str] = [\n    "a",\n]\n',
        'INSTALLED_APPS = [\n    "a", "b",\n]\n',
        "INSTALLED_APPS = [\n    *OTHERS,\n]\n",
        'INSTALLED_APPS = [\n    "a",  # b\n    *(\n        "c",\n    ),\n]\nOTHERS = [\n    "d",\n]\n',
    ],
)
def test_the_line_is_added_to_every_list_that_ends_with_a_comma(service, source):
    service.base.write_text(source)
    assert "It is in INSTALLED_APPS" in service.startapp()
    assert service.base.read_text() == source.replace("\n]", f"\n{LINE.decode()}]", 1)


def test_files_of_a_template_that_are_no_python_are_copied(service):
    service.startapp(page=True)
    made = (service.app / "templates/made_by_startapp/list.html").read_text()
    assert made == (TEMPLATES[1] / "templates/app_name/list.html").read_text()
