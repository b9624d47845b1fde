"""How a layer of napari looks, as a look of Neuroglancer; what cannot be told there is noted."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Layer

from zvview.napari.camera import LayerPlacement, ViewerState
from zvview.neuroglancer.layers import Look
from zvview.stream import Filter

__all__ = ["find_look"]


def find_look(layer: Layer, state: ViewerState, placement: LayerPlacement) -> tuple[Look, tuple[str, ...]]:
    """The look of a layer that streams, and what of it is left out, in plain words.

    Parameters
    ----------
    layer : Layer
        With a store at its ``stream``.
    state : ViewerState
    placement : LayerPlacement
    """
    stream: Any = layer.stream
    asked: Filter = stream.filter
    notes = []
    if asked.names_objects:
        notes.append(f"{layer.name}: Neuroglancer shows all objects and groups, not only those that are chosen here")
    look = Look(
        by=stream.colouring,
        size=_size_px(layer, state, placement),
        opacity=float(layer.opacity),
        is_visible=bool(layer.visible),
        filter=Filter(ranges=asked.ranges, categories=asked.categories),
    )
    return look, tuple(notes)


def _size_px(layer: Any, state: ViewerState, placement: LayerPlacement) -> float | None:
    """Diameter of points or width of lines in pixels, as they are on the canvas."""
    if hasattr(layer, "edge_width"):
        return float(layer.edge_width)
    if not hasattr(layer, "current_size"):
        return None
    least, most = layer.canvas_size_limits
    stretch = float(np.abs(placement.matrix[-1, -1]))
    return float(np.clip(layer.current_size * stretch * state.zoom, least, most))
