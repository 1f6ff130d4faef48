"""Limit guesses of passwords, and log each failed login.

``AUTHENTICATION_BACKENDS = ["common.logins.LimitingBackend"]`` is Django's ``ModelBackend`` with limits
for all that passes its request to ``authenticate``: the admin, forms, APIs. The default cache counts.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from ipaddress import ip_address
from threading import BoundedSemaphore
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

# A hash occupies a processor for a quarter of a second, so each process computes one at a time:
# guessers from many addresses would otherwise slow down all other requests.
hashing = BoundedSemaphore(1)
MAX_WAIT = 5  # seconds


class LimitingBackend(ModelBackend):
    """Check a password as Django does, unless the user name or the address failed too often.

    Then raise PermissionDenied without computing a hash: the visitor sees the same as for a wrong
    password. Failures count only at the address that they come from, so nobody can lock out a user
    who is elsewhere. Without a request, nothing is counted.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Any:
        username = kwargs.get(get_user_model().USERNAME_FIELD, username)
        if username is None or password is None:
            return None
        by_user, by_address = counters(request, username)
        # Count before the check. Otherwise simultaneous attempts would all pass. An address that is
        # over its limit must not fill the cache with names.
        if count(by_address) > ADDRESS_LIMIT:
            raise PermissionDenied
        if count(by_user) > USER_LIMIT:
            with ignoring_the_cache():
                cache.decr(by_address)
            raise PermissionDenied
        user, has_failed = None, False
        try:
            if not hashing.acquire(timeout=MAX_WAIT):
                logger.warning("Login refused: too many at the same time")
                raise PermissionDenied
            try:
                user = super().authenticate(request, username, password)
            finally:
                hashing.release()
            has_failed = user is None
        finally:
            if not has_failed:
                with ignoring_the_cache():
                    (cache.delete if user else cache.decr)(by_user)
                    cache.decr(by_address)
        return user

    async def aauthenticate(self, request: HttpRequest | None, *args: Any, **kwargs: Any) -> Any:
        return await sync_to_async(self.authenticate)(request, *args, **kwargs)


def client_address(request: HttpRequest) -> str:
    """Return the visitor's address: the last entry of CLIENT_ADDRESS_HEADER, or REMOTE_ADDR.

    The proxy adds the last entry. Visitors can forge the entries before it.
    """
    header = getattr(settings, "CLIENT_ADDRESS_HEADER", None) or ""
    for value in (request.headers.get(header, ""), request.META.get("REMOTE_ADDR", "")):
        with suppress(ValueError):
            address = ip_address(value.rpartition(",")[2].strip().partition("%")[0])
            return str(getattr(address, "ipv4_mapped", None) or address)
    return ""


def counters(request: HttpRequest | None, username: str) -> tuple[str, str]:
    """Return the cache keys of both counters, hashed because caches restrict characters."""
    if request is None:
        return "", ""
    network = client_address(request)
    if ":" in network:
        network = ip_address(network).exploded[:19]  # A visitor with IPv6 has at least a /64.
    parts = (f"{network} {username.casefold()}", network)
    user, address = (sha256(part.encode(errors="replace")).hexdigest() for part in parts)
    return f"logins.user.{user}", f"logins.address.{address}"


def count(key: str) -> int:
    """Count an attempt and return the number of attempts in the window."""
    number = 0
    if key:
        with ignoring_the_cache():
            cache.add(key, 0, WINDOW)
            number = cache.incr(key)
    return number


@contextmanager
def ignoring_the_cache() -> Iterator[None]:
    """Continue if the cache fails: users can log in meanwhile, and attempts are not counted."""
    try:
        with suppress(ValueError):  # The counter has just expired.
            yield
    except Exception as exc:  # Each cache raises errors of its own.
        # Their texts may contain the URL of the cache, and so its password.
        logger.error("Login attempts are not counted: the cache raised %s", type(exc).__name__)


def log_failure(credentials: dict[str, Any], request: HttpRequest | None, **kwargs: Any) -> None:
    username = credentials.get("username", credentials.get(get_user_model().USERNAME_FIELD))
    address = client_address(request) if request else ""
    # repr() escapes control characters, which could forge lines. Names may be long.
    logger.warning("Login failed: user %.200r, address %r", username, address)


user_login_failed.connect(log_failure)
