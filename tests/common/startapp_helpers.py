"""A project for the tests of ``manage.py startapp``. The fixture ``service`` is in conftest."""

import os
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

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
URLS = b"""\
from django import urls

urlpatterns = [
    urls.path(
        "", urls.include("apps.shop.urls")
    ),  # example
]
"""
ROUTE = b'    urls.path("made_by_startapp/", urls.include("apps.made_by_startapp.urls")),\n'
ROUTED = URLS.replace(b"example\n", b"example\n" + ROUTE)


class Service:
    """A project with a folder for apps, the settings ``BASE`` and the URLs ``URLS``."""

    def __init__(self, root):
        self.root = root
        self.app = root / "apps" / APP
        self.base = root / "config/settings/base.py"
        self.urls = root / "config/urls.py"
        self.app.parent.mkdir()
        self.base.parent.mkdir(parents=True)
        for path, source in ((self.base, BASE), (self.urls, URLS)):
            path.write_bytes(source)
            path.chmod(0o640)

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


def assert_refused(service, message, name=APP, **options):
    before = service.files()
    with pytest.raises(CommandError, match=message):
        service.startapp(name, **options)
    assert service.files() == before


def written(path):
    """Return what changes when a file is written, and not when it is read."""
    status = os.lstat(path)
    return status.st_ino, status.st_mode, status.st_mtime_ns


def raising(error):
    def step(*args):
        raise error

    return step
