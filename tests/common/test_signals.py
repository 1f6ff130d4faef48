"""What is suspended, and when. The order of receivers, and their lifetime, are in test_dispatch_order."""

import asyncio
import runpy

import pytest
from django.apps.registry import Apps
from django.conf import settings as django_settings
from django.core.checks import run_checks
from django.core.signals import setting_changed
from django.db import models
from django.db.models.signals import ModelSignal, post_save, pre_delete
from django.dispatch import Signal
from django.test import override_settings

from common.signals import suspending_receiver
from common.testing import TestCase
from common_tests.models import Author


@pytest.fixture(autouse=True)
def _active(request):
    """Start each plain test unsuspended, whatever the run was started with."""
    if request.cls is None:
        request.getfixturevalue("settings").SUSPEND_SIGNALS = False


def suspended():
    return override_settings(SUSPEND_SIGNALS=True)


def make_receiver():
    return lambda **kwargs: "heard"


def heard(signal, sender=None):
    answers = [answer for _, answer in signal.send(sender)]
    assert answers == [answer for _, answer in signal.send_robust(sender)]
    assert signal.has_listeners(sender) is bool(answers)
    return answers == ["heard"]


def test_the_very_function_comes_back_and_may_be_called_while_it_is_not_connected():
    signal, function = Signal(), make_receiver()
    assert suspending_receiver(signal)(function) is function
    with suspended():
        assert not heard(signal)
        assert signal.receivers == []
        assert function() == "heard"
    assert signal.send(None) == [(function, "heard")]


@pytest.mark.parametrize("send", ["asend", "asend_robust"])
def test_async_receivers_are_awaited_and_suspended(send):
    signal = Signal()

    @suspending_receiver(signal)
    async def receiver(sender, **kwargs):
        return sender

    assert asyncio.run(getattr(signal, send)("sender")) == [(receiver, "sender")]
    with suspended():
        assert asyncio.run(getattr(signal, send)("sender")) == []


def test_decorators_stack_and_take_lists_and_tuples():
    signals = one, two, three = Signal(), Signal(), Signal()
    receiver = make_receiver()
    assert suspending_receiver([one, two])(suspending_receiver((three,))(receiver)) is receiver
    assert all(heard(signal) for signal in signals)
    with suspended():
        assert not any(heard(signal) for signal in signals)


@pytest.mark.parametrize("sender", [Author, "common_tests.Author"])
def test_only_the_sender_is_heard(sender):
    signal = ModelSignal(use_caching=True)
    receiver = suspending_receiver(signal, sender=sender)(make_receiver())
    assert signal.send(Author) == [(receiver, "heard")]
    assert not heard(signal, models.Model)
    with suspended():
        assert not heard(signal, Author)
    assert heard(signal, Author)


def test_text_is_an_ordinary_sender_of_an_ordinary_signal():
    suspending_receiver(signal := Signal(), sender="late.Late")(_kept := make_receiver())
    assert heard(signal, "late.Late")


@pytest.mark.parametrize("suspend", [True, False])
def test_a_lazy_sender_goes_by_the_setting_when_it_resolves(suspend):
    signal, registry = ModelSignal(), Apps()
    with override_settings(SUSPEND_SIGNALS=not suspend):
        suspending_receiver(signal, sender="late.Late", apps=registry)(_kept := make_receiver())
    with override_settings(SUSPEND_SIGNALS=suspend):
        meta = type("Meta", (), {"app_label": "late", "apps": registry})
        late = type("Late", (models.Model,), {"Meta": meta, "__module__": __name__})
        assert heard(signal, late) is not suspend
    assert heard(signal, late)


def test_dispatch_uid_keeps_out_the_second_and_disconnects():
    signal = Signal()
    receiver = suspending_receiver(signal, dispatch_uid="uid")(make_receiver())
    suspending_receiver(signal, dispatch_uid="uid")(_second := make_receiver())
    assert signal.send(None) == [(receiver, "heard")]
    assert signal.disconnect(dispatch_uid="uid")
    assert not heard(signal)


