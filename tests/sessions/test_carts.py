"""The job of the example, in processes on the databases of development."""

import re
import subprocess
import time
from contextlib import ExitStack

import pytest

CARTS = """
from datetime import timedelta
from unittest import mock
from django.utils import timezone
from apps.shop import cart
from apps.shop.models import Product
from apps.users.models import User
from common.sessions import session_store

mug = Product.objects.create(name="Mug", price=5)
for number in range(200):
    user = User.objects.create(username=f"user{number}", email=f"user{number}@example.com")
    session = session_store()
    session["_auth_user_id"] = str(user.pk)
    with mock.patch("django.utils.timezone.now", return_value=timezone.now() - timedelta(days=2)):
        cart.add(session, mug.pk)
    session.create()
"""
# Both jobs have started Django before they begin, so that they run at the same time.
JOB = """
from django.core.management import call_command
print("ready", flush=True)
input()
call_command("remind_abandoned_carts")
"""
SHELL = ("manage.py", "shell", "--verbosity=0", "-c")


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_of_two_jobs_at_the_same_time_only_one_mails_each_cart(bake, database, tmp_path):
    project = bake(database=database)
    project.manage("migrate")
    project.uv(*SHELL, CARTS)
    logs = [tmp_path / "1", tmp_path / "2"]
    with ExitStack() as stack:  # Its end closes the input of the jobs, which ends them.
        jobs = [
            stack.enter_context(
                subprocess.Popen(
                    ["uv", "run", *SHELL, JOB],
                    cwd=project.path,
                    env=project.env,
                    stdin=subprocess.PIPE,
                    # A pipe that is full would stop the job.
                    stdout=stack.enter_context(log.open("w")),
                    text=True,
                )
            )
            for log in logs
        ]
        while not all("ready" in log.read_text() for log in logs):
            assert [job.poll() for job in jobs] == [None, None]
            time.sleep(0.05)
        for job in jobs:
            job.stdin.write("\n")
            job.stdin.flush()
        for job in jobs:
            job.wait(timeout=120)
    outputs = [log.read_text() for log in logs]

    assert [job.returncode for job in jobs] == [0, 0]
    mailed = re.findall(r"^To: (.+)$", "".join(outputs), re.M)
    assert sorted(mailed) == sorted(f"user{number}@example.com" for number in range(200))
    counts = [int(re.search(r"^200 sessions, (\d+) reminders", out, re.M)[1]) for out in outputs]
    assert sum(counts) == 200
    assert "200 sessions, 0 reminders." in project.manage("remind_abandoned_carts")
