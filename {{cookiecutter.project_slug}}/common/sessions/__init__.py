"""Read and change sessions outside of a request: in jobs, commands and shells.

    with edit_session(session_key) as session:
        session["cart"]["reminded"] = True

Do not import a store from a backend: if ``SESSION_ENGINE`` names another one, the site does not
see what that store saves. These functions always use the engine of the site.
``SessionBase`` is here for annotations. After "Going too deep with Django Sessions".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.backends.cached_db import SessionStore as CachedDBStore
from django.contrib.sessions.backends.db import SessionStore as DBStore
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.db import router, transaction
from django.utils import timezone

from common.sessions.engine import is_valid, locked_row

__all__ = [
    "SessionBase",
    "SessionGone",
    "UpdateError",
    "edit_session",
    "live_sessions",
    "session_store",
]


class SessionGone(Exception):  # noqa: N818 -- no error: visitors log out, sessions expire
    """No session has this key, or the session has ended."""


def session_store(session_key: str | None = None) -> SessionBase:
    """Return a store of the engine that ``SESSION_ENGINE`` names at the time of the call."""
    store: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    return store


def live_sessions(batch_size: int = 500) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the key and the data, from the row, of each session that has not expired.

    Hold ``batch_size`` sessions in memory, and neither a lock nor a transaction: call
    ``edit_session`` for a session that you want to change, and look at its data again there.
    Sessions that begin, end or change meanwhile may or may not be included.
    Raise ImproperlyConfigured as ``edit_session`` does.
    """
    store = _store_with_rows()
    rows = store.model.objects.order_by("session_key")
    last_key = ""
    while batch := [
        *rows.filter(session_key__gt=last_key, expire_date__gt=timezone.now())[:batch_size]
    ]:
        for row in batch:
            yield row.session_key, store.decode(row.session_data)
        last_key = batch[-1].session_key


@contextmanager
def edit_session(session_key: str) -> Iterator[SessionBase]:
    """Lock the row of a session and yield the session. Save it at the end, unless the block raises.

    Keep the block short: it blocks other writers of that session, and on SQLite all writers.
    Do not nest blocks for one session. ``flush`` ends the session. An edit does not prolong it,
    unless the block calls ``set_expiry``.

    Raise SessionGone if the session does not exist or has expired, or if the key is malformed.
    Raise ImproperlyConfigured if the engine keeps no rows (signed cookies, ``cache``, ``file``).
    """
    store = _store_with_rows(session_key if is_valid(session_key) else None)
    with locked_row(store) as row:  # None for a malformed key.
        if row is None or row.expire_date <= timezone.now():
            # The message does not contain the key: it is as secret as a password.
            raise SessionGone("No such session: it ended or expired, or the key is malformed.")
        store._session_cache = store.decode(row.session_data)
        expiry = store.get("_session_expiry")
        try:
            yield store
        finally:  # If the block raises, it may have called session.save() before.
            _replace_copy(session_key)
        if store.session_key == session_key:
            edited = store.create_model_instance(dict(store.items()))
            if store.get("_session_expiry") == expiry:
                edited.expire_date = row.expire_date
            edited.save(force_update=True)
        elif store.session_key:  # The block called cycle_key.
            store.save()
    del store._session_cache  # Reload on later use.


def _store_with_rows(session_key: str | None = None) -> Any:
    store = session_store(session_key)
    if not isinstance(store, DBStore):
        raise ImproperlyConfigured(
            f"SESSION_ENGINE is {settings.SESSION_ENGINE!r}, which keeps no rows that could be "
            "locked: use 'common.sessions.engine' to edit sessions outside of a request."
        )
    return store


def _replace_copy(session_key: str) -> None:
    """Drop the copy that ``cached_db`` keeps, and write a new one after the commit.

    A copy that is written before the commit becomes stale if an outer transaction is rolled back.
    """
    store = session_store(session_key)  # The block may have changed the key of its own store.
    if not isinstance(store, CachedDBStore):
        return
    drop = partial(caches[settings.SESSION_CACHE_ALIAS].delete, store.cache_key)

    def write() -> None:
        with locked_row(store):  # Another edit cannot write a newer copy in between.
            drop()
            store.load()

    drop()
    transaction.on_commit(write, using=router.db_for_write(store.model), robust=True)
