"""Tests: fast, and the same whatever the environment says; ``DATABASE_URL`` chooses the database."""

from config.settings.base import *
from config.settings.base import BASE_DIR, STORAGES, env

DEBUG = False
SECRET_KEY = "insecure-key-for-tests-only"
ALLOWED_HOSTS = ["testserver", "localhost"]

# jinja: if cookiecutter.database == "postgresql"
if not env.str("DATABASE_URL", default=""):
    # A private server, whose data are gone with it.
    DATABASES = {"default": {"ENGINE": "common.postgresql", "NAME": "postgres"}}

# jinja: endif
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# A view test never fails for want of a manifest, nor of STATIC_ROOT.
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True

# Not SUSPEND_SIGNALS: a variable meant for a bulk load must not silence a suite.
SUSPEND_SIGNALS = env.bool("TEST_SUSPEND_SIGNALS", default=False)
