"""Noticing that a window is closed by its X, and when it was: napari keeps viewer and layers, no public name tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject

__all__ = ["has_window", "on_closed", "on_closing"]


def has_window(viewer: Any) -> bool:
    """Whether a viewer has a window that was not closed; never where this napari hides its window."""
    window = _window_of(viewer)
    return window is not None and isalive(window)


def on_closed(viewer: Any, callback: Callable[..., object]) -> None:
    """Call `callback` when the window of a viewer is gone; never where this napari hides its window."""
    window = _window_of(viewer)
    if window is not None:
        window.destroyed.connect(lambda *_: callback())


def on_closing(viewer: Any, may_close: Callable[[], bool]) -> None:
    """Ask `may_close` before the window of a viewer is closed; never where this napari hides its window."""
    window = _window_of(viewer)
    if window is not None:
        window.installEventFilter(_Gate(window, may_close))


class _Gate(QObject):
    """Lets a window close, or not; belongs to it."""

    def __init__(self, window: QObject, may_close: Callable[[], bool]) -> None:
        super().__init__(window)
        self._may_close = may_close

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - a name of Qt
        if event is None or event.type() != QEvent.Type.Close or self._may_close():
            return False
        event.ignore()
        return True


def _window_of(viewer: Any) -> Any:
    return getattr(getattr(viewer, "window", None), "_qt_window", None)
