"""Which points, segments and faces lie in or touch an axis-aligned box, for any number of axes.

The exact step of a box read: chunks and bins were chosen by their bounds already, now each element is looked at.
Boxes are closed, so whatever touches a side is kept. Where a decision needs arithmetic that float64 rounds, the doubt
keeps the element: what touches the box is always kept, and what misses it by more than 1e-13 of the size of its
coordinates never is. A box that is empty (``lo > hi`` on some axis) or has NaN bounds holds nothing.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from zvview.errors import InvalidInputError

__all__ = ["boxes_meet", "faces_touch_box", "points_in_box", "round_box_inward", "segments_touch_box"]

Floats = NDArray[np.floating[Any]]

_BLOCK = 1 << 15  # rows per step: their columns and masks stay in the L2 cache
_FEW = 8  # below 1/8 of the rows, gathering the rows that are left beats masking whole columns
_SEGMENT_SLACK = 2.0**-50  # 8 half units in the last place: each side of the comparison has 3 roundings
_FACE_SLACK = 2.0**-45  # 256 half units: at most 10 clips (5 axes), each moving a corner by less than 16
_TINY = float(np.finfo(np.float64).tiny)  # over the absolute error of subnormal results


def round_box_inward(lo: ArrayLike, hi: ArrayLike, dtype: DTypeLike) -> tuple[Floats, Floats]:
    """The box in the dtype of the stored positions, so that comparing there equals comparing in float64.

    Parameters
    ----------
    lo, hi : (D,) float64
        The box, may be infinite.
    dtype : dtype
        Floating dtype of the positions.

    Returns
    -------
    lo, hi : (D,) `dtype`
        The smallest value not below `lo` and the largest not above `hi`; ``lo > hi`` where an interval holds no value.
    """
    exact_lo, exact_hi = np.asarray(lo, np.float64), np.asarray(hi, np.float64)
    with np.errstate(over="ignore", under="ignore"):
        low, high = exact_lo.astype(dtype), exact_hi.astype(dtype)
        top = np.array(np.inf, dtype)
        low = np.where(low < exact_lo, np.nextafter(low, top), low)
        high = np.where(high > exact_hi, np.nextafter(high, -top), high)
    return low, high


def points_in_box(positions: Floats, lo: ArrayLike, hi: ArrayLike) -> NDArray[np.int64]:
    """Rows of the points inside the box, ascending.

    Parameters
    ----------
    positions : (N, D) float32 or float64
        A point with a NaN coordinate is never inside.
    lo, hi : (D,) float64
        The closed box, may be infinite.

    Returns
    -------
    (n,) int64
    """
    positions = np.asarray(positions)
    low, high = _box_for(positions, lo, hi)
    rows = [_rows_inside(positions[i : i + _BLOCK], low, high) + i for i in range(0, len(positions), _BLOCK)]
    return np.concatenate(rows) if rows else np.zeros(0, np.int64)


def boxes_meet(box_lo: ArrayLike, box_hi: ArrayLike, lo: ArrayLike, hi: ArrayLike) -> NDArray[np.bool_]:
    """Which of the boxes ``box_lo, box_hi`` (K, D) share at least a boundary point with ``lo, hi`` (D,), as (K,) bool.

    Boxes with a NaN bound meet nothing.
    """
    low, high = np.asarray(box_lo, np.float64), np.asarray(box_hi, np.float64)
    if low.shape != high.shape:
        raise InvalidInputError(f"lower bounds of shape {low.shape} do not fit upper bounds of shape {high.shape}")
    bounds = _box_for(low, lo, hi)
    meets = np.full(len(low), _is_box(lo, hi))
    for axis, (bottom, top) in enumerate(zip(*bounds, strict=True)):
        meets &= (low[:, axis] <= top) & (high[:, axis] >= bottom)
    return meets


def segments_touch_box(a: Floats, b: Floats, lo: ArrayLike, hi: ArrayLike) -> NDArray[np.bool_]:
    """Which segments share at least one point with the box.

    Parameters
    ----------
    a, b : (M, D) float32 or float64
        The ends; equal ends are a point. A segment with an end that is not finite touches by its other end only.
    lo, hi : (D,) float64
        The closed box, may be infinite.

    Returns
    -------
    (M,) bool

    Notes
    -----
    The slab test of Kay and Kajiya (1986) without its divisions: a line enters slab i at ``near_i / |d_i|`` and leaves
    slab j at ``far_j / |d_j|``; the intervals have a common point if every two have one (Helly in one dimension), and
    ``near_i |d_j| <= far_j |d_i|`` asks just that, also where ``d`` is 0.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        raise InvalidInputError(f"ends {a.shape} {a.dtype} do not fit ends {b.shape} {b.dtype}")
    touches, rows = _sort_easy((a, b), lo, hi)
    if not rows.size:
        return touches
    start, step = _columns(a, rows), _columns(b, rows)
    bottom, top = _clamp_box(np.stack((start, step)), lo, hi)
    # Products above 1e308 become inf or NaN, for which `>` is false: such segments are kept
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        step = step - start
        forward = step >= 0
        near = np.where(forward, bottom - start, start - top)
        far = np.where(forward, top - start, start - bottom)
        step = np.abs(step)
        misses = np.zeros(rows.size, np.bool_)
        for i in range(len(step)):
            for j in range(len(step)):
                if i != j:
                    enter, leave = near[i] * step[j], far[j] * step[i]
                    misses |= enter - leave > _SEGMENT_SLACK * (enter + leave) + _TINY
    touches[rows] = ~misses
    return touches


