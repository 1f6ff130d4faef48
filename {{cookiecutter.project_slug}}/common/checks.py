"""System checks, which report misconfiguration before the first request."""

from typing import Any

from django.conf import STATICFILES_STORAGE_ALIAS, settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages

from common.static_files.manifest import RootManifestMixin


@register
def check_suspend_signals(**kwargs: Any) -> list[CheckMessage]:
    """Report E001 if SUSPEND_SIGNALS is not a bool: the text "False" would count as true."""
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
    """Report W001 if SUSPEND_SIGNALS, which is for tests and bulk loads, is on in production."""
    if not getattr(settings, "SUSPEND_SIGNALS", False):
        return []
    return [
        Warning(
            "SUSPEND_SIGNALS is on: receivers made with suspending_receiver do not run.",
            hint="Unset SUSPEND_SIGNALS in the environment when the bulk load is done.",
            id="common.W001",
        )
    ]


@register(Tags.security, deploy=True)
def check_allowed_hosts(**kwargs: Any) -> list[CheckMessage]:
    """Report W002 if ALLOWED_HOSTS accepts every host: Django has no check for that."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        Warning(
            "ALLOWED_HOSTS contains '*', so the service answers to every host.",
            hint="List the hosts: a forged one gets into the links of mails and cached pages.",
            id="common.W002",
        )
    ]


@register(Tags.staticfiles, deploy=True)
def check_static_manifest(**kwargs: Any) -> list[CheckMessage]:
    """Report E002 without a usable manifest. As another check, it would stop collectstatic."""
    config = settings.STORAGES.get(STATICFILES_STORAGE_ALIAS)
    if config is None:
        return []  # Django reports that as staticfiles.E005.
    try:
        storage = storages.create_storage(config)  # It reads the manifest as it is now.
    except ImproperlyConfigured as exc:
        return [Error(str(exc), id="common.E002")]
    if not isinstance(storage, RootManifestMixin) or not storage.manifest_error:
        return []
    return [Error(storage.manifest_error, id="common.E002")]
