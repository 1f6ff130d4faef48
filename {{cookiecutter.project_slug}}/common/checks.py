"""System checks, which report misconfiguration before the first request."""

from typing import Any

from django.conf import STATICFILES_STORAGE_ALIAS, settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages


@register
def check_suspend_signals(**kwargs: Any) -> list[CheckMessage]:
    """Report E001 if SUSPEND_SIGNALS is not a bool: the text "False" would count as true."""
    value = getattr(settings, "SUSPEND_SIGNALS", False)
    error = Error(
        f"SUSPEND_SIGNALS is {value!r}, neither True nor False.",
        hint='Set a bool, as env.bool("SUSPEND_SIGNALS") does, or leave the setting out.',
        id="common.E001",
    )
    return [] if isinstance(value, bool) else [error]


@register(deploy=True)
def check_signals_not_suspended(**kwargs: Any) -> list[CheckMessage]:
    """Report W001 if SUSPEND_SIGNALS, which is for tests and bulk loads, is on in production."""
    warning = Warning(
        "SUSPEND_SIGNALS is on: receivers made with suspending_receiver do not run.",
        hint="Unset SUSPEND_SIGNALS in the environment when the bulk load is done.",
        id="common.W001",
    )
    return [warning] if getattr(settings, "SUSPEND_SIGNALS", False) else []


@register(Tags.security, deploy=True)
def check_allowed_hosts(**kwargs: Any) -> list[CheckMessage]:
    """Report W002 if ALLOWED_HOSTS accepts every host: Django has no check for that."""
    warning = Warning(
        "ALLOWED_HOSTS contains '*', so the service answers to every host.",
        hint="List the hosts: a forged one gets into the links of mails and cached pages.",
        id="common.W002",
    )
    return [warning] if "*" in settings.ALLOWED_HOSTS else []


@register(Tags.staticfiles, deploy=True)
def check_static_manifest(**kwargs: Any) -> list[CheckMessage]:
    """Report E002 without a usable manifest. As another check, it would stop collectstatic."""
    config = settings.STORAGES.get(STATICFILES_STORAGE_ALIAS)  # Django reports None as E005.
    try:  # A new storage reads the manifest as it is now.
        error = getattr(config and storages.create_storage(config), "manifest_error", "")
    except ImproperlyConfigured as exc:
        error = str(exc)
    return [Error(error, id="common.E002")] if error else []
