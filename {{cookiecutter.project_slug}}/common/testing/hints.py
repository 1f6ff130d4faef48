"""A line for the test that dies because an earlier database error was caught: it names what to write instead.

Private: part of the bases in ``common.testing.cases``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import InternalError
from django.db.transaction import TransactionManagementError

__unittest = True  # unittest leaves the frames of this module out of tracebacks

# Without the error: what Django remembers may be that of an earlier test.
_HINT = (
    "A database error was caught inside the transaction of this test, which is broken since. Expect an "
    "IntegrityError with self.assertIntegrityError(), which runs it in a savepoint. Code that catches "
    "database errors needs transaction.atomic() inside its try."
)
_IN_FAILED_SQL_TRANSACTION = "25P02"  # PostgreSQL, where Django does not know of the error


class TransactionHints:
    """Hints in all that runs a test: ``setUpTestData``, ``setUp``, the test, subtests, ``tearDown``, cleanups."""

    @classmethod
    def setUpClass(cls) -> None:
        _super: Any = super()
        with _hint():
            _super.setUpClass()

    def _callSetUp(self) -> None:  # noqa: N802 -- unittest's name
        _super: Any = super()
        with _hint():
            _super._callSetUp()

    def _callTestMethod(self, method: Callable[[], Any]) -> None:  # noqa: N802 -- unittest's name
        _super: Any = super()
        with _hint():
            _super._callTestMethod(method)

    def _callTearDown(self) -> None:  # noqa: N802 -- unittest's name
        _super: Any = super()
        with _hint():
            _super._callTearDown()

    def _callCleanup(self, *args: Any, **kwargs: Any) -> None:  # noqa: N802 -- unittest's name
        _super: Any = super()
        with _hint():
            _super._callCleanup(*args, **kwargs)

    @contextmanager
    def subTest(self, *args: Any, **kwargs: Any) -> Iterator[None]:  # noqa: N802 -- unittest's name
        _super: Any = super()
        with _super.subTest(*args, **kwargs), _hint():
            yield


@contextmanager
def _hint() -> Iterator[None]:
    __tracebackhide__ = True
    try:
        yield
    except (TransactionManagementError, InternalError) as exc:
        if _is_broken_transaction(exc) and _HINT not in getattr(exc, "__notes__", []):
            exc.add_note(_HINT)
        raise


def _is_broken_transaction(exc: Exception) -> bool:
    if isinstance(exc, TransactionManagementError):  # Has other uses: select_for_update, commit.
        return "An error occurred in the current transaction" in str(exc)
    return getattr(exc.__cause__, "sqlstate", None) == _IN_FAILED_SQL_TRANSACTION
