"""The session engine: Django's ``cached_db``, whose ``save`` merges. ``SESSION_ENGINE = "common.sessions.engine"``.

A request holds its session for as long as it runs, and Django then writes back all of it: what a job, or another
request, has saved meanwhile is undone. This one writes only the keys that the request changed, onto the row as it
is by then, under its lock. After "Going too deep with Django Sessions". Jobs use ``common.sessions.edit_session``.

Name, salt and cache prefix are those of ``cached_db``: a service may switch to and fro, and nobody is logged out.
"""

from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.backends.cached_db import SessionStore as CachedStore
from django.contrib.sessions.backends.db import SessionStore as RowStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import IntegrityError, connections, router, transaction

from common.sessions.cache import CachedCopy
from common.sessions.rows import changing, read


class SessionStore(CachedStore):
    """See the module. A key that two have changed goes to the later one; ``clear`` replaces all.

    ``save`` raises UpdateError where the row is gone. Other errors of the database stay what they are: Django
    would make UpdateError of "database is locked" too, which its middleware takes for a logout.
    """

    _get_session: Callable[..., dict[str, Any]]
    _get_session_from_db: Callable[[], AbstractBaseSession | None]

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._known: dict[str, bytes] = {}  # each value, as it was loaded or last saved
        self._replaces = True  # as long as nothing is known: edit_session gives it the row's data

    def load(self) -> dict[str, Any]:
        copy = CachedCopy(self, self.session_key)
        data = copy.get()
        if data is None:
            data = {}
            if row := self._get_session_from_db():
                data = self.decode(row.session_data)
                copy.fill(data, row.expire_date)
        if not hasattr(self, "_session_cache"):  # Or somebody just looks.
            self._note(data)
        return data

    def clear(self) -> None:
        super().clear()
        self._replaces = True

    def save(self, must_create: bool = False) -> None:
        if self.session_key is None:
            return self.create()
        mine = self._get_session(no_load=must_create)
        try:
            with changing(self, must_create) as change:
                if change.row:
                    self._session_cache = self._merged(mine, change.row)
                elif not must_create:
                    raise UpdateError
                change.write(self.create_model_instance(self._session_cache), self._session_cache)
        except BaseException as exc:
            self._session_cache = mine
            if must_create and isinstance(exc, IntegrityError):
                raise CreateError from exc
            raise
        return self._note(self._session_cache)

    def _merged(self, mine: dict[str, Any], row: AbstractBaseSession) -> dict[str, Any]:
        """Return the data of ``row`` with what was changed here since it was known."""
        theirs = read(self, row)
        if self._replaces or theirs is None:
            return mine
        now, stored = self._fingerprints(mine), self._fingerprints(theirs)
        changed = {key: mine[key] for key in mine if now[key] != self._known.get(key)}
        # What is the same on both sides is the object that the request may hold, and change again.
        kept = {
            key: mine[key] if stored[key] == now.get(key) else theirs[key]
            for key in theirs
            if key in mine or key not in self._known
        }
        return kept | changed

    def _note(self, data: dict[str, Any]) -> None:
        self._known = self._fingerprints(data)
        self._replaces = False

    def _fingerprints(self, data: dict[str, Any]) -> dict[str, bytes]:
        """Return each value as it is stored, so that changes count that are made inside of it."""
        dumps = self.serializer().dumps
        return {key: dumps({key: value}) for key, value in data.items()}

    def exists(self, session_key: str) -> bool:
        """Look at the row: a copy may outlive it."""
        return RowStore.exists(self, session_key)

    def delete(self, session_key: str | None = None) -> None:
        if session_key is None:
            session_key = self.session_key
        if session_key is not None:
            RowStore.delete(self, session_key)
            copy = CachedCopy(self, session_key)
            copy.drop()
            using = router.db_for_write(self.model)
            if connections[using].in_atomic_block:  # Until then others find the row, and copy it.
                transaction.on_commit(copy.drop, using, robust=True)

    # Django's own would not call what is overridden here.
    async def aload(self) -> dict[str, Any]:
        return await sync_to_async(self.load)()

    async def asave(self, must_create: bool = False) -> None:
        await sync_to_async(self.save)(must_create)

    async def aexists(self, session_key: str) -> bool:
        return await sync_to_async(self.exists)(session_key)

    async def adelete(self, session_key: str | None = None) -> None:
        await sync_to_async(self.delete)(session_key)
