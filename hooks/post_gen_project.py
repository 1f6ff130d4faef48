"""Deletes the paths that the answers do not ask for, then prints the next steps.

cookiecutter runs it in the new project, and ``cruft update`` runs it twice: it works offline, always gives the
same result, uses no git and makes no secrets.
"""

import shlex
import shutil
from pathlib import Path

# Each optional path, and the answers that keep it.
OPTIONAL = {
    "apps/shop": "{{ cookiecutter.example_app }}",
    "common/postgresql": "{{ cookiecutter.database == 'postgresql' }}",
    "common/static_files/s3.py": "{{ cookiecutter.static_files == 's3' }}",
    "common/static_files/whitenoise.py": "{{ cookiecutter.static_files == 'whitenoise' }}",
    "common/tests/test_s3.py": "{{ cookiecutter.static_files == 's3' }}",
    "common/tests/test_whitenoise.py": "{{ cookiecutter.static_files == 'whitenoise' }}",
    ".github": "{{ cookiecutter.ci_provider == 'github' }}",
    ".gitlab-ci.yml": "{{ cookiecutter.ci_provider == 'gitlab' }}",
    "renovate.json": "{{ cookiecutter.ci_provider == 'gitlab' }}",
}
# Tools may have left these in the folder of the template.
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
    for name, is_kept in OPTIONAL.items():
        if is_kept != "True":
            remove(project / name)
    for pattern in CACHES + OUTPUTS:
        for path in sorted(project.glob(pattern)):
            remove(path)
    print(NEXT_STEPS.format(folder=shlex.quote(str(project))))


if __name__ == "__main__":
    main(Path.cwd())
