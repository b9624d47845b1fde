"""From what a viewer shows to what the engine is asked for: a view in the store's coordinates. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from zvview.napari.camera import LayerPlacement, ViewerState
from zvview.napari.frame import Frame
from zvview.napari.tails import Tail, TimeWindow
from zvview.stream import Filter, Projection, ViewState

__all__ = ["find_view", "find_window"]

T = TypeVar("T")

_NEAR = 1 / 64
"""Share of the eye's distance in front of it at which the box of a view begins: at the eye itself it has no size."""


def find_view(
    state: ViewerState,
    placement: LayerPlacement,
    frame: Frame,
    slab: NDArray[np.float64],
    *,
    filter: Filter,
    budget_vertices: int,
    target_error_px: float,
    locked_level: int | None = None,
    tail: Tail | None = None,
    ring: NDArray[np.float64] | None = None,
) -> ViewState:
    """What of a store is in view.

    Parameters
    ----------
    state : ViewerState
    placement : LayerPlacement
    frame : Frame
    slab : (D,) float64 array
        Half the thickness, in the store's units and axis order, along axes that are not on screen; the margins of the
        viewer's sliders go before it where they are set.
    filter, budget_vertices, target_error_px, locked_level
        Passed on.
    tail : Tail or None
        What goes before the slab along its axis.
    ring : (D,) float64 array, optional
        How much wider than the canvas the view is to be on each side, in the store's units and axis order.
    """
    own_axes = [axis - placement.first_axis for axis in state.displayed]
    shown = [axis for axis in own_axes if axis >= 0]
    if state.is_3d:
        lo, hi = _seen_box(state, placement, frame, own_axes)
    else:
        lo, hi = _canvas_box(state, frame.ndim, own_axes)
    for axis in range(frame.ndim):
        if axis not in shown:
            left, right = _reach(state, placement, frame, slab, tail, axis)
            at = state.point[placement.first_axis + axis]
            lo[axis], hi[axis] = at - left, at + right
    lo, hi = _to_store(lo, hi, placement, frame)
    if ring is not None:
        axes = list(frame.axes_of(shown))
        lo[axes], hi[axes] = lo[axes] - ring[axes], hi[axes] + ring[axes]
    stretch = float(np.linalg.norm(placement.matrix[np.ix_(shown, shown)], axis=0).max()) if shown else 1.0
    return ViewState(
        lo=tuple(lo.tolist()),
        hi=tuple(hi.tolist()),
        zoom_px_per_unit=state.zoom * stretch,
        displayed=frame.axes_of(shown),
        projection=_find_projection(state, placement, frame, shown) if state.is_3d and len(shown) == 3 else None,
        filter=filter,
        budget_vertices=budget_vertices,
        target_error_px=target_error_px,
        locked_level=locked_level,
    )


def find_window(
    state: ViewerState, placement: LayerPlacement, frame: Frame, slab: NDArray[np.float64], tail: Tail
) -> TimeWindow | None:
    """What a layer is to draw along the axis of `tail`, in its data coordinates; None where that is on screen."""
    axis = frame.inverse[tail.axis]
    world = placement.first_axis + axis
    stretch = placement.matrix[axis, axis]
    if world in state.displayed or stretch == 0:
        return None
    left, right = _reach(state, placement, frame, slab, tail, axis)
    at = state.point[world] - placement.offset[axis]
    first, now, last = ((at + step) / stretch for step in (-left, 0.0, right))
    return TimeWindow(axis, min(first, last), now, max(first, last))


def _reach(
    state: ViewerState,
    placement: LayerPlacement,
    frame: Frame,
    slab: NDArray[np.float64],
    tail: Tail | None,
    axis: int,
) -> tuple[float, float]:
    """How far, in world units, what is shown reaches before and behind the slider of one of the layer's axes."""
    world, own = placement.first_axis + axis, frame.order[axis]
    left, right = float(state.margin_left[world]), float(state.margin_right[world])
    if left + right > 0:
        return left, right
    stretch = float(placement.matrix[axis, axis])
    if tail is None or tail.axis != own:
        return slab[own] * abs(stretch), slab[own] * abs(stretch)
    past, future = tail.length * abs(stretch), tail.head * abs(stretch)
    return (past, future) if stretch > 0 else (future, past)


