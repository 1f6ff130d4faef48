"""Find the constraint and the model fields that an IntegrityError violated.

PostgreSQL tells the constraint's name and SQLite the columns; introspection finds the rest.
Whatever the database does not tell, or tells ambiguously, is None.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from django.apps import apps
from django.db import IntegrityError, models

# The keys that Django's get_constraints() sets for the constraints behind a SQLSTATE.
POSTGRESQL_KINDS = {"23503": "foreign_key", "23505": "unique", "23514": "check"}
# On SQLite, Django's check_constraints() raises this error; the database does not.
SQLITE_FOREIGN_KEY = re.compile(
    r"The row in table '(.+)' with primary key .* has an invalid foreign key: \1\.(.+?) contains "
)


class Violation(NamedTuple):
    """The violated constraint: its name, and the names of the model fields that it covers."""

    constraint: str | None = None
    fields: frozenset[str] | None = None

    def __str__(self) -> str:
        constraint = [] if self.constraint is None else [f"constraint={self.constraint!r}"]
        fields = [] if self.fields is None else [f"fields={sorted(self.fields)}"]
        return " and ".join(constraint + fields) or "unknown"


def find_violation(error: IntegrityError, connection: Any) -> Violation:
    """Return what ``error`` violated. An error of Django, such as ProtectedError, tells nothing."""
    cause = error.__cause__
    if not isinstance(cause, connection.Database.IntegrityError):
        # Not str(error): that of a ProtectedError queries its objects, which may be gone by now.
        found = SQLITE_FOREIGN_KEY.match(str(*error.args[:1]))
        return Violation(None, _fields(found[1], [found[2]])) if found else Violation()
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            return _sqlite(str(cause), connection, cursor)
        return _postgresql(cause.diag, connection, cursor)


def _postgresql(diag: Any, connection: Any, cursor: Any) -> Violation:
    name, table = diag.constraint_name, diag.table_name
    if diag.column_name:
        return Violation(name, _fields(table, [diag.column_name]))
    kind = POSTGRESQL_KINDS.get(diag.sqlstate)
    return Violation(name, _only(_named(name, kind, [table], connection, cursor)))


def _sqlite(message: str, connection: Any, cursor: Any) -> Violation:
    kind, _, detail = message.partition(" constraint failed: ")
    if kind == "CHECK":
        named = _named_on_sqlite(detail, "check", connection, cursor)
        unnamed = _unnamed_checks(detail, connection)
        return Violation(detail if named and not unnamed else None, _only(named + unnamed))
    if detail.startswith("index '"):  # This index is on expressions.
        name = detail.removeprefix("index '").removesuffix("'")
        return Violation(name, _only(_named_on_sqlite(name, "unique", connection, cursor)))
    every_table = connection.introspection.table_names(cursor)
    tables = [table for table in every_table if detail.startswith(f"{table}.")]
    if len(tables) != 1:
        return Violation()
    columns = detail.removeprefix(f"{tables[0]}.").split(f", {tables[0]}.")
    constraints = connection.introspection.get_constraints(cursor, tables[0])
    names = [
        name
        for name, constraint in constraints.items()
        if (constraint["unique"] or constraint["primary_key"])
        and set(constraint["columns"]) == set(columns)
    ]
    # Django makes up names that start with "__" for constraints without a name.
    told = kind == "UNIQUE" and len(names) == 1 and not names[0].startswith("__")
    return Violation(names[0] if told else None, _fields(tables[0], columns))


def _named_on_sqlite(
    name: str, kind: str, connection: Any, cursor: Any
) -> list[frozenset[str] | None]:
    # SQLite does not tell the table, and to introspect every table is slow.
    cursor.execute("SELECT DISTINCT tbl_name FROM sqlite_master WHERE instr(sql, %s)", [name])
    tables = [table for (table,) in cursor.fetchall()]
    return _named(name, kind, tables, connection, cursor)


def _named(
    name: str, kind: str | None, tables: Iterable[str], connection: Any, cursor: Any
) -> list[frozenset[str] | None]:
    """Return the fields of each constraint of this name and kind, those of models first.

    Introspection gives no column for an expression, lists included columns, and on SQLite it
    misreads a table whose checks use LIKE.
    """
    found: list[frozenset[str] | None] = [*_declared(name)]
    for table in [] if found else tables:
        constraint = connection.introspection.get_constraints(cursor, table).get(name)
        if constraint and constraint.get(kind):
            found.append(_fields(table, constraint["columns"]))
    return found


def _declared(name: str) -> Iterator[frozenset[str]]:
    """Yield the fields of each constraint that a model declares by this name."""
    for model in apps.get_models():
        for declared in model._meta.constraints:
            if declared.name == name and isinstance(declared, models.UniqueConstraint):
                names = {*declared.fields, *models.Q(*declared.expressions).referenced_base_fields}
            elif declared.name == name and isinstance(declared, models.CheckConstraint):
                names = models.Q(declared.condition).referenced_base_fields
            else:
                continue
            yield frozenset(model._meta.get_field(name).name for name in names)


def _unnamed_checks(condition: str, connection: Any) -> list[frozenset[str] | None]:
    """Return the fields of each check without a name that SQLite may mean by ``condition``."""
    return [
        frozenset([field.name])
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.local_concrete_fields
        # SQLite shortens '"pages" >= 0' to the word in quotes.
        if (check := field.db_check(connection)) and condition in (check, field.column)
    ]


def _fields(table: str, columns: Iterable[str | None]) -> frozenset[str] | None:
    """Return the model fields of these columns; columns without a field stand for themselves."""
    every_model = apps.get_models(include_auto_created=True)
    options = [model._meta for model in every_model if model._meta.db_table == table]
    fields = {f.column: f.name for option in options for f in option.local_concrete_fields}
    known = frozenset(fields.get(column, column) for column in columns if column)
    return known if known and all(columns) else None


def _only(found: list[frozenset[str] | None]) -> frozenset[str] | None:
    """Return the value of ``found`` if all are equal; None if they differ or if there is none."""
    return found[0] if len(set(found)) == 1 else None
