"""How to test a job that changes sessions while visitors use them."""

from datetime import timedelta
from io import StringIO
from unittest import mock

import pytest
from django.contrib.auth import SESSION_KEY as USER_KEY
from django.core import mail
from django.core.mail import EmailMessage
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from apps.shop import cart
from apps.shop.management.commands import remind_abandoned_carts
from apps.shop.tests.factories import ProductFactory
from apps.users.tests.factories import UserFactory
from common.sessions import live_sessions, session_store
from common.testing import TestCase, TransactionTestCase


def leave_cart(user, *products):
    """Return the store of a session whose cart was last changed two days ago."""
    session = session_store()
    if user:
        session[USER_KEY] = str(user.pk)
    two_days_ago = timezone.now() - timedelta(days=2)
    with mock.patch("django.utils.timezone.now", return_value=two_days_ago):
        for product in products:
            cart.add(session, product.pk)
    session.create()
    return session


def remind(after=24):
    """Run the job and return its output."""
    output = StringIO()
    call_command("remind_abandoned_carts", after=after, stdout=output)
    return output.getvalue()


def change(session):
    """Change the cart as a request does."""
    cart.add(session, 1)
    session.save()


class RemindTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.user = UserFactory(email="ada@example.com")
        cls.kettle, cls.mug = ProductFactory(name="Kettle"), ProductFactory(name="Mug")

    def test_the_mail_lists_the_products_in_the_cart(self):
        leave_cart(self.user, self.kettle, self.mug, self.mug)
        assert remind() == "1 sessions, 1 reminders.\n"
        [message] = mail.outbox
        assert message.to == ["ada@example.com"]
        assert "- 1 x Kettle\n- 2 x Mug\n" in message.body

    def test_a_cart_is_mailed_again_only_after_a_change(self):
        session = leave_cart(self.user, self.mug)
        session["page"] = "A request has loaded the session and saves it after the job."
        remind()
        session.save()
        assert remind() == "1 sessions, 0 reminders.\n"
        change(session)
        assert remind(after=0) == "1 sessions, 1 reminders.\n"

    def test_no_mail_is_sent_without_an_address_or_an_abandoned_cart(self):
        for user in (None, UserFactory(email=""), UserFactory(is_active=False)):
            leave_cart(user, self.mug)
        leave_cart(self.user)
        leave_cart(self.user, self.kettle)
        change(leave_cart(self.user, self.mug))
        self.kettle.delete()
        assert remind() == "6 sessions, 0 reminders.\n"

    def test_no_mail_is_sent_if_the_session_changes_or_ends_before_the_lock(self):
        session = leave_cart(self.user, self.mug)
        read = [*live_sessions()]
        with mock.patch.object(remind_abandoned_carts, "live_sessions", return_value=read):
            change(session)
            assert remind() == "1 sessions, 0 reminders.\n"
            session.flush()
            assert remind() == "1 sessions, 0 reminders.\n"

    def test_ctrl_c_reports_the_progress_and_the_next_run_continues(self):
        for _ in range(3):
            leave_cart(self.user, self.mug)
        with (
            mock.patch.object(EmailMessage, "send", side_effect=[1, KeyboardInterrupt]),
            pytest.raises(CommandError, match="2 sessions, 1 reminders") as error,
        ):
            remind()
        assert error.value.returncode == 130
        assert remind() == "3 sessions, 2 reminders.\n"


class FailingMailTests(TransactionTestCase):
    def setUp(self):
        self.session = leave_cart(UserFactory(email="ada@example.com"), ProductFactory())

    def remind_and_fail(self, happens):
        def send(message):
            assert not connection.in_atomic_block  # The session is not locked.
            happens()
            raise OSError("no server")

        with (
            mock.patch.object(EmailMessage, "send", send),
            self.assertLogs(remind_abandoned_carts.logger, "ERROR") as logs,
            pytest.raises(CommandError, match="1 failed"),
        ):
            remind(after=0)
        assert logs.records[0].exc_info[0] is OSError

    def test_another_job_sends_no_mail_meanwhile_and_the_next_run_does(self):
        outputs = []
        self.remind_and_fail(lambda: outputs.append(remind()))
        assert outputs == ["1 sessions, 0 reminders.\n"]
        assert remind() == "1 sessions, 1 reminders.\n"

    def test_a_session_that_changes_or_ends_meanwhile_stays_so(self):
        self.remind_and_fail(lambda: change(self.session))
        assert remind() == "1 sessions, 0 reminders.\n"
        self.remind_and_fail(self.session.flush)
        assert remind() == "0 sessions, 0 reminders.\n"
