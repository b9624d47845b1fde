"""Edits that are not saved are asked about before what shows them is gone: the layer, or the window."""

from __future__ import annotations

from typing import Any, Final
from weakref import WeakKeyDictionary, ref

from napari.layers import Layer
from napari.utils.notifications import show_info
from qtpy.QtCore import QEventLoop, Qt, QTimer
from qtpy.QtWidgets import QProgressDialog

from zvview.napari.editing.asking import Choice, ask_unsaved
from zvview.napari.editing.editing import Editing, Phase
from zvview.napari.private.closing import on_closing
from zvview.napari.watching import open_viewers

__all__ = ["guard"]

_LOOK_MS: Final = 200
_PATIENCE_MS: Final = 300
"""What is saved sooner shows nothing."""


def guard(viewer: Any) -> None:
    """Ask from now on, when layers left `viewer` and before its window is closed."""
    if viewer not in _GUARDS:
        _GUARDS[viewer] = _Guard(viewer)


class _Guard:
    """Settles edits of layers that leave one viewer.

    Napari lets nobody stop a removal, and while it tells of one its lists are half changed: a dialog, or any other loop
    of events, would draw them and may crash. The question is therefore put as soon as the removal is over, and the
    layer comes back where it is not to go.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = ref(viewer)
        self._removed: list[tuple[Layer, int]] = []
        self._is_settling = False
        viewer.layers.events.removed.connect(self._note)
        on_closing(viewer, self._may_close)

    def _note(self, event: Any) -> None:
        editing = _editing_of(event.value)
        if editing is not None and editing.session is not None:
            self._removed.append((event.value, event.index))
            QTimer.singleShot(0, lambda: self._settle_removed())

    def _settle_removed(self) -> None:
        """Settle one layer after the other; those that came back meanwhile, or are in another viewer, stay."""
        while self._removed and not self._is_settling:
            layer, index = self._removed.pop(0)
            editing, viewer = _editing_of(layer), self._viewer()
            if editing is None or any(layer in other.layers for other in open_viewers()):
                continue
            if not self._settle(editing, layer.name, can_cancel=viewer is not None) and viewer is not None:
                viewer.layers.insert(min(index, len(viewer.layers)), layer)

    def _keep_removed(self) -> None:
        """A script closes the window: napari has removed all layers and half of the window, and nobody may be there."""
        while self._removed:
            layer, _ = self._removed.pop()
            editing = _editing_of(layer)
            if editing is not None:
                editing.wait()
                if editing.is_changed:
                    show_info(f"{_bare(layer.name)}: {editing.review}, not saved; kept to be offered again")
                editing.close()

    def _may_close(self) -> bool:
        """Whether the window may be closed: not while a question is open, or edits are being saved."""
        if self._is_settling:
            return False
        self._keep_removed()
        viewer = self._viewer()
        for layer in [] if viewer is None else list(viewer.layers):
            editing = _editing_of(layer)
            if editing is not None and editing.is_changed and not self._settle(editing, layer.name, can_cancel=True):
                return False
        return True

    def _settle(self, editing: Editing, name: str, *, can_cancel: bool) -> bool:
        """Do with the edits as the user wants; returns whether that is done, so that their layer may go."""
        self._is_settling = True
        try:
            editing.wait()
            if editing.is_changed and not _ask(editing, _bare(name), can_cancel=can_cancel):
                return False
            editing.close()
            return True
        finally:
            self._is_settling = False


_GUARDS: WeakKeyDictionary[Any, _Guard] = WeakKeyDictionary()


def _editing_of(layer: Any) -> Editing | None:
    editing = getattr(getattr(layer, "stream", None), "editing", None)
    return editing if isinstance(editing, Editing) else None


def _bare(name: str) -> str:
    """Of a layer, without what marks its edits."""
    return name.removesuffix(" *")


def _ask(editing: Editing, name: str, *, can_cancel: bool) -> bool:
    """Ask what to do with edits that are not saved; returns whether their session may end."""
    choice = ask_unsaved(f"{name}: {editing.review} and not saved", can_cancel=can_cancel)
    if choice is Choice.SAVE:
        _save(editing, name)
        return not (editing.is_changed and can_cancel)
    if choice is Choice.DISCARD:
        editing.discard()
    return choice is not Choice.CANCEL


def _save(editing: Editing, name: str) -> None:
    """Save behind a dialog, and wait for it as long as the user does."""
    editing.save()
    if editing.phase is not Phase.SAVING:
        return
    loop, watch = QEventLoop(), QTimer()
    dialog = QProgressDialog(f"Saving the edits of {name}\u2026", "Wait no longer", 0, 0)
    dialog.setWindowTitle("Saving")
    dialog.setWindowModality(Qt.WindowModality.ApplicationModal)
    dialog.setMinimumDuration(_PATIENCE_MS)

    def look() -> None:
        if editing.phase is not Phase.SAVING or editing.is_idle:  # an answer that got lost would else keep it for ever
            loop.quit()

    editing.changed.connect(look)
    watch.timeout.connect(look)
    dialog.canceled.connect(loop.quit)
    watch.start(_LOOK_MS)
    loop.exec()
    watch.stop()
    editing.changed.disconnect(look)
    dialog.canceled.disconnect(loop.quit)
    dialog.close()
    dialog.deleteLater()
