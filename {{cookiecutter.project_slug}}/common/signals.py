"""A drop-in for ``django.dispatch.receiver``, whose receivers tests and bulk loads can suspend at no cost.

``@suspending_receiver(post_save, sender=settings.AUTH_USER_MODEL)`` above a receiver, and above a test
that can do without ``@override_settings(SUSPEND_SIGNALS=True)``. Kogan, "Faster Django Tests by Disabling Signals".
"""

import threading
import weakref
from collections.abc import Callable, Sequence
from copy import copy
from functools import partial, reduce
from typing import Any, TypeVar

from django.apps import apps
from django.conf import settings
from django.core.signals import setting_changed
from django.db.models.signals import ModelSignal
from django.db.models.utils import make_model_tuple
from django.dispatch import Signal

_Receiver = TypeVar("_Receiver", bound=Callable[..., Any])

_signals: weakref.WeakSet[Signal] = weakref.WeakSet()
_lock = threading.RLock()  # Taken before any signal.lock.
_change: Callable[[list[Any]], list[Any]] = list  # What the last change of the setting asks for.


def suspending_receiver(
    signal: Signal | Sequence[Signal], **connect_kwargs: Any
) -> Callable[[_Receiver], _Receiver]:
    """Connect the decorated function to ``signal``, or to each of a list or tuple of signals.

    ``connect_kwargs`` are those of ``Signal.connect``: ``sender``, ``weak``, ``dispatch_uid``.
    While ``settings.SUSPEND_SIGNALS`` is true, the function is not connected. It may be called.
    ``setting_changed`` itself raises ValueError.

    What flips the setting must send ``setting_changed``, as ``override_settings`` and pytest-django's
    ``settings`` do: setting the attribute, or deleting it, without that changes nothing.
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
            _register(each, receiver, **connect_kwargs)
        return receiver

    return decorator


class _Entry(tuple[Any, ...]):
    """An entry of ``Signal.receivers`` that can be held back. Django's own are plain tuples."""

    held = False


class _Receivers(list[Any]):
    """The entries of an order that are not held back: what ``Signal.receivers`` is to be.

    ``mute_signals`` puts the list aside, lets in an empty one, and puts back the sum of both.
    """

    def __init__(self, order: list[Any], home: dict[str, Any]) -> None:
        super().__init__(entry for entry in order if not _is_held(entry))
        # With none held, the order would only keep alive what is disconnected later.
        self.order = order if len(order) > len(self) else []
        self.home = home
        home.update(receivers=weakref.ref(self), order=self.order)

    def __add__(self, other: list[Any]) -> list[Any]:
        return _Receivers(_change(reduce(_add, _order(other), _order(self))), self.home)

    def __radd__(self, other: list[Any]) -> list[Any]:
        return _Receivers(_change(reduce(_add, _order(self), _order(other))), self.home)


def _register(signal: Signal, receiver: _Receiver, sender: Any = None, **kwargs: Any) -> None:
    if isinstance(signal, ModelSignal) and isinstance(sender, str):
        # As ModelSignal.connect does, but what counts is the setting when the model is there.
        later = partial(_register, signal, receiver, **kwargs)
        (kwargs.get("apps") or apps).lazy_model_operation(later, make_model_tuple(sender))
        return
    with _lock:
        _signals.add(signal)
        clear = partial(_clear_dead_receivers, weakref.proxy(signal))
        vars(signal).setdefault("_clear_dead_receivers", clear)
        for entry in _make_entries(signal, receiver, sender=sender, **kwargs):
            entry.held = bool(getattr(settings, "SUSPEND_SIGNALS", False))
            with signal.lock:
                _rearrange(signal, partial(_add, entry=entry))


def _make_entries(signal: Signal, receiver: _Receiver, **kwargs: Any) -> list[_Entry]:
    """Have Django check the arguments and make the entry, on a copy that nobody sends."""
    unsent = copy(signal)
    unsent.receivers = []
    for flag_dead in ("_remove_receiver", "_flag_dead_receivers"):  # Django 5.2; Django 6
        # The callback of weak references: it is the signal that must know of dead ones.
        if hasattr(signal, flag_dead):
            setattr(unsent, flag_dead, getattr(signal, flag_dead))
    unsent.connect(receiver, **kwargs)
    return [_Entry(entry) for entry in unsent.receivers]


def _on_setting_changed(*, setting: str, value: Any, **kwargs: Any) -> None:
    global _change  # noqa: PLW0603 -- the setting is global, too
    if setting == "SUSPEND_SIGNALS":
        with _lock:
            _change = _suspend if value else _resume
            for signal in list(_signals):
                with signal.lock:
                    _rearrange(signal, _change)


setting_changed.connect(_on_setting_changed)


def _clear_dead_receivers(signal: Any) -> None:
    """Take the place of the method of ``signal``, which would put a plain list in place of ours."""
    if signal._dead_receivers:
        signal._dead_receivers = False
        _rearrange(signal, list)


def _rearrange(signal: Signal, change: Callable[[list[Any]], list[Any]]) -> None:
    """Change the receivers of ``signal``, whose lock the caller holds."""
    # On the signal, as entries refer to it: in a global dictionary they would keep it alive.
    home = vars(signal).setdefault("_suspending", {"receivers": lambda: None, "order": []})
    # While the last list that we made lives, and is not here, mute_signals has put it aside.
    known = home["order"] if home["receivers"]() is None else []
    signal.receivers = _Receivers(change(_order(signal.receivers, known)), home)
    signal.sender_receivers_cache.clear()


def _order(receivers: list[Any], known: Sequence[Any] = ()) -> list[Any]:
    """Return all entries in order: those known, less those that have gone, and those that have come."""
    known = getattr(receivers, "order", known)
    known_ids, present = {id(entry) for entry in known}, {id(entry) for entry in receivers}
    order = [*known, *(entry for entry in receivers if id(entry) not in known_ids)]
    return [e for e in order if _is_alive(e) and (_is_held(e) or id(e) in present)]


def _add(order: list[Any], entry: tuple[Any, ...]) -> list[Any]:
    """Like Django, ignore an entry of ours whose lookup key is taken."""
    taken = isinstance(entry, _Entry) and any(other[0] == entry[0] for other in order)
    return order if taken else [*order, entry]


def _suspend(order: list[Any]) -> list[Any]:
    for entry in order:
        if isinstance(entry, _Entry):
            entry.held = True
    return order


def _resume(order: list[Any]) -> list[Any]:
    """Let go of all entries, except where the lookup key was taken meanwhile."""
    taken = [entry[0] for entry in order if not _is_held(entry)]
    resumed = []
    for entry in order:
        if _is_held(entry):
            if entry[0] in taken:
                continue
            taken.append(entry[0])
            entry.held = False
        resumed.append(entry)
    return resumed


def _is_held(entry: tuple[Any, ...]) -> bool:
    return isinstance(entry, _Entry) and entry.held


def _is_alive(entry: tuple[Any, ...]) -> bool:
    """Tell whether receiver and sender are there, as far as they are weakly referenced."""
    return not any(isinstance(part, weakref.ref) and part() is None for part in entry)
