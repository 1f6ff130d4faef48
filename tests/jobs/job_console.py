"""Run code of tests in a bake: each line of the input is code, and ``result`` is printed as JSON."""
# ruff: noqa: E402 -- Models cannot be imported before the setup.

import json
import sys

import django

django.setup()
# isort: split
from apps.users import tasks
from common.jobs.models import Job, Period
from django.contrib.auth import get_user_model
from django.db import close_old_connections, transaction

names = {"tasks": tasks, "Job": Job, "Period": Period, "User": get_user_model()}
names |= {"atomic": transaction.atomic}
print("result null", flush=True)
for line in sys.stdin:
    close_old_connections()
    names["result"] = None
    exec(json.loads(line), names)
    print("result", json.dumps(names["result"], default=str), flush=True)
