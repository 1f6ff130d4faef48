"""The order and the lifetime of receivers, while signals are suspended or muted."""

import gc
import weakref

import pytest
from django.dispatch import Signal
from django.test import override_settings
from factory.django import mute_signals

from common.signals import suspending_receiver


def suspend(value=True):
    return override_settings(SUSPEND_SIGNALS=value)


@pytest.fixture(autouse=True)
def _active():
    """Start each test unsuspended, even in a run with TEST_SUSPEND_SIGNALS."""
    with suspend(False):
        yield


class Room:
    """A signal whose receivers return their names: capitals are suspending, the others plain."""

    def __init__(self, names=""):
        self.signal = Signal(use_caching=True)
        self.functions = {}
        for name in names:
            self.add(name)

    def add(self, name, **kwargs):
        function = self.functions.setdefault(name, lambda **kwargs: name)
        if name.isupper():
            suspending_receiver(self.signal, **kwargs)(function)
        else:
            self.signal.connect(function, **kwargs)

    def remove(self, name):
        return self.signal.disconnect(self.functions[name])

    def heard(self):
        names = "".join(name for _, name in self.signal.send(Room))
        assert self.signal.has_listeners(Room) is bool(names)
        return names


def test_each_suspension_that_ends_restores_the_order():
    room = Room("aBcDEf")
    before = list(room.signal.receivers)
    for _ in range(3):
        with suspend():
            assert room.heard() == "acf"
            room.signal.receivers = list(room.signal.receivers)  # Other code may do so.
        assert room.heard() == "aBcDEf"
    assert room.signal.receivers == before


def test_receivers_connected_while_suspended_follow_in_order():
    room = Room("aB")
    with suspend():
        for name in "cDeF":
            room.add(name)
        assert room.heard() == "ace"
        with suspend(False):
            assert room.heard() == "aBcDeF"
        assert room.heard() == "ace"
    assert room.heard() == "aBcDeF"


def test_only_plain_receivers_can_be_disconnected_while_suspended():
    room = Room("aBcD")
    with suspend():
        assert room.remove("a")
        assert not room.remove("B")
        room.remove("c")
        room.add("c")
    assert room.heard() == "BDc"


def test_a_receiver_disconnected_while_active_stays_disconnected():
    room = Room("ABC")
    assert room.remove("A")
    with suspend():
        with suspend(False):
            assert room.remove("B")
        room.add("D")
    assert room.heard() == "CD"


def test_a_receiver_connected_plainly_while_suspended_stays_plain():
    room = Room("AB")
    with suspend():
        room.signal.connect(room.functions["A"])
        assert room.heard() == "A"
    assert room.heard() == "BA"
    with suspend():
        assert room.heard() == "A"


def test_of_two_receivers_with_one_lookup_key_the_first_stays():
    room = Room("a")
    room.add("B", dispatch_uid="b")
    suspending_receiver(room.signal)(room.functions["a"])
    with suspend():
        room.add("C", dispatch_uid="b")
        suspending_receiver(room.signal)(room.functions["a"])
        with mute_signals(room.signal):
            room.add("B", dispatch_uid="b")
        assert room.heard() == "a"
    assert room.heard() == "aB"


def test_mute_signals_and_suspensions_nest_either_way():
    room = Room("AbC")
    before = list(room.signal.receivers)
    with mute_signals(room.signal), suspend():
        assert room.heard() == ""
    assert room.signal.receivers == before
    with suspend():
        with mute_signals(room.signal):
            with suspend(False):
                assert room.heard() == ""
                with mute_signals(room.signal), suspend():
                    assert room.heard() == ""
            room.add("D")
        assert room.heard() == "b"
    assert room.heard() == "AbCD"


def test_the_first_suspending_receiver_of_a_muted_signal_comes_last():
    room = Room("a")
    with suspend():
        with mute_signals(room.signal):
            room.add("B")
        assert room.heard() == "a"
    assert room.heard() == "aB"


def test_receivers_of_a_muted_signal_can_be_suspended_afterwards():
    room = Room("A")
    with mute_signals(room.signal):
        room.add("B")
        assert room.heard() == "B"
        with suspend():
            room.add("C")
            assert room.heard() == ""
        assert room.heard() == "BC"
    assert room.heard() == "ABC"
    with suspend():
        assert room.heard() == ""
    assert room.heard() == "ABC"


def test_a_signal_muted_while_suspended_stays_muted_when_the_suspension_pauses():
    room = Room("A")
    with suspend(), mute_signals(room.signal):
        with suspend(False):
            room.add("B")
            assert room.heard() == "B"
        assert room.heard() == ""
    assert room.heard() == "AB"


@pytest.mark.parametrize("keep", [True, False])
def test_a_list_that_django_cleared_of_the_dead_is_suspended_and_muted_as_before(keep):
    room = Room("aBx")
    with suspend():
        kept = [room.signal.receivers]
        del room.functions["x"]
        assert room.heard() == "a"  # Django has put a new list in place of the old one.
        kept = [*kept, room.signal.receivers] if keep else []  # A log may keep lists, too.
        with mute_signals(room.signal), suspend(False):
            assert room.heard() == ""
    assert room.heard() == "aB"


def test_receivers_that_die_while_muted_and_suspended_do_not_come_back():
    room = Room("AB")
    with suspend(), mute_signals(room.signal):
        room.functions.pop("A")
        room.heard()  # Django clears the muted list, and its mark that a receiver died.
    assert len(room.signal.receivers) == 1
    assert room.heard() == "B"


def test_dead_receivers_do_not_come_back():
    room = Room("AB")
    with suspend():
        room.functions.pop("A")
        room.heard()  # Django clears its list, and its mark that a receiver died.
    assert len(room.signal.receivers) == 1
    assert room.heard() == "B"


@pytest.mark.parametrize("value", [True, False])
def test_a_receiver_that_died_leaves_its_dispatch_uid_to_the_next(value):
    room = Room()
    with suspend(value):
        room.add("A", dispatch_uid="uid")
    room.functions.clear()
    room.add("b", dispatch_uid="uid")
    assert room.heard() == "b"


@pytest.mark.skipif(
    not hasattr(Signal, "_flag_dead_receivers"),
    reason="Django 5.2 keeps no reference to the sender",
)
def test_receivers_of_a_dead_sender_do_not_come_back():
    room, sender = Room(), type("Sender", (), {})
    room.add("A", sender=sender)
    with suspend():
        del sender
        gc.collect()
    assert room.signal.receivers == []


@pytest.mark.parametrize("value", [True, False])
def test_no_receiver_and_no_signal_is_kept_alive(value):
    with suspend(value):
        room = Room("AB")
        references = [weakref.ref(room.signal), *map(weakref.ref, room.functions.values())]
        room.signal.send(Room)
        del room
        gc.collect()
        assert [reference() for reference in references] == [None, None, None]


def test_a_strong_receiver_lives_until_it_is_disconnected():
    room = Room()
    room.add("A", weak=False, dispatch_uid="uid")
    function = weakref.ref(room.functions.pop("A"))
    with suspend():
        assert room.heard() == ""
    assert room.heard() == "A"
    room.signal.disconnect(dispatch_uid="uid")
    assert function() is None
