#!/usr/bin/env python
"""Django's command line, with the development settings unless told otherwise.

It formats new migrations, so that the hooks leave them as they are.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from django.core.management import execute_from_command_line

from common.update import update_template

if __name__ == "__main__":
    if sys.argv[1:2] == ["test"]:
        sys.exit("The tests run with pytest: uv run pytest")
    if sys.argv[1:2] == ["update_template"]:
        sys.exit(update_template(sys.argv[2:]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    execute_from_command_line(sys.argv)
    folders = [*Path(__file__).parent.glob("apps/**/migrations")]
    may_write = {"--check", "--dry-run"}.isdisjoint(sys.argv) and find_spec("ruff")  # not in images
    if sys.argv[1:2] in (["makemigrations"], ["squashmigrations"]) and may_write and folders:
        for command in (["check", "--fix-only"], ["format"]):
            ruff = [sys.executable, "-m", "ruff", *command, "--quiet", "--force-exclude"]
            subprocess.run([*ruff, *folders], check=False)  # noqa: S603 -- our own folders
