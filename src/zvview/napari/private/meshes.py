"""A ``Surface`` layer whose extent does not depend on what is in view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Surface
from napari.layers.surface._slice import _SurfaceSliceRequest, _SurfaceSliceResponse
from napari.layers.surface.surface import _SurfaceSlicingState
from numpy.typing import NDArray

from zvview.napari.picking_layer import Content, PickedByRay
from zvview.napari.private.streamed import Streamed
from zvview.napari.private.thumbnails import ThumbnailAtRest

__all__ = ["StreamSurface"]

_THUMBNAIL_VERTICES = 4096
_ONE_FACE = np.array([[0, 1, 2]], np.uint32)


class _AllRequest(_SurfaceSliceRequest):
    """A request for all faces, along the axes on screen: what lies outside of the slab was never read."""

    def __call__(self) -> _SurfaceSliceResponse:
        vertices, faces, values = self.data
        return _SurfaceSliceResponse(
            vertices=_along(vertices, self.slice_input.displayed),
            faces=faces,
            values=values,
            vertex_colors=self.vertex_colors,
            texcoords=None,
            slice_input=self.slice_input,
            request_id=self.id,
        )


class _AllSlicing(_SurfaceSlicingState):
    def make_slice_request_internal(self, slice_input: Any, data_slice: Any) -> _SurfaceSliceRequest:
        layer = self.layer
        colours, mode = layer.vertex_colors, layer._projection_mode
        return _AllRequest(slice_input, layer.data, colours, None, data_slice, mode)


class StreamSurface(PickedByRay, ThumbnailAtRest, Streamed, Surface):
    """Meshes of a store that are in view.

    Parameters
    ----------
    extent : (2, D) float array
        Bounds of the store in the layer's data coordinates; what is in view never changes it.
    **kwargs
        As for :class:`napari.layers.Surface`.
    """

    _picks = "faces"

    def __init__(self, extent: NDArray[np.float64], **kwargs: Any) -> None:
        self._constant_extent = np.array(extent, np.float64)
        self._content = _nothing(self._constant_extent.shape[1])
        # one invisible face: a mesh visual without any raises when it is first drawn
        corner = np.repeat(self._constant_extent[:1], 3, axis=0).astype(np.float32)
        kwargs = {"shading": "flat", "contrast_limits": (0.0, 1.0), **kwargs}
        super().__init__((corner, _ONE_FACE, np.ones(3, np.float32)), **kwargs)

    @property
    def _type_string(self) -> str:
        return "surface"

    def swap(
        self,
        positions: NDArray[np.float32],
        faces: NDArray[np.uint32],
        colours: NDArray[np.float32],
        features: Mapping[str, NDArray[Any]],
    ) -> None:
        """Replace the whole content; no data event is sent: this is no edit.

        Parameters
        ----------
        positions : (N, D) float32 array
        faces : (F, 3) uint32 array
            Rows of `positions`.
        colours : (N, 4) float32 array
        features : mapping of str to (N,) array
            Values of the vertices.
        """
        is_empty = not len(faces)
        if is_empty:
            corner = np.repeat(self._constant_extent[:1], 3, axis=0).astype(np.float32)
            positions, faces, colours, features = corner, _ONE_FACE, np.zeros((3, 4), np.float32), {}
        self._vertices, self._faces = positions, faces
        self._content = _nothing(self.ndim) if is_empty else Content(positions, faces, features)
        self._vertex_values = np.broadcast_to(np.float32(1), len(positions))
        self._vertex_colors = colours
        rows = pd.RangeIndex(len(positions))
        self._feature_table._values = pd.DataFrame(dict(features), index=rows, copy=False)
        if list(self._feature_table.defaults) != list(features):
            self._feature_table.set_defaults(None)
        self.set_view_slice()
        self.events.set_data()
        self.ask_for_thumbnail()

    def _get_layer_slicing_state(self, data: Any, cache: bool) -> _AllSlicing:
        return _AllSlicing(self, data, cache)

    def _update_thumbnail(self) -> None:
        colours = self._vertex_colors
        if colours is None or not len(self._vertices):
            return
        step = max(1, len(self._vertices) // _THUMBNAIL_VERTICES)
        displayed = list(self._slice_input.displayed)[-2:]
        self.draw_thumbnail(self._vertices[::step][:, displayed], colours[::step], displayed)


def _along(vertices: NDArray[Any], displayed: Sequence[int]) -> NDArray[Any]:
    """Columns of (N, D) vertices; themselves where it is all of them."""
    axes = list(displayed)
    return vertices if axes == list(range(vertices.shape[1])) else vertices[:, axes]


def _nothing(ndim: int) -> Content:
    return Content(np.empty((0, ndim), np.float32), np.empty((0, 3), np.uint32), {})
