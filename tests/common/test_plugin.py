import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from django.db import DatabaseError, InternalError, connection, transaction
from django.db.transaction import TransactionManagementError

from common.testing.plugin import pytest_report_header
from common_tests import broken_transactions
from common_tests.models import Author

BROKEN_TRANSACTIONS = Path(broken_transactions.__file__)
HINT = "An earlier database error was swallowed"
REPORTS = [
    "AutocommitTests.test_atomic_block_of_the_test",
    "CallTests.test_async",
    "CallTests.test_cleanup",
    "CallTests.test_error_within_an_atomic_block_of_django",
    "CallTests.test_method",
    "CallTests.test_method_after_assert_raises",
    "CallTests.test_sub_test (<subtest>)",
    "ERROR at setup of SetUpTestDataTests.test_one",
    "ERROR at setup of SetUpTestDataTests.test_two",
    "ERROR at setup of test_setup_of_a_fixture",
    "ERROR at teardown of test_teardown_of_a_fixture",
    "SetUpTests.test",
    "TearDownTests.test",
    "test_function",
    "test_function_with_subtests (<subtest>)",
]


def raise_(error):
    raise error


def report(request, failing, *args):
    """Return what pytest reports of a test that ends with the error of ``failing``."""
    call = pytest.CallInfo.from_call(lambda: failing(*args), when="call")
    return request.node.ihook.pytest_runtest_makereport(item=request.node, call=call).longreprtext


def broken_transaction():
    return TransactionManagementError("An error occurred in the current transaction. You can't ...")


def test_the_header_says_that_signals_are_suspended(settings):
    settings.SUSPEND_SIGNALS = True
    assert pytest_report_header() == "signals: suspended"


def test_the_header_is_absent_while_signals_are_not_suspended(settings):
    settings.SUSPEND_SIGNALS = False
    assert pytest_report_header() is None


def test_the_header_is_absent_without_the_setting(settings):
    del settings.SUSPEND_SIGNALS
    assert pytest_report_header() is None


def test_functions_fixtures_and_test_cases_get_the_hint_once_in_each_phase():
    command = [sys.executable, "-m", "pytest", "--ds=common_tests.settings"]
    process = subprocess.run(  # noqa: S603 -- pytest itself
        # Without the summary (-rN): in CI, pytest repeats each error there in full.
        [
            *command,
            "--no-migrations",
            "--tb=short",
            "-rN",
            "-pno:cacheprovider",
            BROKEN_TRANSACTIONS,
        ],
        cwd=BROKEN_TRANSACTIONS.parents[1],
        env={**os.environ, "DATABASE_URL": "sqlite://:memory:"},
        capture_output=True,
        text=True,
        timeout=120,  # seconds
        check=False,
    )
    _, *parts = re.split(r"^_+ (\S.*\S) _+$", process.stdout, flags=re.MULTILINE)
    hints = {title: text.count(HINT) for title, text in zip(parts[::2], parts[1::2], strict=True)}
    only_counts_its_subtests = {"test_function_with_subtests": 0}
    assert hints == dict.fromkeys(REPORTS, 1) | only_counts_its_subtests, process.stdout


def test_the_hint_follows_the_error_and_names_the_fixes(request):
    text = report(request, raise_, broken_transaction())
    assert re.search(rf"TransactionManagementError: An error .*\nE +{HINT}", text)
    for fix in ("assertIntegrityError", "raises_integrity_error", "transaction.atomic() inside"):
        assert fix in text


def test_an_error_that_is_reported_twice_gets_the_hint_once(request):
    error = broken_transaction()
    assert report(request, raise_, error).count(HINT) == 1
    assert report(request, raise_, error).count(HINT) == 1


@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")
@pytest.mark.django_db
def test_an_error_of_a_cursor_that_only_postgresql_noticed_gets_the_hint(request):
    def query_after_a_swallowed_error():
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
        Author.objects.count()

    text = report(request, query_after_a_swallowed_error)
    assert "InternalError: current transaction is aborted" in text
    assert HINT in text


@pytest.mark.parametrize("error", [InternalError("cursor 'x' does not exist"), ZeroDivisionError()])
def test_another_error_gets_no_hint(request, error):
    assert HINT not in report(request, raise_, error)


@pytest.mark.django_db
def test_another_misuse_of_transactions_gets_no_hint(request):
    text = report(request, transaction.commit)
    assert "TransactionManagementError" in text
    assert HINT not in text


def test_a_test_that_passes_has_no_report(request):
    assert report(request, int) == ""
