"""Sessions outside of a request: in jobs, commands and shells.

    with edit_session(session_key) as session:
        session["cart"]["reminded"] = True

The store of one backend, imported, is that of another one than the site's as soon as somebody changes the
setting: then the job's change is in the row, and the site goes on with its cached copy. These go by
``SESSION_ENGINE``. After "Going too deep with Django Sessions".

``live_sessions`` finds the keys. ``SessionBase`` is there for annotations.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.backends.db import SessionStore as RowStore
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from common.sessions.rows import changing, read

__all__ = [
    "SessionBase",
    "SessionGone",
    "UpdateError",
    "edit_session",
    "live_sessions",
    "session_store",
]


class SessionGone(Exception):  # noqa: N818 -- no error: people log out, sessions expire
    """There is no session of this key, or no longer."""


def session_store(session_key: str | None = None) -> SessionBase:
    """Return a store of the engine that ``SESSION_ENGINE`` names now."""
    store: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    return store


def live_sessions(batch_size: int = 500) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the key and the data of each session that has not expired, as their rows have them.

    A batch is in memory at a time, and the database is asked for nothing and holds nothing meanwhile: look at
    the data as long as you like, then ``edit_session``, and look again. Sessions that are made, or change, while
    this runs may or may not be among them. ImproperlyConfigured: as for ``edit_session``.
    """
    store = _store_with_rows()
    key = ""
    while rows := [
        *store.model.objects.filter(session_key__gt=key, expire_date__gt=timezone.now()).order_by(
            "session_key"
        )[:batch_size]
    ]:
        for row in rows:
            yield row.session_key, store.decode(row.session_data)
        key = rows[-1].session_key


def _store_with_rows(session_key: str | None = None) -> Any:
    store = session_store(session_key)
    if not isinstance(store, RowStore):
        raise ImproperlyConfigured(
            f"SESSION_ENGINE is {settings.SESSION_ENGINE!r}, which keeps no rows that could be locked: "
            "use 'common.sessions.engine' to edit sessions outside of a request."
        )
    return store


@contextmanager
def edit_session(session_key: str) -> Iterator[SessionBase]:
    """Give the session as its row has it, locked; save it at the end of the block, when it raises nothing.

    Whoever saves or edits this session meanwhile waits, on SQLite whoever writes anything: keep the block short.
    Do not nest blocks for one session, as the outer one then saves what it has. ``flush`` ends the session. It
    lives on for as long as it would have: an edit does not prolong it, unless ``set_expiry`` changes that.

    SessionGone: no such session, or it has expired, or cannot be read, or the key is malformed.
    ImproperlyConfigured: the engine keeps no rows (signed cookies, ``cache``, ``file``) that could be locked.
    """
    # Others break a query: PostgreSQL takes no NUL, for one.
    is_possible = (
        isinstance(session_key, str) and session_key.isascii() and session_key.isprintable()
    )
    store = _store_with_rows(session_key if is_possible else None)
    # Without the key, which is as good as a password.
    if store.session_key is None:
        raise SessionGone("The key of the session is malformed.")
    with changing(store) as change:
        row = change.row
        if row is None or row.expire_date <= timezone.now():
            raise SessionGone("The session is gone: its visitor logged out, or it expired.")
        change.copy.drop()  # while the cache is in reach, which it may not be at the end
        data = read(store, row)
        if data is None:
            raise SessionGone("The session cannot be read: was it signed with another SECRET_KEY?")
        store._session_cache = data
        expiry = store.get("_session_expiry")
        yield store
        if store.session_key == session_key:
            edited = store.create_model_instance(store._session)
            if store.get("_session_expiry") == expiry:
                edited.expire_date = row.expire_date
            change.write(edited, store._session)
        elif store.session_key:  # the block has given it another key
            store.save()
    del store._session_cache  # Who looks once more loads it anew.
