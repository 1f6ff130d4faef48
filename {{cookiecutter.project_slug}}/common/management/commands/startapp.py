"""``manage.py startapp orders --model Order``: make an app that follows the conventions.

Replaces Django's command. The app has a model, its migration, a receiver, an admin, a factory and
tests, all from ``common/app_template``, and is in ``INSTALLED_APPS``. It passes all hooks and tests.
"""

import ast
import keyword
import os
import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from django.apps import apps
from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser, call_command
from django.core.management.commands import startapp

TEMPLATE = str(Path(__file__).parents[2] / "app_template")
SETTINGS = "config/settings/base.py"
MAX_LENGTH = 29  # With longer names, ruff would wrap lines of the new app.
RESERVED = {
    "app",  # Its configuration would be called AppConfig, as Django's base class is.
    "common_tests",  # The tests of common install an app of this name.
    "django",  # Its tables could get the names of Django's own.
    *("build", "dist", "htmlcov", "node_modules", "venv"),  # git, ruff or pytest skip these.
    *("migrations", "tests"),  # ruff.toml and pyproject.toml have exceptions for these.
    *("Any", "I", "O"),  # Models: the receivers import Any, and ruff rejects ambiguous names.
}


class AppFiles(startapp.Command):
    """Django's command, which writes the files."""

    stealth_options = ("model_name",)

    def validate_name(self, name: str, name_or_dir: str = "name") -> None:
        """Do nothing: check_app() replaces Django's check, which rejects even ``calendar``."""


class Command(BaseCommand):
    help = f"Makes an app in apps/ that follows the conventions, and adds it to {SETTINGS}."
    missing_args_message = "You must provide an application name."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="Name of the app, which is its folder and its label.")
        parser.add_argument("--model", help="Name of its model. Default: the app's, in CapWords.")

    def handle(self, *, name: str, model: str | None, **options: Any) -> None:
        check_app(name)
        model = name.title().replace("_", "") if model is None else model
        check_model(model)
        try:
            is_installed = self.make_app(name, model)
        except OSError as exc:
            raise CommandError(f"apps/{name} was not made, and nothing changed: {exc}") from exc
        self.stdout.write(f"Made apps/{name}, with the model {model}.")
        if is_installed:
            self.stdout.write(f"It is in INSTALLED_APPS of {SETTINGS}.")
        else:
            self.stdout.write(
                f"{SETTINGS} was not changed, because its INSTALLED_APPS does not list one app on "
                f'each line. Add this line to it:\n\n    "apps.{name}",\n\n'
            )
        self.stdout.write("Next: uv run manage.py migrate")

    def make_app(self, name: str, model: str) -> bool:
        """Make the app and edit the settings, or do neither; return whether the settings list it."""
        target = Path(settings.BASE_DIR, "apps", name)
        base = Path(settings.BASE_DIR, SETTINGS).resolve()
        changed = add_app(base.read_bytes() if base.exists() else b"", f"apps.{name}")
        with TemporaryDirectory(prefix=".startapp-", dir=target.parent) as temporary:
            new_app, new_base = Path(temporary, name), Path(temporary, "base")
            new_app.joinpath("migrations").mkdir(parents=True)
            # Django runs Black if it is on PATH, and Black would wrap lines that ruff leaves alone.
            with mock.patch.dict(os.environ, PATH=""):
                call_command(AppFiles(), name, str(new_app), template=TEMPLATE, model_name=model)
            new_app.joinpath("__init__.py").touch()
            new_app.joinpath("migrations/__init__.py").touch()
            if changed:
                new_base.write_bytes(changed)
                shutil.copymode(base, new_base)
            try:
                new_app.rename(target)
                if new_base.exists():
                    new_base.replace(base)
            except BaseException:  # Ctrl-C, too
                if new_base.exists() and not new_app.exists():
                    target.rename(new_app)
                raise
        return changed is not None


def check_app(name: str) -> None:
    """Raise CommandError unless ``name`` can be the name of a new app."""
    advice = "Please use lower-case letters, digits and underscores, a letter first"
    check_name(name, "app", "[a-z][a-z0-9_]*", advice)
    folder = str(Path(settings.BASE_DIR, "apps", name))
    if name in apps.app_configs:
        problem = f"{name!r} conflicts with the label of {apps.app_configs[name].name!r}"
    elif os.path.lexists(folder):
        problem = f"{folder!r} already exists"
    elif find_spec(f"apps.{name}"):
        problem = f"'apps.{name}' conflicts with an existing Python module"
    else:
        return
    raise CommandError(f"{problem}. Please try another name.")


def check_model(name: str) -> None:
    """Raise CommandError unless ``name`` can be the name of a model.

    pytest would collect a model whose name begins with ``Test``.
    """
    advice = "Please choose one with --model: letters and digits, a capital but not 'Test' first"
    check_name(name, "model", "(?!Test)[A-Z][A-Za-z0-9]*", advice)


def check_name(name: str, kind: str, pattern: str, advice: str) -> None:
    is_reserved = keyword.iskeyword(name) or name in RESERVED
    if is_reserved or len(name) > MAX_LENGTH or not re.fullmatch(pattern, name):
        raise CommandError(
            f"{name!r} is not a valid {kind} name. {advice}, at most {MAX_LENGTH} characters, no "
            f"keyword of Python, and none of {', '.join(sorted(RESERVED))}."
        )


def add_app(source: bytes, app: str) -> bytes | None:
    """Return ``source`` with a new line for ``app`` at the end of the list ``INSTALLED_APPS``.

    Return ``source`` itself if the list has the app. Return None if no line can be added, because
    the list is computed, has not one app a line, or does not exist.
    """
    assigned = [
        statement.value
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        and ast.unparse(statement).startswith(("INSTALLED_APPS =", "INSTALLED_APPS:"))
    ]
    match assigned:
        case [ast.List([*_, last]) as listed]:
            if re.search(rf"'{re.escape(app)}['.]", ast.unparse(listed)):
                return source  # The app, or its AppConfig.
            lines = source.splitlines(keepends=True)
            # If the last line has only apps with commas, another line can follow it.
            pattern = rb"""([ \t]+)(?:["'][\w.]+["'],[ \t]*)+(?:#.*?)?(\r?\n)"""
            if found := re.fullmatch(pattern, lines[last.lineno - 1]):
                lines.insert(last.lineno, found[1] + f'"{app}",'.encode() + found[2])
                return b"".join(lines)
    return None
