"""The row of a session, locked. Private: part of ``common.sessions`` and its engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import connections, router, transaction


def is_valid(session_key: object) -> bool:
    """Return whether a session can have this key. PostgreSQL raises an error for NUL."""
    return isinstance(session_key, str) and session_key.isascii() and session_key.isprintable()


@contextmanager
def locked_row(store: SessionStore) -> Iterator[AbstractBaseSession | None]:
    """Give the row of ``store``, or None, in a transaction that keeps the row locked."""
    using = router.db_for_write(store.model)
    objects: Any = store.model.objects.using(using)
    rows = objects.select_for_update().filter(pk=store.session_key)
    if connections[using].vendor == "sqlite":
        # SQLite ignores FOR UPDATE. A transaction takes its lock with its first write, and fails
        # at once if it has read before and another one has written since. So write first.
        update = (
            f'UPDATE "{store.model._meta.db_table}" '  # noqa: S608 -- the name is the model's
            "SET session_key = session_key WHERE session_key = %s RETURNING *"
        )
        rows = objects.raw(update, [store.session_key])
    with transaction.atomic(using=using):
        yield next(iter(rows), None)
