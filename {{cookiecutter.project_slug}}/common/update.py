"""``manage.py update_template``: bring this service to a newer release of its template.

The template's newest release has the program that does the work, so that fixes reach all services.
It needs no Django, because an update may repair settings that do not load.
"""
# ruff: noqa: S603, S607 -- the commands are ours, and the template is the one of this repository

import re
import subprocess
import sys
from argparse import ArgumentParser
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

PROJECT = Path(__file__).parents[1]
RECORD = PROJECT / ".cruft.json"
TAGS = ("tag", "--list", "v*", "--sort=-version:refname")


def update_template(arguments: list[str]) -> int:
    """Run the template's ``updater/update.py`` with ``arguments``; return its exit status."""
    recorded = re.search('"template": "(.+)"', RECORD.read_text()) if RECORD.exists() else None
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--template", default=recorded and recorded[1])
    url = parser.parse_known_args(arguments)[0].template
    if not url:
        sys.exit(".cruft.json does not say where the template is. Add --template URL.")
    with TemporaryDirectory(prefix="template-") as folder:
        if subprocess.run(["git", "clone", "--quiet", "--", url, folder], check=False).returncode:
            return 1  # git has printed the reason
        git = ["git", f"--git-dir={folder}/.git", f"--work-tree={folder}"]  # whatever GIT_DIR is
        tags = subprocess.check_output([*git, *TAGS], text=True).split()
        release = [tag for tag in tags if re.fullmatch(r"v\d+\.\d+\.\d+", tag)][:1]
        subprocess.run([*git, "checkout", "--quiet", *release], check=True)
        updater = f"{folder}/updater"
        uvx = ["uvx", "--python=>=3.11", f"--with-requirements={updater}/requirements.txt"]
        program = [*uvx, "python", f"{updater}/update.py", *arguments]
        process = subprocess.Popen(program, cwd=PROJECT)
        while True:
            with suppress(KeyboardInterrupt):  # Wait for the program: it restores the files.
                return process.wait()
