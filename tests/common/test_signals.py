"""What suspending_receiver connects and suspends. See also test_signals_setting and _order."""

import asyncio

import pytest
from django.apps.registry import Apps
from django.core.signals import setting_changed
from django.db import models
from django.db.models.signals import ModelSignal, post_save, pre_delete
from django.dispatch import Signal
from django.test import override_settings
from django.test.utils import isolate_apps

from common.signals import suspending_receiver
from common_tests.models import Author


@pytest.fixture(autouse=True)
def _active(settings):
    """Start each test unsuspended, even in a run with TEST_SUSPEND_SIGNALS."""
    settings.SUSPEND_SIGNALS = False


def suspended():
    return override_settings(SUSPEND_SIGNALS=True)


def make_receiver():
    return lambda **kwargs: "heard"


def heard(signal, sender=None):
    answers = [answer for _, answer in signal.send(sender)]
    assert answers == [answer for _, answer in signal.send_robust(sender)]
    assert signal.has_listeners(sender) is bool(answers)
    return answers == ["heard"]


def test_the_decorator_returns_the_function_which_can_be_called_while_suspended():
    signal, function = Signal(), make_receiver()
    assert suspending_receiver(signal)(function) is function
    with suspended():
        assert not heard(signal)
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
        assert signal.send("sender") == []
    assert signal.send("sender") == [(receiver, "sender")]


def test_decorators_stack_and_take_lists_and_tuples():
    signals = one, two, three = Signal(), Signal(), Signal()
    receiver = make_receiver()
    assert suspending_receiver([one, two])(suspending_receiver((three,))(receiver)) is receiver
    assert all(heard(signal) for signal in signals)
    with suspended():
        assert not any(heard(signal) for signal in signals)
    assert all(heard(signal) for signal in signals)


def test_a_bound_method_is_suspended_and_dies_with_its_object():
    class Listener:
        def listen(self, **kwargs):
            return "heard"

    signal, listener = Signal(), Listener()
    suspending_receiver(signal)(listener.listen)
    with suspended():
        assert not heard(signal)
    assert heard(signal)
    with suspended():
        del listener
    assert not signal.has_listeners()


@pytest.mark.parametrize("value", [True, False])
def test_a_receiver_registered_twice_is_heard_once(value):
    signal, receiver = Signal(), make_receiver()
    with override_settings(SUSPEND_SIGNALS=value):
        suspending_receiver(signal)(suspending_receiver(signal)(receiver))
    assert heard(signal)
    assert signal.disconnect(receiver)
    assert not signal.has_listeners()


@pytest.mark.parametrize("sender", [Author, "common_tests.Author"])
def test_only_signals_of_the_sender_are_heard(sender):
    signal = ModelSignal(use_caching=True)
    receiver = suspending_receiver(signal, sender=sender)(make_receiver())
    assert signal.send(Author) == [(receiver, "heard")]
    assert not heard(signal, models.Model)
    with suspended():
        assert not heard(signal, Author)
    assert heard(signal, Author)


def test_one_receiver_of_two_senders_is_suspended_for_both():
    signal, receiver = Signal(), make_receiver()
    suspending_receiver(signal, sender=Author)(receiver)
    suspending_receiver(signal, sender=models.Model)(receiver)
    with suspended():
        assert not heard(signal, Author)
        assert not heard(signal, models.Model)
    assert heard(signal, Author)
    assert heard(signal, models.Model)
    assert not heard(signal)


def test_text_is_an_ordinary_sender_of_an_ordinary_signal():
    suspending_receiver(signal := Signal(), sender="late.Late")(_kept := make_receiver())
    assert heard(signal, "late.Late")


def define_late_model(registry):
    meta = type("Meta", (), {"app_label": "late", "apps": registry})
    return type("Late", (models.Model,), {"Meta": meta, "__module__": __name__})


@pytest.mark.parametrize("value", [True, False])
def test_a_lazy_sender_is_suspended_if_the_setting_is_true_when_its_model_is_defined(value):
    signal, registry = ModelSignal(), Apps()
    with override_settings(SUSPEND_SIGNALS=not value):
        suspending_receiver(signal, sender="late.Late", apps=registry)(_kept := make_receiver())
    with override_settings(SUSPEND_SIGNALS=value):
        late = define_late_model(registry)
        assert heard(signal, late) is not value
    assert heard(signal, late)


def test_a_lazy_sender_is_looked_up_in_isolated_apps():
    signal = ModelSignal()
    with isolate_apps("common_tests") as registry:
        suspending_receiver(signal, sender="late.Late")(_kept := make_receiver())
    assert heard(signal, define_late_model(registry))


def test_a_taken_dispatch_uid_keeps_out_a_second_receiver_and_disconnects_the_first():
    signal = Signal()
    receiver = suspending_receiver(signal, dispatch_uid="uid")(make_receiver())
    suspending_receiver(signal, dispatch_uid="uid")(_second := make_receiver())
    assert signal.send(None) == [(receiver, "heard")]
    with suspended():
        assert not signal.disconnect(dispatch_uid="uid")
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


@pytest.mark.django_db
def test_django_keeps_its_fast_delete_while_the_receiver_is_suspended(django_assert_num_queries):
    suspending_receiver(pre_delete, sender=Author)(_kept := make_receiver())
    Author.objects.create()
    with suspended(), django_assert_num_queries(1):
        Author.objects.filter(name="").delete()
    Author.objects.create()
    with django_assert_num_queries(2):
        Author.objects.filter(name="").delete()


@pytest.mark.django_db
def test_a_model_reaches_its_receiver_again_after_the_suspension():
    names = []

    @suspending_receiver(post_save, sender=Author)
    def receiver(instance, **kwargs):
        names.append(instance.name)

    with suspended():
        Author.objects.create(name="silent")
    Author.objects.create(name="heard")
    assert names == ["heard"]
