import re

import pytest
from django.db import connection

from common.testing import raises_integrity_error
from common_tests.models import Book, Novel, Parcel, Publisher

pytestmark = pytest.mark.django_db
sqlite_only = pytest.mark.skipif(connection.vendor != "sqlite", reason="needs SQLite")
postgresql_only = pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")

TABLE = "Common, tests.book"


@pytest.fixture
def book():
    publisher = Publisher.objects.create(name="Murray")
    return Book.objects.create(publisher=publisher, isbn=1, shelf=1, place=1)


def execute(sql, params=()):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def fails(message):
    return pytest.raises(AssertionError, match=message)


def create(**fields):
    return lambda book: Book.objects.create(**{"title": "Persuasion", **fields})


def add_seller_twice(book):
    through = Book.sellers.through
    through.objects.bulk_create(through(book=book, publisher=book.publisher) for _ in range(2))


def share_a_sequel(book):
    first, second = Novel.objects.create(title="1"), Novel.objects.create(title="2")
    Novel.objects.filter(pk__in=[first.pk, second.pk]).update(sequel=first)


def delete_the_publisher(book):
    execute("DELETE FROM common_tests_publisher WHERE id = %s", [book.publisher_id])


def repeat_the_key_of_a_child(book):
    novel = Novel.objects.create(title="1")
    execute("INSERT INTO common_tests_novel (book_ptr_id) VALUES (%s)", [novel.pk])


# what violates it, the fields, the constraint's name where both databases tell it
VIOLATIONS = {
    "unique_together": (
        lambda book: Book.objects.create(publisher=book.publisher),
        {"publisher", "title"},
        "Common, tests.book_publisher_id_the title_07e19312_uniq",
    ),
    "unique with condition": (create(shelf=1, place=1), {"shelf", "place"}, "book_place"),
    "unique expression": (create(title="EMMA", shelf=1), {"shelf", "title"}, "book_title_on_shelf"),
    "check": (create(pages=5000), {"pages"}, "book_pages_lt_5000"),
    "unnamed check": (create(pages=-1), {"pages"}, None),
    "unique=True": (create(isbn=1), {"isbn"}, None),
    "unique=True in bulk": (lambda book: Book.objects.bulk_create([Book(isbn=1)]), {"isbn"}, None),
    "primary key": (lambda book: Book(pk=book.pk).save(force_insert=True), {"id"}, None),
    "primary key of a child": (repeat_the_key_of_a_child, {"book_ptr"}, None),
    "one to one": (share_a_sequel, {"sequel"}, None),
    "many to many": (
        add_seller_twice,
        {"book", "publisher"},
        "Common, tests.book_sellers_book_id_publisher_id_50a0ade4_uniq",
    ),
    "not null": (create(title=None), {"title"}, None),
    "foreign key": (create(publisher_id=0), {"publisher"}, None),
    "foreign key to a deleted row": (delete_the_publisher, {"publisher"}, None),
    "foreign key, db_column": (create(parent_id=0), {"parent"}, None),
}
NAMED = {name: case for name, case in VIOLATIONS.items() if case[2]}
PARAMETERS = ("violate", "fields", "constraint")
each_violation = pytest.mark.parametrize(PARAMETERS, VIOLATIONS.values(), ids=VIOLATIONS)
each_named = pytest.mark.parametrize(PARAMETERS, NAMED.values(), ids=NAMED)


@each_violation
def test_the_violated_fields_pass(book, violate, fields, constraint):
    with raises_integrity_error(fields=fields):
        violate(book)


@each_violation
def test_more_fields_fail_and_show_the_violated_ones(book, violate, fields, constraint):
    message = rf"Expected fields=\[.*'z'\]\. Violated: .*fields={re.escape(str(sorted(fields)))} \("
    with fails(message), raises_integrity_error(fields=[*fields, "z"]):
        violate(book)


@each_named
def test_the_violated_constraint_passes(book, violate, fields, constraint):
    with raises_integrity_error(constraint, fields):
        violate(book)


@each_named
def test_another_constraint_fails_and_shows_the_violated_one(book, violate, fields, constraint):
    violated = rf"Violated: constraint={re.escape(repr(constraint))} and fields="
    with fails(rf"Expected constraint='other'\. {violated}"), raises_integrity_error("other"):
        violate(book)


def test_a_right_constraint_with_wrong_fields_fails(book):
    message = r"Expected constraint='book_place' and fields=\['shelf'\]\."
    with fails(message), raises_integrity_error("book_place", ["shelf"]):
        Book.objects.create(title="Persuasion", shelf=1, place=1)


def test_the_name_of_a_column_does_not_pass_for_the_name_of_its_field():
    message = r"Expected fields=\['publisher_id'\]\."
    with fails(message), raises_integrity_error(fields=["publisher_id"]):
        Book.objects.create(publisher_id=0)


@pytest.mark.parametrize("name", ["unnamed check", "unique=True", "primary key", "foreign key"])
@sqlite_only
def test_sqlite_does_not_tell_the_name(book, name):
    violate, fields, _ = VIOLATIONS[name]
    with fails("^SQLite does not tell the constraint"), raises_integrity_error("anything", fields):
        violate(book)


@pytest.mark.parametrize(
    ("name", "constraint"),
    [
        ("unnamed check", f"{TABLE}_no. of pages_check"),
        ("unique=True", f"{TABLE}_isbn_key"),
        ("primary key", f"{TABLE}_pkey"),
        ("foreign key", f"{TABLE}_publisher_id_de7c5712_fk_common_te"),
    ],
)
@postgresql_only
def test_postgresql_tells_the_name(book, name, constraint):
    violate, fields, _ = VIOLATIONS[name]
    with raises_integrity_error(constraint, fields):
        violate(book)


@postgresql_only
def test_a_unique_constraint_does_not_cover_the_columns_that_it_includes(book):
    Book.objects.create(shelf=-3, parent=book)
    with raises_integrity_error("book_sold", ["parent"]):
        Book.objects.create(title="Persuasion", shelf=-3, parent=book)


@sqlite_only
def test_the_check_of_a_json_field_tells_the_field_on_sqlite(book):
    with raises_integrity_error(fields=["notes"]):
        execute('UPDATE "Common, tests.book" SET notes = %s', ["{"])


def test_not_null_has_no_name(book):
    constraint = f"{TABLE}_the title_not_null"
    with fails("does not tell the constraint of this"), raises_integrity_error(constraint):
        Book.objects.create(title=None)


@pytest.mark.parametrize("column", ["a", "b"])
def test_without_a_model_columns_stand_for_fields(column):
    execute("CREATE TABLE raw (a integer NOT NULL, b integer, CONSTRAINT b_is_1 CHECK (b = 1))")
    with raises_integrity_error(fields=[column]):
        execute("INSERT INTO raw VALUES (%s, %s)", [1, 2] if column == "b" else [None, 1])


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("sender", "X", "parcel_from"),
        ("receiver", "X", "parcel_to"),
        ("weight", 0, "parcel_weight"),
    ],
)
def test_checks_with_like_are_told_apart(field, value, name):
    for expected in ({"constraint": name}, {"fields": [field]}):
        with raises_integrity_error(**expected):
            Parcel.objects.create(**{field: value})
    violated = rf"Violated: constraint='{name}' and fields=\['{field}'\]"
    with fails(violated), raises_integrity_error(fields=["id"]):
        Parcel.objects.create(**{field: value})
