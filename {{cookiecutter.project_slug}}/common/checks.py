"""Misconfiguration is a system check with an id, so that it shows before the first request."""

from typing import Any

from django.conf import STATICFILES_STORAGE_ALIAS, settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from common.static_files.manifest import RootManifestMixin


@register
def check_suspend_signals(**kwargs: Any) -> list[CheckMessage]:
    """E001: text such as "False" would suspend."""
    value = getattr(settings, "SUSPEND_SIGNALS", False)
    if isinstance(value, bool):
        return []
    return [
        Error(
            f"SUSPEND_SIGNALS is {value!r}, neither True nor False.",
            hint='Set a bool, as env.bool("SUSPEND_SIGNALS") does, or leave the setting out.',
            id="common.E001",
        )
    ]


@register(deploy=True)
def check_signals_not_suspended(**kwargs: Any) -> list[CheckMessage]:
    """W001: what is for tests and bulk loads was left on."""
    if not getattr(settings, "SUSPEND_SIGNALS", False):
        return []
    return [
        Warning(
            "SUSPEND_SIGNALS is on: receivers made with suspending_receiver do not run.",
            hint="Unset SUSPEND_SIGNALS in the environment when the bulk load is done.",
            id="common.W001",
        )
    ]


@register(Tags.staticfiles, deploy=True)
def check_static_manifest(**kwargs: Any) -> list[CheckMessage]:
    """E002: no usable manifest. For deployments only, or it would block the first collectstatic."""
    config: dict[str, Any] = settings.STORAGES.get(STATICFILES_STORAGE_ALIAS, {})
    backend = import_string(config["BACKEND"]) if config else None  # Or Django's staticfiles.E005.
    if not (isinstance(backend, type) and issubclass(backend, RootManifestMixin)):
        return []
    try:
        error = backend(**config.get("OPTIONS", {})).manifest_error
    except ImproperlyConfigured as exc:
        error = str(exc)
    return [Error(error, id="common.E002")] if error else []
