"""The layer of points that shows handles: what its rows stand for, and where its points were put."""

from __future__ import annotations

from typing import Any
from weakref import ref

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from zvview.errors import InvalidInputError
from zvview.napari.editing.handle_tools import HandleTool
from zvview.napari.editing.places import moved_places
from zvview.napari.frame import Frame
from zvview.napari.layers import make_layer

__all__ = ["HandleLayer"]

_SIZE_PX = 6
_ASIDE_PX = 16
_COLOUR = (1.0, 0.85, 0.2, 1.0)


class HandleLayer:
    """Points above all other layers of a viewer, with their tools at hand.

    Between what hands did and its being done to the edits the points are others than the vertices of the tool: rows of
    the one are told from rows of the other.

    Parameters
    ----------
    frame : Frame
    layer : Layer
        That shows the store.
    viewer : napari.Viewer
    tool : HandleTool
        What is shown first.

    Attributes
    ----------
    points : Points
    tool : HandleTool
        Whose vertices are shown.
    """

    def __init__(self, frame: Frame, layer: Layer, viewer: Any, tool: HandleTool) -> None:
        points: Any = make_layer("point_cloud", frame, name=f"vertices of {layer.name.removesuffix(' *')}")
        points.canvas_size_limits = (_SIZE_PX, _SIZE_PX)
        for name in ("scale", "translate", "rotate", "shear", "affine"):
            setattr(points, name, getattr(layer, name))
        points.handles_of = ref(layer)  # the dock goes on showing that one
        viewer.add_layer(points)
        points.mode = "select"
        self._frame, self._viewer = frame, ref(viewer)
        self.points = points
        self._selected_before: set[int] = set()
        points.selected_data.events.items_changed.connect(self._note_selection)
        self.show(tool)

    def show(self, tool: HandleTool) -> None:
        """Show other vertices; what is selected stays so if they are as many."""
        self.tool = tool
        self._rows = np.arange(len(tool.positions))
        self._shown = self._frame.to_layer(tool.positions)
        points, fresh = self.points, tool.fresh
        is_same = np.array_equal(points.data, self._shown) and np.array_equal(
            points.features.get("id"), tool.object_ids
        )
        if not is_same:
            chosen = set(points.selected_data) if len(points.data) == len(self._shown) else set()
            colours = np.tile(np.array(_COLOUR, np.float32), (len(self._shown), 1))
            points.swap(self._shown.copy(), colours, {"id": tool.object_ids})
            if chosen and fresh is None:
                points.selected_data = chosen
        if fresh is not None:
            points.selected_data = set(fresh.tolist())

    @property
    def selected(self) -> NDArray[np.int64]:
        """Rows of the tool that are selected, ascending; what is not made yet is left out."""
        chosen = self.points.selected_data
        rows = np.fromiter(chosen, np.int64, len(chosen))
        rows = np.sort(self._rows[rows[rows < len(self._rows)]])
        return rows[rows >= 0]

    def parents(self) -> NDArray[np.int64]:
        """Rows of the tool on which something may be added: those selected, or that were when adding began.

        Raises
        ------
        InvalidInputError
            One of them is not made yet.
        """
        chosen = set(self.points.selected_data) or self._selected_before
        return np.sort(self._own(np.array(sorted(row for row in chosen if row < len(self._rows)), np.int64)))

    def _note_selection(self, added: tuple[int, ...], removed: tuple[int, ...]) -> None:
        """Napari selects nothing any more just before the tool that adds is taken."""
        self._selected_before = set() if self.points.selected_data else set(removed)
        if self._selected_before:
            QTimer.singleShot(0, self._forget_selection)

    def _forget_selection(self) -> None:
        if self.points.mode != "add":
            self._selected_before = set()

    def moved(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Of the points at some rows those that are not where the tool has them: its rows, and where to, (k, D).

        Raises
        ------
        InvalidInputError
            One of them is not made yet.
        """
        own = self._own(rows)
        places = self.tool.positions[own]
        at, where = moved_places(self._frame, places, self._shown[own], self.points.data[rows])
        return own[at], where

    def removed(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the tool of the points that were at some rows and are gone."""
        try:
            return self._own(rows)
        finally:
            self._rows = np.delete(self._rows, rows)

    def added(self) -> NDArray[np.float64]:
        """Where the points are that came behind those known, (k, D) in the store's coordinates."""
        fresh = self.points.data[len(self._rows) :]
        self._rows = np.concatenate((self._rows, np.full(len(fresh), -1)))
        return self._frame.to_store(fresh)

    def slice_point(self) -> NDArray[np.float64]:
        """Where the sliders of the viewer stand, (D,) in the store's coordinates; 0 on axes that are displayed."""
        viewer, out = self._viewer(), np.zeros(self._frame.ndim)
        if viewer is not None:
            first = viewer.dims.ndim - len(out)
            point = np.asarray(self.points.world_to_data(viewer.dims.point[first:]))
            sliced = [axis for axis in range(len(out)) if axis + first not in viewer.dims.displayed]
            out[sliced] = point[sliced]
        return out[list(self._frame.inverse)]

    def aside(self) -> NDArray[np.float64]:
        """A short way along the last displayed axes, the same at every zoom, (D,) in the store's coordinates."""
        out = np.zeros(self._frame.ndim)
        displayed = list(self.points._slice_input.displayed)[-2:]
        out[displayed] = _ASIDE_PX * self.points.scale_factor / np.abs(np.asarray(self.points.scale))[displayed]
        return out[list(self._frame.inverse)]

    def remove(self) -> None:
        """Take the layer out of its viewer."""
        viewer = self._viewer()
        if viewer is not None and self.points in viewer.layers:
            viewer.layers.remove(self.points)

    def _own(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        own = self._rows[rows]
        if (own < 0).any():
            raise InvalidInputError("a vertex that was added just now is not made yet: do it once more")
        return own
