import ast
import errno
import os
import re
import shutil
import stat
import sys
from importlib.machinery import ModuleSpec
from io import StringIO
from pathlib import Path
from types import ModuleType

import pytest
from django.core.management import CommandError, call_command, get_commands
from django.template import Engine

# No service has an app of this name.
APP = "made_by_startapp"
BASE = b"""\
NAME = "\xc3\xbc"
INSTALLED_APPS = [
    "common",
    "apps.users",  # who logs in
]
DEBUG = False
"""
LINE = b'    "apps.made_by_startapp",\n'
ADDED = BASE.replace(b"logs in\n", b"logs in\n" + LINE)
FILES = """
__init__.py
admin.py
apps.py
migrations/0001_initial.py
migrations/__init__.py
models.py
receivers.py
tests/factories.py
tests/test_models.py
"""


class Service:
    """A project with a folder for apps and the settings ``BASE``."""

    def __init__(self, root):
        self.root = root
        self.app = root / "apps" / APP
        self.base = root / "config/settings/base.py"
        self.app.parent.mkdir()
        self.base.parent.mkdir(parents=True)
        self.base.write_bytes(BASE)
        self.base.chmod(0o640)

    def startapp(self, name=APP, **options):
        output = StringIO()
        call_command("startapp", name, stdout=output, **options)
        return output.getvalue()

    def files(self):
        """Return the mode of each path, and the contents if it is a file."""
        return {
            str(path): (path.stat().st_mode, path.read_bytes() if path.is_file() else None)
            for path in self.root.rglob("*")
        }


@pytest.fixture
def service(settings, tmp_path):
    settings.BASE_DIR = tmp_path / "service"
    settings.BASE_DIR.mkdir()
    return Service(settings.BASE_DIR)


def assert_refused(service, message, name=APP, **options):
    before = service.files()
    with pytest.raises(CommandError, match=message):
        service.startapp(name, **options)
    assert service.files() == before


def test_the_command_replaces_that_of_django():
    assert get_commands()["startapp"] == "common"


def test_the_app_has_all_files_and_no_left_over_template_syntax(service):
    assert "Made apps/made_by_startapp, with the model Order." in service.startapp(model="Order")
    made = sorted(path for path in service.app.rglob("*") if path.is_file())
    assert [str(path.relative_to(service.app)) for path in made] == FILES.split()
    for path in made:
        text = path.read_text()
        ast.parse(text)
        assert not re.search(r"\{\{|\}\}|[{]%", text)
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
        'INSTALLED_APPS = [\n    *(\n        "a",\n    ),\n]\n',
        'INSTALLED_APPS = [\n    "a",\n]\nINSTALLED_APPS = INSTALLED_APPS + OTHERS\n',
        None,
    ],
)
def test_another_form_of_list_is_left_alone_and_the_output_shows_the_line(service, source):
    service.base.write_text(source or "")
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


def test_settings_that_list_the_app_stay_as_they_are(service):
    service.base.write_bytes(ADDED)
    assert "It is in INSTALLED_APPS" in service.startapp()
    assert service.base.read_bytes() == ADDED


@pytest.mark.parametrize(
    "name", ["", "1st", "Orders", "our-app", "überall", "../x", "x/y", "x\n", "class", "x" * 30]
)
def test_a_name_that_is_not_valid_is_refused(service, name):
    assert_refused(service, f"{re.escape(repr(name))} is not a valid app name.*at most 29", name)


@pytest.mark.parametrize("name", ["app", "build", "common_tests", "tests"])
def test_a_reserved_name_is_refused(service, name):
    assert_refused(service, f"'{name}' is not a valid app name.* none of .*{name}", name)


def test_the_label_of_an_installed_app_is_refused(service):
    assert_refused(service, "'auth' conflicts with .* 'django.contrib.auth'", "auth")


def test_the_name_of_a_module_of_apps_is_refused(service, monkeypatch):
    module = ModuleType(f"apps.{APP}")
    module.__spec__ = ModuleSpec(module.__name__, None)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert_refused(service, "'apps.made_by_startapp' conflicts with an existing Python module")


def test_the_name_of_a_module_outside_apps_is_accepted(service, monkeypatch):
    monkeypatch.setitem(sys.modules, APP, ModuleType(APP))
    service.startapp()
    assert service.app.exists()


@pytest.mark.parametrize("model", ["", "order", "Our_Order", "Örder", "1st", "None", "X" * 30])
def test_a_model_that_is_not_valid_is_refused(service, model):
    message = f"{model!r} is not a valid model name.*--model.*at most 29"
    assert_refused(service, message, model=model)


@pytest.mark.parametrize("model", ["Any", "O", "TestResult"])
def test_a_reserved_model_is_refused(service, model):
    message = f"'{model}' is not a valid model name.*--model.*'Test'.* none of Any, I, O,"
    assert_refused(service, message, model=model)


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: path.symlink_to("nowhere")])
def test_an_existing_path_is_not_touched(service, make):
    make(service.app)
    before = written(service.app)
    with pytest.raises(CommandError, match=f"'{service.app}' already exists"):
        service.startapp()
    assert written(service.app) == before


def test_a_folder_that_another_process_makes_meanwhile_is_not_touched(service, monkeypatch):
    def make(*args):
        service.app.mkdir()
        (service.app / "notes").touch()

    monkeypatch.setattr(shutil, "copymode", make)
    with pytest.raises(CommandError, match=f"not empty: .* -> '{service.app}'$"):
        service.startapp()
    assert [*service.app.iterdir()] == [service.app / "notes"]
    assert service.base.read_bytes() == BASE


STEPS = [
    (Engine, "from_string"),
    (Path, "touch"),
    (shutil, "copymode"),
    (os, "rename"),
    (os, "replace"),
]


@pytest.mark.parametrize(("module", "step"), STEPS)
def test_an_error_leaves_nothing(service, monkeypatch, module, step):
    monkeypatch.setattr(module, step, raising(OSError(errno.ENOSPC, "No space left")))
    assert_refused(service, "apps/made_by_startapp was not made, and nothing changed: .*No space")


@pytest.mark.parametrize(("module", "step"), STEPS)
def test_ctrl_c_leaves_nothing(service, monkeypatch, module, step):
    before = service.files()
    monkeypatch.setattr(module, step, raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        service.startapp()
    assert service.files() == before


def test_ctrl_c_at_the_very_end_leaves_the_app_whole(service, monkeypatch):
    replace = os.replace
    monkeypatch.setattr(
        os, "replace", lambda *paths: replace(*paths) or raising(KeyboardInterrupt())()
    )
    with pytest.raises(KeyboardInterrupt):
        service.startapp()
    assert (service.app / "tests/test_models.py").exists()
    assert service.base.read_bytes() == ADDED


def written(path):
    """Return what changes when a file is written, and not when it is read."""
    status = os.lstat(path)
    return status.st_ino, status.st_mode, status.st_mtime_ns


def raising(error):
    def step(*args):
        raise error

    return step
