"""Make the service that a commit of the template makes from the recorded answers."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from commands import UpdateError, git, try_git


def resolve(template: Path, reference: str) -> str:
    """Return the full id of a commit, tag or branch, or an empty string if there is none."""
    for name in (reference, f"origin/{reference}"):
        found = try_git(template, "rev-parse", "--quiet", "--verify", f"{name}^{{commit}}")
        if not found.returncode:
            return found.stdout.strip()
    return ""


def questions(template: Path, commit: str) -> dict[str, object]:
    """Return the questions of a commit: each name, and its default or its choices."""
    text = json.loads(git(template, "show", f"{commit}:cookiecutter.json"))
    return {name: value for name, value in text.items() if not name.startswith("_")}


def render(
    template: Path, commit: str, url: str, answers: Mapping[str, object], folder: Path
) -> Path:
    """Return the folder of the service that ``commit`` makes from ``answers``, below ``folder``.

    cookiecutter runs in a process of its own, because each commit has its own ``local_extensions``,
    and with a configuration of its own, so that neither the user's defaults nor the answers that
    cookiecutter keeps for ``--replay`` change.
    """
    source, output, config = folder / "template", folder / "output", folder / "config.yaml"
    folder.mkdir()
    git(folder, "clone", "--quiet", "--shared", "--no-checkout", str(template), str(source))
    git(source, "remote", "set-url", "origin", url or str(template))
    git(source, "checkout", "--quiet", "--detach", commit)
    config.write_text(json.dumps({name: str(folder / name) for name in CONFIG}))
    command = [sys.executable, "-m", "cookiecutter", str(source), "--no-input"]
    command += ["--config-file", str(config), "--output-dir", str(output)]
    command += [f"{name}={value}" for name, value in answers.items()]
    output.mkdir()
    # Not in the folder of the service: Python would import modules from there.
    result = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    made = list(output.iterdir())
    if result.returncode or not made:
        reason = (result.stderr or result.stdout).strip()
        raise UpdateError(f"cookiecutter stops: {reason}")
    return made[0]


CONFIG = ("replay_dir", "cookiecutters_dir")
