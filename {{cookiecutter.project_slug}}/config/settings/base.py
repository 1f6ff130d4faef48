"""Settings that all environments share. ``.env.example`` lists the variables that change them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from common import logs

BASE_DIR = Path(__file__).resolve().parents[2]


class Env(environ.Env):  # type: ignore[misc] # django-environ has no types
    """Reads variables: an empty one counts as not set; an unusable one raises ImproperlyConfigured."""

    FALSE_STRINGS = ("false", "off", "n", "no", "0")

    def get_value(
        self,
        var: str,
        cast: Any = None,
        default: Any = environ.Env.NOTSET,
        parse_default: bool = False,
    ) -> Any:
        """Return the value as it is: django-environ would replace one that begins with ``$``."""
        value = self.ENVIRON.get(var, "").strip()
        if not value:
            if default is self.NOTSET:
                raise ImproperlyConfigured(f"Set the {var} environment variable")
            return default
        try:
            return self.parse_value(value, cast)
        except ValueError as exc:
            raise ImproperlyConfigured(f"{var}={value!r}: {exc}") from exc

    def matching(self, var: str, pattern: str, advice: str) -> str | None:
        """Return the value if ``pattern`` matches it, and None if it is not set."""
        value: str | None = self.str(var, default=None)
        if value is None or re.fullmatch(pattern, value, re.ASCII):
            return value
        raise ImproperlyConfigured(f"{var}={value!r}: {advice}")

    @classmethod
    def parse_value(cls, value: str, cast: Any) -> Any:
        if cast is bool and value.lower() not in {*cls.BOOLEAN_TRUE_STRINGS, *cls.FALSE_STRINGS}:
            raise ValueError("use true or false")
        parsed = super().parse_value(value, cast)
        return [item.strip() for item in parsed] if cast is list else parsed

    @contextmanager
    def hidden(self, var: str, expected: str) -> Iterator[None]:
        """Show neither the value nor its error: both may contain a password."""
        try:
            yield
        except (ImproperlyConfigured, KeyError, ValueError):
            raise ImproperlyConfigured(f"{var} is not the URL of {expected}") from None


env = Env()
env.read_env(BASE_DIR / ".env")  # A variable of the environment wins over the file.

PROJECT_NAME = "{{ cookiecutter.__project_name }}"
PROJECT_DESCRIPTION = "{{ cookiecutter.__description }}"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "common",
    # jinja: if cookiecutter.background_jobs
    "common.jobs.JobsConfig",
    # jinja: endif
    # jinja: if cookiecutter.__kogame
    "apps.kogame",  # game
    # jinja: endif
    "apps.users",
    # jinja: if cookiecutter.example_app
    "apps.shop",  # example
    # jinja: endif
]

MIDDLEWARE = [
    # First, so that health probes need no allowed host, no HTTPS and no session.
    "common.health.ProbesMiddleware",
    "common.logs.RequestLogMiddleware",
    # Before all that can answer, so that each answer has their headers.
    "{{ cookiecutter._django[cookiecutter.django_version].csp_middleware }}",
    "common.pages.PermissionsPolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    # jinja: if cookiecutter.static_files == "whitenoise"
    "common.static_files.whitenoise.WhiteNoiseMiddleware",
    # jinja: endif
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # jinja: if cookiecutter.example_app
    "apps.shop.middleware.StashMiddleware",  # example
    # jinja: endif
]

ROOT_URLCONF = "config.urls"
path = env.matching("ADMIN_PATH", r"/?[\w-]+(/[\w-]+)*/?", "use letters, digits, - and _: staff/")
ADMIN_PATH = f"{(path or 'admin').strip('/')}/"
CSRF_FAILURE_VIEW = "common.pages.forbidden"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "common.pages.project",
                "{{ cookiecutter._django[cookiecutter.django_version].csp_processor }}",
            ],
        },
    },
]


def database() -> dict[str, Any]:
    """Return the database of ``DATABASE_URL``; without one, SQLite in the project root."""
    with env.hidden("DATABASE_URL", "a database: use postgres://user:password@host:5432/name"):
        config: dict[str, Any] = env.db_url("DATABASE_URL", default="sqlite:///db.sqlite3")
        engine = config["ENGINE"]
    if engine == "django.db.backends.sqlite3":
        if config["NAME"] != ":memory:":
            config["NAME"] = BASE_DIR / config["NAME"]
        # Keep connections open. When the last one closes, SQLite deletes its write-ahead log, and on a
        # full disk it could not create the log again, and so not even read.
        config["CONN_MAX_AGE"] = None
        config["OPTIONS"] = {
            # Take the write lock at BEGIN. Otherwise a transaction that reads first and writes
            # later fails at once when another one writes, whatever the timeout.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,  # seconds
            "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
            **config.get("OPTIONS", {}),
        }
    return config


def cache() -> dict[str, Any]:
    """Return the cache of ``CACHE_URL``; without one, the memory of each process."""
    with env.hidden("CACHE_URL", "a cache: use redis://:password@host:6379/0"):
        memory = "locmemcache://?max_entries=10000"  # the counters of logins must last
        config: dict[str, Any] = env.cache_url("CACHE_URL", default=memory)
    if config["BACKEND"] == "django.core.cache.backends.redis.RedisCache":
        # In seconds. Without them, a cache that does not answer keeps a request waiting for ever.
        timeouts = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}
        config["OPTIONS"] = timeouts | config.get("OPTIONS", {})
    return config


def mailer(default: str) -> dict[str, Any]:
    """Return the mail server of ``EMAIL_URL``, or of ``default``, in the format of Django 6's MAILERS."""
    expected = "use smtp+tls://user:password@host:587, smtp+ssl://…, smtp://… or consolemail://"
    with env.hidden("EMAIL_URL", f"a mail server: {expected}"):
        url = env.email_url("EMAIL_URL", default=default)
        if url["EMAIL_BACKEND"] == "django.core.mail.backends.console.EmailBackend":
            return {"BACKEND": url["EMAIL_BACKEND"], "OPTIONS": {}}
        if not url["EMAIL_HOST"] or url["EMAIL_FILE_PATH"] or "OPTIONS" in url:
            raise ValueError("not a host")
    use_tls, use_ssl = "EMAIL_USE_TLS" in url, "EMAIL_USE_SSL" in url
    options = {
        "host": url["EMAIL_HOST"],
        "port": url["EMAIL_PORT"] or (587 if use_tls else 465 if use_ssl else 25),
        "username": url["EMAIL_HOST_USER"] or "",
        "password": url["EMAIL_HOST_PASSWORD"] or "",
        "use_tls": use_tls,
        "use_ssl": use_ssl,
        "timeout": 10,  # seconds
    }
    return {"BACKEND": url["EMAIL_BACKEND"], "OPTIONS": options}