def test_connect_checks_its_arguments_even_while_suspended(settings):
    settings.SUSPEND_SIGNALS = settings.DEBUG = True
    with pytest.raises(TypeError, match="unexpected keyword argument 'senders'"):
        suspending_receiver(Signal(), senders=Author)(make_receiver())
    with pytest.raises(ValueError, match="must accept keyword arguments"):
        suspending_receiver(Signal())(lambda sender: None)


@pytest.mark.parametrize("signal", [setting_changed, [Signal(), setting_changed]])
def test_setting_changed_itself_is_refused(signal):
    with pytest.raises(ValueError, match=r"Connect them with setting_changed\.connect\(\)"):
        suspending_receiver(signal)


def test_nesting_counts_at_once_and_the_last_exit_restores():
    signal = Signal()
    suspending_receiver(signal)(_kept := make_receiver())
    with suspended():
        with suspended():
            assert not heard(signal)
        assert not heard(signal)
        with override_settings(SUSPEND_SIGNALS=False):
            assert heard(signal)
        assert not heard(signal)
    assert heard(signal)


def test_the_fixture_of_pytest_django_flips_it(settings):
    signal = Signal()
    suspending_receiver(signal)(_kept := make_receiver())
    settings.SUSPEND_SIGNALS = True
    assert not heard(signal)
    settings.SUSPEND_SIGNALS = False
    settings.LANGUAGE_CODE = "de"  # Another setting changes nothing.
    assert heard(signal)


def test_without_the_setting_nothing_is_suspended(settings):
    del settings.SUSPEND_SIGNALS
    signal = Signal()
    suspending_receiver(signal)(_kept := make_receiver())
    assert heard(signal)
    with suspended():  # On exit, setting_changed brings None.
        assert not heard(signal)
    assert heard(signal)


def test_the_attribute_alone_counts_at_registration_and_changes_nothing_afterwards():
    signal, later = Signal(), Signal()
    suspending_receiver(signal)(_kept := make_receiver())
    with override_settings():
        django_settings.SUSPEND_SIGNALS = True
        suspending_receiver(later)(_kept)
        assert heard(signal)
        assert not heard(later)
    with suspended():
        del django_settings.SUSPEND_SIGNALS
        assert not heard(signal)
    assert heard(signal)
    assert heard(later)


decorated = Signal()
on_decorated = suspending_receiver(decorated)(make_receiver())


@override_settings(SUSPEND_SIGNALS=True)
class OverriddenClassTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.heard_in_setup = heard(decorated)

    def test_the_class_and_its_setup_are_suspended(self):
        assert not self.heard_in_setup
        assert not heard(decorated)

    @override_settings(SUSPEND_SIGNALS=False)
    def test_a_method_may_differ(self):
        assert heard(decorated)

    def test_a_block_may_differ(self):
        with self.settings(SUSPEND_SIGNALS=False):
            assert heard(decorated)
        assert not heard(decorated)


@pytest.mark.django_db
def test_a_suspended_receiver_leaves_fast_deletes_on(django_assert_num_queries):
    suspending_receiver(pre_delete, sender=Author)(_kept := make_receiver())
    Author.objects.create()
    with suspended(), django_assert_num_queries(1):
        Author.objects.filter(name="").delete()


@pytest.mark.django_db
def test_a_model_tells_its_receiver_again_afterwards():
    names = []

    @suspending_receiver(post_save, sender=Author)
    def receiver(instance, **kwargs):
        names.append(instance.name)

    with suspended():
        Author.objects.create(name="silent")
    Author.objects.create(name="heard")
    assert names == ["heard"]


def ids(deploy):
    found = {message.id for message in run_checks(include_deployment_checks=deploy)}
    return found & {"common.E001", "common.W001"}


@pytest.mark.parametrize("value", ["False", "", 1, 0, None])
def test_a_value_that_is_no_bool_is_an_error(settings, value):
    settings.SUSPEND_SIGNALS = value
    (error,) = [message for message in run_checks() if message.id == "common.E001"]
    assert error.msg == f"SUSPEND_SIGNALS is {value!r}, neither True nor False."
    assert error.is_serious()


def test_a_bool_or_no_setting_is_no_error_and_true_is_warned_of_in_deployments(settings):
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