def faces_touch_box(corners: Floats, lo: ArrayLike, hi: ArrayLike) -> NDArray[np.bool_]:
    """Which faces share at least one point with the box.

    Parameters
    ----------
    corners : (M, L, D) float32 or float64
        L >= 3 corners per face in order; more than 3 are a fan of triangles around the first. Faces without area are
        the segment or point that they cover. A face with a corner that is not finite touches by a corner inside only.
    lo, hi : (D,) float64
        The closed box, may be infinite.

    Returns
    -------
    (M,) bool
    """
    corners = np.asarray(corners)
    if corners.ndim != 3 or corners.shape[1] < 3:
        raise InvalidInputError(f"faces need (M, L >= 3, D) corners, not {corners.shape}")
    ring = tuple(corners[:, i] for i in range(corners.shape[1]))
    touches, rows = _sort_easy(ring, lo, hi)
    for first in range(0, rows.size, _BLOCK):
        block = rows[first : first + _BLOCK]
        for second, third in pairwise(ring[1:]):
            pending = block[~touches[block]]
            if pending.size:
                touches[pending] = _triangles_touch((ring[0], second, third), pending, lo, hi)
    return touches


def _rows_inside(block: Floats, low: Floats, high: Floats) -> NDArray[np.int64]:
    """The rows of one block inside: one contiguous column at a time, and by gather once few are left."""
    inside = _in_slab(block, 0, low, high)
    for axis in range(1, block.shape[1]):
        if np.count_nonzero(inside) * _FEW < len(block):
            rows = np.flatnonzero(inside)
            for rest in range(axis, block.shape[1]):
                column = block[rows, rest]
                rows = rows[np.flatnonzero((column >= low[rest]) & (column <= high[rest]))]
            return rows
        inside &= _in_slab(block, axis, low, high)
    return np.flatnonzero(inside)


def _in_slab(block: Floats, axis: int, low: Floats, high: Floats) -> NDArray[np.bool_]:
    column = np.ascontiguousarray(block[:, axis])
    inside: NDArray[np.bool_] = column >= low[axis]
    inside &= column <= high[axis]
    return inside


