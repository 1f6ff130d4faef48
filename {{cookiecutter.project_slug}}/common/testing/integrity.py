"""Assert that the database raises IntegrityError, and keep the transaction usable.

    with raises_integrity_error(fields=["author", "title"]):
        Book.objects.create(author=author, title="Emma")

For pytest functions; test cases have ``self.assertIntegrityError``. After "Catches when Expecting
Exceptions in Django Unit Tests". Its ``assertRaises`` inside ``atomic`` breaks the transaction.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from asgiref.sync import sync_to_async
from django.db import IntegrityError, connections, transaction

from common.testing.violations import Violation, find_violation

__unittest = __tracebackhide__ = True  # unittest and pytest omit this module from tracebacks.


def raises_integrity_error(
    constraint: str | None = None,
    fields: Iterable[str] | None = None,
    using: str = "default",
) -> "_IntegrityErrorContext":
    """Return a context for ``with`` or ``async with``, whose block must raise IntegrityError.

    Run the block in a savepoint on the database ``using``, check deferred constraints at its end
    and roll it back. Afterwards ``.exception`` is the error.

    ``constraint`` is the name of the constraint that must be violated. ``fields`` are the names
    of exactly the model fields that it covers (``parent``, not ``parent_id``), in any order.
    Raise AssertionError if the block violates no constraint or a different one, if the database
    does not tell which (SQLite names few), or if rows violate a constraint before the block.
    """
    return _IntegrityErrorContext(constraint, fields, using)


class _IntegrityErrorContext:
    exception: IntegrityError

    def __init__(self, constraint: str | None, fields: Iterable[str] | None, using: str) -> None:
        if isinstance(fields, str):
            raise TypeError(f"fields={fields!r} is a string: pass a list of names, [{fields!r}].")
        self._expected = Violation(constraint, None if fields is None else frozenset(fields))
        self._using = using

    def __enter__(self) -> Self:
        connection: Any = connections[self._using]
        try:
            # On PostgreSQL, check_constraints() makes all constraints deferred. Only the rollback
            # of the very savepoint in which it ran undoes that, so it gets one of its own.
            with transaction.atomic(self._using):
                connection.check_constraints()
                connection.set_rollback(True)
        except IntegrityError as exc:
            raise AssertionError(f"Rows were already wrong before the block: {exc}") from exc
        atomic: Any = transaction.atomic(self._using)
        # Django refuses atomic(durable=True) inside any atomic block except those of its TestCase.
        # Mark this block like the outer one, so that durable code works here as it does outside.
        atomic._from_testcase = all(outer._from_testcase for outer in connection.atomic_blocks[-1:])
        atomic.__enter__()
        self._atomic = atomic
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        connection = connections[self._using]
        try:
            # If the block swallowed an error, the transaction may be unable to run the check.
            if exc is None and not connection.needs_rollback and connection.is_usable():
                connection.check_constraints()
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
        self._compare(exc)
        return True

    async def __aenter__(self) -> Self:
        # sync_to_async and the async ORM use the same thread by default, so the same connection.
        return await sync_to_async(self.__enter__)()

    async def __aexit__(self, *exc_info: Any) -> bool:
        return await sync_to_async(self.__exit__)(*exc_info)

    def _compare(self, error: IntegrityError) -> None:
        """Raise AssertionError unless ``error`` is the expected violation."""
        if self._expected == Violation():
            return
        connection = connections[self._using]
        actual = find_violation(error, connection)
        # PostgreSQL adds lines. str() of a ProtectedError queries its objects, which may be gone.
        message = str(*error.args[:1]).partition("\n")[0]
        details = f"Violated: {actual} ({message})."
        for name, expected_value, actual_value in zip(
            Violation._fields, self._expected, actual, strict=True
        ):
            if expected_value is not None and actual_value is None:
                raise AssertionError(
                    f"{connection.display_name} does not tell the {name} of this "
                    f"{type(error).__name__}, so {self._expected} cannot be checked: "
                    f"omit {name}=. {details}"
                ) from error
            if expected_value not in (None, actual_value):
                raise AssertionError(f"Expected {self._expected}. {details}") from error
