"""The cached copy of a session, which must never be older than the session's row for long.

Private: part of ``common.sessions.engine`` and ``common.sessions``. Writers put their copy while they hold the
lock of the row; readers only ``add`` theirs, which loses against any other. Who drops a copy first leaves a
marker: a reader that had read the row before, and adds it after, finds the marker and takes its copy back.
"""

import logging
from datetime import datetime
from time import monotonic
from typing import Any

from django.contrib.sessions.backends.cached_db import SessionStore as CachedStore
from django.contrib.sessions.backends.db import SessionStore as RowStore
from django.utils import timezone

logger = logging.getLogger(__name__)

# Seconds that a copy lives at the longest. It bounds what nobody can prevent: a cache that was out of reach
# when a copy should have been dropped, and comes back with it.
MAX_AGE = 300

# Copies that this process could not drop, with the time when they are gone anyhow, the next first.
_undropped: dict[str, float] = {}


class CachedCopy:
    """What the cache has of one session. A cache that is out of reach is logged and does not raise."""

    def __init__(self, store: Any, session_key: str | None) -> None:
        self.cache = store._cache
        self.key = f"{store.cache_key_prefix}{session_key}"
        self.marker = f"{self.key}:dropped"
        self.is_in_reach = True

    def get(self) -> dict[str, Any] | None:
        """Return the data of the session; None where there is no copy to be trusted."""
        if _is_undropped(self.key) and not self.drop():
            self.is_in_reach = False
            return None
        try:
            data: dict[str, Any] | None = self.cache.get(self.key)
            return data
        except Exception:  # whatever the client of the cache raises
            logger.exception("The session cache cannot be read: the session comes from its row.")
            self.is_in_reach = False
            return None

    def fill(self, data: dict[str, Any], expire_date: datetime) -> None:
        """Add what was read from the row, unless somebody wrote or dropped a copy since."""
        if not self.is_in_reach:
            return
        try:
            if self.cache.get(self.marker) is None:
                self.cache.add(self.key, data, _timeout(expire_date))
                if self.cache.get(self.marker) is not None:
                    self.cache.delete(self.key)
        except Exception:
            logger.exception("The session cache cannot be filled.")
            self.drop()  # The copy may be there, and the marker, too.

    def put(self, data: dict[str, Any], expire_date: datetime) -> None:
        """Write what the row has now. The caller holds the row's lock."""
        timeout = _timeout(expire_date)
        try:
            if timeout > 0:
                self.cache.set(self.key, data, timeout)
                _undropped.pop(self.key, None)
                return
        except Exception:
            logger.exception("The session cache cannot be written.")
        self.drop()

    def drop(self) -> bool:
        """Remove the copy, and keep readers from putting theirs back. Return whether the cache did."""
        try:
            self.cache.set(self.marker, True, MAX_AGE)
            self.cache.delete(self.key)
        except Exception:
            logger.exception("The copy of a session cannot be dropped from its cache.")
            _note_undropped(self.key)
            return False
        _undropped.pop(self.key, None)
        return True


class NoCopy(CachedCopy):
    """Stands in where the engine has no cache."""

    def __init__(self) -> None:
        """Look at no store."""

    def put(self, data: dict[str, Any], expire_date: datetime) -> None:
        """Have nothing to write to."""

    def drop(self) -> bool:
        return True


def copy_of(store: RowStore) -> CachedCopy:
    return CachedCopy(store, store.session_key) if isinstance(store, CachedStore) else NoCopy()


def _timeout(expire_date: datetime) -> float:
    """Return the seconds that a copy of a session that expires then may live."""
    return min(MAX_AGE, (expire_date - timezone.now()).total_seconds())


def _note_undropped(key: str) -> None:
    now = monotonic()
    for other, until in list(_undropped.items()):  # of which other threads add and pop
        if until > now:
            break
        _undropped.pop(other, None)
    _undropped.pop(key, None)
    _undropped[key] = now + MAX_AGE


def _is_undropped(key: str) -> bool:
    return _undropped.get(key, 0) > monotonic()
