"""``manage.py startapp orders --model Order``: make an app that follows the conventions.

Replaces Django's command. The app has a model, its migration, a receiver, an admin, a factory and
tests, all from ``common/app_template``, and is in ``INSTALLED_APPS``. ``--page`` adds a list of its
objects from ``common/page_template``: a view, a URL and a template. It passes all hooks and tests.
"""

import ast
import keyword
import os
import re
import shutil
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from django.apps import apps
from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser, call_command
from django.core.management.commands import startapp

TEMPLATES = [str(Path(__file__).parents[2] / name) for name in ("app_template", "page_template")]
# A file, a list in it, and the element to add.
SETTINGS = ("config/settings/base.py", "INSTALLED_APPS", '"apps.{0}",')
URLS = ("config/urls.py", "urlpatterns", 'urls.path("{0}/", urls.include("apps.{0}.urls")),')
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

    stealth_options = ("model_name", "page")

    def validate_name(self, name: str, name_or_dir: str = "name") -> None:
        """Do nothing: check_app() replaces Django's check, which rejects even ``calendar``."""


class Command(BaseCommand):
    help = f"Makes an app in apps/ that follows the conventions, and adds it to {SETTINGS[0]}."
    missing_args_message = "You must provide an application name."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="Name of the app, which is its folder and its label.")
        parser.add_argument("--model", help="Name of its model. Default: the app's, in CapWords.")
        parser.add_argument("--page", action="store_true", help="Add a page, which lists objects.")

    def handle(self, *, name: str, model: str | None, page: bool, **options: Any) -> None:
        check_app(name)
        model = name.title().replace("_", "") if model is None else model
        check_model(model)
        lists = [SETTINGS, URLS] if page else [SETTINGS]
        try:
            edited = self.make_app(name, model, lists)
        except OSError as exc:
            raise CommandError(f"apps/{name} was not made, and nothing changed: {exc}") from exc
        self.stdout.write(f"Made apps/{name}, with the model {model}.")
        for file, variable, element in lists:
            if file in edited:
                self.stdout.write(f"It is in {variable} of {file}.")
            else:
                self.stdout.write(
                    f"{file} was not changed, because its {variable} does not list one element on "
                    f"each line, as in a new project. Add this to it:\n\n    {element.format(name)}\n\n"
                )
        self.stdout.write("Next: uv run manage.py migrate")

    def make_app(self, name: str, model: str, lists: Sequence[Sequence[str]]) -> Collection[str]:
        """Make the app and edit the files, or do neither; return the files that list the app."""
        folder = Path(settings.BASE_DIR, "apps")
        edits = {}
        with TemporaryDirectory(prefix=".startapp-", dir=folder) as temporary, ExitStack() as undo:
            new_app, target = Path(temporary, name), folder / name
            new_app.joinpath("migrations").mkdir(parents=True)
            options = {"model_name": model, "page": URLS in lists}
            # Django runs Black if it is on PATH, and Black would wrap lines that ruff leaves alone.
            with mock.patch.dict(os.environ, PATH=""):
                for template in TEMPLATES[: len(lists)]:
                    call_command(AppFiles(), name, str(new_app), template=template, **options)
            new_app.joinpath("__init__.py").touch()
            new_app.joinpath("migrations/__init__.py").touch()
            for file, variable, element in lists:
                path = Path(settings.BASE_DIR, file).resolve()
                source = path.read_bytes() if path.exists() else b""
                if changed := add_element(source, name, variable, element):
                    new, old = Path(temporary, f"new-{path.name}"), Path(temporary, path.name)
                    for copy, text in ((new, changed), (old, source)):
                        copy.write_bytes(text)
                        shutil.copymode(path, copy)
                    edits[file] = new, old, path
            new_app.rename(target)
            undo.callback(target.rename, new_app)
            for new, old, path in edits.values():
                undo.callback(old.replace, path)
                new.replace(path)
            undo.pop_all()
        return edits


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


def add_element(source: bytes, app: str, variable: str, element: str) -> bytes | None:
    """Return ``source`` with a line for the app at the end of the list ``variable``.

    Return ``source`` itself if the list has the app. Return None if no line can be added, because
    the list is computed, has not one element a line, or does not exist.
    """
    assigned = [
        statement.value
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        and ast.unparse(statement).startswith((f"{variable} =", f"{variable}:"))
    ]
    match assigned:
        case [ast.List([*_, last]) as listed]:
            if re.search(rf"'apps\.{app}['.]", ast.unparse(listed)):
                return source  # The app, its AppConfig or its URLs.
            lines, end = source.splitlines(keepends=True), last.end_lineno or 0
            # Another line can follow an element of the same kind with only a comma and a comment.
            start = element.partition('"')[0] + "'"
            indent = re.match(rb"[ \t]+", lines[end - 1])
            rest = re.fullmatch(rb",[ \t]*(?:#.*?)?(\r?\n)", lines[end - 1][last.end_col_offset :])
            if indent and rest and ast.unparse(last).startswith(start):
                new = element.format(app)
                if len(new) > 96:  # Wrap the line where ruff would.
                    new = re.sub(r"\((.*)\),", r"(\n        \1\n    ),", new)
                lines.insert(end, indent[0] + new.encode() + rest[1])
                return b"".join(lines)
    return None
