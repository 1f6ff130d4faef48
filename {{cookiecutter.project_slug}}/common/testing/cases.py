"""Django's test case bases, plus ``assertIntegrityError``, after which the test can still query.

    class BookTests(TestCase):
        def test_isbn_is_unique(self):
            self.assertIntegrityError(make_book, isbn=book.isbn, fields=["isbn"])

See "Catches when Expecting Exceptions in Django Unit Tests" and ``common.testing.integrity``.
"""

from collections.abc import Callable, Iterable
from typing import Any, overload

import django.test

from common.testing.integrity import _IntegrityErrorContext, raises_integrity_error

__unittest = __tracebackhide__ = True  # unittest and pytest omit this module from tracebacks.


class _Assertions:
    # jinja: if cookiecutter.background_jobs
    from common.testing.jobs import assertEnqueued  # type: ignore[misc] # as a method

    # jinja: endif
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
        self, callable: Callable[..., object], *args: Any, **kwargs: Any
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
        """Assert that ``callable(*args, **kwargs)`` raises IntegrityError, and return None.

        Without ``callable``, return a context for ``with`` or ``async with``, whose block must
        raise it. ``raises_integrity_error`` describes the context and the other arguments. Use the
        context to call async code or a callable that has arguments of these names.
        """
        context = raises_integrity_error(constraint, fields, using)
        if callable is not None:
            with context:
                callable(*args, **kwargs)
            return None
        if args or kwargs:  # A misspelled fields= would otherwise go unchecked.
            unexpected = ", ".join([*map(repr, args), *kwargs])
            raise TypeError(f"Unexpected without a callable: {unexpected}. Pass a callable first.")
        return context


class SimpleTestCase(_Assertions, django.test.SimpleTestCase):
    """Django's SimpleTestCase. It may use only the databases in ``databases``."""


class TestCase(_Assertions, django.test.TestCase):
    """Django's TestCase. It runs each test in a transaction and rolls it back."""


class TransactionTestCase(_Assertions, django.test.TransactionTestCase):
    """Django's TransactionTestCase. It runs tests in autocommit mode and then empties all tables."""


class LiveServerTestCase(_Assertions, django.test.LiveServerTestCase):
    """Django's LiveServerTestCase: a TransactionTestCase that serves the site on a local port."""
