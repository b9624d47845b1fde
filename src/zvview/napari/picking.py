"""What lies under the cursor: segments and faces against the ray that goes through it. Pure, on any thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.napari.camera import LayerPlacement, ViewerState
from zvview.napari.picking_index import ElementIndex

__all__ = ["Ray", "find_ray", "pick_face", "pick_segment"]

_PORTION: Final = 4096
_BEHIND: Final = 1 / 64
"""Share of the distance between eye and centre that something must be away from the eye to be seen."""


@dataclass(frozen=True, slots=True, eq=False)
class Ray:
    """A projection of a layer's data in which the cursor is the origin: ``matrix @ data + shift``.

    Attributes
    ----------
    matrix : (3, K) float64 array
        From the K axes of the layer that are on screen to two directions across the ray and the depth along it, in
        world units; the depth is zero in 2-D.
    shift : (3,) float64 array
    px_per_unit : float
        Pixels per world unit at the centre of the view.
    nearness, growth : float
        A world unit at depth t takes ``px_per_unit / (nearness + growth * t)`` pixels; growth is zero without
        perspective.
    """

    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]
    px_per_unit: float
    nearness: float = 1.0
    growth: float = 0.0

    def project(self, data: NDArray[np.floating]) -> NDArray[np.float64]:
        """Data coordinates (n, K) in the projection, (n, 3)."""
        out: NDArray[np.float64] = data @ self.matrix.T
        out += self.shift
        return out

    def units_per_px(self, depth: NDArray[np.float64]) -> NDArray[np.float64]:
        """World units that a pixel takes at each depth, (n,); not positive behind the eye."""
        share = self.nearness + self.growth * depth
        return np.where(share > _BEHIND, share, -1.0) / self.px_per_unit


def find_ray(
    state: ViewerState,
    placement: LayerPlacement,
    position: NDArray[np.float64],
    direction: NDArray[np.float64] | None,
) -> Ray:
    """The ray through the cursor.

    Parameters
    ----------
    state : ViewerState
    placement : LayerPlacement
        Of the layer, at least one axis of which is on screen.
    position : (V,) float64 array
        A point on the ray in world coordinates.
    direction : (V,) float64 array or None
        Unit vector along the ray, away from the eye; not needed in 2-D.
    """
    displayed = list(state.displayed)
    own = [axis - placement.first_axis for axis in displayed]
    rows, shown = [row for row, axis in enumerate(own) if axis >= 0], [axis for axis in own if axis >= 0]
    placed = np.zeros((len(displayed), len(shown)))  # layers of fewer axes lie at 0 of the others
    placed[rows] = placement.matrix[np.ix_(shown, shown)]
    start = -position[displayed]
    start[rows] += placement.offset[shown]
    basis, nearness, growth = np.zeros((3, len(displayed))), 1.0, 0.0
    if not state.is_3d or direction is None:
        basis[:2, -2:] = np.eye(2)
    else:
        along = direction[displayed]
        across = np.cross(along, np.eye(3)[np.argmin(np.abs(along))])
        across /= np.linalg.norm(across)
        basis = np.stack((across, np.cross(along, across), along))
        if np.isfinite(state.eye_distance):
            nearness = 1 + float((position[displayed] - state.centre) @ state.view) / state.eye_distance
            growth = float(along @ state.view) / state.eye_distance
    return Ray(basis @ placed, basis @ start, state.zoom, nearness, growth)


def pick_segment(
    positions: NDArray[np.floating],
    segments: NDArray[np.integer],
    index: ElementIndex,
    ray: Ray,
    *,
    width_px: float = 1.0,
    reach_px: float = 4.0,
) -> int | None:
    """The vertex under the cursor: the nearer end of a segment that passes there.

    Of the segments that the cursor touches the foremost; where it touches none, the nearest on screen within reach.

    Parameters
    ----------
    positions : (N, K) array
        Along the axes on screen.
    segments : (M, 2) int array
        Rows of `positions`.
    index : ElementIndex
        Of the segments.
    width_px, reach_px : float
        How wide segments are drawn, and how far from their edge the cursor may be.
    """
    reach = width_px / 2 + reach_px
    near, widest = index.near(ray.matrix, ray.shift, lambda depth: reach * ray.units_per_px(depth))

    def find(rows: NDArray[np.intp]) -> tuple[NDArray[Any], ...]:
        ends = _segments_beside(positions, segments.take(rows, axis=0), ray, widest)
        return _segments_within(positions, ends, ray, reach)

    found = _search(near, find)
    if found is None:
        return None
    vertices, off_px, depth = found
    is_touched = off_px <= width_px / 2 + 1
    depth = np.where(is_touched, depth, 0.0)
    return int(vertices[np.lexsort((off_px, depth, ~is_touched))[0]])


def _segments_beside(
    positions: NDArray[np.floating], ends: NDArray[np.integer], ray: Ray, distance: float
) -> NDArray[np.integer]:
    """Of segments those that come within a distance of the ray as seen from one side, which few do."""
    across, least = ray.matrix[0].astype(positions.dtype), -distance - ray.shift[0]
    first, last = (positions.take(ends[:, end], axis=0) @ across for end in range(2))
    slack = 1e-5 * (abs(least) + distance)  # what rounding may have done
    is_close = (np.minimum(first, last) <= least + 2 * distance + slack) & (np.maximum(first, last) >= least - slack)
    return ends.compress(is_close, axis=0)


def _segments_within(
    positions: NDArray[np.floating], ends: NDArray[np.integer], ray: Ray, reach_px: float
) -> tuple[NDArray[np.integer], NDArray[np.float64], NDArray[np.float64]]:
    """Of segments with some `ends` (n, 2) those that are within reach: nearer end, distance in pixels, and depth."""
    first, last = (ray.project(positions.take(ends[:, end], axis=0)) for end in range(2))
    step = last - first
    squared = np.maximum(step[:, 0] ** 2 + step[:, 1] ** 2, 1e-300)
    share = np.clip(-(first[:, 0] * step[:, 0] + first[:, 1] * step[:, 1]) / squared, 0, 1)
    foot = first + share[:, None] * step
    unit = ray.units_per_px(foot[:, 2])
    off_px = np.hypot(foot[:, 0], foot[:, 1]) / np.where(unit > 0, unit, np.nan)
    hits = np.flatnonzero(off_px <= reach_px)  # NaN, of what is behind the eye, is none
    return ends[hits, (share[hits] > 0.5).astype(np.intp)], off_px[hits], foot[hits, 2]


def pick_face(positions: NDArray[np.floating], faces: NDArray[np.integer], index: ElementIndex, ray: Ray) -> int | None:
    """The vertex under the cursor: the one with the greatest share in the point where the ray meets the first face.

    Parameters
    ----------
    positions : (N, K) array
        Along the axes on screen.
    faces : (M, 3) int array
        Rows of `positions`.
    index : ElementIndex
        Of the faces.
    """
    near, _ = index.near(ray.matrix, ray.shift, lambda depth: np.where(ray.units_per_px(depth) > 0, 0.0, -1.0))
    found = _search(near, lambda rows: _faces_hit(positions, faces.take(rows, axis=0), ray))
    if found is None:
        return None
    vertices, depth = found
    return int(vertices[np.argmin(depth)])


def _faces_hit(
    positions: NDArray[np.floating], faces: NDArray[np.integer], ray: Ray
) -> tuple[NDArray[np.integer], NDArray[np.float64]]:
    """Of `faces` (n, 3) those that the ray meets: the corner with the greatest share in the point, and its depth."""
    first, second, third = (ray.project(positions.take(faces[:, corner], axis=0)) for corner in range(3))
    # twice the signed areas of the triangles that the origin makes with each side: barycentric shares of the corners
    sides = ((second, third), (third, first), (first, second))
    areas = np.stack([a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0] for a, b in sides], axis=1)
    total = areas.sum(axis=1)
    shares = areas / np.where(total == 0, np.nan, total)[:, None]  # a face seen edge-on is not hit
    hits = np.flatnonzero((shares >= 0).all(axis=1))
    shares = shares[hits]
    depth = np.einsum("nc,cn->n", shares, np.stack([corner[hits, 2] for corner in (first, second, third)]))
    is_seen = ray.units_per_px(depth) > 0
    return faces[hits, np.argmax(shares, axis=1)][is_seen] if len(hits) else faces[:0, 0], depth[is_seen]


def _search(
    rows: NDArray[np.intp], find: Callable[[NDArray[np.intp]], tuple[NDArray[Any], ...]]
) -> tuple[NDArray[Any], ...] | None:
    """The arrays that `find` gives of `rows`, which have an entry for each hit; None where nothing is hit.

    It is given portions whose arrays stay in the processor's cache: twice as quick as all at once, and steadier.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # of vertices without a place, which are never hit
        found = [find(rows[at : at + _PORTION]) for at in range(0, len(rows), _PORTION)]
    joined = tuple(np.concatenate(part) for part in zip(*found, strict=True))
    return joined if joined and len(joined[0]) else None
