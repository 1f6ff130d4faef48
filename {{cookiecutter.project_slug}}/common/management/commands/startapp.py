"""``manage.py startapp orders --model Order``: make an app that follows the conventions.

Replaces Django's command. The app has a model, its migration, a receiver, an admin, a factory and
tests, all from ``common/app_template``, and is in ``INSTALLED_APPS``. ``--page`` adds a list of its
objects from ``common/page_template``: a view, a URL and a template. It passes all hooks and tests.
"""

import keyword
import re
import shutil
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser
from django.template import Context, Engine

TEMPLATES = [Path(__file__).parents[2] / name for name in ("app_template", "page_template")]
# A file, a list in it, and the element to add.
SETTINGS = ("config/settings/base.py", "INSTALLED_APPS", '"apps.{0}",')
URLS = ("config/urls.py", "urlpatterns", 'urls.path("{0}/", urls.include("apps.{0}.urls")),')
NAMES = {
    "app": ("[a-z][a-z0-9_]*", "use lower-case letters, digits and underscores, a letter first"),
    "model": (
        "(?!Test)[A-Z][A-Za-z0-9]*",  # pytest would collect a class whose name begins with Test.
        "choose one with --model: letters and digits, a capital but not 'Test' first",
    ),
}
MAX_LENGTH = 26  # With longer names, ruff would wrap lines of the new app and its URL.
RESERVED = {
    *("app", "django"),  # Names of its AppConfig or its tables could be those of Django.
    *("build", "dist", "htmlcov", "node_modules", "venv"),  # git, ruff or pytest skip these.
    *("migrations", "tests"),  # ruff.toml and pyproject.toml have exceptions for these.
    *("Any", "I", "O"),  # Models: the receivers import Any, and ruff rejects ambiguous names.
}


class Command(BaseCommand):
    help = f"Makes an app in apps/ that follows the conventions, and adds it to {SETTINGS[0]}."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="Name of the app, which is its folder and its label.")
        parser.add_argument("--model", help="Name of its model. Default: the app's, in CapWords.")
        parser.add_argument("--page", action="store_true", help="Add a page, which lists objects.")

    def handle(self, *, name: str, model: str | None, page: bool, **options: Any) -> None:
        camel_case = name.title().replace("_", "")
        model = camel_case if model is None else model
        check_name("app", name)
        check_name("model", model)
        check_app_is_new(name)
        lists = [SETTINGS, URLS] if page else [SETTINGS]
        context = {"app_name": name, "camel_case_app_name": camel_case, "model_name": model}
        try:
            edited = make_app(name, Context({**context, "page": page}), lists)
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


def check_name(kind: str, name: str) -> None:
    pattern, advice = NAMES[kind]
    is_reserved = keyword.iskeyword(name) or name in RESERVED
    if is_reserved or len(name) > MAX_LENGTH or not re.fullmatch(pattern, name):
        raise CommandError(
            f"{name!r} is not a valid {kind} name. Please {advice}, at most {MAX_LENGTH} characters, "
            f"no keyword of Python, and none of {', '.join(sorted(RESERVED))}."
        )


def check_app_is_new(name: str) -> None:
    folder = Path(settings.BASE_DIR, "apps")
    if not folder.is_dir():
        raise CommandError(f"'{folder}' is no folder. Please make it: all new apps are put there.")
    if name in apps.app_configs:
        problem = f"{name!r} conflicts with the label of {apps.app_configs[name].name!r}"
    elif same := [path for path in folder.iterdir() if path.stem == name]:
        problem = f"'{same[0]}' already exists"
    else:
        return
    raise CommandError(f"{problem}. Please try another name.")


def make_app(name: str, context: Context, lists: Sequence[Sequence[str]]) -> Collection[str]:
    """Make the app and edit the files, or do neither; return the files that were edited."""
    folder = Path(settings.BASE_DIR, "apps")
    edited = []
    with TemporaryDirectory(prefix=".startapp-", dir=folder) as temporary, ExitStack() as undo:
        new_app, target = Path(temporary, name), folder / name
        for template in TEMPLATES[: len(lists)]:
            write_files(template, new_app, context)
        for package in ("", "migrations"):
            Path(new_app, package, "__init__.py").touch()
        new_app.rename(target)
        undo.callback(target.rename, new_app)
        for file, variable, element in lists:
            path = Path(settings.BASE_DIR, file).resolve()
            source = path.read_bytes().decode() if path.exists() else ""
            if changed := add_line(source, variable, element.format(name)):
                shutil.copy(path, old := Path(temporary, path.name))
                shutil.copy(path, new := Path(temporary, "new"))
                new.write_bytes(changed.encode())
                undo.callback(old.replace, path)
                new.replace(path)
                edited.append(file)
        undo.pop_all()
    return edited


def write_files(template: Path, new_app: Path, context: Context) -> None:
    """Write the files of ``template``: those called ``.py-tpl`` rendered, the others as they are."""
    for source in sorted(path for path in template.rglob("*") if not path.is_dir()):
        text = source.read_text()
        if source.suffix == ".py-tpl":
            text = Engine().from_string(text).render(context)
        path = new_app / str(source.relative_to(template)).replace("app_name", new_app.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(path.suffix.removesuffix("-tpl")).write_text(text)


def add_line(source: str, variable: str, line: str) -> str | None:
    """Return ``source`` with ``line`` at the end of the list ``variable``.

    Return None if the list is computed, has not one element a line, or does not exist.
    """
    element = r"[ \t].*\n"
    last = r"[ \t][^#\n]*,[ \t]*(#.*)?\n"
    found = re.search(rf"(?m)^{variable}\b.* = \[\n({element})*{last}(?=\]$)", source)
    is_assigned_again = len(re.findall(rf"(?m)^{variable}\b", source)) > 1
    # Other lines of the list must call the same function, because the file has to import it.
    if not found or is_assigned_again or line.partition('"')[0] not in found[0]:
        return None
    return f"{source[: found.end()]}    {line}\n{source[found.end() :]}"
