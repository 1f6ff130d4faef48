"""Assert that the database refuses something, and go on using it: for pytest functions.

    with raises_integrity_error(fields=["author", "title"]):
        Book.objects.create(author=author, title="Emma")

In test cases, ``self.assertIntegrityError`` is the same. After "Catches when Expecting Exceptions
in Django Unit Tests", whose ``assertRaises`` within ``atomic`` leaves the transaction broken.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from asgiref.sync import sync_to_async
from django.db import IntegrityError, connections, transaction

from common.testing.violations import check_deferred, find_violation

__unittest = True  # unittest leaves the frames of this module out of tracebacks


def raises_integrity_error(
    constraint: str | None = None,
    fields: Iterable[str] | None = None,
    using: str = "default",
) -> "_IntegrityErrorContext":
    """Return a context, ``with`` or ``async with``, whose block must raise IntegrityError.

    The block runs in a savepoint on the database ``using``; afterwards its rows are gone, queries
    work and ``.exception`` is the error. Deferred constraints are checked at the end of the block.

    ``constraint`` is the name of the constraint that must be the cause, and ``fields`` the names
    of exactly the model fields that it covers (``parent``, not ``parent_id``).
    AssertionError: nothing or something else was violated, or the database does not tell what was
    (SQLite names few constraints), or rows were wrong before the block.
    """
    return _IntegrityErrorContext(constraint, fields, using)


class _IntegrityErrorContext:
    exception: IntegrityError

    def __init__(self, constraint: str | None, fields: Iterable[str] | None, using: str) -> None:
        if isinstance(fields, str):
            raise TypeError(f"fields={fields!r} is a string: pass a list of names, [{fields!r}].")
        self._constraint = constraint
        self._fields = None if fields is None else frozenset(fields)
        self._using = using

    def __enter__(self) -> Self:
        __tracebackhide__ = True
        connection: Any = connections[self._using]
        try:
            # In a savepoint of its own: SET CONSTRAINTS lasts until that very savepoint is undone.
            with transaction.atomic(self._using):
                check_deferred(connection)
                connection.set_rollback(True)
        except IntegrityError as exc:
            violation = find_violation(exc, connection)
            raise AssertionError(f"Rows were already wrong before the block: {violation}.") from exc
        atomic: Any = transaction.atomic(self._using)
        # As visible to atomic(durable=True) as what is round it: TestCase's own atomics are not.
        atomic._from_testcase = all(b._from_testcase for b in connection.atomic_blocks[-1:])
        atomic.__enter__()
        self._atomic = atomic
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        __tracebackhide__ = True
        connection = connections[self._using]
        try:
            # A block that swallowed an error may leave a transaction in which no check can run.
            if exc is None and not connection.needs_rollback and connection.is_usable():
                check_deferred(connection)
        except IntegrityError as deferred:
            exc = deferred
        finally:
            connection.set_rollback(True)
            self._atomic.__exit__(None, None, None)
        if exc is None:
            raise AssertionError("IntegrityError not raised.")
        if not isinstance(exc, IntegrityError):
            return False
        self.exception = exc
        self._judge(exc)
        return True

    async def __aenter__(self) -> Self:
        __tracebackhide__ = True
        # Thread-sensitive, as the ORM's own async methods are: they share a connection.
        return await sync_to_async(self.__enter__)()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        __tracebackhide__ = True
        return await sync_to_async(self.__exit__)(exc_type, exc, traceback)

    def _judge(self, error: IntegrityError) -> None:
        """Raise AssertionError unless ``error`` is the violation that was asked for."""
        __tracebackhide__ = True
        if self._constraint is None and self._fields is None:
            return
        connection = connections[self._using]
        violation = find_violation(error, connection)
        if violation is None:
            raise AssertionError(
                f"{type(error).__name__} does not come from the database {self._using!r}, "
                f"so {self._expected()} cannot be checked."
            ) from error
        for word, asked, told in (
            ("constraint", self._constraint, violation.constraint),
            ("fields", self._fields, violation.fields),
        ):
            if asked is not None and told is None:
                raise AssertionError(
                    f"{connection.display_name} does not tell the {word} of this violation, so "
                    f"{self._expected()} cannot be checked: omit {word}=. Violated: {violation}."
                ) from error
            if asked is not None and asked != told:
                raise AssertionError(
                    f"Expected {self._expected()}. Violated: {violation}."
                ) from error

    def _expected(self) -> str:
        constraint = [] if self._constraint is None else [f"constraint={self._constraint!r}"]
        fields = [] if self._fields is None else [f"fields={sorted(self._fields)}"]
        return " and ".join(constraint + fields)
