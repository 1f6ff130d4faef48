"""Deletes what was not chosen, then prints the next steps.

Runs in the new project, twice in each ``cruft update``: offline, deterministic, no git, no secrets.
"""

import shlex
import shutil
from pathlib import Path

# (the answer, what it must be for the paths to stay, the paths)
OPTIONAL = [
    ("{{ cookiecutter.example_app }}", "True", ["apps/shop"]),
    (
        "{{ cookiecutter.database }}",
        "postgresql",
        ["common/postgresql", "common/tests/test_postgresql.py"],
    ),
    ("{{ cookiecutter.static_files }}", "s3", ["common/tests/test_s3.py"]),
    ("{{ cookiecutter.ci_provider }}", "github", [".github"]),
    ("{{ cookiecutter.ci_provider }}", "gitlab", [".gitlab-ci.yml"]),
]
# What tools may have left in the template's folder.
CACHES = ["**/.venv", "**/venv", "**/__pycache__", "**/.*_cache", "**/.hypothesis", ".tox"]
OUTPUTS = ["htmlcov", ".coverage", ".coverage.*", "build", "*.egg-info"]

NEXT_STEPS = """
Next steps:

  cd {folder}
  uv run pytest
  git init && git add -A && uv run pre-commit install
  uv run manage.py migrate && uv run manage.py runserver
"""


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def main(project: Path) -> None:
    for answer, kept_for, names in OPTIONAL:
        if answer != kept_for:
            for name in names:
                remove(project / name)
    for pattern in CACHES + OUTPUTS:
        for path in sorted(project.glob(pattern)):
            remove(path)
    print(NEXT_STEPS.format(folder=shlex.quote(str(project))))


if __name__ == "__main__":
    main(Path.cwd())
