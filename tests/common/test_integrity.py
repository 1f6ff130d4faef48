from contextlib import suppress

import pytest
from asgiref.sync import async_to_sync
from django.db import IntegrityError, connection, connections, transaction
from django.db.models import ProtectedError, RestrictedError
from django.db.transaction import TransactionManagementError
from django.utils.connection import ConnectionDoesNotExist

from common.testing import raises_integrity_error
from common_tests.models import Book, Novel, Publisher

pytestmark = pytest.mark.django_db
autocommit = pytest.mark.django_db(transaction=True)
postgresql_only = pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")


def execute(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)


def insert_without_title():
    execute('INSERT INTO "Common, tests.book" ("the title", "no. of pages") VALUES (NULL, 1)')


def insert_in_bulk():
    Book.objects.bulk_create([Book(title=None)])


def insert_with_save():
    Book(title=None).save()


each_way_to_insert = pytest.mark.parametrize(
    "violate", [insert_without_title, insert_in_bulk, insert_with_save]
)


def fails(message):
    return pytest.raises(AssertionError, match=message)


@pytest.fixture
def second():
    connections["second"] = connection.copy("second")
    yield "second"
    connections["second"].connection.close()  # Django keeps SQLite's open when it is in memory.
    del connections["second"]


@each_way_to_insert
@pytest.mark.parametrize("mode", ["savepoint", pytest.param("autocommit", marks=autocommit)])
def test_queries_work_after_the_error(violate, mode):
    with raises_integrity_error() as caught:
        violate()
    assert type(caught.exception) is IntegrityError
    assert "the title" in str(caught.exception)
    assert not Book.objects.exists()


def test_queries_work_after_the_error_within_atomic():
    with transaction.atomic():
        Publisher.objects.create(name="Murray")
        with raises_integrity_error():
            Book.objects.create(title=None)
    assert Publisher.objects.count() == 1


def test_no_error_fails():
    with fails(r"^IntegrityError not raised\.$"), raises_integrity_error():
        Publisher.objects.create(name="Murray")
    assert not Publisher.objects.exists()


@each_way_to_insert
def test_a_block_that_swallows_the_error_fails(violate):
    with fails("not raised"), raises_integrity_error(), suppress(IntegrityError):
        violate()
    assert not Book.objects.exists()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_another_error_propagates_unchanged(error):
    def create():
        Publisher.objects.create(name="Murray")
        raise raised

    raised = error("stop")
    with pytest.raises(error) as caught, raises_integrity_error():
        create()
    assert caught.value is raised
    assert not Publisher.objects.exists()


def test_a_deferred_constraint_is_checked_in_the_block():
    with raises_integrity_error() as caught:
        Publisher.objects.create(name="Murray")
        Book.objects.create(publisher_id=0)
    assert isinstance(caught.exception, IntegrityError)
    assert not Publisher.objects.exists()


def test_the_block_may_check_deferred_constraints_itself():
    with raises_integrity_error(fields=["publisher"]):
        Book.objects.create(publisher_id=0)
        connection.check_constraints()


@pytest.mark.parametrize(("initially", "reaches"), [("IMMEDIATE", False), ("DEFERRED", True)])
@postgresql_only
def test_the_check_leaves_constraints_as_they_were(initially, reaches):
    execute(f"CREATE TABLE raw (a integer UNIQUE DEFERRABLE INITIALLY {initially})")
    with raises_integrity_error():
        with raises_integrity_error(fields=["publisher"]):
            Book.objects.create(publisher_id=0)
        Book.objects.create(publisher_id=0)
    reached = False
    with raises_integrity_error(fields=["a"]):
        execute("INSERT INTO raw VALUES (1), (1)")
        reached = True
    assert reached is reaches


def test_rows_that_were_wrong_before_fail_before_the_block_runs():
    ran = False
    book = Book.objects.create(publisher_id=0)
    with fails("Rows were already wrong .*publisher_id"), raises_integrity_error():
        ran = True
    assert not ran
    book.delete()


def test_blocks_nest():
    with raises_integrity_error() as outer:
        with raises_integrity_error(fields=["title"]) as inner:
            Book.objects.create(title=None)
        Publisher.objects.create(name="Murray")
        Book.objects.create(publisher_id=0)
    assert inner.exception is not outer.exception
    assert not Publisher.objects.exists()


@pytest.mark.parametrize("mode", ["savepoint", pytest.param("autocommit", marks=autocommit)])
def test_durable_code_works(mode):
    with raises_integrity_error(fields=["title"]), transaction.atomic(durable=True):
        Book.objects.create(title=None)


def test_durable_code_inside_the_atomic_block_of_a_test_fails():
    with (
        pytest.raises(RuntimeError, match="durable"),
        transaction.atomic(),
        raises_integrity_error(),
        transaction.atomic(durable=True),
    ):
        pass


@autocommit
def test_on_commit_callbacks_do_not_run():
    ran = []
    with fails("not raised"), raises_integrity_error():
        transaction.on_commit(lambda: ran.append(1))
    assert not ran


def test_a_broken_transaction_raises_djangos_own_error():
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError), raises_integrity_error():
            pass


@autocommit
def test_using_chooses_the_database(second):
    with raises_integrity_error(fields=["title"], using=second):
        Publisher.objects.using(second).create(name="Murray")
        Book.objects.using(second).create(title=None)
    assert not Publisher.objects.using(second).exists()


def test_an_unknown_database_raises_djangos_own_error():
    with pytest.raises(ConnectionDoesNotExist, match="typo"), raises_integrity_error(using="typo"):
        pass


def delete_protected():
    publisher = Publisher.objects.create(name="Murray")
    Book.objects.create(publisher=publisher)
    publisher.delete()


def delete_restricted():
    novel = Novel.objects.create()
    Novel.objects.create(title="Persuasion", sequel=novel)
    novel.delete()


@pytest.mark.parametrize(
    ("delete", "error"),
    [(delete_protected, ProtectedError), (delete_restricted, RestrictedError)],
)
def test_an_error_of_django_passes_without_constraint_and_fields_only(delete, error):
    with raises_integrity_error() as caught:
        delete()
    assert type(caught.exception) is error
    for expected in ({"constraint": "x"}, {"fields": ["publisher"]}):
        message = f"does not tell the {next(iter(expected))} of this {error.__name__}, so "
        with fails(message), raises_integrity_error(**expected):
            delete()


def test_frames_of_the_assertion_are_hidden():
    with pytest.raises(AssertionError) as caught, raises_integrity_error():
        pass
    assert "testing/integrity.py" not in str(caught.getrepr(style="short"))


def test_a_string_for_fields_is_refused():
    with pytest.raises(TypeError, match=r"fields='title' is a string: .*\['title'\]"):
        raises_integrity_error(fields="title")


def test_the_error_is_the_cause_of_the_failure():
    with fails("Expected") as caught, raises_integrity_error("other"):
        Book.objects.create(pages=5000)
    assert isinstance(caught.value.__cause__, IntegrityError)


@async_to_sync
async def violate_asynchronously(error=None):
    async with raises_integrity_error(fields=["title"]) as caught:
        await Publisher.objects.acreate(name="Murray")
        if error:
            raise error
        await Book.objects.acreate(title=None)
    return caught.exception


def test_async_with_catches_too():
    assert isinstance(violate_asynchronously(), IntegrityError)
    assert not Publisher.objects.exists()


def test_async_with_lets_another_error_propagate():
    with pytest.raises(ValueError, match="stop"):
        violate_asynchronously(ValueError("stop"))
    assert not Publisher.objects.exists()
