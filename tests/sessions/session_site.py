"""A site whose views use the session, its sessions as they are stored, and a Redis that fails. Runs in a bake.

Planted there beside manage.py, and imported by the scripts that tests run in it, with the settings of production.
"""

import multiprocessing
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

import django

django.setup()

from common.sessions import session_store  # noqa: E402
from django.conf import settings  # noqa: E402 -- needs the setup, as do those below
from django.core.cache import cache  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402

STOCK = "django.contrib.sessions.backends.cached_db"
# A process forked before this one has used its database has connections of its own.
fork = multiprocessing.get_context("fork")
during: list[Callable[[], None]] = []  # to call in the middle of the next request


class Wire:
    """Stands between this process and its Redis; can be cut, and mended."""

    def __init__(self):
        self.is_cut = False
        self.ends = []

    def connect(self):
        """Start, before the cache is used."""
        url = urlsplit(settings.CACHES["default"]["LOCATION"])
        self.redis = (url.hostname, url.port or 6379)
        self.listener = socket.create_server(("127.0.0.1", 0))
        login = url.netloc.rpartition("@")[0]
        here = f"{login}@" * bool(login) + f"127.0.0.1:{self.listener.getsockname()[1]}"
        settings.CACHES["default"]["LOCATION"] = url._replace(netloc=here).geturl()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            end, _ = self.listener.accept()
            if self.is_cut:
                end.close()
                continue
            other = socket.create_connection(self.redis)
            self.ends += [end, other]
            for pair in ((end, other), (other, end)):
                threading.Thread(target=self.pass_on, args=pair, daemon=True).start()

    def pass_on(self, source, target):
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self):
        self.is_cut = True
        for end in self.ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.ends.clear()

    def mend(self):
        self.is_cut = False


wire = Wire()


def read(request):
    before = dict(request.session.items())
    while during:
        during.pop()()
    return JsonResponse(before)


def write(request, name):
    response = read(request)
    request.session[name] = True
    return response


urlpatterns = [path("read", read), path("write/<name>", write)]
settings.ROOT_URLCONF = "session_site"
settings.SESSION_COOKIE_AGE = 600  # A Redis that is shared keeps nothing for longer.


def ask(key, page):
    """Return the response to a visitor with the session ``key``."""
    client = Client(raise_request_exception=False, SERVER_NAME="127.0.0.1")
    client.cookies[settings.SESSION_COOKIE_NAME] = key
    return client.get(f"/{page}", secure=True)


def new_session(**data):
    """Return the key of a new session, of which the cache has a copy."""
    store = session_store()
    store.update(data)
    store.create()
    return store.session_key


def row_of(key):
    """Return the data in the row of the session ``key``."""
    store = session_store()
    return store.decode(store.model.objects.get(pk=key).session_data)


def copy_of(key):
    """Return the data that the cache has of the session ``key``; None if it has none."""
    return cache.get(session_store().cache_key_prefix + key)


def stored(key):
    """Return the data of the session ``key``, whose row and cached copy must be the same."""
    data = row_of(key)
    assert copy_of(key) == data
    return data


def seen(key):
    """Return what a new reader gets of the session ``key``."""
    return dict(session_store(key).items())
