"""The session engine: Django's ``db`` engine, with a ``save`` that merges.

    SESSION_ENGINE = "common.sessions.engine"

Django's engines write back the whole session as the request loaded it. This undoes what a job or
another request has saved meanwhile. This engine writes only the keys that the request changed,
onto the row as it is by then. After "Going too deep with Django Sessions".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore as DBStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import connections, router, transaction


def is_valid(session_key: object) -> bool:
    """Return whether a session can have this key. PostgreSQL raises an error for NUL."""
    return isinstance(session_key, str) and session_key.isascii() and session_key.isprintable()


@contextmanager
def locked_row(store: DBStore) -> Iterator[AbstractBaseSession | None]:
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


class SessionStore(DBStore):
    """A session whose ``save`` merges. If two requests change a key, the later save wins.

    Django derives the salt from the name of the class. It is the name in Django's own engines, so
    a change from ``db`` or ``cached_db`` to this engine, or back, logs nobody out.
    """

    _session_cache: dict[str, Any]

    def __init__(self, session_key: str | None = None) -> None:
        # A visitor can send any cookie: one that is no key is no session.
        super().__init__(session_key if is_valid(session_key) else None)
        # The data as they were loaded or last saved. None: the next save replaces the whole row.
        self._snapshot: bytes | None = None

    def load(self) -> dict[str, Any]:
        data: dict[str, Any] = super().load()
        # If the caller only calls load() again, the session still has changes that are not saved.
        if not hasattr(self, "_session_cache"):
            self._snapshot = self.serializer().dumps(data)
        return data

    def clear(self) -> None:
        super().clear()
        self._snapshot = None

    def save(self, must_create: bool = False) -> None:
        """Write what changed. Raise UpdateError if the row is gone.

        Errors of the database propagate. Django's engines turn "database is locked" into
        UpdateError, and its middleware then answers as if the visitor had logged out.
        """
        if self.session_key is None:
            return self.create()
        if must_create:
            super().save(must_create)
        else:
            self._session_cache = self._update_row()
        self._snapshot = self.serializer().dumps(dict(self.items()))
        return None

    def _update_row(self) -> dict[str, Any]:
        """Return the merged data, once they are saved."""
        mine = dict(self.items())
        with locked_row(self) as row:
            if row is None:
                raise UpdateError
            merged = self._merge(mine, self.decode(row.session_data))
            updated = self.create_model_instance(merged)
            updated.expire_date = self.get_expiry_date(expiry=merged.get("_session_expiry"))
            updated.save(force_update=True)
        return merged

    def _merge(self, mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
        """Return ``theirs``, the data of the row, with the changes made to ``mine``."""
        if self._snapshot is None:
            return mine
        before = self._serialize_values(self.serializer().loads(self._snapshot))
        now, stored = self._serialize_values(mine), self._serialize_values(theirs)
        merged = {}
        for key in theirs | mine:
            # Keep the request's own object also of an equal value: it may change the object later.
            is_mine = now.get(key) != before.get(key) or now.get(key) == stored.get(key)
            data = mine if is_mine else theirs
            if key in data:
                merged[key] = data[key]
        return merged

    def _serialize_values(self, data: dict[str, Any]) -> dict[str, bytes]:
        """Return each value serialized, to compare them: in Python 1 == True, but not in JSON."""
        dumps = self.serializer().dumps
        return {key: dumps({key: value}) for key, value in data.items()}

    # Django's aload and asave do not call load and save: they would not merge.
    async def aload(self) -> dict[str, Any]:
        return await sync_to_async(self.load)()

    async def asave(self, must_create: bool = False) -> None:
        await sync_to_async(self.save)(must_create)
