"""The bug of "Going too deep with Django Sessions": visitors who come back are mailed twice.

Visitors and workers are processes of their own, which share the database and the cache.
"""

import re

import pytest

# Their requests put the sessions into the cache of cached_db, and into the rows.
LEAVE = """
from datetime import timedelta
from unittest import mock
from django.test import Client
from django.utils import timezone
from apps.shop.models import Product
from apps.users.models import User

mug = Product.objects.create(name="Mug", price=5)
two_days_ago = timezone.now() - timedelta(days=2)
for number in range(5):
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.create(username=f"u{number}", email=f"u{number}@example.com"))
    with mock.patch("apps.shop.cart.timezone.now", return_value=two_days_ago):
        assert client.post(f"/cart/add/{mug.pk}").status_code == 302
    print("session", client.cookies["sessionid"].value)
"""
COME_BACK = """
from django.test import Client
from apps.shop.models import Product

for key in {keys}:
    client = Client(SERVER_NAME="localhost")
    client.cookies["sessionid"] = key
    assert client.post(f"/stash/{{Product.objects.get().pk}}").status_code == 302
"""
NAIVE = """
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.mail import send_mail
from django.utils import timezone
from apps.shop import cart
from apps.users.models import User

for key in Session.objects.values_list("pk", flat=True):
    session = SessionStore(key)
    if cart.is_abandoned(session, timezone.now()):
        user = User.objects.get(pk=session["_auth_user_id"])
        send_mail("Your cart", "It is still there.", None, [user.email])
        cart.mark_reminded(session)
        session.save()
"""
ENQUEUE = "from apps.shop.tasks import remind_abandoned_carts; remind_abandoned_carts.enqueue()"
SHELL = ("shell", "--verbosity=0", "-c")


def mailed(project, run, **env):
    """Return who is mailed by a job that runs, and by one that runs after the visitors came back."""
    project.manage("migrate", **env)
    keys = re.findall(r"^session (\w+)$", project.manage(*SHELL, LEAVE, **env), re.M)
    assert len(keys) == 5
    output = run()
    project.manage(*SHELL, COME_BACK.format(keys=keys), **env)
    return sorted(re.findall(r"^To: (.+)$", output + run(), re.M))


@pytest.mark.long
def test_a_task_that_imports_a_store_mails_visitors_of_cached_db_twice(bake, tmp_path):
    project = bake(background_jobs=True)
    with (project.path / "config/settings/local.py").open("a") as settings:
        settings.write('SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"\n')
    env = {"CACHE_URL": f"filecache://{tmp_path}/cache"}
    addresses = mailed(project, lambda: project.manage(*SHELL, NAIVE, **env), **env)
    assert addresses == [f"u{number}@example.com" for number in range(5) for _ in range(2)]


@pytest.mark.long
def test_the_tasks_of_the_example_mail_each_visitor_once(bake):
    project = bake(background_jobs=True)

    def work():
        project.manage(*SHELL, ENQUEUE)
        return project.manage("worker", "--batch")

    assert mailed(project, work) == [f"u{number}@example.com" for number in range(5)]
