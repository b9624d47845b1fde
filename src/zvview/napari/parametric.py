"""Parametric objects as what can be drawn: triangles and segments inside of a box. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.geometry.parametric import ParametricObjects

__all__ = ["DrawnObjects", "draw_objects"]

_RINGS, _SIDES = 24, 48  # of a sphere: its outline is off by a thousandth of its radius


@dataclass(frozen=True, slots=True, eq=False)
class DrawnObjects:
    """Surfaces and lines of parametric objects.

    Attributes
    ----------
    vertices : (N, 3) float64 array
        Of x, y and z, as the coefficients are.
    faces : (F, 3) int64 array
    owners : (N,) int64 array
        The object of each vertex, by its row.
    ends : (M, 2, 3) float64 array
        Of segments.
    line_owners : (M,) int64 array
    notes : tuple of str
        What is not drawn.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    owners: NDArray[np.int64]
    ends: NDArray[np.float64]
    line_owners: NDArray[np.int64]
    notes: tuple[str, ...] = ()


def draw_objects(objects: ParametricObjects, lo: NDArray[np.float64], hi: NDArray[np.float64]) -> DrawnObjects:
    """Planes, spheres and lines as far as they lie in a box.

    Those of other types, of which the format tells no more than the names of their coefficients, are told in the
    notes, and so are those that lie outside, or that are none, such as a plane without a normal.

    Parameters
    ----------
    objects : ParametricObjects
    lo, hi : (3,) float64 arrays
    """
    lo, hi = np.asarray(lo, np.float64), np.asarray(hi, np.float64)
    surfaces: list[tuple[int, NDArray[np.float64]]] = []
    lines: list[tuple[int, NDArray[np.float64]]] = []
    unknown: Counter[str] = Counter()
    outside = 0
    for row in range(len(objects)):
        kind = objects.types[int(objects.type_ids[row])].name
        values = objects.coefficients[row, : len(objects.types[int(objects.type_ids[row])].coefficients)]
        if kind == "line" and len(values) == 6:
            ends = _clip_line(values[:3], values[3:], lo, hi)
            if ends is None:
                outside += 1
            else:
                lines.append((row, ends))
        elif (kind, len(values)) in _SHAPES:
            corners = _clip_triangles(_SHAPES[kind, len(values)](values, lo, hi), lo, hi)
            outside += not len(corners)
            surfaces.append((row, corners))
        else:
            unknown[kind] += 1
    notes = [f"parametric objects of type {name} are not drawn ({count})" for name, count in unknown.items()]
    if outside:
        notes.append(f"parametric objects outside of the bounds ({outside})")
    corners = np.concatenate([np.empty((0, 3, 3)), *(c for _, c in surfaces)]).reshape(-1, 3)
    owners = np.concatenate([np.empty(0, np.int64), *(np.full(3 * len(c), row) for row, c in surfaces)])
    # corners at one place are one vertex, so that shading is smooth
    vertices, of_corner = np.unique(np.column_stack((owners, corners)), axis=0, return_inverse=True)
    return DrawnObjects(
        vertices[:, 1:],
        of_corner.reshape(-1, 3).astype(np.int64),
        vertices[:, 0].astype(np.int64),
        np.array([ends for _, ends in lines]).reshape(-1, 2, 3),
        np.array([row for row, _ in lines], np.int64),
        tuple(notes),
    )


def _draw_plane(values: NDArray[np.float64], lo: NDArray[np.float64], hi: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two triangles (2, 3, 3) of the plane A x + B y + C z + D = 0 that reach beyond the box; none without normal."""
    normal = values[:3]
    length = float(np.linalg.norm(normal))
    centre, reach = (lo + hi) / 2, float(np.linalg.norm(hi - lo))
    with np.errstate(all="ignore"):
        unit, distance = normal / length, (float(normal @ centre) + values[3]) / length
    if not (np.isfinite(unit).all() and abs(distance) <= reach):
        return np.empty((0, 3, 3))
    first = np.cross(unit, np.eye(3)[np.argmin(np.abs(unit))])
    first /= np.linalg.norm(first)
    second = np.cross(unit, first)
    foot = centre - distance * unit
    a, b, c, d = (foot + reach * (x * first + y * second) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)))
    return np.array([[a, b, c], [a, c, d]])


def _draw_sphere(values: NDArray[np.float64], lo: NDArray[np.float64], hi: NDArray[np.float64]) -> NDArray[np.float64]:
    """Triangles (T, 3, 3) of a sphere; none without a radius."""
    if not (np.isfinite(values).all() and values[3] > 0):
        return np.empty((0, 3, 3))
    polar, around = np.linspace(0, np.pi, _RINGS + 1), np.linspace(0, 2 * np.pi, _SIDES + 1)
    circle = np.stack((np.cos(around), np.sin(around)), axis=1)
    circle[-1] = circle[0]
    grid = np.empty((_RINGS + 1, _SIDES + 1, 3))
    grid[..., :2] = circle * np.sin(polar)[:, None, None]
    grid[..., 2] = np.cos(polar)[:, None]
    grid[0], grid[-1] = (0, 0, 1), (0, 0, -1)
    grid = grid * values[3] + values[:3]
    a, b, c, d = grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]
    return np.concatenate(
        (np.stack((a, b, c), axis=2)[:-1].reshape(-1, 3, 3), np.stack((a, c, d), axis=2)[1:].reshape(-1, 3, 3))
    )


_SHAPES: Final = {("plane", 4): _draw_plane, ("sphere", 4): _draw_sphere}


def _clip_triangles(
    triangles: NDArray[np.float64], lo: NDArray[np.float64], hi: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What of some triangles (T, 3, 3) lies in a box, as triangles."""
    for axis in range(3):
        for side, limit in ((1.0, hi[axis]), (-1.0, -lo[axis])):
            triangles = _clip_below(triangles, side * triangles[..., axis], limit)
    return triangles


def _clip_below(triangles: NDArray[np.float64], heights: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """What of some triangles lies not above a limit of the heights (T, 3) of their corners."""
    above = heights > limit
    count = above.sum(axis=1)
    kept = [triangles[count == 0]]
    for many in (1, 2):  # turned so that the odd corner, above or below, comes first
        rows = np.flatnonzero(count == many)
        odd = np.argmax(above[rows] if many == 1 else ~above[rows], axis=1)
        turn = (odd[:, None] + np.arange(3)) % 3
        corners, h = triangles[rows[:, None], turn], heights[rows[:, None], turn]
        share = (limit - h[:, :1]) / (h[:, 1:] - h[:, :1])
        cut = corners[:, :1] + share[..., None] * (corners[:, 1:] - corners[:, :1])
        p, q = cut[:, 0], cut[:, 1]
        if many == 2:
            kept.append(np.stack((corners[:, 0], p, q), axis=1))
        else:
            kept.append(np.stack((p, corners[:, 1], corners[:, 2]), axis=1))
            kept.append(np.stack((p, corners[:, 2], q), axis=1))
    return np.concatenate(kept)


def _clip_line(
    origin: NDArray[np.float64], step: NDArray[np.float64], lo: NDArray[np.float64], hi: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """The two ends (2, 3) of what of an endless line lies in a box; None where nothing does."""
    if not (np.isfinite(origin).all() and np.isfinite(step).all() and step.any()):
        return None
    still = step == 0
    if ((origin < lo) | (origin > hi))[still].any():
        return None
    near, far = np.sort(np.stack(((lo - origin)[~still], (hi - origin)[~still])) / step[~still], axis=0)
    first, last = float(near.max()), float(far.min())
    return origin + np.outer((first, last), step) if first < last else None
