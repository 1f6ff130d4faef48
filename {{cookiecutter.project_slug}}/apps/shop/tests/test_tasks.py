"""How to test tasks. Nothing runs until the test calls ``run_jobs``, and each job may run twice."""

from datetime import timedelta
from unittest import mock

import pytest
from django.contrib.auth import SESSION_KEY as USER_KEY
from django.core import mail
from django.core.mail import EmailMessage
from django.db import connection
from django.utils import timezone

from apps.shop import cart
from apps.shop.tasks import remind, remind_abandoned_carts
from apps.shop.tests.factories import ProductFactory
from apps.users.tests.factories import UserFactory
from common.sessions import session_store
from common.testing import TestCase, TransactionTestCase
from common.testing.jobs import run_jobs


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


def change(session):
    """Change the cart as a request does."""
    cart.add(session, 1)
    session.save()


class RemindTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.user = UserFactory(email="ada@example.com")
        cls.kettle, cls.mug = ProductFactory(name="Kettle"), ProductFactory(name="Mug")

    def test_each_abandoned_cart_is_a_job_and_its_mail_lists_the_products(self):
        session = leave_cart(self.user, self.kettle, self.mug, self.mug)
        remind_abandoned_carts.call()  # runs the function, here and now
        self.assertEnqueued(remind, session.session_key[:8])
        assert run_jobs() == 1
        [message] = mail.outbox
        assert message.to == ["ada@example.com"]
        assert "- 1 x Kettle\n- 2 x Mug\n" in message.body

    def test_tasks_that_run_twice_send_one_mail(self):
        session = leave_cart(self.user, self.mug)
        session["page"] = "A request has loaded the session and saves it after the job."
        remind_abandoned_carts.enqueue()
        remind_abandoned_carts.enqueue()
        assert run_jobs() == 4  # with those that they enqueue
        session.save()
        remind_abandoned_carts.enqueue()
        assert run_jobs() == 1
        assert len(mail.outbox) == 1

    def test_a_visitor_who_comes_back_before_the_job_runs_gets_no_mail(self):
        changed, ended = leave_cart(self.user, self.mug), leave_cart(self.user, self.mug)
        remind_abandoned_carts.call()
        change(changed)
        ended.flush()
        assert run_jobs() == 2
        assert mail.outbox == []

    def test_no_mail_is_sent_without_an_abandoned_cart_a_product_or_an_address(self):
        leave_cart(None, self.mug)
        change(leave_cart(self.user, self.mug))
        leave_cart(self.user, self.kettle)
        leave_cart(UserFactory(email=""), self.mug)
        self.kettle.delete()
        remind_abandoned_carts.enqueue()
        assert run_jobs() == 3  # for the two latter carts, and that of the hour
        assert mail.outbox == []


class FailingMailTests(TransactionTestCase):
    def remind_and_fail(self, happens):
        """Run a job whose mail cannot be sent, and then the next attempt; return how many mails it sent."""

        def send(message):
            assert not connection.in_atomic_block  # The session is not locked.
            happens(session)
            raise OSError("no server")

        session = leave_cart(UserFactory(email="ada@example.com"), ProductFactory())
        remind.enqueue(session.session_key[:8])
        with mock.patch.object(EmailMessage, "send", send), pytest.raises(OSError, match="server"):
            run_jobs()
        assert run_jobs(delayed=True) == 1
        return len(mail.outbox)

    def test_another_job_sends_no_mail_meanwhile_and_the_next_attempt_does(self):
        assert self.remind_and_fail(lambda session: remind.call(session.session_key[:8])) == 1

    def test_a_session_that_changes_or_ends_meanwhile_stays_so(self):
        assert self.remind_and_fail(change) == 0
        assert self.remind_and_fail(lambda session: session.flush()) == 0
