"""A site whose views use the session, and its sessions as they are stored. Runs in a bake.

The tests copy this file into the bake, beside manage.py. Their scripts import it there, with production settings.
"""

import multiprocessing
from collections.abc import Callable

import django

django.setup()

from common.sessions import session_store  # noqa: E402 -- needs the setup, as do those below
from django.conf import settings  # noqa: E402
from django.core.cache import cache  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402

OURS = "common.sessions.engine"
DB = "django.contrib.sessions.backends.db"
CACHED_DB = "django.contrib.sessions.backends.cached_db"
# Processes must be forked before this one uses its database: they would share its connection.
fork = multiprocessing.get_context("fork")
during: list[Callable[[], None]] = []  # called by the next request after it has loaded its session


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
settings.SESSION_COOKIE_AGE = 600  # Also the time after which a shared Redis drops what tests left.


def ask(key, page):
    """Return the response to a visitor with the session ``key``."""
    client = Client(raise_request_exception=False, SERVER_NAME="127.0.0.1")
    client.cookies[settings.SESSION_COOKIE_NAME] = key
    return client.get(f"/{page}", secure=True)


def new_session(**data):
    """Return the key of a new session."""
    store = session_store()
    store.update(data)
    store.create()
    return store.session_key


def row_of(key):
    """Return the data in the row of the session ``key``."""
    store = session_store()
    return store.decode(store.model.objects.get(pk=key).session_data)


def copy_of(key):
    """Return the data that ``cached_db`` has cached of the session ``key``; None without a copy."""
    return cache.get(session_store().cache_key_prefix + key)


def seen(key):
    """Return the data that a new request reads of the session ``key``."""
    return dict(session_store(key).items())
