"""What is recommended, and what may be mistaken for the opposite. It passes all hooks, and its tests pass."""

WITHOUT_INTEGRITY_ERROR = '''\
"""Says nothing of ``pytest.raises(IntegrityError)``, nor 'assertRaises(IntegrityError)'."""

import logging
from unittest.mock import Mock

import pytest
from django.db import IntegrityError, transaction

from apps.users.models import Profile, User
from common.testing import TestCase, raises_integrity_error


def save(user):
    """Catch it in the code of a service, as one may."""
    try:
        with transaction.atomic():
            Profile.objects.create(user=user)
    except (ValueError, IntegrityError):  # not pytest.raises(IntegrityError)
        logging.getLogger(__name__).exception("taken")
        raise ValueError("IntegrityError") from None


class ProfileTests(TestCase):
    def test_one_each(self):
        user = User.objects.create(username="ada")
        with self.settings(SUSPEND_SIGNALS=True):
            Profile.objects.get_or_create(user=user)
        with self.assertIntegrityError(fields=["user"]) as caught:
            Profile.objects.create(user=user)
        assert isinstance(caught.exception, IntegrityError)
        with pytest.raises(ValueError, match="IntegrityError"):
            save(user)

    def test_others_are_asserted_as_ever(self):
        with pytest.raises((ValueError, TypeError)):
            int("IntegrityError")
        self.assertRaises(KeyError, Mock(side_effect=KeyError), IntegrityError)
        advice = "never assertRaises(IntegrityError)", 'nor with "pytest.raises(IntegrityError)"'
        assert Mock().calls.raises(IntegrityError), advice  # no pytest.raises(IntegrityError)


@pytest.mark.django_db
def test_no_user_without_a_name():
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
    "apps/users/tests/test_integrity.py": WITHOUT_INTEGRITY_ERROR,
    "apps/users/tests/test_welcome.py": """\
from django.test import Client, RequestFactory, override_settings

from apps.users.tests.factories import UserFactory
from apps.users.welcome import welcome
from common.testing import TestCase


@override_settings(SUSPEND_SIGNALS=False)
class WelcomeTests(TestCase):
    client_class = Client

    def test_a_new_user_is_welcome(self):
        with self.assertLogs(welcome.__module__, "INFO"):
            UserFactory()
        assert RequestFactory().get("/").path == "/"
""",
}
