"""What a database does not tell, or tells ambiguously, cannot be asserted."""

import pytest
from django.db import connection

from common.testing import raises_integrity_error
from common_tests.models import Book

pytestmark = pytest.mark.django_db
sqlite_only = pytest.mark.skipif(connection.vendor != "sqlite", reason="needs SQLite")
postgresql_only = pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")


def execute(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)


def fails(message):
    return pytest.raises(AssertionError, match=message)


@pytest.mark.parametrize(("shelf", "name"), [(-1, "book_in_store"), (-2, "book_on_loan")])
def test_the_name_for_columns_that_several_constraints_share_is_ambiguous_on_sqlite(shelf, name):
    def violate():
        with raises_integrity_error(name, ["place"]):
            Book.objects.create(title="Persuasion", shelf=shelf, place=1)

    Book.objects.create(shelf=shelf, place=1)
    if connection.vendor == "postgresql":
        violate()
    else:
        with fails(r"not tell the constraint .* Violated: fields=\['place'\]"):
            violate()


@sqlite_only
def test_the_name_of_a_unique_index_on_the_primary_key_is_ambiguous_on_sqlite():
    execute("CREATE TABLE raw (a integer PRIMARY KEY)")
    execute("CREATE UNIQUE INDEX a_again ON raw (a)")
    with fails("not tell the constraint"), raises_integrity_error("a_again", ["a"]):
        execute("INSERT INTO raw VALUES (1), (1)")


@sqlite_only
def test_a_name_that_looks_like_a_check_without_a_name_is_ambiguous_on_sqlite():
    execute('CREATE TABLE raw (a integer, CONSTRAINT "no. of pages" CHECK (a > 0))')
    for word, expected in (
        ("fields", {"fields": ["pages"]}),
        ("constraint", {"constraint": "no. of pages"}),
    ):
        message = rf"not tell the {word} .* Violated: unknown \(CHECK"
        with fails(message), raises_integrity_error(**expected):
            Book.objects.create(pages=-1)


@sqlite_only
def test_the_fields_of_checks_with_the_same_name_are_ambiguous_on_sqlite():
    for table, column in ("raw", "a"), ("raw2", "b"):
        execute(f"CREATE TABLE {table} ({column} integer, CONSTRAINT c CHECK ({column} > 0))")
    with raises_integrity_error("c"):
        execute("INSERT INTO raw VALUES (0)")
    with fails("not tell the fields .* constraint='c'"), raises_integrity_error(fields=["b"]):
        execute("INSERT INTO raw VALUES (0)")


@sqlite_only
def test_tables_and_columns_that_sqlite_shows_alike_are_ambiguous():
    execute('CREATE TABLE raw ("a.b" integer NOT NULL)')
    execute('CREATE TABLE "raw.a" (b integer NOT NULL)')
    with fails("not tell the fields"), raises_integrity_error(fields=["b"]):
        execute("INSERT INTO raw VALUES (NULL)")


@postgresql_only
def test_an_index_with_the_name_of_a_check_is_ambiguous_on_postgresql():
    execute("CREATE TABLE raw (a integer, b integer, CONSTRAINT c CHECK (a > 0))")
    execute("CREATE UNIQUE INDEX c ON raw (b)")
    with fails("not tell the fields"), raises_integrity_error("c", ["a"]):
        execute("INSERT INTO raw VALUES (1, 1), (1, 1)")


@postgresql_only
def test_an_exclusion_constraint_tells_only_its_name():
    execute("CREATE TABLE raw (a box, CONSTRAINT apart EXCLUDE USING gist (a WITH &&))")
    insert = "INSERT INTO raw VALUES ('((0, 0), (1, 1))'), ('((0, 0), (1, 1))')"
    with raises_integrity_error("apart"):
        execute(insert)
    with fails("not tell the fields"), raises_integrity_error(fields=["a"]):
        execute(insert)


def test_an_expression_index_without_a_model_has_no_fields():
    execute("CREATE TABLE raw (a text)")
    execute("CREATE UNIQUE INDEX lower_a ON raw (lower(a))")
    execute("INSERT INTO raw VALUES ('x')")
    with raises_integrity_error("lower_a"):
        execute("INSERT INTO raw VALUES ('X')")
    with (
        fails("not tell the fields .* Violated: constraint='lower_a'"),
        raises_integrity_error(fields=["a"]),
    ):
        execute("INSERT INTO raw VALUES ('X')")


@pytest.mark.parametrize("indexed", ["a", "abs(a)"])
def test_a_table_that_the_block_made_has_no_fields(indexed):
    def violate():
        execute("CREATE TABLE raw (a integer)")
        execute(f"CREATE UNIQUE INDEX made ON raw ({indexed})")
        execute("INSERT INTO raw VALUES (1), (1)")

    with fails("does not tell the fields"), raises_integrity_error(fields=["a"]):
        violate()


@sqlite_only
def test_sqlite_does_not_tell_the_fields_of_an_immediate_foreign_key():
    execute("CREATE TABLE raw (p bigint REFERENCES common_tests_publisher)")
    with (
        fails(r"not tell the fields .* Violated: unknown \(FOREIGN KEY constraint failed\)\.$"),
        raises_integrity_error(fields=["p"]),
    ):
        execute("INSERT INTO raw VALUES (0)")


@postgresql_only
def test_the_check_of_a_domain_has_no_table():
    execute("CREATE DOMAIN positive AS integer CHECK (VALUE > 0)")
    with raises_integrity_error("positive_check"):
        execute("SELECT (-1)::positive")


@sqlite_only
def test_a_failure_shows_the_message_of_a_trigger():
    execute("CREATE TABLE raw (a integer)")
    execute("CREATE TRIGGER t BEFORE DELETE ON raw BEGIN SELECT RAISE(ABORT, 'no'); END")
    execute("INSERT INTO raw VALUES (1)")
    with (
        fails(r"not tell the constraint .* Violated: unknown \(no\)\.$"),
        raises_integrity_error("t"),
    ):
        execute("DELETE FROM raw")
