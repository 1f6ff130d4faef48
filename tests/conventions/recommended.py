"""Recommended code, and code that a hook could mistake for a violation. It passes all hooks and its tests pass."""

WITHOUT_INTEGRITY_ERROR = '''\
"""Mentions ``pytest.raises(IntegrityError)``, and 'assertRaises(IntegrityError)'."""

import logging
from unittest.mock import Mock

import pytest
from django.db import IntegrityError, transaction

from apps.users.models import Profile, User
from common.testing import TestCase, raises_integrity_error


def save(user):
    """Catch the error outside tests, which is allowed."""
    try:
        with transaction.atomic():
            Profile.objects.create(user=user)
    except (ValueError, IntegrityError):  # not pytest.raises(IntegrityError)
        logging.getLogger(__name__).exception("taken")
        raise ValueError("IntegrityError") from None


class ProfileTests(TestCase):
    def test_a_user_has_one_profile(self):
        user = User.objects.create(username="ada")
        with self.settings(SUSPEND_SIGNALS=True):
            Profile.objects.get_or_create(user=user)
        with self.assertIntegrityError(fields=["user"]) as caught:
            Profile.objects.create(user=user)
        assert isinstance(caught.exception, IntegrityError)
        with pytest.raises(ValueError, match="IntegrityError"):
            save(user)

    def test_other_errors_are_asserted_with_unittest_or_pytest(self):
        with pytest.raises((ValueError, TypeError)):
            int("IntegrityError")
        self.assertRaises(KeyError, Mock(side_effect=KeyError), IntegrityError)
        advice = "never assertRaises(IntegrityError)", 'nor with "pytest.raises(IntegrityError)"'
        assert Mock().calls.raises(IntegrityError), advice  # no pytest.raises(IntegrityError)


@pytest.mark.django_db
def test_a_user_without_a_name_is_rejected():
    with raises_integrity_error(fields=["username"]):
        User.objects.create(username=None)
'''
PASSING = {
    "deploy.yaml": "a: !reference [.x, script]\n---\nb: 1\n",
    "apps/conftest.py": """\
from common.testing import TestCase


def pytest_report_header():
    return f"with {TestCase.__name__}"
""",
    "common/plugs.py": """\
# This module lets apps plug in: never import apps here, nor anything from apps or common.testing.
from django.apps import apps

from common import signals  # not common.testing

__all__ = ["apps", "signals"]
""",
    "apps/users/welcome.py": """\
import logging
from typing import Any

from django.contrib.sessions.models import SessionManager
from django.contrib.staticfiles.storage import StaticFilesStorage, staticfiles_storage
from django.db.models.signals import post_save
from django.dispatch import Signal

from apps.users.models import User
from common.signals import suspending_receiver
from common.static_files.manifest import RootManifestStaticFilesStorage

__all__ = [
    "RootManifestStaticFilesStorage",
    "SessionManager",
    "StaticFilesStorage",
    "staticfiles_storage",
]
welcomed = Signal()


@suspending_receiver(post_save, sender=User)
def welcome(sender: type[User], instance: User, created: bool, **kwargs: Any) -> None:
    if created:
        logging.getLogger(__name__).info("Welcome, %s.", instance)
        welcomed.send(sender, user=instance)
""",
    "apps/users/tasks.py": """\
import subprocess
from functools import partial

from django.db import transaction

from apps.users.models import User
from common.jobs import task


@task
def greet(user_pk: int) -> int:
    return subprocess.call(["true", str(user_pk)])  # noqa: S603, S607 -- an example


@transaction.atomic
def join(user: User) -> None:
    user.save()
    greet.enqueue(user.pk)
    transaction.on_commit(partial(str, "no job, and no greet.enqueue"))
""",
    "apps/users/tests/test_tasks.py": """\
from unittest import mock

from apps.users.models import User
from apps.users.tasks import greet, join
from common.testing import TestCase
from common.testing.jobs import run_jobs


class GreetTests(TestCase):
    def test_who_joins_is_greeted(self):
        user = User(username="ada")
        join(user)
        self.assertEnqueued(greet, user.pk)
        with mock.patch("subprocess.call", return_value=0) as called:
            assert run_jobs() == 1
            assert greet.call(2) == greet.func(2) == 0
        assert called.mock_calls[0] == mock.call(["true", str(user.pk)])
""",
    "apps/users/tests/test_integrity.py": WITHOUT_INTEGRITY_ERROR,
    "apps/users/tests/test_welcome.py": """\
from django.test import Client, RequestFactory, override_settings

from apps.users.tests.factories import UserFactory
from apps.users.welcome import welcome
from common.testing import TestCase


@override_settings(SUSPEND_SIGNALS=False)
class WelcomeTests(TestCase):
    client_class = Client

    def test_a_new_user_is_welcomed(self):
        with self.assertLogs(welcome.__module__, "INFO"):
            UserFactory()
        assert RequestFactory().get("/").path == "/"
""",
}