DATABASES = {"default": database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": cache()}
# Its save merges what requests and jobs change at the same time. Django's "db" and "cached_db" engines do
# not merge, but read the same sessions, so a change of the engine logs nobody out.
SESSION_ENGINE = "common.sessions.engine"

MAILER = mailer("smtp://localhost")
# jinja: if cookiecutter.django_version == "5.2"
EMAIL_BACKEND = MAILER["BACKEND"]
EMAIL_HOST = MAILER["OPTIONS"].get("host", "localhost")
EMAIL_PORT = MAILER["OPTIONS"].get("port", 25)
EMAIL_HOST_USER = MAILER["OPTIONS"].get("username", "")
EMAIL_HOST_PASSWORD = MAILER["OPTIONS"].get("password", "")
EMAIL_USE_TLS = MAILER["OPTIONS"].get("use_tls", False)
EMAIL_USE_SSL = MAILER["OPTIONS"].get("use_ssl", False)
EMAIL_TIMEOUT = MAILER["OPTIONS"].get("timeout")
# jinja: else
MAILERS = {"default": MAILER}
# jinja: endif
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="webmaster@localhost")

AUTH_USER_MODEL = "users.User"
AUTHENTICATION_BACKENDS = ["common.logins.LimitingBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = env.str("STATIC_URL", default="/static/")
STATIC_ROOT = BASE_DIR / env.str("STATIC_ROOT", default="staticfiles")
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # collectstatic writes the assets to STATIC_ROOT, or where production.py says, and the manifest
    # of their hashed names to BASE_DIR, beside the code.
    "staticfiles": {"BACKEND": "common.static_files.manifest.RootManifestStaticFilesStorage"},
}

# What pages may load: files of this site, and the assets. Kinds that have no directive of their own, such as
# script-src, follow default-src. Only the header of a page whose template uses the nonce contains one.
CSP: dict[str, Any] = {
    "default-src": ["'self'", *([STATIC_URL.removeprefix("//")] if "//" in STATIC_URL else [])],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
    "object-src": ["'none'"],
    "report-uri": env.matching(
        "CSP_REPORT_URI", r"(https?:/)?/[^\s;,]+", "use a URL: https://reports.example.com/csp"
    ),
}
# jinja: if cookiecutter.django_version == "5.2"
CSP["default-src"].append(import_string("csp.constants.NONCE"))
CONTENT_SECURITY_POLICY = {"DIRECTIVES": CSP}
# jinja: else
CSP["default-src"].append(import_string("django.utils.csp.CSP").NONCE)
SECURE_CSP = CSP
# jinja: endif
PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"

# jinja: if cookiecutter.background_jobs
# Jobs are rows of the database, whichever workers run them: manage.py worker or, with a broker, Celery.
TASKS = {
    "default": {
        "BACKEND": "common.jobs.backend.JobsBackend",
        "QUEUES": [],  # any
        "OPTIONS": {"lease": env.int("JOB_LEASE", default=15)},  # seconds
    }
}
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="")
with env.hidden("CELERY_BROKER_URL", "a Redis server: use redis://:password@host:6379/0"):
    redis = r"rediss?://(\S+@)?([\w.-]+|\[[\da-f:]+\])(:\d+)?(/\d*)?(\?\S*)?"
    if CELERY_BROKER_URL and not re.fullmatch(redis, CELERY_BROKER_URL):
        raise ValueError("not a Redis server")

# jinja: endif
# jinja: if cookiecutter.realtime
# Rooms that browsers share over websockets: manage.py realtime serves them, in several processes only with Redis.
INSTALLED_APPS += ["common.realtime.RealtimeConfig"]
with env.hidden("REALTIME_URL", "a Redis server: use redis://:password@host:6379/0"):
    redis = r"rediss?://(\S+@)?([\w.-]+|\[[\da-f:]+\])(:\d+)?(/\d*)?(\?\S*)?"
    REALTIME_URL = env.matching("REALTIME_URL", redis, "not a Redis server") or ""
REALTIME_WORKERS = env.int("REALTIME_WORKERS", default=1)

# jinja: endif
LOGGING = logs.config(env.str("LOG_FORMAT", default="text"), env.str("LOG_LEVEL", default="INFO"))

# Suspends the receivers of common.signals, for bulk loads. `check --deploy` warns while it is on.
SUSPEND_SIGNALS = env.bool("SUSPEND_SIGNALS", default=False)
