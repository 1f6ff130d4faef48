"""Django's test case bases, plus ``assertIntegrityError``: after an error, the test's queries go on.

    class BookTests(TestCase):
        def test_isbn_is_unique(self):
            self.assertIntegrityError(make_book, isbn=book.isbn, fields=["isbn"])

See "Catches when Expecting Exceptions in Django Unit Tests", and ``common.testing.integrity``.
"""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, overload

import django.test
from django.core.servers.basehttp import ThreadedWSGIServer
from django.test.testcases import LiveServerThread

from common.testing.hints import TransactionHints
from common.testing.integrity import _IntegrityErrorContext, raises_integrity_error

__unittest = True  # unittest leaves the frames of this module out of tracebacks


class _Helpers(TransactionHints):
    @overload
    def assertIntegrityError(
        self,
        callable: None = None,
        *,
        constraint: str | None = None,
        fields: Iterable[str] | None = None,
        using: str = "default",
    ) -> _IntegrityErrorContext: ...

    @overload
    def assertIntegrityError(
        self,
        callable: Callable[..., object],
        *args: Any,
        constraint: str | None = None,
        fields: Iterable[str] | None = None,
        using: str = "default",
        **kwargs: Any,
    ) -> None: ...

    def assertIntegrityError(
        self,
        callable: Callable[..., object] | None = None,
        *args: Any,
        constraint: str | None = None,
        fields: Iterable[str] | None = None,
        using: str = "default",
        **kwargs: Any,
    ) -> _IntegrityErrorContext | None:
        """Assert that ``callable(*args, **kwargs)`` raises IntegrityError; without, return a context.

        See ``raises_integrity_error`` for what the other arguments, and the context, do. A callable
        with arguments of these names, or an async one, needs the context.
        """
        __tracebackhide__ = True
        context = raises_integrity_error(constraint, fields, using)
        if callable is None:
            if args or kwargs:
                unexpected = ", ".join([*map(repr, args), *kwargs])
                raise TypeError(f"No callable to pass {unexpected} to.")
            return context
        with context:
            result = callable(*args, **kwargs)
            if inspect.iscoroutine(result):
                result.close()
                raise TypeError(f"{callable!r} is async: 'async with self.assertIntegrityError()'.")
        return None


class SimpleTestCase(_Helpers, django.test.SimpleTestCase):
    """Django's; without a database unless ``databases`` names one."""


class TestCase(_Helpers, django.test.TestCase):
    """Django's: each test in a transaction that is rolled back."""


class TransactionTestCase(_Helpers, django.test.TransactionTestCase):
    """Django's: each test in autocommit mode, all tables emptied afterwards."""


class _Server(ThreadedWSGIServer):
    def serve_forever(self, poll_interval: float = 0.01) -> None:
        super().serve_forever(poll_interval)  # seconds; by default each shutdown takes half of one


class _ServerThread(LiveServerThread):
    server_class = _Server


class LiveServerTestCase(_Helpers, django.test.LiveServerTestCase):
    """Django's: a TransactionTestCase with the site on a local port."""

    server_thread_class = _ServerThread
