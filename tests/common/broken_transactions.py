"""Tests that fail on purpose, in broken transactions: ``test_plugin.py`` runs them."""

from contextlib import suppress

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from common.testing import TestCase, TransactionTestCase
from common_tests.models import Author, Book, Novel


def query_after_a_swallowed_error():
    with suppress(IntegrityError):
        Book.objects.create(title=None)
    Author.objects.count()


@pytest.fixture
def broken_setup(db):
    query_after_a_swallowed_error()


@pytest.fixture
def broken_teardown(db):
    yield
    query_after_a_swallowed_error()


def test_setup_of_a_fixture(broken_setup):
    raise NotImplementedError


def test_teardown_of_a_fixture(broken_teardown):
    pass


@pytest.mark.django_db
def test_function():
    query_after_a_swallowed_error()


@pytest.mark.django_db
def test_function_with_subtests(subtests):
    with subtests.test():
        query_after_a_swallowed_error()


class CallTests(TestCase):
    def test_method(self):
        query_after_a_swallowed_error()

    def test_method_after_assert_raises(self):
        with self.assertRaises(DatabaseError):
            Book.objects.create(title=None)
        Author.objects.count()

    def test_error_within_an_atomic_block_of_django(self):
        with suppress(IntegrityError):
            Novel.objects.create(title=None)  # Saves two tables, in an atomic block of its own.
        Author.objects.count()

    def test_sub_test(self):
        with self.subTest():
            query_after_a_swallowed_error()

    def test_cleanup(self):
        self.addCleanup(query_after_a_swallowed_error)

    async def test_async(self):
        with suppress(IntegrityError):
            await Book.objects.acreate(title=None)
        await Author.objects.acount()


class SetUpTests(TestCase):
    def setUp(self):
        query_after_a_swallowed_error()

    def test(self):
        raise NotImplementedError


class TearDownTests(TestCase):
    def tearDown(self):
        query_after_a_swallowed_error()

    def test(self):
        pass


class SetUpTestDataTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        query_after_a_swallowed_error()

    def test_one(self):
        raise NotImplementedError

    def test_two(self):
        raise NotImplementedError


class AutocommitTests(TransactionTestCase):
    def test_atomic_block_of_the_test(self):
        with transaction.atomic():
            query_after_a_swallowed_error()
