"""What every environment shares. What may differ comes from the environment: see ``.env.example``."""

from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from config.mail import mail_settings

BASE_DIR = Path(__file__).resolve().parents[2]


class Env(environ.Env):  # type: ignore[misc] # django-environ has no types
    """Reads variables. One that is empty counts as not set; one that makes no sense is refused."""

    FALSE_STRINGS = ("false", "off", "n", "no", "0")

    def get_value(
        self,
        var: str,
        cast: Any = None,
        default: Any = environ.Env.NOTSET,
        parse_default: bool = False,
    ) -> Any:
        """Unlike django-environ, leave values that begin with ``$`` alone: secrets may."""
        value = self.ENVIRON.get(var, "").strip()
        if not value:
            if default is self.NOTSET:
                raise ImproperlyConfigured(f"Set the {var} environment variable")
            return default
        try:
            return self.parse_value(value, cast)
        except ValueError as exc:
            raise ImproperlyConfigured(f"{var}={value!r}: {exc}") from exc

    @classmethod
    def parse_value(cls, value: str, cast: Any) -> Any:
        if cast is bool and value.lower() not in {*cls.BOOLEAN_TRUE_STRINGS, *cls.FALSE_STRINGS}:
            raise ValueError("use true or false")
        parsed = super().parse_value(value, cast)
        return [item.strip() for item in parsed] if cast is list else parsed


env = Env()
env.read_env(BASE_DIR / ".env")  # Variables that are set already win over the file.

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
    "apps.users",
    # jinja: if cookiecutter.example_app
    "apps.shop",  # example
    # jinja: endif
]

MIDDLEWARE = [
    # First, so that probes need no allowed host, no HTTPS and no session.
    "common.health.HealthzMiddleware",
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
                "common.context_processors.project",
            ],
        },
    },
]


def database() -> dict[str, Any]:
    """Return the database of ``DATABASE_URL``; without one, SQLite in the project root."""
    try:
        config: dict[str, Any] = env.db_url("DATABASE_URL", default="sqlite:///db.sqlite3")
        engine = config["ENGINE"]
    except (KeyError, ValueError):
        # Without the value, and from None: it may hold a password.
        raise ImproperlyConfigured(
            "DATABASE_URL is not the URL of a database: use postgres://user:password@host:5432/name"
        ) from None
    if engine == "django.db.backends.sqlite3":
        if config["NAME"] != ":memory:":
            config["NAME"] = BASE_DIR / config["NAME"]
        config["OPTIONS"] = {
            # Take the write lock at BEGIN: a transaction that reads first and writes later
            # would otherwise fail at once, however long the timeout.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,  # seconds
            "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
            **config.get("OPTIONS", {}),
        }
    return config


def cache() -> dict[str, Any]:
    """Return the cache of ``CACHE_URL``; without one, the memory of each process."""
    try:
        config: dict[str, Any] = env.cache_url("CACHE_URL", default="locmemcache://")
    except (ImproperlyConfigured, ValueError):
        # Without the value, and from None: it may hold a password.
        raise ImproperlyConfigured(
            "CACHE_URL is not the URL of a cache: use redis://:password@host:6379/0"
        ) from None
    if config["BACKEND"] == "django.core.cache.backends.redis.RedisCache":
        # Seconds: a cache that does not answer must not keep requests waiting, some with a session locked.
        timeouts = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}
        config["OPTIONS"] = timeouts | config.get("OPTIONS", {})
    return config


DATABASES = {"default": database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": cache()}
# Merges what requests and jobs change at the same time. "django.contrib.sessions.backends.cached_db", which
# does not, reads the same sessions: to switch logs nobody out. Empty the cache once all processes have switched:
# its copies live for weeks.
SESSION_ENGINE = "common.sessions.engine"

globals().update(mail_settings(env.str("EMAIL_URL", default="smtp://localhost")))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="webmaster@localhost")

AUTH_USER_MODEL = "users.User"
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
    # Assets go to STATIC_ROOT, or where production.py says; the manifest of their names stays
    # with the code, in BASE_DIR.
    "staticfiles": {"BACKEND": "common.static_files.manifest.RootManifestStaticFilesStorage"},
}

# Read by common.signals.suspending_receiver. For bulk loads; `check --deploy` warns of it.
SUSPEND_SIGNALS = env.bool("SUSPEND_SIGNALS", default=False)
