"""Makes an app in ``apps/`` that follows the conventions: ``manage.py startapp orders --model Order``.

In place of Django's command. The app has a model and its migration, a receiver, admin, a factory and tests,
is in ``INSTALLED_APPS``, and passes hooks and suite as it is. ``common/app_template`` is what it is made of.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template import Context, Engine

from common.management.installed_apps import add_app
from common.management.names import check_app_name, check_model_name

TEMPLATE = Path(__file__).parents[2] / "app_template"
SETTINGS = "config/settings/base.py"


class Command(BaseCommand):
    help = f"Makes an app in apps/ that follows the conventions, and adds it to {SETTINGS}."
    missing_args_message = "You must provide an application name."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="Name of the app, which is its folder and its label.")
        parser.add_argument(
            "--model", help="Name of its first model; by default the app's, in CapWords."
        )

    def handle(self, *, name: str, model: str | None, **options: Any) -> None:
        check_app_name(name)
        camel_case_name = "".join(char for char in name.title() if char != "_")
        if model is None:
            model = camel_case_name
        check_model_name(model)
        variables = {
            "app_name": name,
            "camel_case_app_name": camel_case_name,
            "model_name": model,
        }
        try:
            is_installed = make_app(name, Context(variables, autoescape=False))
        except OSError as exc:
            raise CommandError(f"apps/{name} was not made, and nothing changed: {exc}") from exc
        self.stdout.write(f"Made apps/{name}, with the model {model}.")
        if is_installed:
            self.stdout.write(f"It is in INSTALLED_APPS of {SETTINGS}.")
        else:
            self.stdout.write(
                f"Add this line to INSTALLED_APPS: {SETTINGS} has no such list with an app a line, and "
                f'was left alone.\n\n    "apps.{name}",\n\n'
            )
        self.stdout.write("Next: manage.py migrate")


def make_app(name: str, context: Context) -> bool:
    """Make the app whole or not at all, Ctrl-C included, and return whether the settings have it."""
    apps = Path(settings.BASE_DIR, "apps")
    base = Path(settings.BASE_DIR, SETTINGS).resolve()
    source = base.read_bytes() if base.exists() else b""
    changed = add_app(source, f"apps.{name}")
    with TemporaryDirectory(prefix=".startapp-", dir=apps) as temporary:
        new_app, new_base = Path(temporary, name), Path(temporary, "base")
        render(new_app, context)
        if changed and changed != source:
            new_base.write_bytes(changed)
            shutil.copymode(base, new_base)
        try:
            new_app.rename(apps / name)
            if new_base.exists():
                new_base.replace(base)
        except BaseException:
            if new_base.exists() and not new_app.exists():  # Between the two.
                (apps / name).rename(new_app)
            raise
    return changed is not None


def render(folder: Path, context: Context) -> None:
    """Write the files of the template to ``folder``."""
    for path in sorted(TEMPLATE.rglob("*.py-tpl")):
        target = folder / path.relative_to(TEMPLATE).with_suffix(".py")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Engine().from_string(path.read_text()).render(context))
