"""How to test a job that changes sessions, while visitors use them."""

import logging
from datetime import timedelta
from importlib import import_module
from io import StringIO
from unittest import mock

import pytest
from django.contrib.auth import SESSION_KEY as USER_KEY
from django.core import mail
from django.core.mail import EmailMessage
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings
from django.urls import reverse
from django.utils import timezone

from apps.shop import cart, views
from apps.shop.management.commands import remind_abandoned_carts
from apps.shop.tests.factories import ProductFactory
from apps.users.tests.factories import UserFactory
from common.sessions import edit_session, session_store
from common.testing import TestCase, TransactionTestCase

YESTERDAY = timezone.now() - timedelta(hours=25)
STOCK = "django.contrib.sessions.backends"


def leave_cart(user, *products, changed_at=YESTERDAY):
    """Return the key of a session of ``user``, who left these in the cart."""
    session = session_store()
    if user:
        session[USER_KEY] = str(user.pk)
    with mock.patch("django.utils.timezone.now", return_value=changed_at):
        for product in products:
            cart.add(session, product.pk)
    session.create()
    return session.session_key


def remind(**options):
    """Run the job and return what it prints."""
    output = StringIO()
    call_command("remind_abandoned_carts", stdout=output, **options)
    return output.getvalue()


def before_the_edit(happens):
    """Have this happen after the job has looked at a session, and before it locks it."""

    def edit(session_key):
        happens()
        return edit_session(session_key)

    return mock.patch.object(remind_abandoned_carts, "edit_session", edit)


def remind_naively():
    """The job of the article: it goes by the rows, whatever engine the site has."""
    sessions = import_module(f"{STOCK}.db").SessionStore
    for row in sessions.get_model_class().objects.all():
        session = sessions(row.session_key)
        if cart.is_abandoned(session, timezone.now()):
            EmailMessage("Your cart", to=["ada@example.com"]).send()
            cart.mark_reminded(session)
            session.save()


class Customer(TestCase):
    """Has a cart, and comes back while the job runs: the job runs in the middle of each request."""

    def setUp(self):
        self.product = ProductFactory()
        self.client.force_login(UserFactory(email="ada@example.com"))
        self.come_back("shop:add-to-cart")

    def come_back(self, name="shop:stash-product"):
        self.client.post(reverse(name, args=[self.product.pk]))

    def come_back_while(self, job, times):
        def redirect(*args):
            job()
            return stock_redirect(*args)

        stock_redirect = views.redirect
        with mock.patch.object(views, "redirect", redirect):
            for _ in range(times):
                self.come_back()


@override_settings(SESSION_ENGINE=f"{STOCK}.cached_db")
class NaiveJobTests(Customer):
    def test_the_customer_comes_back_and_is_mailed_again_and_again(self):
        self.come_back_while(remind_naively, times=3)
        assert len(mail.outbox) == 3

    def test_a_customer_who_comes_back_later_is_mailed_again_too(self):
        for _ in range(3):
            remind_naively()
            self.come_back()
        assert len(mail.outbox) == 3


class ComingBackTests(Customer):
    def test_the_customer_comes_back_a_hundred_times_and_is_mailed_once(self):
        self.come_back_while(lambda: remind(after=0), times=100)
        assert [message.to for message in mail.outbox] == [["ada@example.com"]]

    def test_who_changes_the_cart_meanwhile_is_not_reminded_of_the_old_one(self):
        with before_the_edit(lambda: self.come_back("shop:add-to-cart")):
            assert "0 reminders" in remind(after=0)
        assert mail.outbox == []

    def test_who_logs_out_meanwhile_is_not_reminded(self):
        with before_the_edit(self.client.logout):
            assert "0 reminders" in remind(after=0)
        assert mail.outbox == []


class RemindTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.user = UserFactory(email="ada@example.com")
        cls.kettle, cls.mug = ProductFactory(name="Kettle"), ProductFactory(name="Mug")

    def test_the_mail_says_what_is_in_the_cart_and_the_cart_is_marked(self):
        session_key = leave_cart(self.user, self.kettle, self.mug, self.mug)
        assert remind() == "1 sessions, 1 reminders.\n"
        [message] = mail.outbox
        assert message.to == ["ada@example.com"]
        assert "- 1 x Kettle\n- 2 x Mug\n" in message.body
        assert session_store(session_key)["cart"]["reminded_at"]
        assert cart.items(session_store(session_key)) == {self.kettle.pk: 1, self.mug.pk: 2}

    def test_a_second_run_mails_nobody_until_the_cart_is_left_anew(self):
        session_key = leave_cart(self.user, self.mug)
        remind()
        assert remind() == "1 sessions, 0 reminders.\n"
        with edit_session(session_key) as session:
            cart.add(session, self.mug.pk)
        assert remind() == "1 sessions, 0 reminders.\n"
        assert remind(after=0) == "1 sessions, 1 reminders.\n"

    def test_who_cannot_or_need_not_be_reminded_is_left_alone(self):
        leave_cart(None, self.mug)
        leave_cart(UserFactory(email=""), self.mug)
        leave_cart(UserFactory(is_active=False), self.mug)
        leave_cart(self.user)
        leave_cart(self.user, self.mug, changed_at=timezone.now())
        gone = ProductFactory()
        leave_cart(self.user, gone)
        gone.delete()
        with mock.patch.object(remind_abandoned_carts, "edit_session") as edit:
            assert remind() == "6 sessions, 0 reminders.\n"
        assert not edit.called

    def test_of_two_jobs_at_once_one_mails(self):
        leave_cart(self.user, self.mug)
        others = []

        def other_job():
            if not others:
                others.append("has started")
                others.append(remind())

        with before_the_edit(other_job):
            assert remind() == "1 sessions, 0 reminders.\n"
        assert others == ["has started", "1 sessions, 1 reminders.\n"]
        assert len(mail.outbox) == 1

    def test_a_mail_that_fails_is_logged_and_sent_by_the_next_run(self):
        for _ in range(3):
            leave_cart(self.user, self.mug)
        sent = [OSError("no server"), 1, 1]
        with (
            mock.patch.object(EmailMessage, "send", side_effect=sent),
            self.assertLogs(remind_abandoned_carts.logger, logging.ERROR) as logs,
            pytest.raises(CommandError, match="1 failed") as error,
        ):
            remind()
        assert error.value.returncode == 1
        assert "no server" in logs.output[0]
        assert remind() == "3 sessions, 1 reminders.\n"

    def test_ctrl_c_says_how_far_it_came_and_the_next_run_goes_on(self):
        for _ in range(3):
            leave_cart(self.user, self.mug)
        with (
            mock.patch.object(EmailMessage, "send", side_effect=[1, KeyboardInterrupt]),
            pytest.raises(CommandError, match="2 sessions, 1 reminders") as error,
        ):
            remind()
        assert error.value.returncode == 130
        assert remind() == "3 sessions, 2 reminders.\n"

    def test_a_long_run_says_how_far_it_is(self):
        thousand = [("key", {})] * 1000
        with mock.patch.object(remind_abandoned_carts, "live_sessions", return_value=thousand):
            assert remind(verbosity=2).splitlines() == [
                "1000 sessions, 0 reminders …",
                "1000 sessions, 0 reminders.",
            ]

    def test_an_age_that_makes_no_sense_is_refused(self):
        for after in (-1, 8761):
            with pytest.raises(CommandError, match=f"--after is {after}: use hours from 0 to 8760"):
                remind(after=after)

    def test_an_engine_without_rows_is_refused(self):
        with (
            override_settings(SESSION_ENGINE=f"{STOCK}.signed_cookies"),
            pytest.raises(CommandError, match="signed_cookies', which keeps no rows"),
        ):
            remind()


class WhileMailingTests(TransactionTestCase):
    def setUp(self):
        self.session_key = leave_cart(UserFactory(email="ada@example.com"), ProductFactory())
        self.others = []

    def remind_while(self, happens):
        """Run the job, in which sending the mail fails once this has happened."""

        def send(message):
            assert not connection.in_atomic_block  # Nobody waits for the mail server.
            happens()
            raise OSError("no server")

        with (
            mock.patch.object(EmailMessage, "send", autospec=True, side_effect=send),
            self.assertLogs(remind_abandoned_carts.logger, logging.ERROR),
            pytest.raises(CommandError, match="1 failed"),
        ):
            remind()

    def test_another_job_finds_the_mark_and_sends_none(self):
        self.remind_while(lambda: self.others.append(remind()))
        assert self.others == ["1 sessions, 0 reminders.\n"]

    def test_a_cart_that_changes_meanwhile_stays_as_it_is(self):
        def add():
            with edit_session(self.session_key) as session:
                cart.add(session, 1)

        self.remind_while(add)
        assert cart.items(session_store(self.session_key))[1]
        assert remind() == "1 sessions, 0 reminders.\n"

    def test_who_logs_out_meanwhile_stays_away(self):
        self.remind_while(session_store(self.session_key).flush)
        assert remind() == "0 sessions, 0 reminders.\n"
