"""A pytest plugin: a header if signals are suspended, and a hint if a test fails because an
earlier database error was swallowed.
"""

import pytest
from django.conf import settings
from django.db import InternalError
from django.db.transaction import TransactionManagementError

HINT = (
    "An earlier database error was swallowed, and the transaction has been broken since then.\n"
    "To expect an IntegrityError, use assertIntegrityError or raises_integrity_error of "
    "common.testing.\n"
    "To catch a database error in the code, put transaction.atomic() inside its try."
)


def pytest_report_header() -> str | None:
    return "signals: suspended" if getattr(settings, "SUSPEND_SIGNALS", False) else None


def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> None:
    """Add the hint to the error that a test, a subtest, a fixture or a teardown ended with."""
    error = call.excinfo and call.excinfo.value
    # pytest reports the error of a shared fixture once for each test that needs the fixture.
    if error and _is_broken_transaction(error) and HINT not in getattr(error, "__notes__", ()):
        error.add_note(HINT)


def _is_broken_transaction(error: BaseException) -> bool:
    if isinstance(error, TransactionManagementError):  # Other misuses raise this class, too.
        return "An error occurred in the current transaction" in str(error)
    # Django does not notice the errors that raw cursors raise; PostgreSQL does.
    sqlstate = getattr(error.__cause__, "sqlstate", None)
    return isinstance(error, InternalError) and sqlstate == "25P02"
