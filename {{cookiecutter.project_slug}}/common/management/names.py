"""What an app, and its first model, may be called: ``startapp`` refuses everything else, and says why."""

import keyword
import os
import re
from importlib.util import find_spec
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.management.base import CommandError

# With names no longer than this, no line of the app needs wrapping.
MAX_LENGTH = 29

RESERVED_APPS = {
    "app",  # its AppConfig would be an AppConfig of its own
    "build",  # of these folders git, ruff, pytest or coverage take no notice
    "dist",
    "htmlcov",
    "migrations",
    "node_modules",
    "tests",
    "venv",
    "common_tests",  # the models of common.tests
    "django",  # its tables could be Django's
}
RESERVED_MODELS = {
    "Any",  # receivers import it
    "I",  # ruff finds these ambiguous
    "O",
}


def check_app_name(name: str) -> None:
    """Raise CommandError unless ``name`` can be the name of a new app."""
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or _is_unusable(name):
        raise CommandError(
            f"{name!r} is not a valid app name. Please use lower-case letters, digits and "
            f"underscores, a letter first, at most {MAX_LENGTH}, and no keyword of Python."
        )
    if name in RESERVED_APPS:
        raise CommandError(
            f"{name!r} is reserved, as are {_listed(RESERVED_APPS - {name})}. "
            "Please try another name."
        )
    if name in apps.app_configs:
        raise CommandError(
            f"{name!r} conflicts with the label of an installed app, "
            f"{apps.app_configs[name].name!r}. Please try another name."
        )
    folder = str(Path(settings.BASE_DIR, "apps", name))
    if os.path.lexists(folder):
        raise CommandError(f"{folder!r} already exists. Please try another name.")
    if find_spec(f"apps.{name}"):
        raise CommandError(
            f"'apps.{name}' conflicts with an existing Python module. Please try another name."
        )


def check_model_name(name: str) -> None:
    """Raise CommandError unless ``name`` can be the name of the first model of an app."""
    if not re.fullmatch("[A-Z][A-Za-z0-9]*", name) or _is_unusable(name):
        raise CommandError(
            f"{name!r} is not a valid model name. Please choose one with --model: letters and "
            f"digits, a capital first, at most {MAX_LENGTH}, and no keyword of Python."
        )
    if name.startswith("Test") or name in RESERVED_MODELS:
        raise CommandError(
            f"{name!r} is reserved, as are {_listed(RESERVED_MODELS - {name})} and what begins with "
            "'Test', which pytest takes for tests. Please choose another name with --model."
        )


def _is_unusable(name: str) -> bool:
    return keyword.iskeyword(name) or len(name) > MAX_LENGTH


def _listed(names: set[str]) -> str:
    return ", ".join(map(repr, sorted(names)))
