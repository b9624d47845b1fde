"""How a layer of napari looks, as a look of Neuroglancer; what cannot be told there is noted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

from zvview.format import names
from zvview.napari.camera import LayerPlacement, ViewerState
from zvview.napari.looks import look_of
from zvview.neuroglancer.layers import Look, spacing_of
from zvview.neuroglancer.markers import Markers
from zvview.samples import Look as SavedLook
from zvview.stream import Filter, Status
from zvview.style import Colouring

__all__ = ["find_look", "find_spacing"]

_LEAST_SPACING: Final = 1.0  # pixels; the client draws no more than one for each of these
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
    notes = []
    if own.symbol_by is not None:
        notes.append(f"{layer.name}: Neuroglancer shows all points as discs, not as symbols by {own.symbol_by!r}")
    elif own.symbol not in (None, "disc"):
        notes.append(f"{layer.name}: Neuroglancer shows points as discs, not as {own.symbol}")
    if not state.is_3d and stream.store.kind == names.MESH:
        notes.append(f"{layer.name}: Neuroglancer's cross sections show no meshes: look at them in its 3-D view")
    if stream.tail and layer.ndim > len(state.displayed):
        notes.append(f"{layer.name}: Neuroglancer shows lines at the time of the slider, without a tail of their past")
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
        fades=state.is_3d or layer.opacity < 1,  # all of a slab of napari's is alike
        markers=_markers(layer, own, state, placement),
        spacing_px=None if stream.update is None else _spacing_of(stream, state),
    )
    return look, tuple(notes)


def find_spacing(status: Status, finest: int, canvas_px: float, most: float) -> float:
    """Pixels between neighbours so that about as many are drawn as a window shows, and all where it shows all.

    Parameters
    ----------
    status : Status
    finest : int
        Number of the finest level.
    canvas_px : float
        Pixels of the canvas.
    most : float
        What the client begins with.
    """
    is_whole = status.levels == (finest,) and not status.is_thinned and status.chunks_ready >= status.chunks_wanted
    wished = float(np.sqrt(canvas_px / max(status.vertices_shown, 1)))
    return _LEAST_SPACING if is_whole else float(np.clip(wished, _LEAST_SPACING, most))


def _spacing_of(stream: Any, state: ViewerState) -> float:
    kind = "point" if stream.store.kind == names.POINT_CLOUD else "polyline"
    height, width = state.canvas_size
    return find_spacing(stream.update.status, stream.store.levels[0], height * width, spacing_of(kind))


def _markers(layer: Any, own: SavedLook, state: ViewerState, placement: LayerPlacement) -> Markers:
    """What is said of points beside their colours."""
    if not hasattr(layer, "current_size"):
        return Markers()
    least, most = layer.canvas_size_limits
    return Markers(
        size_by=own.size_by,
        px_per_unit=_px_per_unit(state, placement),
        least_px=float(least),
        most_px=float(most),
        border_width=own.border_width or 0.0,
        border_width_by=own.border_width_by,
        border_colour=own.border_colour,
        border_colour_by=own.border_colour_by,
    )


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
    return float(np.clip(layer.current_size * _px_per_unit(state, placement), least, most))


def _px_per_unit(state: ViewerState, placement: LayerPlacement) -> float:
    return float(np.abs(placement.matrix[-1, -1])) * state.zoom
