"""Carries values from any thread to the thread of the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakMethod

from qtpy.QtCore import QObject, Qt, Signal, Slot

__all__ = ["Courier"]


class Courier(QObject):
    """Calls `deliver` on the thread that made the courier, once for each :meth:`send`, in their order.

    Parameters
    ----------
    deliver : bound method of one argument
        Held weakly: a courier keeps nothing alive.
    """

    _sent = Signal(object)

    def __init__(self, deliver: Callable[[Any], None]) -> None:
        super().__init__()
        self._deliver = WeakMethod(deliver)
        self._sent.connect(self._arrive, Qt.ConnectionType.QueuedConnection)

    def send(self, value: object) -> None:
        """Hand over `value`; returns at once, from any thread."""
        self._sent.emit(value)

    @Slot(object)  # type: ignore[untyped-decorator, unused-ignore]
    def _arrive(self, value: object) -> None:
        deliver = self._deliver()
        if deliver is not None:
            deliver(value)
