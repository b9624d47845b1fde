"""A layer of lines of any kind: napari's own choices hang above a thousand of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Layer
from napari.layers.base.base import _LayerSlicingState
from napari.utils.events import Event
from numpy.typing import NDArray

from zvview.napari.picking_layer import Content, PickedByRay
from zvview.napari.preparing import colours_in
from zvview.napari.private.streamed import Streamed
from zvview.napari.private.thumbnails import ThumbnailAtRest
from zvview.napari.tails import TimeWindow

__all__ = ["StreamLines"]

_THUMBNAIL_VERTICES = 4096


class _NoSlicing(_LayerSlicingState):
    """Everything that the layer holds is shown: what lies outside of the slab was never read."""

    def _set_view_slice(self) -> None:
        pass


class StreamLines(PickedByRay, ThumbnailAtRest, Streamed, Layer):
    """Lines, streamlines, graphs or skeletons of a store that are in view, as joined pairs of vertices.

    For napari it is a ``vectors`` layer: saving and duplicating it give what a ``Vectors`` layer holds.

    Parameters
    ----------
    extent : (2, D) float array
        Bounds of the store in the layer's data coordinates; what is in view never changes it.
    edge_width : float
        In pixels of the canvas.
    node_size : float
        Diameter of the vertices in pixels of the canvas; 0 draws none.
    fill : float
        Opacity of the areas inside closed lines; 0 draws none.
    **kwargs
        As for :class:`napari.layers.Layer`.
    """

    _picks = "segments"

    def __init__(
        self,
        extent: NDArray[np.float64],
        *,
        edge_width: float = 1.0,
        node_size: float = 0.0,
        fill: float = 0.0,
        **kwargs: Any,
    ) -> None:
        self._constant_extent = np.array(extent, np.float64)
        ndim = self._constant_extent.shape[1]
        self._edge_width, self._node_size, self._fill = float(edge_width), float(node_size), float(fill)
        self._positions = np.empty((0, ndim), np.float32)
        self._colours = np.empty((0, 4), np.float32)
        self._segments = np.empty((0, 2), np.uint32)
        self._triangles = np.empty((0, 3), np.uint32)
        self._time_window: TimeWindow | None = None
        self._world_width = 0.0
        self._fill_by: str | None = None
        self._columns: Mapping[str, NDArray[Any]] = {}
        self._content = Content(self._positions, self._segments, self._columns)
        super().__init__(None, ndim, **kwargs)
        self.events.add(edge_width=Event, node_size=Event, fill=Event, time_window=Event)
        self.events.scale_factor.connect(self._follow_zoom)
        self.refresh()

    @property
    def _type_string(self) -> str:
        return "vectors"

    @property
    def positions(self) -> NDArray[np.float32]:
        """Vertices, (N, D), in data coordinates."""
        return self._positions

    @property
    def segments(self) -> NDArray[np.uint32]:
        """Rows of :attr:`positions` that are joined, (M, 2)."""
        return self._segments

    @property
    def triangles(self) -> NDArray[np.uint32]:
        """Rows of :attr:`positions` that span the areas inside closed lines, (T, 3); none unless :attr:`fill` asks."""
        return self._triangles

    @property
    def colours(self) -> NDArray[np.float32]:
        """Red, green, blue, alpha of each vertex, (N, 4)."""
        return self._colours

    @property
    def data(self) -> NDArray[np.float32]:
        """Starts and steps of the segments in view, (M, 2, D), as ``Vectors`` layers hold them; made when asked for."""
        starts = self._positions[self._segments[:, 0]]
        return np.stack((starts, self._positions[self._segments[:, 1]] - starts), axis=1)

    @data.setter
    def data(self, data: NDArray[np.floating]) -> None:
        vectors = np.asarray(data, np.float32)
        ends = np.concatenate((vectors[:, :1], vectors[:, :1] + vectors[:, 1:]), axis=1)
        segments = np.arange(2 * len(ends), dtype=np.uint32).reshape(-1, 2)
        self.swap(ends.reshape(-1, self.ndim), segments, np.ones((2 * len(ends), 4), np.float32), {})
        self.events.data(value=self.data)

    @property
    def features(self) -> pd.DataFrame:
        """Values of each segment in view, taken from the vertex that it starts at."""
        starts = self._segments[:, 0]
        return pd.DataFrame({name: column[starts] for name, column in self._columns.items()})

    @property
    def edge_width(self) -> float:
        """Width of the lines, in pixels of the canvas, as it is now."""
        return self._edge_width

    @edge_width.setter
    def edge_width(self, width: float) -> None:
        self._edge_width, self._world_width = float(width), 0.0
        self.events.edge_width()

    @property
    def world_width(self) -> float:
        """Width of the lines in units of the world, which grow as one zooms in; 0 where they have one in pixels."""
        return self._world_width

    @world_width.setter
    def world_width(self, width: float) -> None:
        self._world_width = max(float(width), 0.0)
        self._follow_zoom()

    @property
    def node_size(self) -> float:
        """Diameter of the vertices, in pixels of the canvas; 0 where they are not drawn."""
        return self._node_size

    @node_size.setter
    def node_size(self, size: float) -> None:
        self._node_size = float(size)
        self.events.node_size()
        self.events.set_data()

    @property
    def fill(self) -> float:
        """Opacity of the areas inside closed lines, from 0, where they are not drawn, to 1."""
        return self._fill

    @fill.setter
    def fill(self, opacity: float) -> None:
        self._fill = float(np.clip(opacity, 0, 1))
        self.events.fill()
        self.events.set_data()

    @property
    def fill_by(self) -> str | None:
        """The attribute of four channels with the colours of the areas; None where they have those of the lines."""
        return self._fill_by

    @fill_by.setter
    def fill_by(self, name: str | None) -> None:
        self._fill_by = name
        self.events.set_data()

    @property
    def fill_colours(self) -> NDArray[np.float32]:
        """Red, green, blue, alpha of the areas at each vertex, (N, 4)."""
        found = None if self._fill_by is None else colours_in(self._columns, self._fill_by)
        return self._colours if found is None else found

    def forget_own_looks(self) -> None:
        """Let areas have the colours of the lines again."""
        self._fill_by = None

    @property
    def time_window(self) -> TimeWindow | None:
        """What is drawn along time where that is not on screen; None for all that the layer holds."""
        return self._time_window

    @time_window.setter
    def time_window(self, window: TimeWindow | None) -> None:
        if window != self._time_window:
            self._time_window = window
            self.events.time_window()

    def swap(
        self,
        positions: NDArray[np.float32],
        segments: NDArray[np.uint32],
        colours: NDArray[np.float32],
        features: Mapping[str, NDArray[Any]],
        triangles: NDArray[np.uint32] | None = None,
    ) -> None:
        """Replace the whole content; no data event is sent: this is no edit.

        Parameters
        ----------
        positions : (N, D) float32 array
        segments : (M, 2) uint32 array
            Rows of `positions` that are joined.
        colours : (N, 4) float32 array
        features : mapping of str to (N,) array
            Values of the vertices.
        triangles : (T, 3) uint32 array, optional
            See :attr:`triangles`.
        """
        self._positions, self._segments, self._colours, self._columns = positions, segments, colours, features
        self._content = Content(positions, segments, features)
        self._triangles = np.empty((0, 3), np.uint32) if triangles is None else triangles
        self.events.set_data()
        self.ask_for_thumbnail()

    def _follow_zoom(self, event: Any = None) -> None:
        """Keep the width in pixels at what it is in the world."""
        width = self._world_width / max(float(self.scale_factor), 1e-30)
        if self._world_width and width != self._edge_width:
            self._edge_width = width
            self.events.edge_width()

    def _get_ndim(self) -> int:
        return int(self._constant_extent.shape[1])

    def _get_state(self) -> dict[str, Any]:
        state = self._get_base_state()
        state["projection_mode"] = "all"  # of Vectors; this layer has none
        colours = self._colours[self._segments[:, 0]] if len(self._segments) else np.ones((1, 4), np.float32)
        own = {"data": self.data, "features": self.features, "edge_color": colours, "edge_width": self.edge_width}
        return state | own | {"length": 1.0, "vector_style": "line", "ndim": self.ndim}

    def _set_view_slice(self) -> None:
        pass

    def _get_layer_slicing_state(self, data: Any, cache: bool) -> _NoSlicing:
        return _NoSlicing(self, data, cache)

    def _update_thumbnail(self) -> None:
        step = max(1, len(self._positions) // _THUMBNAIL_VERTICES)
        displayed = list(self._slice_input.displayed)[-2:]
        self.draw_thumbnail(self._positions[::step][:, displayed], self._colours[::step], displayed)
