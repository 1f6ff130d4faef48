"""What an IntegrityError violated, read from the database: for the assertions of ``common.testing``.

PostgreSQL names constraints and SQLite columns; the catalogue of the database says the rest.
What it does not say, or not unambiguously, is None.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.apps import apps
from django.db import IntegrityError, models
from django.db.backends.utils import split_identifier

T = TypeVar("T")

SQLITE_KINDS = {
    "SQLITE_CONSTRAINT_CHECK": "CHECK",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "FOREIGN KEY",
    "SQLITE_CONSTRAINT_NOTNULL": "NOT NULL",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "PRIMARY KEY",
    "SQLITE_CONSTRAINT_UNIQUE": "UNIQUE",
}
POSTGRESQL_KINDS = {
    "23001": "FOREIGN KEY",  # ON DELETE RESTRICT, from PostgreSQL 18 on
    "23502": "NOT NULL",
    "23503": "FOREIGN KEY",
    "23505": "UNIQUE",
    "23514": "CHECK",
    "23P01": "EXCLUDE",
}
# Django's check_constraints() raises this on SQLite, without an error of the database behind it.
FOUND_BY_DJANGO = re.compile(r" has an invalid foreign key: (.+?) contains a value ")


@dataclass(frozen=True)
class Violation:
    """A violated constraint; None is what the database does not tell."""

    kind: str
    table: str | None = None
    constraint: str | None = None
    fields: frozenset[str] | None = None

    def __str__(self) -> str:
        constraint = f" {self.constraint!r}" if self.constraint else ""
        table = f" on {self.table}" if self.table else ""
        fields = "" if self.fields is None else f" ({', '.join(sorted(self.fields))})"
        return self.kind + constraint + table + fields


def check_deferred(connection: Any) -> None:
    """Raise IntegrityError if rows violate a deferred constraint. For a savepoint to be rolled back."""
    if connection.vendor == "sqlite":  # pragma: sqlite
        _check_sqlite_foreign_keys(connection)
    else:  # pragma: postgresql
        connection.check_constraints()


def _check_sqlite_foreign_keys(connection: Any) -> None:  # pragma: sqlite
    with connection.cursor() as cursor:
        # Not check_constraints(): it needs tables to have a primary key of one column.
        # SQLite numbers foreign keys from the last; PostgreSQL reports the first.
        cursor.execute(
            'SELECT rows."table", rows.fkid, keys."from" FROM pragma_foreign_key_check AS rows '
            'JOIN pragma_foreign_key_list(rows."table") AS keys ON keys.id = rows.fkid '
            'ORDER BY rows."table", rows.rowid, rows.fkid DESC, keys.seq'
        )
        found = cursor.fetchall()
    if found:
        table = found[0][0]
        columns = dict.fromkeys(column for *key, column in found if key == list(found[0][:2]))
        text = ", ".join(f"{table}.{column}" for column in columns)
        cause = _sqlite_foreign_key_error(text, connection)
        raise IntegrityError(*cause.args) from cause


def find_violation(error: IntegrityError, connection: Any) -> Violation | None:
    """Return what the database says of ``error``; None if ``connection``'s database did not raise it."""
    cause: BaseException | None = error
    while cause and not isinstance(cause, connection.Database.IntegrityError):
        cause = cause.__cause__
    if (  # pragma: sqlite
        not cause
        and connection.vendor == "sqlite"
        and type(error) is IntegrityError  # the text of a ProtectedError would need its objects
        and (told := FOUND_BY_DJANGO.search(str(error)))
    ):
        cause = _sqlite_foreign_key_error(told[1], connection)
    if not cause:
        return None
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":  # pragma: sqlite
            return _sqlite(cause, connection, cursor)
        return _postgresql(cause, cursor)  # pragma: postgresql


def _sqlite_foreign_key_error(columns: str, connection: Any) -> Any:  # pragma: sqlite
    """Return the error that SQLite would raise if it told the columns of a foreign key."""
    error = connection.Database.IntegrityError(f"FOREIGN KEY constraint failed: {columns}")
    error.sqlite_errorname = "SQLITE_CONSTRAINT_FOREIGNKEY"
    return error


