"""Measure the memory of `manage.py remind_abandoned_carts` with 10,000 and with 200,000 sessions.

One session in a hundred has an abandoned cart, whose user gets a mail. For comparison, the
benchmark also measures a job that iterates over `Session.objects.all()`, and a process that only
starts Django. Each figure is the peak memory of a separate process, in MiB.

uv run benchmarks/carts.py
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

TEMPLATE = Path(__file__).parents[1]
COUNTS = (10_000, 200_000)
FILL = """
import sys
from datetime import timedelta
from django.utils import timezone
from apps.shop.models import Product
from apps.users.models import User
from common.sessions import session_store

count = int(sys.argv[1])
store = session_store()
user = User.objects.create(username=f"user{count}", email="ada@example.com")
mug = Product.objects.create(name="Mug", price=5)
now = timezone.now()

def data(number):
    changed_at = now - timedelta(hours=25 if number % 100 == 0 else 1)
    cart = {"items": {str(mug.pk): 1}, "changed_at": changed_at.isoformat(), "reminded_at": None}
    return store.encode({"_auth_user_id": str(user.pk), "cart": cart, "more": "x" * 200})

for start in range(0, count, 1000):
    store.model.objects.bulk_create(
        store.model(
            session_key=f"{number:032}", session_data=data(number), expire_date=now + timedelta(days=1)
        )
        for number in range(start, start + 1000)
    )
"""
REMIND = """
from django.core.management import call_command

call_command("remind_abandoned_carts")
"""
ALL = """
from common.sessions import session_store

store = session_store()
for row in store.model.objects.all():
    store.decode(row.session_data)
"""
SCRIPT = """
import resource, django
django.setup()
{code}
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def run(folder: Path, *command: str, **env: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"$ {' '.join(command)}\n{done.stdout[-5000:]}{done.stderr}")
    return done.stdout


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "cookiecutter.yaml").write_text(f"replay_dir: {home / 'replay'}\n")
        print("baking ...", flush=True)
        run(
            home, sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--no-input",
            COOKIECUTTER_CONFIG=str(home / "cookiecutter.yaml"), VIRTUAL_ENV="",
        )  # fmt: skip
        service = home / "my-service"
        python = str(service / ".venv/bin/python")
        run(service, "uv", "sync", "--quiet", VIRTUAL_ENV="")
        for count in COUNTS:
            env = {
                "DJANGO_SETTINGS_MODULE": "config.settings.production",  # DEBUG keeps all queries.
                "SECRET_KEY": "of-no-use",
                "ALLOWED_HOSTS": "localhost",
                "DATABASE_URL": f"sqlite:///{count}.sqlite3",
                "CACHE_URL": "locmemcache://",
                "EMAIL_URL": "consolemail://",
            }
            run(service, python, "manage.py", "migrate", **env)
            run(service, python, "-c", SCRIPT.format(code=FILL), str(count), **env)
            for label, code in [
                ("nothing", ""),
                ("Session.objects.all()", ALL),
                ("remind_abandoned_carts", REMIND),
            ]:
                output = run(service, python, "-c", SCRIPT.format(code=code), **env)
                *_, report, peak = ["", *output.splitlines()]
                print(
                    f"{count:7} sessions, {label:22} {int(peak) / 1024:6.0f} MiB {report}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
