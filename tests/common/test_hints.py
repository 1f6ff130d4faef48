"""Tests that die of a broken transaction, run one by one: what they report."""

import unittest
from contextlib import suppress

import pytest
from django.db import DatabaseError, IntegrityError, InternalError, connection, transaction

from common.testing import TestCase, TransactionTestCase
from common_tests.models import Author, Book, Novel

pytestmark = pytest.mark.django_db

HINT = "Expect an IntegrityError with self.assertIntegrityError()"


def report(case):
    """Return the traceback that the only test of ``case`` ends with."""
    result = unittest.TestResult()
    unittest.TestSuite([case("test")]).run(result)
    assert not result.failures
    [(_, text)] = result.errors
    return text


def swallow():
    with suppress(IntegrityError):
        Book.objects.create(title=None)


def test_the_hint_names_what_to_write():
    class Case(TestCase):
        def test(self):
            with self.assertRaises(DatabaseError):
                Book.objects.create(title=None)
            Author.objects.count()

    *_, error, hint = report(Case).splitlines()
    assert error.startswith("django.db.transaction.TransactionManagementError: An error occurred")
    assert hint.startswith("A database error was caught inside the transaction of this test")
    assert HINT in hint


def test_an_error_that_django_does_not_remember_is_hinted_at_all_the_same():
    class Case(TestCase):
        def test(self):
            with suppress(IntegrityError):
                Novel.objects.create(title=None)  # saves two tables, in an atomic block of its own
            Author.objects.count()

    assert HINT in report(Case)


def test_the_frames_of_the_hint_are_hidden():
    class Case(TestCase):
        def test(self):
            swallow()
            Author.objects.count()

    assert "testing/hints.py" not in report(Case)


def test_async_tests_get_it():
    class Case(TestCase):
        async def test(self):
            with suppress(IntegrityError):
                await Book.objects.acreate(title=None)
            await Author.objects.acount()

    assert HINT in report(Case)


def test_subtests_get_it():
    class Case(TestCase):
        def test(self):
            with self.subTest(n=1):
                swallow()
                Author.objects.count()

    assert HINT in report(Case)


def test_set_up_gets_it():
    class Case(TestCase):
        def setUp(self):
            swallow()
            Author.objects.count()

        def test(self):
            raise NotImplementedError

    assert HINT in report(Case)


@pytest.mark.parametrize("add", [True, False])
def test_tear_down_and_cleanups_get_it(add):
    class Case(TestCase):
        def test(self):
            swallow()
            if add:
                self.addCleanup(Author.objects.count)

        def tearDown(self):
            if not add:
                Author.objects.count()

    assert HINT in report(Case)


def test_subtests_of_a_test_that_is_debugged_get_it_once():
    class Case(TestCase):
        def test(self):
            with self.subTest():  # outside of a run it catches nothing
                raise transaction.TransactionManagementError(
                    "An error occurred in the current transaction."
                )

    with pytest.raises(transaction.TransactionManagementError) as caught:
        unittest.TestCase.debug(Case("test"))
    [note] = caught.value.__notes__
    assert HINT in note


def test_set_up_test_data_gets_it():
    class Case(TestCase):
        @classmethod
        def setUpTestData(cls):
            swallow()
            Author.objects.count()

        def test(self):
            raise NotImplementedError

    assert HINT in report(Case)


@pytest.mark.django_db(transaction=True)
def test_a_transaction_of_the_test_itself_gets_it():
    class Case(TransactionTestCase):
        def test(self):
            with transaction.atomic():
                swallow()
                Author.objects.count()

    assert HINT in report(Case)


def test_a_transaction_that_only_the_server_knows_to_be_broken_gets_it():
    class Case(TestCase):
        def test(self):
            if connection.vendor == "postgresql":
                with suppress(DatabaseError), connection.cursor() as cursor:
                    cursor.execute("SELECT 1 / 0")
                Author.objects.count()
            cause = Exception()
            cause.sqlstate = "25P02"
            raise InternalError("current transaction is aborted") from cause

    assert HINT in report(Case)


@pytest.mark.parametrize("error", [InternalError("cursor 'x' does not exist"), ZeroDivisionError()])
def test_another_error_gets_none(error):
    class Case(TestCase):
        def test(self):
            raise error

    assert HINT not in report(Case)


def test_another_misuse_of_transactions_gets_none():
    class Case(TestCase):
        def test(self):
            transaction.commit()

    text = report(Case)
    assert "TransactionManagementError" in text
    assert HINT not in text
