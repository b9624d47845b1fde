"""What is told of a layer beside its status: notes once each, and a source in trouble, with a button to try again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakMethod

import napari
from napari.utils.notifications import Notification, NotificationSeverity, notification_manager, show_info, show_warning

from zvview.stream import Status

__all__ = ["Notices", "retry_all"]

_PATIENCE_S: Final = 3.0  # of trouble before it is told of: the status names it at once
_QUIET_S: Final = 30.0  # a source that comes and goes is not told of more often


class Notices:
    """Tells the user; on the thread of the window.

    Parameters
    ----------
    retry : bound method without arguments
        What the button does; held weakly.
    patience_s : float
        How long trouble must have lasted before it is told of.
    """

    def __init__(self, retry: Callable[[], object], patience_s: float = _PATIENCE_S) -> None:
        self._retry, self._patience_s = WeakMethod(retry), patience_s
        self._told: set[str] = set()
        self._trouble_since: float | None = None
        self._quiet_until = 0.0

    def tell(self, name: str, status: Status) -> None:
        """Tell what is new in the status of the layer of that name."""
        for note in status.notes:
            if note not in self._told:
                self._told.add(note)
                show_warning(f"{name}: {note}")
        if status.problem is None:
            self._trouble_since = None
            return
        now = time.monotonic()
        if self._trouble_since is None:
            self._trouble_since = now
        if now >= max(self._trouble_since + self._patience_s, self._quiet_until):
            self._quiet_until = now + _QUIET_S
            actions = (("Try again", self._try_again),)
            notification_manager.dispatch(
                Notification(f"{name}: {status.problem}", NotificationSeverity.WARNING, actions=actions)
            )

    def _try_again(self, *_: Any) -> None:
        """The button was pressed; napari hands over its widget."""
        retry = self._retry()
        if retry is not None:
            retry()


def retry_all() -> None:
    """The command of the menu: read anew what the layers of stores in the current viewer could not read."""
    viewer = napari.current_viewer()
    layers = [layer for layer in (() if viewer is None else viewer.layers) if hasattr(layer, "stream")]
    for layer in layers:
        layer.stream.retry()
    if not layers:
        show_info("no layer of this viewer streams from a store")
