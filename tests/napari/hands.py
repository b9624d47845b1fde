"""Hands for the mouse: real events on the canvas, at the pixel where something of a layer is drawn."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from zvview.napari.camera import read_placement, read_viewer

_BETWEEN_MOVES_S = 0.02  # vispy passes over a move that comes within 10 ms of another

__all__ = ["canvas_of", "click", "drag", "hover", "pixel_of"]


def canvas_of(viewer: Any) -> Any:
    """The widget that the viewer draws on."""
    return viewer.window._qt_viewer.canvas.native


def pixel_of(viewer: Any, layer: Any, data: ArrayLike) -> tuple[int, int]:
    """Where a place in a layer's data coordinates, (D,), is on the canvas: x and y in pixels."""
    state, placement = read_viewer(viewer), read_placement(layer, viewer)
    world = placement.matrix @ np.asarray(data, np.float64) + placement.offset
    relative = world[[axis - placement.first_axis for axis in state.displayed]] - state.centre
    height, width = state.canvas_size
    if not state.is_3d:
        down, across = relative * state.zoom
        return round(width / 2 + across), round(height / 2 + down)
    scale = state.zoom / (1 + relative @ state.view / state.eye_distance)
    return round(width / 2 + relative @ state.right * scale), round(height / 2 - relative @ state.up * scale)


def hover(viewer: Any, at: tuple[int, int]) -> None:
    """Move the mouse to a pixel of the canvas."""
    _move(canvas_of(viewer), at, Qt.MouseButton.NoButton)


def _move(canvas: Any, at: tuple[int, int], buttons: Qt.MouseButton) -> None:
    """What Qt sends for a move; QTest.mouseMove loses moves where no window manager runs."""
    time.sleep(_BETWEEN_MOVES_S)
    place = QPointF(*at)
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        place,
        QPointF(canvas.mapToGlobal(QPoint(*at))),
        Qt.MouseButton.NoButton,
        buttons,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(canvas, event)
    QApplication.processEvents()


def click(viewer: Any, at: tuple[int, int]) -> None:
    """Click at a pixel of the canvas."""
    hover(viewer, at)
    QTest.mouseClick(canvas_of(viewer), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(*at))
    QApplication.processEvents()


def drag(viewer: Any, begin: tuple[int, int], end: tuple[int, int]) -> None:
    """Drag from a pixel of the canvas to another one."""
    canvas, button, key = canvas_of(viewer), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QTest.mousePress(canvas, button, key, QPoint(*begin))
    for share in np.linspace(0, 1, 6):
        across, down = np.rint(np.array(begin) + share * (np.array(end) - begin)).astype(int).tolist()
        _move(canvas, (across, down), button)
    QTest.mouseRelease(canvas, button, key, QPoint(*end))
    QApplication.processEvents()
