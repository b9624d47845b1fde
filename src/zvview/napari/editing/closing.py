"""Edits that are not saved are asked about before what shows them is gone: the layer, or the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet, ref

from qtpy.QtCore import QEventLoop

from zvview.napari.editing.asking import Choice, ask_unsaved
from zvview.napari.editing.editing import Editing, Phase
from zvview.napari.private.closing import on_closing

__all__ = ["guard"]

_GUARDED: WeakSet[Any] = WeakSet()


def guard(viewer: Any) -> None:
    """Ask from now on, before layers leave `viewer` and before its window is closed."""
    if viewer in _GUARDED:
        return
    _GUARDED.add(viewer)
    viewer.layers.events.removed.connect(_ask_after_removal)
    kept = ref(viewer)
    on_closing(viewer, lambda: _ask_before_closing(kept))


def _ask_after_removal(event: Any) -> None:
    """Napari lets nobody stop a removal."""
    editing = getattr(getattr(event.value, "stream", None), "editing", None)
    if not isinstance(editing, Editing) or editing.session is None:
        return
    if editing.is_changed:
        _settle(editing, event.value.name, can_cancel=False)
    else:
        editing.close()


def _ask_before_closing(viewer: Callable[[], Any]) -> bool:
    """Whether the window may be closed."""
    found = viewer()
    for layer in [] if found is None else list(found.layers):
        editing = _unsaved_of(layer)
        if editing is not None and not _settle(editing, layer.name, can_cancel=True):
            return False
    return True


def _unsaved_of(layer: Any) -> Editing | None:
    editing = getattr(getattr(layer, "stream", None), "editing", None)
    return editing if isinstance(editing, Editing) and editing.is_changed else None


def _settle(editing: Editing, name: str, *, can_cancel: bool) -> bool:
    """Do with the edits as the user wants; returns whether that is done, so that their layer may go."""
    choice = ask_unsaved(f"{name.removesuffix(' *')}: {editing.review} and not saved", can_cancel=can_cancel)
    if choice is Choice.SAVE:
        _save(editing)
        if editing.is_changed and can_cancel:
            return False
    elif choice is Choice.DISCARD:
        editing.discard()
    elif choice is Choice.CANCEL:
        return False
    editing.close()
    return True


def _save(editing: Editing) -> None:
    """Save, and wait for it while the window lives."""
    loop = QEventLoop()

    def look() -> None:
        if editing.phase is not Phase.SAVING:
            loop.quit()

    editing.changed.connect(look)
    editing.save()
    if editing.phase is Phase.SAVING:
        loop.exec()
    editing.changed.disconnect(look)
