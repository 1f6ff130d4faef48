"""Deletes the paths that the answers do not ask for, records where the service comes from, prints the next steps.

cookiecutter runs it in the new project, and ``cruft update`` runs it twice: it works offline, always gives the
same result, uses no git and makes no secrets.
"""

import json
import shlex
import shutil
from pathlib import Path

# Each optional path, and the answers that keep it.
OPTIONAL = {
    "apps/kogame": "{{ cookiecutter.realtime and cookiecutter.example_app }}",
    "apps/kogame/tasks.py": "{{ cookiecutter.background_jobs }}",
    "apps/shop": "{{ cookiecutter.example_app }}",
    "apps/shop/management": "{{ not cookiecutter.background_jobs }}",
    "apps/shop/tasks.py": "{{ cookiecutter.background_jobs }}",
    "apps/shop/tests/test_remind_abandoned_carts.py": "{{ not cookiecutter.background_jobs }}",
    "apps/shop/tests/test_tasks.py": "{{ cookiecutter.background_jobs }}",
    "common/app_template/tasks.py-tpl": "{{ cookiecutter.background_jobs }}",
    "common/app_template/tests/test_tasks.py-tpl": "{{ cookiecutter.background_jobs }}",
    "common/jobs": "{{ cookiecutter.background_jobs }}",
    "common/postgresql": "{{ cookiecutter.database == 'postgresql' }}",
    "common/realtime": "{{ cookiecutter.realtime }}",
    "common/static_files/s3.py": "{{ cookiecutter.static_files == 's3' }}",
    "common/static_files/whitenoise.py": "{{ cookiecutter.static_files == 'whitenoise' }}",
    "common/testing/jobs.py": "{{ cookiecutter.background_jobs }}",
    "common/testing/realtime.py": "{{ cookiecutter.realtime }}",
    "common/tests/test_jobs.py": "{{ cookiecutter.background_jobs }}",
    "common/tests/test_realtime.py": "{{ cookiecutter.realtime }}",
    "common/tests/test_s3.py": "{{ cookiecutter.static_files == 's3' }}",
    "common/tests/test_whitenoise.py": "{{ cookiecutter.static_files == 'whitenoise' }}",
    ".github": "{{ cookiecutter.ci_provider == 'github' }}",
    ".gitlab-ci.yml": "{{ cookiecutter.ci_provider == 'gitlab' }}",
    "renovate.json": "{{ cookiecutter.ci_provider == 'gitlab' }}",
}
# Tools may have left these in the folder of the template.
CACHES = ["**/.venv", "**/venv", "**/__pycache__", "**/.*_cache", "**/.hypothesis", ".tox"]
OUTPUTS = ["htmlcov", ".coverage", ".coverage.*", "build", "*.egg-info"]

# cruft writes .cruft.json itself. cookiecutter does not, but it says where the template is.
IS_COOKIECUTTER = "{{ '_repo_dir' in cookiecutter }}"
ORIGIN = "{{ cookiecutter.__checked }}"
CONTEXT = r"""{{ cookiecutter.items() | list | tojson }}"""

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


def record(project: Path) -> None:
    """Write ``.cruft.json`` as ``cruft create`` would, without the folders of this machine."""
    commit, _, template = ORIGIN.partition(" ")
    context = dict(json.loads(CONTEXT))
    checkout = context.pop("_checkout")
    for name in ("_output_dir", "_repo_dir"):
        del context[name]
    context |= {"_template": template, "_commit": commit}
    state = {
        "template": template,
        "commit": commit,
        "checkout": checkout,
        "context": {"cookiecutter": context},
        "directory": None,
    }
    text = json.dumps(state, ensure_ascii=False, indent=2, separators=(",", ": "))
    (project / ".cruft.json").write_text(f"{text}\n", encoding="utf-8")


def main(project: Path) -> None:
    for name, is_kept in OPTIONAL.items():
        if is_kept != "True":
            remove(project / name)
    for pattern in CACHES + OUTPUTS:
        for path in sorted(project.glob(pattern)):
            remove(path)
    if IS_COOKIECUTTER == "True":
        record(project)
    print(NEXT_STEPS.format(folder=shlex.quote(str(project))))


if __name__ == "__main__":
    main(Path.cwd())
