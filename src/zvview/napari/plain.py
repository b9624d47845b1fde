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


_WIDTH_SHARE = 1 / 600  # of the longest edge: napari gives widths in world units

_SLIVER = np.array([[0, 1, 0]])
"""A face of no area between two vertices."""


def make_plain_layer(family: str, extent: NDArray[np.float64], **kwargs: Any) -> Layer:
    """A layer of a family, ``points``, ``lines`` or ``surface``, for a store with an extent (2, D).

    Its last elements are the corners of the extent, of no size, so that sliders know it before and whatever is in view.
    """
    corners = extent.astype(np.float32)
    if family == "points":
        return Points(corners, shown=False, border_width=0.0, **kwargs)
    if family == "lines":
        width = float(np.ptp(extent, axis=0).max()) * _WIDTH_SHARE or 1.0
        return Vectors(_as_vectors(corners), vector_style="line", edge_width=width, **kwargs)
    return Surface((corners, _SLIVER, np.ones(2, np.float32)), contrast_limits=(0.0, 1.0), **kwargs)


def show_plainly(layer: Layer, prepared: Prepared) -> None:
    """Show it in a layer of :func:`make_plain_layer`, without data events: this is no edit."""
    positions, elements = prepared.positions, prepared.elements
    with layer.events.data.blocker():
        if isinstance(layer, Points):
            count = len(positions)
            layer.data = np.concatenate((positions, layer.data[-2:]))
            layer.shown = np.arange(count + 2) < count
            layer.face_color = np.concatenate((prepared.colours, np.ones((2, 4), np.float32)))
            layer.features = {name: np.concatenate((v, _filler(v))) for name, v in prepared.features.items()}
        elif isinstance(layer, Vectors) and elements is not None:
            starts = positions[elements[:, 0]]
            vectors = np.stack((starts, positions[elements[:, 1]] - starts), axis=1)
            layer.data = np.concatenate((vectors, layer.data[-2:]))
            layer.edge_color = np.concatenate((prepared.colours[elements[:, 0]], np.ones((2, 4), np.float32)))
        elif isinstance(layer, Surface) and elements is not None:
            vertices = np.concatenate((positions, layer.data[0][-2:]))
            layer.vertex_colors = None  # those of the old vertices would not fit the new ones
            layer.data = (
                vertices,
                np.concatenate((elements, _SLIVER + len(positions))),
                np.ones(len(vertices), np.float32),
            )
            layer.vertex_colors = np.concatenate((prepared.colours, np.ones((2, 4), np.float32)))


def _as_vectors(positions: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack((positions, np.zeros_like(positions)), axis=1)


def _filler(values: NDArray[Any]) -> NDArray[Any]:
    """Two rows of values for the corners."""
    return np.repeat(values[:1], 2) if len(values) else np.zeros(2, values.dtype)
