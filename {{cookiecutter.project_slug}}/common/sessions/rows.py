"""The row of a session, changed under its lock together with its cached copy.

Private: part of ``common.sessions.engine`` and ``common.sessions``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib.sessions.backends.db import SessionStore as RowStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core import signing
from django.db import connections, router, transaction

from common.sessions.cache import CachedCopy, copy_of


@dataclass
class Change:
    """A transaction that holds the lock of ``row``; none is there while it is made, or once it is gone."""

    row: AbstractBaseSession | None
    store: RowStore
    using: str
    copy: CachedCopy
    is_nested: bool  # in an outer transaction, which may yet be rolled back

    def write(self, row: AbstractBaseSession, data: dict[str, Any]) -> None:
        """Write ``row``, and ``data``, which it holds, to the cache: in an outer transaction once that commits."""
        row.save(force_insert=not self.row, force_update=bool(self.row), using=self.using)
        if self.is_nested:
            self.copy.drop()
            transaction.on_commit(partial(_refresh, self.store, self.copy), self.using, robust=True)
        else:
            self.copy.put(data, row.expire_date)


@contextmanager
def changing(store: RowStore, must_create: bool = False) -> Iterator[Change]:
    """Lock the row of ``store``, unless it ``must_create`` it; drop the cached copy if the block fails."""
    using = router.db_for_write(store.model)
    copy = copy_of(store)
    is_nested = connections[using].in_atomic_block
    try:
        with transaction.atomic(using=using):
            row = None if must_create else _lock(store, using)
            yield Change(row, store, using, copy, is_nested)
    except BaseException:
        copy.drop()
        raise


def read(store: RowStore, row: AbstractBaseSession) -> dict[str, Any] | None:
    """Return the data of ``row``; None where they cannot be read, of which Django makes an empty session.

    That would be taken for one that somebody has cleared, while another SECRET_KEY is being brought in.
    """
    data: dict[str, Any] = store.decode(row.session_data)
    if not data:
        try:
            signing.loads(row.session_data, salt=store.key_salt, serializer=store.serializer)
        except Exception:  # whatever the serializer raises
            return None
    return data


def _lock(store: RowStore, using: str) -> AbstractBaseSession | None:
    rows: Any = store.model.objects.using(using)
    if connections[using].features.has_select_for_update:  # pragma: postgresql
        found = rows.select_for_update().filter(session_key=store.session_key)
    else:  # pragma: sqlite
        # SQLite ignores the above. There a transaction holds the lock once it has written, and one that has read
        # before may not wait for it: so the first statement writes, and reads. (RETURNING is of SQLite 3.35.)
        quote = connections[using].ops.quote_name
        meta: Any = store.model._meta
        table, key = quote(meta.db_table), quote(meta.get_field("session_key").column)
        update = f"UPDATE {table} SET {key} = {key} WHERE {key} = %s RETURNING *"  # noqa: S608 -- names of the model
        found = rows.raw(update, [store.session_key])
    return next(iter(found), None)


def _refresh(store: RowStore, copy: CachedCopy) -> None:
    """Write to the cache what the row has now: others may have changed it since the commit."""
    using = router.db_for_write(store.model)
    with transaction.atomic(using=using):
        row = _lock(store, using)
        if row:
            copy.put(store.decode(row.session_data), row.expire_date)
        else:
            copy.drop()
