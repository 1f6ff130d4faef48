"""Random nestings of suspensions, mute_signals and changes of receivers, against a simple model."""

import random

import pytest
from django.dispatch import Signal
from django.test import override_settings
from factory.django import mute_signals

from common.signals import suspending_receiver

NAMES = "abcdef"
STEPS = 60


class Model:
    """What the contract promises for one signal.

    ``levels`` holds lists of ``(name, suspending)``: mute_signals puts all but the last aside.
    """

    def __init__(self):
        self.levels, self.suspended = [[]], False

    def connect(self, name, suspending):
        receivers = self.levels[-1]
        held = {n for n, s in receivers if s and self.suspended}
        if name not in self.heard() and not (suspending and name in held):
            receivers.append((name, suspending))

    def disconnect(self, name):
        if name not in self.heard():
            return False
        active = [(name, False)] if self.suspended else [(name, False), (name, True)]
        self.levels[-1].remove(next(entry for entry in self.levels[-1] if entry in active))
        return True

    def die(self, name):
        self.levels[-1] = [entry for entry in self.levels[-1] if entry[0] != name]

    def set(self, suspended):
        self.suspended = suspended
        self.drop_doubles()

    def drop_doubles(self):
        """Keep plain receivers and, where no plain one is heard, the first suspending receiver."""
        receivers = self.levels[-1]
        taken = [n for n, suspending in receivers if not suspending and not self.suspended]
        self.levels[-1] = []
        for name, suspending in receivers:
            if not suspending or name not in taken:
                self.levels[-1].append((name, suspending))
            if suspending:
                taken.append(name)

    def mute(self):
        self.levels.append([])

    def unmute(self):
        muted = self.levels.pop()
        self.levels[-1] += muted

    def heard(self):
        return "".join(n for n, s in self.levels[-1] if not (s and self.suspended))


class Walk:
    """A random walk through the operations, each applied to a signal and to its model."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.signal = Signal(use_caching=self.random.choice([True, False]))
        self.functions = {name: self.make_function(name) for name in NAMES}
        self.model, self.steps = Model(), STEPS

    def make_function(self, name):
        return lambda **kwargs: name

    def run(self, depth=0):
        while self.steps and not (depth and self.random.random() < 0.15):
            self.steps -= 1
            blocks = [self.override, self.mute] if depth < 5 else []
            changes = [self.connect, self.register, self.disconnect, self.die]
            step = self.random.choice([*changes, *changes, *blocks])
            step(self.random.choice(NAMES), depth)
            self.compare()

    def compare(self):
        expected = self.model.heard()
        assert "".join(name for _, name in self.signal.send(Walk)) == expected
        if self.signal.receivers:  # On entry, mute_signals leaves what has_listeners has cached.
            assert self.signal.has_listeners(Walk) is bool(expected)

    def connect(self, name, depth):
        self.signal.connect(self.functions[name])
        self.model.connect(name, suspending=False)

    def register(self, name, depth):
        suspending_receiver(self.signal)(self.functions[name])
        self.model.connect(name, suspending=True)
        self.model.drop_doubles()

    def disconnect(self, name, depth):
        assert self.signal.disconnect(self.functions[name]) is self.model.disconnect(name)

    def die(self, name, depth):
        if len(self.model.levels) == 1:  # Django may keep dead receivers that were muted.
            del self.functions[name]
            self.functions[name] = self.make_function(name)  # Often under the same id.
            self.model.die(name)

    def override(self, name, depth):
        before, value = self.model.suspended, self.random.choice([True, False])
        with override_settings(SUSPEND_SIGNALS=value):
            self.model.set(value)
            self.compare()
            self.run(depth + 1)
        self.model.set(before)

    def mute(self, name, depth):
        with mute_signals(self.signal):
            self.model.mute()
            self.compare()
            self.run(depth + 1)
        self.model.unmute()


@pytest.mark.parametrize("seed", range(60))
def test_any_nesting_behaves_like_the_model(seed):
    with override_settings(SUSPEND_SIGNALS=False):
        Walk(seed).run()
