"""Tests: fast. Of the environment, they use only ``DATABASE_URL`` and ``TEST_SUSPEND_SIGNALS``."""

from config.settings.base import *
from config.settings.base import BASE_DIR, STORAGES, env

DEBUG = False
SECRET_KEY = "insecure-key-for-tests-only"
ALLOWED_HOSTS = ["testserver", "localhost"]

# jinja: if cookiecutter.database == "postgresql"
if not env.str("DATABASE_URL", default=""):
    # A private server, which keeps no data.
    DATABASES = {"default": {"ENGINE": "common.postgresql", "NAME": "postgres"}}

# jinja: endif
LOGGING_CONFIG = None  # pytest shows the logs of a failed test.
# jinja: if cookiecutter.background_jobs
CELERY_BROKER_URL = ""
# jinja: endif
# jinja: if cookiecutter.realtime
REALTIME_URL, REALTIME_WORKERS = "", 1
# jinja: endif
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
# Without limits: failed logins of one test would lock out the users of others.
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# A test of a view needs neither a manifest nor STATIC_ROOT.
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# jinja: if cookiecutter.static_files == "whitenoise"
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
# jinja: endif

# SUSPEND_SIGNALS of the environment is ignored: it is for bulk loads and would silence receivers in tests.
SUSPEND_SIGNALS = env.bool("TEST_SUSPEND_SIGNALS", default=False)
