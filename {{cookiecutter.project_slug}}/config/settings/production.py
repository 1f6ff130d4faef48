"""Production: nothing secret has a default, everything is HTTPS, logs go to stdout."""

import logging

from config.settings.base import *
from config.settings.base import env


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
# Subdomains (W005) and preloading (W021) bind hosts that are not this service's: the team decides.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True

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
    # Django's own level and handlers (mail to ADMINS, stderr) give way to the root's.
    "loggers": {"django": {"level": "NOTSET", "handlers": [], "propagate": True}},
}
