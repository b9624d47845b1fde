"""Layers of napari's public API alone, for versions that lack the private names: slower, so they show less."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Layer, Points, Surface, Vectors
from numpy.typing import NDArray

from zvview.napari.preparing import Prepared

__all__ = ["PLAIN_BUDGET", "make_plain_layer", "show_plainly"]

PLAIN_BUDGET = 20_000
"""Most vertices: setting the data of a layer takes a second of the window's thread for a million points."""


def make_plain_layer(family: str, extent: NDArray[np.float64], **kwargs: Any) -> Layer:
    """An empty layer of a family, ``points``, ``lines`` or ``surface``, for a store with an extent (2, D)."""
    ndim = extent.shape[1]
    if family == "points":
        return Points(np.empty((0, ndim), np.float32), ndim=ndim, border_width=0.0, **kwargs)
    if family == "lines":
        return Vectors(np.empty((0, 2, ndim), np.float32), ndim=ndim, vector_style="line", **kwargs)
    sliver = extent[[0, 1, 0]].astype(np.float32)  # a face without area, from which the viewer learns the extent
    return Surface((sliver, np.array([[0, 1, 2]]), np.ones(3, np.float32)), contrast_limits=(0.0, 1.0), **kwargs)


def show_plainly(layer: Layer, prepared: Prepared) -> None:
    """Show it in a layer of :func:`make_plain_layer`, without data events: this is no edit."""
    positions, elements = prepared.positions, prepared.elements
    with layer.events.data.blocker():
        if isinstance(layer, Points):
            layer.data = positions
            if len(positions):
                layer.face_color = prepared.colours
                layer.features = dict(prepared.features)
        elif isinstance(layer, Vectors) and elements is not None:
            starts = positions[elements[:, 0]]
            layer.data = np.stack((starts, positions[elements[:, 1]] - starts), axis=1)
            if len(elements):
                layer.edge_color = prepared.colours[elements[:, 0]]
        elif isinstance(layer, Surface) and elements is not None and len(elements):
            layer.vertex_colors = None  # those of the old vertices would not fit the new ones
            layer.data = (positions, elements, np.ones(len(positions), np.float32))
            layer.vertex_colors = prepared.colours
