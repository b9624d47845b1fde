"""How a layer of napari looks, as a look of Neuroglancer; what cannot be told there is noted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

from zvview.napari.camera import LayerPlacement, ViewerState
from zvview.napari.looks import look_of
from zvview.neuroglancer.layers import Look
from zvview.stream import Filter
from zvview.style import Colouring

__all__ = ["find_look"]

_LEAST_SHOWN: Final = 1e-6  # of what tells whether a point is shown: 0 hides it


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
    own = look_of(layer)
    chosen = getattr(layer, "own_colours", {}).get("face")
    notes = [
        f"{layer.name}: Neuroglancer shows all points with the same {what}, not by {name!r}"
        for what, name in (("size", own.size_by), ("symbol", own.symbol_by), ("border", own.border_colour_by))
        if name is not None
    ]
    filter: Filter = stream.filter
    if own.shown_by is not None:
        lo, hi = filter.ranges.get(own.shown_by, (-np.inf, np.inf))
        filter = replace(filter, ranges={**filter.ranges, own.shown_by: (max(lo, _LEAST_SHOWN), hi)})
    look = Look(
        by=stream.colouring if chosen is None else _plain(chosen),
        size=_size_px(layer, state, placement),
        opacity=float(layer.opacity),
        is_visible=bool(layer.visible),
        filter=filter,
    )
    return look, tuple(notes)


def _plain(colour: NDArray[np.float32]) -> Colouring:
    red, green, blue, alpha = map(float, colour)
    return Colouring(colour=(red, green, blue, alpha))


def _size_px(layer: Any, state: ViewerState, placement: LayerPlacement) -> float | None:
    """Diameter of points or width of lines in pixels, as they are on the canvas."""
    if hasattr(layer, "edge_width"):
        return float(layer.edge_width)
    if not hasattr(layer, "current_size"):
        return None
    least, most = layer.canvas_size_limits
    stretch = float(np.abs(placement.matrix[-1, -1]))
    return float(np.clip(layer.current_size * stretch * state.zoom, least, most))
