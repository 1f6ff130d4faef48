"""How SUSPEND_SIGNALS is set, nested, read and checked."""

import runpy

import pytest
from django.conf import settings as django_settings
from django.core.checks import run_checks
from django.core.signals import setting_changed
from django.dispatch import Signal
from django.test import override_settings

from common.signals import suspending_receiver
from common.testing import TestCase


def receiver(**kwargs):
    """Answer every signal of these tests."""


@pytest.fixture
def signal():
    """Return a signal with a suspending receiver, and start the test unsuspended."""
    with override_settings(SUSPEND_SIGNALS=False):
        suspending_receiver(signal := Signal())(receiver)
        yield signal


def suspended():
    return override_settings(SUSPEND_SIGNALS=True)


def heard(signal):
    return signal.has_listeners()


def test_each_nested_block_counts_at_once_and_its_exit_restores(signal):
    with suspended():
        with suspended():
            assert not heard(signal)
        assert not heard(signal)
        with override_settings(SUSPEND_SIGNALS=False):
            assert heard(signal)
        assert not heard(signal)
    assert heard(signal)


def test_an_error_in_the_block_ends_the_suspension(signal):
    with pytest.raises(ZeroDivisionError), suspended():
        raise ZeroDivisionError
    assert heard(signal)


def test_the_fixture_of_pytest_django_suspends_and_resumes(signal, settings):
    settings.SUSPEND_SIGNALS = True
    assert not heard(signal)
    settings.LANGUAGE_CODE = "de"
    assert not heard(signal)
    settings.SUSPEND_SIGNALS = False
    assert heard(signal)


def test_without_the_setting_nothing_is_suspended(signal, settings):
    del settings.SUSPEND_SIGNALS
    suspending_receiver(later := Signal())(receiver)
    assert heard(later)
    with suspended():
        assert not heard(later)
    # The exit of the block sends None as the value, since the setting does not exist.
    assert heard(signal)
    assert heard(later)


def test_the_attribute_alone_counts_at_registration_and_changes_nothing_afterwards(signal):
    def another(**kwargs):
        return "heard"

    with override_settings():
        django_settings.SUSPEND_SIGNALS = True
        suspending_receiver(signal)(another)
        assert signal.send(None) == [(receiver, None)]
    with suspended():
        del django_settings.SUSPEND_SIGNALS
        assert not heard(signal)
    assert signal.send(None) == [(receiver, None), (another, "heard")]


@pytest.mark.parametrize("setting", ["LANGUAGE_CODE", "SUSPEND_SIGNALS"])
def test_setting_changed_may_be_sent_without_a_value(signal, setting):
    # "enter" is for Django's own receiver, which requires it.
    setting_changed.send(None, setting=setting, enter=True)
    assert heard(signal)


def test_a_value_that_is_sent_counts_more_than_the_setting(signal):
    setting_changed.send(None, setting="SUSPEND_SIGNALS", value=True, enter=True)
    assert not heard(signal)
    setting_changed.send(None, setting="SUSPEND_SIGNALS", value=None, enter=False)
    assert heard(signal)


def test_without_a_value_the_setting_itself_is_read(signal):
    with override_settings():
        for value in (True, False, True):
            django_settings.SUSPEND_SIGNALS = value
            setting_changed.send(None, setting="SUSPEND_SIGNALS", enter=True)
            assert heard(signal) is not value
        del django_settings.SUSPEND_SIGNALS
        setting_changed.send(None, setting="SUSPEND_SIGNALS", enter=True)
        assert heard(signal)


decorated = Signal()
suspending_receiver(decorated)(receiver)


@override_settings(SUSPEND_SIGNALS=True)
class OverriddenClassTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.heard_in_setup = heard(decorated)

    def test_an_override_of_the_class_suspends_its_tests_and_setup(self):
        assert not self.heard_in_setup
        assert not heard(decorated)

    @override_settings(SUSPEND_SIGNALS=False)
    def test_an_override_of_the_method_wins_over_the_class(self):
        assert heard(decorated)

    def test_an_override_of_a_block_wins_over_the_class(self):
        with self.settings(SUSPEND_SIGNALS=False):
            assert heard(decorated)
        assert not heard(decorated)


def ids(deploy):
    found = {message.id for message in run_checks(include_deployment_checks=deploy)}
    return found & {"common.E001", "common.W001"}


@pytest.mark.parametrize("value", ["False", "", 1, 0, None])
def test_a_value_that_is_not_a_bool_is_an_error(settings, value):
    settings.SUSPEND_SIGNALS = value
    (error,) = [message for message in run_checks() if message.id == "common.E001"]
    assert error.msg == f"SUSPEND_SIGNALS is {value!r}, neither True nor False."
    assert error.is_serious()


def test_a_bool_or_no_setting_is_no_error_and_true_is_a_warning_in_deployments(settings):
    settings.SUSPEND_SIGNALS = True
    assert (ids(deploy=False), ids(deploy=True)) == (set(), {"common.W001"})
    settings.SUSPEND_SIGNALS = False
    assert ids(deploy=True) == set()
    del settings.SUSPEND_SIGNALS
    assert ids(deploy=True) == set()


@pytest.mark.parametrize("variable", ["SUSPEND_SIGNALS", "TEST_SUSPEND_SIGNALS"])
def test_test_settings_have_a_variable_of_their_own(monkeypatch, variable):
    names = {"base": "SUSPEND_SIGNALS", "test": "TEST_SUSPEND_SIGNALS"}
    for own in names.values():
        monkeypatch.setenv(own, str(own == variable))
    for name, own in names.items():
        module = runpy.run_path(django_settings.BASE_DIR / f"config/settings/{name}.py")
        assert module["SUSPEND_SIGNALS"] is (variable == own)
