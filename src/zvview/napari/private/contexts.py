"""Keeping the windows apart: each draws from buffers of its own, which have numbers that mean others elsewhere.

When a layer is removed napari 0.9 deletes at once what it was drawn from, but in whichever context is current: the one
of the window that was painted last. Buffers of that window are gone then, and its next paint raises
``GL_INVALID_OPERATION`` or ends the process.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from zvview.napari.watching import open_viewers

__all__ = ["keep_contexts_apart", "make_current"]


def keep_contexts_apart() -> None:
    """Let all windows that are open now delete what is theirs alone when layers are removed; may be called again."""
    for viewer in open_viewers():
        for name in ("removing", "end_batch"):  # napari deletes after each, or after a batch such as all
            emitter = getattr(viewer.layers.events, name, None)
            if emitter is not None:
                emitter.connect(_layers_change)  # once: it knows its callbacks


def make_current(viewer: Any) -> None:
    """Make the context of a viewer's window the current one; nothing where there is no window any longer."""
    with suppress(AttributeError, RuntimeError):  # hidden by this napari, or closed
        viewer.window._qt_viewer.canvas._scene_canvas.set_current()


def _layers_change(event: Any) -> None:
    for viewer in open_viewers():
        if viewer.layers is event.source:
            make_current(viewer)
