"""Production: secrets have no defaults, all requests use HTTPS, logs go to stdout."""

import logging

from config.settings.base import *
from config.settings.base import STORAGES, env


def proxy_header(value: str) -> tuple[str, str]:
    header, _, https = (part.strip() for part in value.partition(","))
    if not header.startswith("HTTP_") or not https:
        raise ValueError(
            "use a header as WSGI names it, and its value: HTTP_X_FORWARDED_PROTO,https"
        )
    return header, https


def log_level(value: str) -> str:
    if value.upper() not in logging.getLevelNamesMapping():
        raise ValueError("use DEBUG, INFO, WARNING, ERROR or CRITICAL")
    return value.upper()


# jinja: if cookiecutter.database == "postgresql"
def positive(value: str) -> int:
    if int(value) < 1:
        raise ValueError("use 1 or more")
    return int(value)


# jinja: endif
DEBUG = False
SECRET_KEY = env.str("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
SECURE_PROXY_SSL_HEADER = env.get_value("SECURE_PROXY_SSL_HEADER", cast=proxy_header, default=None)
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=3600)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=False)
# W005 and W021 ask for HSTS on subdomains and for preloading, which bind hosts of other services: the
# team decides. W004 asks for the sources of the assets, which are not in the image.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021", "staticfiles.W004"]
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True

# jinja: if cookiecutter.static_files == "whitenoise"
# WhiteNoise serves the assets, compressed. Browsers may cache hashed names for ever.
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "common.static_files.whitenoise.RootManifestWhiteNoiseStorage"},
}
# jinja: else
# Only collectstatic contacts the bucket: the site reads names from the manifest and signs no URLs.
endpoint = env.str("AWS_S3_ENDPOINT_URL", default=None)
STORAGES = {
    **STORAGES,
    "staticfiles": {
        "BACKEND": "common.static_files.s3.RootManifestS3Storage",
        "OPTIONS": {
            "bucket_name": env.str("AWS_STORAGE_BUCKET_NAME"),
            "location": env.str("AWS_LOCATION", default="static"),
            "endpoint_url": endpoint,
            # Amazon gets URLs that name the region: some regions answer to no others.
            "addressing_style": "auto" if endpoint else "virtual",
            "custom_domain": env.str("AWS_S3_CUSTOM_DOMAIN", default=None),
        },
    },
}
# jinja: endif
# jinja: if cookiecutter.database == "postgresql"
env.str("DATABASE_URL")  # Required: only development and tests have a private server.
if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    from common.postgresql import pool

    timeout = env.get_value("DATABASE_TIMEOUT", cast=positive, default=2)
    options = {
        "connect_timeout": timeout,
        "pool": {
            "min_size": 1,
            "max_size": env.get_value("DATABASE_POOL_SIZE", cast=positive, default=10),
            "timeout": timeout,
            # A request that lacks a connection makes the pool try again. The pool's own attempts
            # would come later and later, and so delay the recovery from an outage.
            "reconnect_timeout": 0,
            "reconnect_failed": pool.fail_fast,
            "connection_class": pool.Connection,
        },
        **DATABASES["default"].get("OPTIONS", {}),
    }
    DATABASES["default"] |= {"CONN_HEALTH_CHECKS": True, "OPTIONS": options}
# jinja: endif

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
    },
    "handlers": {
        "stdout": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "formatter": "line",
        },
    },
    "root": {
        "handlers": ["stdout"],
        "level": env.get_value("LOG_LEVEL", cast=log_level, default="INFO"),
    },
    # Django would mail errors to ADMINS and print to stderr: its logs go to the root logger instead.
    "loggers": {"django": {"level": "NOTSET", "handlers": [], "propagate": True}},
}
