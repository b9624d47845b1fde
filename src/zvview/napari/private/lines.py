"""A layer of lines of any kind over one vispy line: napari's own choices hang above a thousand of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from napari._qt.layer_controls.qt_layer_controls_base import QtLayerControls
from napari._vispy.layers.base import VispyBaseLayer
from napari.layers import Layer
from napari.layers.base._base_constants import Mode
from napari.layers.base.base import _LayerSlicingState
from napari.utils.events import Event
from numpy.typing import NDArray
from vispy.scene.visuals import Line, Markers
from vispy.visuals.transforms import MatrixTransform

from zvview.napari.private.streamed import Streamed

__all__ = ["StreamLines", "StreamLinesControls", "VispyStreamLines"]

_THUMBNAIL_VERTICES = 4096


class _NoSlicing(_LayerSlicingState):
    """Everything that the layer holds is shown: what lies outside of the slab was never read."""

    def _set_view_slice(self) -> None:
        pass


class StreamLines(Streamed, Layer):
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
    **kwargs
        As for :class:`napari.layers.Layer`.
    """

    def __init__(
        self, extent: NDArray[np.float64], *, edge_width: float = 1.0, node_size: float = 0.0, **kwargs: Any
    ) -> None:
        self._constant_extent = np.array(extent, np.float64)
        ndim = self._constant_extent.shape[1]
        self._edge_width, self._node_size = float(edge_width), float(node_size)
        self._positions = np.empty((0, ndim), np.float32)
        self._colours = np.empty((0, 4), np.float32)
        self._segments = np.empty((0, 2), np.uint32)
        self._columns: Mapping[str, NDArray[Any]] = {}
        super().__init__(None, ndim, **kwargs)
        self.events.add(edge_width=Event, node_size=Event)
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
        """Width of the lines, in pixels of the canvas."""
        return self._edge_width

    @edge_width.setter
    def edge_width(self, width: float) -> None:
        self._edge_width = float(width)
        self.events.edge_width()
        self.events.set_data()

    @property
    def node_size(self) -> float:
        """Diameter of the vertices, in pixels of the canvas; 0 where they are not drawn."""
        return self._node_size

    @node_size.setter
    def node_size(self, size: float) -> None:
        self._node_size = float(size)
        self.events.node_size()
        self.events.set_data()

    def swap(
        self,
        positions: NDArray[np.float32],
        segments: NDArray[np.uint32],
        colours: NDArray[np.float32],
        features: Mapping[str, NDArray[Any]],
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
        """
        self._positions, self._segments, self._colours, self._columns = positions, segments, colours, features
        self.events.set_data()
        self._update_thumbnail()

    def _get_ndim(self) -> int:
        return int(self._constant_extent.shape[1])

    def _get_state(self) -> dict[str, Any]:
        state = self._get_base_state()
        state["projection_mode"] = "all"  # of Vectors; this layer has none
        colours = self._colours[self._segments[:, 0]] if len(self._segments) else np.ones((1, 4), np.float32)
        own = {"data": self.data, "features": self.features, "edge_color": colours, "edge_width": self.edge_width}
        return state | own | {"length": 1.0, "vector_style": "line", "ndim": self.ndim}

    def _get_value(self, position: Any) -> dict[str, Any] | None:
        displayed = list(self._slice_input.displayed)
        if len(displayed) != 2 or not len(self._segments):
            return None
        row = self._find_vertex(np.asarray(position, np.float64)[displayed], displayed)
        return None if row is None else {name: column[row].item() for name, column in self._columns.items()}

    def _find_vertex(self, point: NDArray[np.float64], displayed: list[int]) -> int | None:
        """The vertex of the nearest segment that passes within a few pixels of `point`, the nearer end."""
        positions, segments = self._positions, self._segments  # another thread asks while a swap may go on
        flat = positions[:, displayed].astype(np.float64) - point
        ends = flat[segments]
        step = ends[:, 1] - ends[:, 0]
        squared = np.maximum(np.einsum("md,md->m", step, step), 1e-30)
        share = np.clip(-np.einsum("md,md->m", ends[:, 0], step) / squared, 0, 1)
        off = ends[:, 0] + share[:, None] * step
        distance = np.einsum("md,md->m", off, off)
        nearest = int(np.argmin(distance))
        reach = 4 * self.scale_factor / max(float(np.abs(self.scale[displayed]).min()), 1e-30)
        return int(segments[nearest, int(share[nearest] > 0.5)]) if distance[nearest] <= reach * reach else None

    def _set_view_slice(self) -> None:
        pass

    def _get_layer_slicing_state(self, data: Any, cache: bool) -> _NoSlicing:
        return _NoSlicing(self, data, cache)

    def _update_thumbnail(self) -> None:
        step = max(1, len(self._positions) // _THUMBNAIL_VERTICES)
        displayed = list(self._slice_input.displayed)[-2:]
        self.draw_thumbnail(self._positions[::step][:, displayed], self._colours[::step], displayed)


class VispyStreamLines(VispyBaseLayer[StreamLines]):
    """Draws them with one line visual: two million segments a buffer, one call."""

    def __init__(self, layer: StreamLines, font_info: Any, **kwargs: Any) -> None:
        super().__init__(layer, Line(method="gl", width=1, antialias=False), font_info=font_info, **kwargs)
        self._nodes: Markers | None = None  # made when they are first asked for
        self.reset()
        self._on_data_change()

    def _on_data_change(self) -> None:
        layer = self.layer
        if not len(layer.segments):
            self.node.visible = False  # an empty index buffer would raise inside of the paint event
            return
        displayed = list(layer._slice_input.displayed)[::-1]
        # always three columns: a change of their number raises inside of the paint event, which ends the process
        positions = np.zeros((len(layer.positions), 3), np.float32)
        for column, axis in enumerate(displayed):
            positions[:, column] = layer.positions[:, axis]
        self.node.set_data(positions, layer.colours, layer.edge_width, layer.segments)
        self._draw_nodes(positions)
        self.node.visible = layer.visible
        self.node.update()

    def _draw_nodes(self, positions: NDArray[np.float32]) -> None:
        layer = self.layer
        if self._nodes is None and layer.node_size > 0:
            self._nodes = Markers(parent=self.node)
            self._nodes.transform = MatrixTransform()
        if self._nodes is not None:
            self._nodes.visible = layer.node_size > 0
            if layer.node_size > 0:
                self._nodes.set_data(positions, layer.node_size, edge_width=0, face_color=layer.colours)

    def _on_visible_change(self) -> None:
        self.node.visible = self.layer.visible and len(self.layer.segments) > 0


class StreamLinesControls(QtLayerControls):
    """Controls of the layer: what all layers have."""

    MODE = Mode
    PAN_ZOOM_ACTION_NAME = "activate_tracks_pan_zoom_mode"  # napari names the actions of Vectors so, too
    TRANSFORM_ACTION_NAME = "activate_tracks_transform_mode"
