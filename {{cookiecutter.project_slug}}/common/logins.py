"""Logins: write each failure to the log, and check no more passwords for those who guess.

    AUTHENTICATION_BACKENDS = ["common.logins.LimitingBackend"]

It is Django's ``ModelBackend`` with two limits, which hold for the admin, for forms and for APIs that
pass their request to ``authenticate``. The default cache counts: without ``CACHE_URL``, each process
counts for itself.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from ipaddress import IPv6Address, IPv6Network, ip_address
from threading import BoundedSemaphore, Lock
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model, user_login_failed
from django.contrib.auth.backends import ModelBackend
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

logger = logging.getLogger(__name__)

WINDOW = 15 * 60  # seconds, from the first failure
USER_LIMIT = 5  # failures of one user name from one address
ADDRESS_LIMIT = 100  # failures from one address

# A hash keeps a processor busy for a quarter of a second. Guessers from many addresses could take all
# processors and threads from other requests: a process checks one password at a time, three wait.
_hashing, _queue = Lock(), BoundedSemaphore(4)


class LimitingBackend(ModelBackend):
    """Check a password like Django, unless the user name or the address failed too often.

    Then raise PermissionDenied without hashing: the visitor is told the same as for a wrong password,
    also if the password is correct. Failures from other addresses do not count, so nobody can lock
    out a user. Without a request there is no address, and nothing is counted.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Any:
        if username is None:
            username = kwargs.get(get_user_model().USERNAME_FIELD)
        if username is None or password is None:
            return None
        if request is None:
            return self._check(request, username, password)
        by_user, by_address = _keys(request, username)
        # Count before the check. Otherwise attempts at the same time would all be checked first.
        if _is_over(by_address, ADDRESS_LIMIT):
            raise PermissionDenied
        if _is_over(by_user, USER_LIMIT):
            _take_back(by_address)  # The password was not checked.
            raise PermissionDenied
        failed, user = False, None
        try:
            user = self._check(request, username, password)
            failed = user is None
        finally:
            if not failed:  # The password is correct, or was not checked.
                _take_back(by_address, by_user)
        if user:
            with _cache_errors_logged():
                cache.delete(by_user)
        return user

    def _check(self, request: HttpRequest | None, username: str, password: str) -> Any:
        if not _queue.acquire(blocking=False):
            logger.warning("Login refused: too many at the same time")
            raise PermissionDenied
        try:
            with _hashing:
                return super().authenticate(request, username, password)
        finally:
            _queue.release()

    async def aauthenticate(self, request: HttpRequest | None, *args: Any, **kwargs: Any) -> Any:
        return await sync_to_async(self.authenticate)(request, *args, **kwargs)


def client_address(request: HttpRequest) -> str:
    """Return the address of the visitor: REMOTE_ADDR, or the last entry of CLIENT_ADDRESS_HEADER.

    The proxy adds the last entry. Visitors can forge the entries before it.
    """
    header = getattr(settings, "CLIENT_ADDRESS_HEADER", None)
    last = request.headers.get(header, "").rpartition(",")[2].strip() if header else ""
    try:
        return str(ip_address(last))
    except ValueError:
        return str(request.META.get("REMOTE_ADDR", ""))


def log_failure(credentials: dict[str, Any], request: HttpRequest | None, **kwargs: Any) -> None:
    username = credentials.get("username", credentials.get(get_user_model().USERNAME_FIELD))
    address = client_address(request) if request else None
    # repr() escapes control characters, which could forge lines. Names may be long: cut them off.
    logger.warning("Login failed: user %.200r, address %.60r", username, address)


user_login_failed.connect(log_failure)


def _keys(request: HttpRequest, username: str) -> tuple[str, str]:
    """Return the keys of both counters, hashed: names may be long, and caches restrict characters."""
    network = client_address(request)
    try:
        ipv6 = IPv6Address(network)
        # A visitor with IPv6 has at least a /64 of addresses.
        network = str(ipv6.ipv4_mapped or IPv6Network((int(ipv6), 64), strict=False))
    except ValueError:
        pass
    parts = f"{network} {username.casefold()}", network
    user, address = (sha256(part.encode(errors="replace")).hexdigest() for part in parts)
    return f"logins.user.{user}", f"logins.address.{address}"


def _is_over(key: str, limit: int) -> bool:
    """Count an attempt. Return whether there are more than ``limit`` of them."""
    count = 0
    with _cache_errors_logged():
        cache.add(key, 0, WINDOW)
        count = cache.incr(key)
        if count == 1:  # If the key expired since add(), Redis made it anew, without an expiry.
            cache.touch(key, WINDOW)
    return count > limit


def _take_back(*keys: str) -> None:
    with _cache_errors_logged():
        for key in keys:
            cache.decr(key)


@contextmanager
def _cache_errors_logged() -> Iterator[None]:
    """Go on without the cache: users can log in while it is down, and attempts are not counted."""
    try:
        with suppress(ValueError):  # The counter expired or was deleted meanwhile.
            yield
    except Exception as exc:  # Each cache raises errors of its own.
        # The text of the error may contain the URL of the cache, and so its password.
        logger.error("Login attempts are not counted: the cache raised %s", type(exc).__name__)
