"""What the tests of the edit mode do over and over: open, begin, press keys, and wait until edits are made or shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

import zvview
from tests.napari.hands import canvas_of, click, pixel_of
from zvview.napari.editing.attaching import editing_of
from zvview.napari.editing.editing import Editing, Phase
from zvview.napari.editing.handles import HandleEditing
from zvview.napari.editing.points import PointEditing
from zvview.store.store import Store

__all__ = [
    "CONTROL",
    "NO_KEY",
    "SHIFT",
    "begin",
    "begin_points",
    "choose",
    "click_with",
    "open_store",
    "press",
    "save",
    "told",
    "wait_for_edits",
]

NO_KEY = Qt.KeyboardModifier.NoModifier
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def open_store(place: object) -> Store:
    store = zvview.open(str(place))
    assert isinstance(store, Store)
    return store


def press(window: Any, key: Qt.Key, modifiers: Any = NO_KEY) -> None:
    """A key on the canvas, as users press it."""
    canvas = canvas_of(window.viewer)
    canvas.setFocus()
    QTest.keyClick(canvas, key, modifiers)


def click_with(window: Any, at: tuple[int, int], modifiers: Any) -> None:
    """A click while a key is held."""
    QTest.mouseClick(canvas_of(window.viewer), Qt.MouseButton.LeftButton, modifiers, QPoint(*at))


def begin(window: Any, place: Path | str) -> HandleEditing:
    """A store that is edited by handles in the window, being edited, looked at from above."""
    window.drop(place)
    window.wait(lambda: len(window.viewer.layers))
    layer = window.viewer.layers[-1]
    window.viewer.dims.ndisplay = 3
    window.viewer.reset_view()
    window.settle()
    editing = editing_of(layer)
    assert isinstance(editing, HandleEditing)
    editing.start()
    window.wait(lambda: editing.phase is Phase.ON)
    return editing


def begin_points(window: Any, place: Path | str) -> PointEditing:
    """A store of points in the window, being edited in a 3-D view."""
    window.drop(place)
    (layer,) = window.viewer.layers
    window.viewer.dims.ndisplay = 3
    window.settle()
    editing = editing_of(layer)
    assert isinstance(editing, PointEditing)
    editing.start()
    window.wait(lambda: editing.phase is Phase.ON)
    return editing


def choose(window: Any, editing: HandleEditing, at: Any, number: int) -> Any:
    """The handles of the object that is drawn `at` a place of its layer, in view of all edits."""
    layer = window.viewer.layers[0]
    click(window.viewer, pixel_of(window.viewer, layer, at))
    window.wait(lambda: editing.chosen == (number,) and editing.handles is not None)
    wait_for_edits(window, layer)
    window.viewer.layers.selection.active = editing.handles
    return editing.handles


def told(window: Any, editing: Editing, review: str) -> None:
    """What was done to the layer is done to the edits, and they come to this."""
    window.wait(lambda: not editing.is_busy)
    assert editing.review == review


def wait_for_edits(window: Any, layer: Any) -> None:
    """Until the layer shows what was streamed with all edits."""
    stream, editing = layer.stream, layer.stream.editing
    window.wait(lambda: not editing.is_busy)
    window.wait(lambda: stream.update.edits is not None and stream.update.edits.edits is editing.session.edits)
    window.settle(layer)


def save(window: Any, editing: Editing) -> None:
    """Save the edits with the key for it, and wait until that is done."""
    press(window, Qt.Key.Key_D, CONTROL | SHIFT)
    window.wait(lambda: editing.phase is Phase.ON and not editing.is_changed)