def _sqlite(cause: Any, connection: Any, cursor: Any) -> Violation:  # pragma: sqlite
    kind = SQLITE_KINDS.get(cause.sqlite_errorname)
    detail = str(cause).partition(" constraint failed: ")[2]
    if not kind or not detail:
        return Violation(kind or str(cause))
    if kind == "CHECK":
        return _sqlite_check(detail, connection, cursor)
    if detail.startswith("index '"):  # of expressions
        index = detail[len("index '") : -1]
        cursor.execute("SELECT tbl_name FROM sqlite_master WHERE name = %s", [index])
        (table,) = cursor.fetchone() or [""]
        return Violation(kind, table, index, _fields(table, [None], index))
    every_table = connection.introspection.table_names(cursor)
    tables = [table for table in every_table if detail.startswith(f"{table}.")]
    if not tables:  # temporary, or made in the block
        return Violation(f"{kind} ({detail})")
    table = max(tables, key=len)
    columns = detail.removeprefix(f"{table}.").split(f", {table}.")
    name = _sqlite_unique(table, columns, connection, cursor) if kind == "UNIQUE" else None
    return Violation(kind, table, name, _fields(table, columns))


def _sqlite_unique(  # pragma: sqlite
    table: str, columns: list[str], connection: Any, cursor: Any
) -> str | None:
    """Return the name of the only unique constraint on ``columns``, if it has one."""
    return _only(
        None if name.startswith("__unnamed_constraint_") else name
        for name, constraint in connection.introspection.get_constraints(cursor, table).items()
        if constraint["unique"] and set(constraint["columns"]) == set(columns)
    )


def _sqlite_check(detail: str, connection: Any, cursor: Any) -> Violation:  # pragma: sqlite
    """Find the CHECK of a name or, if it has none, of a condition: SQLite says no table."""
    found: list[tuple[str, str | None, frozenset[str] | None]] = []
    cursor.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND instr(sql, %s)", [detail]
    )
    for (table,) in cursor.fetchall():
        constraint = connection.introspection.get_constraints(cursor, table).get(detail)
        if constraint and constraint["check"]:
            found.append((table, detail, _fields(table, constraint["columns"])))
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.local_concrete_fields:
            check = field.db_check(connection)
            # SQLite cuts '"pages" >= 0' down to its first quoted word.
            if check and detail in (check, field.column):
                found.append((_table(model), None, frozenset([field.name])))
    tables, names, fields = zip(*found, strict=True) if found else ((), (), ())
    return Violation("CHECK", _only(tables), _only(names), _only(fields))


def _postgresql(cause: Any, cursor: Any) -> Violation:  # pragma: postgresql
    diag = cause.diag
    kind = POSTGRESQL_KINDS.get(diag.sqlstate, diag.message_primary)
    if not diag.table_name:
        return Violation(kind, None, diag.constraint_name)
    if diag.column_name:
        fields = _fields(diag.table_name, [diag.column_name])
        return Violation(kind, diag.table_name, diag.constraint_name, fields)
    # Unique indexes (conditions, expressions) are no constraints; keys leave out INCLUDE.
    cursor.execute(
        """
        SELECT attname FROM (
            SELECT conrelid AS rel, unnest(conkey) AS num FROM pg_constraint WHERE conname = %(name)s
            UNION
            SELECT indrelid, unnest((indkey::int2[])[0:indnkeyatts - 1])
            FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relname = %(name)s
        ) AS keys LEFT JOIN pg_attribute ON attrelid = rel AND attnum = num
        WHERE rel = to_regclass(format('%%I.%%I', %(schema)s::text, %(table)s::text))
        """,
        {"name": diag.constraint_name, "schema": diag.schema_name, "table": diag.table_name},
    )
    columns = [column for (column,) in cursor.fetchall()]
    fields = _fields(diag.table_name, columns, diag.constraint_name)
    return Violation(kind, diag.table_name, diag.constraint_name, fields)


def _fields(
    table: str, columns: Iterable[str | None], constraint: str | None = None
) -> frozenset[str] | None:
    """Return the model fields of these columns; without a model, the columns themselves."""
    every_model = apps.get_models(include_auto_created=True)
    models_of_table = (m for m in every_model if not m._meta.proxy and _table(m) == table)
    model = next(models_of_table, None)
    names = {f.column: f.name for f in model._meta.local_concrete_fields} if model else {}
    known = frozenset(names.get(column, column) for column in columns if column)
    return known if known and all(columns) else _expression_fields(model, constraint)


def _expression_fields(
    model: type[models.Model] | None, constraint: str | None
) -> frozenset[str] | None:
    """Return the fields in a UniqueConstraint's expressions: databases do not split these."""
    for candidate in model._meta.constraints if model else ():
        if candidate.name == constraint and isinstance(candidate, models.UniqueConstraint):
            parts = models.Func(*candidate.expressions).flatten()
            references: list[Any] = [part for part in parts if isinstance(part, models.F)]
            return frozenset(reference.name.split("__")[0] for reference in references)
    return None


def _table(model: type[models.Model]) -> str:
    return split_identifier(model._meta.db_table)[1]


def _only(values: Iterable[T]) -> T | None:  # pragma: sqlite
    """Return the value if there is but one, else None."""
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 else None
