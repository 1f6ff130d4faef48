from common.testing.plugin import pytest_report_header


def test_the_header_says_that_signals_are_suspended(settings):
    settings.SUSPEND_SIGNALS = True
    assert pytest_report_header() == "signals: suspended"


def test_the_header_says_nothing_otherwise(settings):
    settings.SUSPEND_SIGNALS = False
    assert pytest_report_header() is None


def test_without_the_setting_it_says_nothing(settings):
    del settings.SUSPEND_SIGNALS
    assert pytest_report_header() is None
