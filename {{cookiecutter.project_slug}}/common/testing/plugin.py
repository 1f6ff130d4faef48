"""A plugin of pytest: its header says what makes the whole run another one, and is easily forgotten."""

from django.conf import settings


def pytest_report_header() -> str | None:
    return "signals: suspended" if getattr(settings, "SUSPEND_SIGNALS", False) else None
