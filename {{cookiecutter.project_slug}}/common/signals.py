"""A drop-in for ``django.dispatch.receiver``, whose receivers tests and bulk loads can suspend.

Decorate a receiver with ``@suspending_receiver(post_save, sender=...)``. Decorate a test that needs
no receivers with ``@override_settings(SUSPEND_SIGNALS=True)``. Suspended receivers cost nothing:
Django keeps its fast delete. After Kogan, "Faster Django Tests by Disabling Signals".
"""

import threading
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from django.conf import settings
from django.core.signals import setting_changed
from django.db.models.options import Options
from django.db.models.signals import ModelSignal
from django.db.models.utils import make_model_tuple
from django.dispatch import Signal

_Receiver = TypeVar("_Receiver", bound=Callable[..., Any])

_signals: weakref.WeakSet[Signal] = weakref.WeakSet()
_signals_lock = threading.Lock()
_NO_SENDER = object()  # Takes the place of the sender's id in a lookup key, and equals no id.


def suspending_receiver(
    signal: Signal | Sequence[Signal], **connect_kwargs: Any
) -> Callable[[_Receiver], _Receiver]:
    """Connect the decorated function to ``signal``, or to each of a list or tuple of signals.

    ``connect_kwargs`` are those of ``Signal.connect``: ``sender``, ``weak``, ``dispatch_uid``.
    While ``settings.SUSPEND_SIGNALS`` is true, signals do not call the function; you still can.
    Raise ValueError for ``setting_changed`` itself.

    Change the setting by something that sends ``setting_changed``, like ``override_settings`` or
    pytest-django's ``settings``: setting or deleting the attribute without that changes nothing.
    ``Signal.disconnect`` of a suspended receiver finds nothing, and the receiver comes back.
    """
    signals = [signal] if isinstance(signal, Signal) else list(signal)
    if setting_changed in signals:
        raise ValueError(
            "suspending_receiver cannot suspend receivers of setting_changed, which tells it when "
            "to suspend. Connect them with setting_changed.connect()."
        )

    def decorator(receiver: _Receiver) -> _Receiver:
        for each in signals:
            _connect(each, receiver, **connect_kwargs)
        return receiver

    return decorator


class _Entry(tuple[Any, ...]):
    """An entry of ``Signal.receivers`` that can be suspended. Django's own are plain tuples.

    Its first part is the lookup key: the ids of the receiver and of the sender. A suspended entry
    stays in the list, under a key that matches no sender, ``connect`` or ``disconnect``. So it
    keeps its place, even while factory_boy's ``mute_signals`` has put the whole list aside.
    """

    __slots__ = ()

    def suspend(self, value: bool) -> "_Entry":
        """Return this entry suspended or, if ``value`` is false, under its original lookup key."""
        key = self[0][0] if self[0][1] is _NO_SENDER else self[0]
        return _Entry(((key, _NO_SENDER) if value else key, *self[1:]))


def _connect(signal: Signal, receiver: _Receiver, sender: Any = None, **kwargs: Any) -> None:
    if isinstance(signal, ModelSignal) and isinstance(sender, str):
        # Wait for the model as ModelSignal.connect does, and read the setting only then.
        registry = kwargs.get("apps") or Options.default_apps
        connect = partial(_connect, signal, receiver, **kwargs)
        registry.lazy_model_operation(connect, make_model_tuple(sender))
        return

    def adopt(entry: tuple[Any, ...]) -> tuple[Any, ...]:
        is_reference = isinstance(entry[1], weakref.ReferenceType)
        function = entry[1]() if is_reference else entry[1]
        # Another thread may have connected a different function meanwhile.
        if id(entry) in before or function != receiver:
            return entry
        return _Entry(entry).suspend(getattr(settings, "SUSPEND_SIGNALS", False))

    before = {id(entry): entry for entry in signal.receivers}  # Alive, so that no id is reused.
    signal.connect(receiver, sender=sender, **kwargs)
    with _signals_lock:
        _signals.add(signal)
    _rearrange(signal, adopt)


def _on_setting_changed(*, setting: str, **kwargs: Any) -> None:
    if setting == "SUSPEND_SIGNALS":
        # Senders of setting_changed may leave the value out.
        value = kwargs.get("value", getattr(settings, "SUSPEND_SIGNALS", False))
        with _signals_lock:
            signals = list(_signals)
        for signal in signals:
            _rearrange(signal, lambda e: e.suspend(value) if isinstance(e, _Entry) else e)


setting_changed.connect(_on_setting_changed)


def _rearrange(signal: Signal, change: Callable[[Any], tuple[Any, ...]]) -> None:
    """Apply ``change`` to all entries. Drop dead ones, and suspendable ones whose key is taken."""
    with signal.lock:
        entries = [change(entry) for entry in signal.receivers if _is_alive(entry)]
        taken = {entry[0] for entry in entries if not isinstance(entry, _Entry)}
        receivers = []
        for entry in entries:
            if not isinstance(entry, _Entry) or entry[0] not in taken:
                receivers.append(entry)
                taken.add(entry[0])
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()


def _is_alive(entry: tuple[Any, ...]) -> bool:
    return not any(isinstance(part, weakref.ReferenceType) and part() is None for part in entry)
