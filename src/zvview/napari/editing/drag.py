"""A line or a surface that follows its handles while they are dragged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from weakref import ref

import numpy as np
from napari.layers import Layer

from zvview.napari.layers import show
from zvview.napari.preparing import Prepared
from zvview.stream.editing import find_equal

__all__ = ["Drag"]


class Drag:
    """What is shown, with those of its vertices that are handles; made when the drag begins.

    Parameters
    ----------
    layer : Layer
        That shows the store.
    prepared : Prepared
        What it shows.
    points : Points
        The handles.
    """

    def __init__(self, layer: Layer, prepared: Prepared, points: Any) -> None:
        self._layer, self._prepared, self._points = ref(layer), prepared, ref(points)
        self._rows, self._at = find_equal(prepared.positions, points.data)

    def follow(self) -> None:
        """Show the vertices where their handles are now."""
        layer, points = self._layer(), self._points()
        if layer is None or points is None:
            return
        positions = np.empty_like(self._prepared.positions)
        positions[:] = self._prepared.positions
        positions[self._rows] = points.data[self._at]
        show(layer, replace(self._prepared, positions=positions))
