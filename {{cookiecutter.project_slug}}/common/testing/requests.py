"""The requests of MiddlewareTestCase: real ones, with a session in memory and a user.

Private: use ``MiddlewareTestCase.make_request``.
"""

import copy
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.core.handlers.wsgi import LimitedStream
from django.http import HttpRequest
from django.http.request import HttpHeaders
from django.test import RequestFactory
from django.test.client import MULTIPART_CONTENT
from django.utils.http import urlencode

# Not a middleware's doing, but for `auser`, which sync code has no use for.
_SET_BY_DJANGO = {
    "_acached_user",
    "_body",
    "_cached_user",
    "_files",
    "_post",
    "_read_started",
    "_stream",
    "auser",
    "resolver_match",
}


class MemorySession(SessionBase):
    """A session whose rows are a dict of its own: nothing is shared, nothing outlives it."""

    _get_new_session_key: Callable[[], str]
    _get_session: Callable[..., dict[str, Any]]

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._rows: dict[str | None, dict[str, Any]] = {}

    @classmethod
    def holding(cls, data: Mapping[str, Any]) -> "MemorySession":
        """Return a session as one that an earlier request saved, not yet loaded."""
        session = cls()
        session._session_key = session._get_new_session_key()
        session._rows[session.session_key] = copy.deepcopy(dict(data))
        return session

    def exists(self, session_key: str | None) -> bool:
        return session_key in self._rows

    def create(self) -> None:
        self._session_key = self._get_new_session_key()
        self.save(must_create=True)
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        if self.session_key is None:
            self.create()
        elif self.exists(self.session_key) == must_create:
            raise CreateError if must_create else UpdateError
        else:
            data = self._get_session(no_load=must_create)
            self._rows[self.session_key] = copy.deepcopy(data)

    def delete(self, session_key: str | None = None) -> None:
        self._rows.pop(self.session_key if session_key is None else session_key, None)

    def load(self) -> dict[str, Any]:
        if self.session_key not in self._rows:
            self._session_key = None
            return {}
        return copy.deepcopy(self._rows[self.session_key])


async def _auser(request: HttpRequest) -> Any:
    return request.user


def make_request(
    path: str,
    method: str,
    data: Any,
    headers: Mapping[str, str] | None,
    session: Mapping[str, Any] | None,
    user: Any,
) -> HttpRequest:
    """See ``MiddlewareTestCase.make_request``."""
    meta: dict[str, Any] = dict(HttpHeaders.to_wsgi_names(headers or {}))
    meta["REQUEST_METHOD"] = method.upper()
    request: HttpRequest
    if data is None or meta["REQUEST_METHOD"] in {"GET", "HEAD"}:
        request = RequestFactory().get(path, data, **meta)
    else:
        default = MULTIPART_CONTENT if isinstance(data, dict) else "application/octet-stream"
        content_type = meta.pop("CONTENT_TYPE", default)
        if isinstance(data, dict) and content_type.startswith("multipart/form-data"):
            content_type = MULTIPART_CONTENT  # with the boundary
        elif isinstance(data, dict) and content_type.startswith(
            "application/x-www-form-urlencoded"
        ):
            data = urlencode(data, doseq=True)
        request = RequestFactory().post(path, data, content_type, **meta)
    request.session = MemorySession.holding(session) if session else MemorySession()
    request.user = AnonymousUser() if user is None else user
    request.auser = partial(_auser, request)
    return request


def copy_request(request: HttpRequest) -> HttpRequest:
    """Return a deep copy, with a body of its own. What cannot be copied is shared."""
    clone = type(request).__new__(type(request))
    memo: dict[int, Any] = {id(request): clone}
    metas = request.META, dict(request.META)
    memo[id(request.META)] = metas[1]
    with suppress(Exception):  # a stream that is absent or broken is so in both
        body = request._stream.read()
        streams: list[Any] = [LimitedStream(BytesIO(body), len(body)) for _ in metas]
        request._stream, memo[id(streams[0])] = streams
        for meta in metas:
            if "wsgi.input" in meta:
                meta["wsgi.input"] = BytesIO(body)
    kept = []  # deepcopy() puts a memo's own id into it, which no other object may get
    for name, value in vars(request).items():
        trial = dict(memo)  # a copy that fails leaves broken ones in its memo
        try:
            vars(clone)[name] = copy.deepcopy(value, trial)
            kept.append(memo)
            memo = trial
        except Exception:  # locks, sockets, open files
            vars(clone)[name] = value
    return clone


def names_set(request: HttpRequest, before: Mapping[str, Any]) -> set[str]:
    """Return the names of the attributes set since ``before``, a copy of ``vars(request)``."""
    return {
        name
        for name, value in vars(request).items()
        if (name not in before or before[name] is not value)
        and name not in _SET_BY_DJANGO
        and not hasattr(type(request), name)  # cached properties, defaults
    }
