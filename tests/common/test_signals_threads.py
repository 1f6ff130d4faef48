"""Other threads may send a signal while its receivers are suspended and resumed."""

import threading

from django.dispatch import Signal
from django.test import override_settings

from common.signals import suspending_receiver


def make_receiver(name):
    return lambda **kwargs: name


def test_other_threads_hear_all_receivers_or_all_that_are_not_suspended():
    signal, done, answers = Signal(use_caching=True), threading.Event(), set()
    receivers = [make_receiver(name) for name in "aBcD"]
    with override_settings(SUSPEND_SIGNALS=False):
        for receiver in receivers:
            connect = suspending_receiver(signal) if receiver().isupper() else signal.connect
            connect(receiver)

    def send():
        return "".join(name for _, name in signal.send(Signal))

    def listen():
        while not done.is_set():
            answers.add(send())

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        for _ in range(200):
            with override_settings(SUSPEND_SIGNALS=True):
                assert send() == "ac"
            with override_settings(SUSPEND_SIGNALS=False):
                assert send() == "aBcD"
    finally:
        done.set()
        thread.join(timeout=10)
    assert not thread.is_alive()
    assert answers
    assert answers <= {"aBcD", "ac"}


def test_what_another_thread_connects_meanwhile_stays_plain():
    receiver, other = make_receiver("receiver"), make_receiver("other")

    class SharedSignal(Signal):
        def connect(self, *args, **kwargs):
            super().connect(other)  # As another thread would, at the worst moment.
            super().connect(*args, **kwargs)

    suspending_receiver(signal := SharedSignal())(receiver)
    with override_settings(SUSPEND_SIGNALS=True):
        assert signal.send(None) == [(other, "other")]


class RecordingSignal(Signal):
    """A signal that records, for each new list of receivers, whether its lock is held."""

    def __init__(self):
        self.recorded = []
        super().__init__()
        self.recorded.clear()

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == "receivers":
            self.recorded.append(hasattr(self, "lock") and self.lock.locked())


def test_receivers_change_only_while_the_lock_is_held():
    signal, receiver = RecordingSignal(), make_receiver("heard")
    with override_settings(SUSPEND_SIGNALS=False):
        suspending_receiver(signal)(receiver)
        before = signal.receivers
        with override_settings(SUSPEND_SIGNALS=True):
            assert not signal.has_listeners()
        assert signal.receivers == before
        assert signal.recorded == [True, True, True]
