import socket
from contextlib import closing
from http.client import HTTPConnection

import django.test
import pytest
from django.db import IntegrityError
from pytest_socket import SocketConnectBlockedError

import common.testing
from common.testing import LiveServerTestCase, SimpleTestCase, TestCase, TransactionTestCase
from common_tests.models import Book, Publisher


class TestCaseTests(TestCase):
    def test_calls_a_callable_with_its_arguments(self):
        result = self.assertIntegrityError(
            Book.objects.update_or_create, {"title": None}, isbn=1, fields=["title"]
        )
        assert result is None
        assert not Book.objects.exists()

    def test_without_a_callable_is_a_context(self):
        with self.assertIntegrityError(constraint="book_pages_lt_5000") as caught:
            Book.objects.create(pages=5000)
        assert isinstance(caught.exception, IntegrityError)
        assert not Book.objects.exists()

    def test_a_callable_that_raises_nothing_fails(self):
        with pytest.raises(AssertionError, match="IntegrityError not raised"):
            self.assertIntegrityError(Publisher.objects.create, name="Murray")
        assert not Publisher.objects.exists()

    def test_a_callable_that_violates_something_else_fails(self):
        with pytest.raises(AssertionError, match=r"Expected fields=\['isbn'\]\. .*'title'"):
            self.assertIntegrityError(Book.objects.create, title=None, fields=["isbn"])

    def test_another_error_of_the_callable_propagates(self):
        with pytest.raises(ZeroDivisionError):
            self.assertIntegrityError(divmod, 1, 0)

    def test_arguments_without_a_callable_are_refused(self):
        with pytest.raises(TypeError, match="Unexpected without a callable: constrain"):
            self.assertIntegrityError(constrain="book_pages_lt_5000")
        with pytest.raises(TypeError, match="Unexpected without a callable: 1"):
            self.assertIntegrityError(None, 1)

    async def test_async_with(self):
        async with self.assertIntegrityError(fields=["publisher"]) as caught:
            await Publisher.objects.acreate(name="Murray")
            await Book.objects.acreate(publisher_id=0)
        assert isinstance(caught.exception, IntegrityError)
        assert not await Publisher.objects.aexists()

    async def test_async_with_fails_without_an_error(self):
        with pytest.raises(AssertionError, match="not raised"):
            async with self.assertIntegrityError():
                pass

    def test_frames_of_the_helper_are_hidden(self):
        class Failing(SimpleTestCase):
            def test(self):
                with self.assertIntegrityError():
                    pass

        result = Failing("test").run()
        assert "in test\n" in result.failures[0][1]
        assert "integrity.py" not in result.failures[0][1]


class TransactionTestCaseTests(TransactionTestCase):
    def test_leaves_no_rows_in_autocommit_mode(self):
        Publisher.objects.create(name="Murray")
        with self.assertIntegrityError(fields=["publisher"]):
            Publisher.objects.create(name="Egerton")
            Book.objects.create(publisher_id=0)
        assert Publisher.objects.count() == 1

    async def test_async_with(self):
        async with self.assertIntegrityError(fields=["title"]):
            await Book.objects.acreate(title=None)
        assert not await Book.objects.aexists()


class SimpleTestCaseTests(SimpleTestCase):
    def test_a_database_that_is_not_allowed_raises_djangos_own_error(self):
        with pytest.raises((AssertionError, RuntimeError), match="not allowed"):
            self.assertIntegrityError(int)

    def test_a_connection_to_the_network_is_blocked(self):
        with pytest.raises(SocketConnectBlockedError):
            socket.create_connection(("192.0.2.1", 80), timeout=1)

    def test_a_connection_to_loopback_is_allowed(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=10).close()


class LiveServerTestCaseTests(LiveServerTestCase):
    def test_serves_and_asserts(self):
        server = HTTPConnection(self.server_thread.host, self.server_thread.port, timeout=10)
        server.request("GET", "/healthz")
        with closing(server), server.getresponse() as response:
            assert response.read() == b"ok\n"
        self.assertIntegrityError(Book.objects.create, title=None, fields=["title"])


@pytest.mark.parametrize(
    "name", ["SimpleTestCase", "TestCase", "TransactionTestCase", "LiveServerTestCase"]
)
def test_bases_are_djangos(name):
    assert issubclass(getattr(common.testing, name), getattr(django.test, name))


def test_the_facade_has_all_names_of_its_all():
    assert all(hasattr(common.testing, name) for name in common.testing.__all__)