def _canvas_box(state: ViewerState, ndim: int, own_axes: list[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Box of the canvas of a 2-D view, along the layer's axes, in world coordinates."""
    half = np.array(state.canvas_size) / 2 / state.zoom
    lo, hi = np.zeros(ndim), np.zeros(ndim)
    for at, axis in enumerate(own_axes):
        if axis >= 0:
            lo[axis], hi[axis] = state.centre[at] - half[at], state.centre[at] + half[at]
    return lo, hi


def _seen_box(
    state: ViewerState, placement: LayerPlacement, frame: Frame, own_axes: list[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Box around the part of the view of a 3-D camera that the store reaches into, as :func:`_canvas_box`."""
    extent = _corners(*frame.extent) @ placement.matrix.T + placement.offset
    shown = [(at, axis) for at, axis in enumerate(own_axes) if axis >= 0]
    relative = np.tile(-state.centre, (len(extent), 1))  # layers of fewer axes lie at 0 of the others
    for at, axis in shown:
        relative[:, at] += extent[:, axis]
    depths = relative @ state.view
    near, far = float(depths.min()), float(depths.max())
    distance = state.eye_distance
    if np.isfinite(distance):
        near = max(near, distance * (_NEAR - 1))
        far = max(far, near)
    height, width = (edge / 2 for edge in state.canvas_size)
    basis = np.stack((state.right, state.up, state.view))
    seen = []
    for depth, x, y in itertools.product((near, far), (-width, width), (-height, height)):
        scale = state.zoom / (1 + depth / distance)
        seen.append(state.centre + np.array([x / scale, y / scale, depth]) @ basis)
    corners = np.array(seen)
    lo, hi = extent.min(axis=0), extent.max(axis=0)
    for at, axis in shown:
        lo[axis], hi[axis] = _overlap(lo[axis], hi[axis], corners[:, at].min(), corners[:, at].max())
    return lo, hi


def _overlap(lo: float, hi: float, seen_lo: float, seen_hi: float) -> tuple[float, float]:
    """What two intervals share; where they are apart, the end of the second that is nearer to the first."""
    return (max(lo, seen_lo), min(hi, seen_hi)) if max(lo, seen_lo) <= min(hi, seen_hi) else (seen_lo, seen_lo)


def _to_store(
    lo: NDArray[np.float64], hi: NDArray[np.float64], placement: LayerPlacement, frame: Frame
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Box in the store's coordinates around a box in world coordinates."""
    data = np.linalg.solve(placement.matrix, (_corners(lo, hi) - placement.offset).T).T
    stored = frame.to_store(data)
    return stored.min(axis=0), stored.max(axis=0)


def _corners(lo: NDArray[np.float64], hi: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array(list(itertools.product(*zip(lo, hi, strict=True))))


def _find_projection(
    state: ViewerState, placement: LayerPlacement, frame: Frame, shown: list[int]
) -> Projection | None:
    """The camera in the store's coordinates; None for layers that are stretched unevenly: those go by their box."""
    matrix = placement.matrix[np.ix_(shown, shown)]
    factor = float(np.cbrt(abs(np.linalg.det(matrix))))
    if factor <= 0 or not np.allclose(matrix @ matrix.T, factor * factor * np.eye(3), rtol=1e-6, atol=1e-9 * factor**2):
        return None
    centre = np.linalg.solve(matrix, state.centre - placement.offset[shown]) + frame.origin[shown]
    vectors = [row @ matrix / factor for row in (state.right, state.up, state.view)]
    return Projection(
        axes=_triple(frame.axes_of(shown)),
        center=_triple(centre.tolist()),
        right=_triple(vectors[0].tolist()),
        up=_triple(vectors[1].tolist()),
        forward=_triple(vectors[2].tolist()),
        zoom_px_per_unit=state.zoom * factor,
        canvas_px=state.canvas_size,
        distance=state.eye_distance / factor,
    )


def _triple(values: Sequence[T]) -> tuple[T, T, T]:
    first, second, third = values
    return first, second, third
