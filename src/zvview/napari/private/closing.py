"""Noticing that a window was closed by its X: napari then keeps viewer and layers, and no public name tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["on_closed"]


def on_closed(viewer: Any, callback: Callable[..., object]) -> None:
    """Call `callback` when the window of a viewer is gone; never where this napari hides its window."""
    window = getattr(getattr(viewer, "window", None), "_qt_window", None)
    if window is not None:
        window.destroyed.connect(lambda *_: callback())