def _sort_easy(ends: tuple[Floats, ...], lo: ArrayLike, hi: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Elements with a corner inside (M,), and the rows that are neither so nor wholly beyond one side of the box.

    `ends` are the corners, (M, D) each. Rows with a corner that is not finite are never undecided.
    """
    low, high = _box_for(ends[0], lo, hi)
    count, axes = ends[0].shape
    inside = np.ones((len(ends), count), np.bool_)
    open_ = np.full(count, _is_box(lo, hi))
    for axis in range(axes):
        any_above, any_below = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        for end, within in zip(ends, inside, strict=True):
            column = np.ascontiguousarray(end[:, axis])
            above, below = column >= low[axis], column <= high[axis]
            within &= above
            within &= below
            any_above |= above
            any_below |= below
        open_ &= any_above
        open_ &= any_below
    touches = np.asarray(inside.any(axis=0))
    rows = np.flatnonzero(open_ & ~touches)
    for end in ends:
        rows = rows[np.isfinite(end[rows]).all(axis=1)]
    return touches, rows


def _triangles_touch(
    triangle: tuple[Floats, ...], rows: NDArray[np.int64], lo: ArrayLike, hi: ArrayLike
) -> NDArray[np.bool_]:
    """Which triangles, (M, D) for each of 3 corners and at `rows`, keep a part when cut by all sides of the box.

    Sutherland and Hodgman (1974) on all triangles at once, each a run of rows in one array of corners. The clip by a
    side sets that coordinate to the side and moves along an edge otherwise, so the error of a corner stays within a few
    roundings of the largest coordinate on each axis, however the face lies; the box is grown by a bound on their sum.
    """
    eighth = 0.125  # so that no difference overflows; a power of two, so nothing else changes
    points = np.stack([_columns(corner, rows) for corner in triangle]) * eighth
    bottom, top = _clamp_box(points, np.multiply(lo, eighth), np.multiply(hi, eighth))
    slack = np.maximum(np.abs(points).max(axis=0), np.maximum(np.abs(bottom), np.abs(top))) * _FACE_SLACK + _TINY
    bottom, top = bottom - slack, top + slack

    owner = np.repeat(np.arange(rows.size), 3)
    ring = np.ascontiguousarray(points.transpose(1, 2, 0).reshape(len(bottom), -1))
    for axis in range(len(bottom)):
        for side, sign in ((bottom, 1.0), (top, -1.0)):
            if owner.size:
                ring, owner = _clip_rings(ring, owner, axis, side[axis], sign)
    touches = np.zeros(rows.size, np.bool_)
    touches[owner] = True
    return touches


def _clip_rings(
    ring: NDArray[np.float64], owner: NDArray[np.int64], axis: int, side: NDArray[np.float64], sign: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """What is left of the polygons where ``sign * (coordinate - side) >= 0``.

    `ring` (D, T) holds their corners in order, `owner` (T,) the polygon of each, ascending, and `side` (F,) the bound
    of each polygon.
    """
    depth = sign * (ring[axis] - side[owner])
    keeps = depth >= 0
    if keeps.all():
        return ring, owner

    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    after = np.arange(1, owner.size + 1)
    after[np.append(starts[1:], owner.size) - 1] = starts
    cuts = keeps != keeps[after]
    end = np.cumsum(keeps + cuts.astype(np.int64))
    kept, cut = np.flatnonzero(keeps), np.flatnonzero(cuts)
    result = np.empty((len(ring), end[-1]))
    owners = np.empty(end[-1], np.int64)
    result[:, end[kept] - 1 - cuts[kept]] = ring[:, kept]
    owners[end[kept] - 1 - cuts[kept]] = owner[kept]

    here, there = ring[:, cut], ring[:, after[cut]]
    share = depth[cut] / (depth[cut] - depth[after[cut]])
    crossing = here + share * (there - here)
    crossing[axis] = side[owner[cut]]
    result[:, end[cut] - 1] = crossing
    owners[end[cut] - 1] = owner[cut]
    return result, owners


def _box_for(positions: Floats, lo: ArrayLike, hi: ArrayLike) -> tuple[Floats, Floats]:
    """The box in the dtype of (N, D) positions; refuses a box of another number of axes and positions not floating."""
    if positions.dtype.kind != "f":
        raise InvalidInputError(f"positions must be floating, not {positions.dtype}")
    if positions.ndim != 2 or np.shape(lo) != positions.shape[1:] or np.shape(hi) != positions.shape[1:]:
        raise InvalidInputError(
            f"a box of {np.shape(lo)} to {np.shape(hi)} does not fit positions of shape {positions.shape}"
        )
    return round_box_inward(lo, hi, positions.dtype)


def _is_box(lo: ArrayLike, hi: ArrayLike) -> bool:
    """Whether the box holds a point at all; asked in float64, for segments can cross an interval without a float32."""
    return bool((np.asarray(lo, np.float64) <= np.asarray(hi, np.float64)).all())


def _columns(positions: Floats, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """The rows as contiguous float64 columns (D, n)."""
    return np.ascontiguousarray(positions[rows].T, np.float64)


def _clamp_box(points: NDArray[np.float64], lo: ArrayLike, hi: ArrayLike) -> tuple[NDArray[np.float64], ...]:
    """The part of the box within each element's own bounds: finite, and as good as the whole box.

    `points` (corners, D, n) meet the box on each axis; the result is two arrays (D, n).
    """
    bottom = np.maximum(points.min(axis=0), np.asarray(lo, np.float64)[:, None])
    top = np.minimum(points.max(axis=0), np.asarray(hi, np.float64)[:, None])
    return bottom, top
