"""``manage.py startapp``: names that it refuses, and errors after which nothing has changed."""

import errno
import os
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest
from django.core.management import CommandError
from django.template import Engine

from common_tests.startapp_helpers import (
    APP,
    BASE,
    assert_refused,
    raising,
    written,
)


@pytest.mark.parametrize(
    "name", ["", "1st", "Orders", "our-app", "überall", "../x", "x/y", "x\n", "class", "x" * 27]
)
def test_a_name_that_is_not_valid_is_refused(service, name):
    assert_refused(service, f"{re.escape(repr(name))} is not a valid app name.*at most 26", name)


@pytest.mark.parametrize("name", ["app", "build", "tests"])
def test_a_reserved_name_is_refused(service, name):
    assert_refused(service, f"'{name}' is not a valid app name.* none of .*{name}", name)


def test_the_label_of_an_installed_app_is_refused(service):
    assert_refused(service, "'auth' conflicts with .* 'django.contrib.auth'", "auth")


def test_without_the_folder_apps_nothing_is_made(service):
    service.app.parent.rmdir()
    assert_refused(service, f"'{service.app.parent}' is no folder. Please make it")


def test_the_name_of_a_module_of_apps_is_refused(service):
    module = service.app.with_suffix(".py")
    module.touch()
    assert_refused(service, f"'{module}' already exists")


def test_the_name_of_a_module_outside_apps_is_accepted(service, monkeypatch):
    monkeypatch.setitem(sys.modules, APP, ModuleType(APP))
    service.startapp()
    assert service.app.exists()


@pytest.mark.parametrize("model", ["", "order", "Our_Order", "Örder", "1st", "None", "X" * 27])
def test_a_model_that_is_not_valid_is_refused(service, model):
    message = f"{model!r} is not a valid model name.*--model.*at most 26"
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
    from_string = Engine.from_string

    def make(*args):
        service.app.mkdir(exist_ok=True)
        (service.app / "notes").touch()
        return from_string(*args)

    monkeypatch.setattr(Engine, "from_string", make)
    with pytest.raises(CommandError, match=f"not empty: .* -> '{service.app}'$"):
        service.startapp()
    assert [*service.app.iterdir()] == [service.app / "notes"]
    assert service.base.read_bytes() == BASE


STEPS = [
    (Engine, "from_string"),
    (Path, "touch"),
    (shutil, "copy"),
    (os, "rename"),
    (os, "replace"),
]


@pytest.mark.parametrize("page", [False, True])
@pytest.mark.parametrize(("module", "step"), STEPS)
def test_an_error_leaves_nothing(service, monkeypatch, module, step, page):
    monkeypatch.setattr(module, step, raising(OSError(errno.ENOSPC, "No space left")))
    message = "apps/made_by_startapp was not made, and nothing changed: .*No space"
    assert_refused(service, message, page=page)


@pytest.mark.parametrize("page", [False, True])
@pytest.mark.parametrize(("module", "step"), STEPS)
def test_ctrl_c_leaves_nothing(service, monkeypatch, module, step, page):
    before = service.files()
    monkeypatch.setattr(module, step, raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        service.startapp(page=page)
    assert service.files() == before


@pytest.mark.parametrize("path", ["base", "urls"])
@pytest.mark.parametrize("error", [OSError(errno.EIO, "I/O error"), KeyboardInterrupt()])
def test_an_error_after_a_file_is_replaced_leaves_nothing(service, monkeypatch, path, error):
    before, replace, errors = service.files(), os.replace, [error]

    def replace_and_fail(source, target):
        replace(source, target)
        if Path(target) == getattr(service, path) and errors:
            raise errors.pop()

    monkeypatch.setattr(os, "replace", replace_and_fail)
    with pytest.raises((CommandError, KeyboardInterrupt)):
        service.startapp(page=True)
    assert service.files() == before
