"""Mail, by the URL of a server: the settings that Django wants differ from 6.1 on."""

from typing import Any
from urllib.parse import unquote, urlsplit

from django import conf
from django.core.exceptions import ImproperlyConfigured

BACKENDS = "django.core.mail.backends"
PORTS = {"smtp": 25, "smtp+tls": 587, "smtp+ssl": 465}
OLD_NAMES = {"username": "EMAIL_HOST_USER", "password": "EMAIL_HOST_PASSWORD"}


def mail_settings(url: str) -> dict[str, Any]:
    """Return MAILERS for ``url``, or the EMAIL_… of Django before 6.1."""
    if url == "consolemail://":
        backend, options = f"{BACKENDS}.console.EmailBackend", {}
    else:
        backend, options = f"{BACKENDS}.smtp.EmailBackend", smtp_options(url)
    if hasattr(conf, "DEPRECATED_EMAIL_SETTINGS"):
        return {"MAILERS": {"default": {"BACKEND": backend, "OPTIONS": options}}}
    old_names = {name: OLD_NAMES.get(name, f"EMAIL_{name.upper()}") for name in options}
    return {"EMAIL_BACKEND": backend} | {old_names[name]: options[name] for name in options}


def smtp_options(url: str) -> dict[str, Any]:
    try:
        parts = urlsplit(url)
        default_port = PORTS[parts.scheme]
        port = parts.port or default_port
        if not parts.hostname:
            raise ValueError("no host")
        if parts.path.strip("/") or parts.query:
            raise ValueError("more than a host")
    except (KeyError, ValueError):
        # Without the value, and from None: it may hold a password.
        raise ImproperlyConfigured(
            "EMAIL_URL is not the URL of a mail server: use smtp+tls://user:password@host:587, "
            "smtp+ssl://…, smtp://… or consolemail://"
        ) from None
    return {
        "host": parts.hostname,
        "port": port,
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "use_tls": parts.scheme == "smtp+tls",
        "use_ssl": parts.scheme == "smtp+ssl",
        "timeout": 10,  # seconds: who mails in a transaction must not hold it for long
    }
