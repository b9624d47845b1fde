"""Triangles in memory as levels are made of them: what belongs to vertices and faces, edges, nearest points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.store.writing.sorting import run_starts

__all__ = ["Edges", "Frame", "Nearest", "Stars", "Surface", "face_areas", "find_doubles", "nearest_points"]

_FACTORS = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9], np.uint64).view(np.int64)
_BLOCK = 1 << 14  # points at a time: the arrays of a block stay in the cache


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """How positions of a store are taken for places in space.

    Attributes
    ----------
    space : sequence of int
        The axes in which triangles lie, 3 at most. Nothing moves along the others.
    """

    space: tuple[int, ...]

    def place(self, positions: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Positions in space, (N, 3), relative to their middle, (3,): large coordinates would cost precision."""
        out = np.zeros((len(positions), 3))
        middle = np.zeros(3)
        for at, axis in enumerate(self.space):
            column = positions[:, axis].astype(np.float64)
            middle[at] = 0.5 * (column.min() + column.max()) if len(column) else 0.0
            out[:, at] = column - middle[at]
        return out, middle

    def store(
        self,
        places: NDArray[np.float64],
        middle: NDArray[np.float64],
        positions: NDArray[np.floating],
        around: NDArray[np.floating],
    ) -> NDArray[np.floating]:
        """`positions` moved to places (N, 3) in space, rounded so that they stay in the box of those `around`."""
        out = positions.copy()
        for at, axis in enumerate(self.space):
            moved = (places[:, at] + middle[at]).astype(out.dtype)
            if len(moved):
                out[:, axis] = np.clip(moved, around[:, axis].min(), around[:, axis].max())
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Vertices and triangles with all that belongs to them.

    Attributes
    ----------
    positions : (N, D) float32 or float64
    columns : mapping of str to (N,) or (N, C)
    objects : (N,) int64 or None
    faces : (F, 3) int64
        Rows of `positions`.
    face_columns : mapping of str to (F,) or (F, C)
    """

    positions: NDArray[np.floating]
    columns: Mapping[str, NDArray[Any]]
    objects: NDArray[np.int64] | None
    faces: NDArray[np.int64]
    face_columns: Mapping[str, NDArray[Any]]

    def take_vertices(self, rows: NDArray[np.int64], faces: NDArray[np.int64]) -> Surface:
        """The vertices at `rows` under new numbers, which `faces` counts in; face columns stay."""
        return Surface(
            self.positions[rows],
            {name: values[rows] for name, values in self.columns.items()},
            None if self.objects is None else self.objects[rows],
            faces,
            self.face_columns,
        )

    def take_faces(self, which: NDArray[np.int64]) -> Surface:
        """All vertices with some of the faces."""
        columns = {name: values[which] for name, values in self.face_columns.items()}
        return Surface(self.positions, self.columns, self.objects, self.faces[which], columns)

    def with_faces_once(self) -> Surface:
        """The first of the faces that have the same three corners, whatever their order, and all others."""
        rows, starts = find_doubles(self.faces)
        return self.take_faces(np.delete(np.arange(len(self.faces)), np.delete(rows, starts))) if len(rows) else self


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """The edges of a set of triangles.

    Attributes
    ----------
    ends : (E, 2) int64
        Rows of vertices, ascending, each pair once.
    counts : (E,) int64
        Triangles at each.
    """

    ends: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, faces: NDArray[np.int64], vertices: int) -> Edges:
        """The edges of triangles over so many vertices."""
        keys = np.sort(_edge_keys(faces, vertices).ravel())
        starts = run_starts(keys)
        keys, counts = keys[starts], np.diff(np.append(starts, len(keys)))
        return cls(np.stack((keys // max(vertices, 1), keys % max(vertices, 1)), axis=1), counts)

    @property
    def open_count(self) -> int:
        """Edges of a single triangle."""
        return int((self.counts == 1).sum())

    @property
    def crowded_count(self) -> int:
        """Edges of three triangles or more."""
        return int((self.counts > 2).sum())

    def touched(self, which: NDArray[np.bool_], vertices: int) -> NDArray[np.bool_]:
        """Which of the vertices lie on some of the edges, (vertices,)."""
        out = np.zeros(vertices, bool)
        out[self.ends[which]] = True
        return out

    def fresh(self, which: NDArray[np.bool_], before: Edges, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Those of some edges, (E,) bool, that are none of the `known` ones of other edges of the same vertices."""
        out = which.copy()
        if which.any():
            factors = np.array([int(max(self.ends.max(initial=0), before.ends.max(initial=0))) + 1, 1])
            out[which] = ~np.isin(self.ends[which] @ factors, before.ends[known] @ factors)
        return out

    def faces_at(self, which: NDArray[np.bool_], faces: NDArray[np.int64], vertices: int) -> NDArray[np.bool_]:
        """Which of the triangles have one of some edges, (F,)."""
        keys = self.ends[which] @ np.array([vertices, 1])
        return np.asarray(np.isin(_edge_keys(faces, vertices), keys).any(axis=1))

    def first_faces_at(self, which: NDArray[np.bool_], faces: NDArray[np.int64], vertices: int) -> NDArray[np.int64]:
        """The first of the triangles at each of some edges."""
        found = np.flatnonzero(self.faces_at(which, faces, vertices))
        keys = _edge_keys(faces[found], vertices)
        is_wanted = np.isin(keys, self.ends[which] @ np.array([vertices, 1]))
        _, first = np.unique(keys[is_wanted], return_index=True)
        return np.unique(np.repeat(found, is_wanted.sum(axis=1))[first])


def _edge_keys(faces: NDArray[np.int64], vertices: int) -> NDArray[np.int64]:
    """A number for each edge of each triangle, (F, 3), whatever its direction."""
    after = np.roll(faces, -1, axis=1)
    keys: NDArray[np.int64] = np.minimum(faces, after) * vertices + np.maximum(faces, after)
    return keys


def find_doubles(faces: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Triangles that have the three corners of another one, whatever their order.

    Returns
    -------
    rows : (n,) int64
        One set of alike triangles behind the other, ascending in each.
    starts : (k,) int64
        Where the sets begin.
    """
    a, b, c = faces.T
    mixed = (np.minimum(np.minimum(a, b), c) * _FACTORS[0] + (a + b + c)) * _FACTORS[1] + np.maximum(
        np.maximum(a, b), c
    )
    ordered = np.sort(mixed)  # products wrap: whether faces with equal numbers are alike is looked at below
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    rows = np.flatnonzero(np.isin(mixed, again)) if len(again) else np.empty(0, np.int64)
    if not len(rows):
        return rows, rows
    corners = np.sort(faces[rows], axis=1)
    order = np.lexsort((rows, *corners.T))
    rows, corners = rows[order], corners[order]
    starts = run_starts(*corners.T)
    sizes = np.diff(np.append(starts, len(rows)))
    rows, sizes = rows[np.repeat(sizes > 1, sizes)], sizes[sizes > 1]
    return rows, np.cumsum(sizes) - sizes


@dataclass(frozen=True, slots=True, eq=False)
class Stars:
    """The triangles around each vertex: those of vertex v are ``members[first[v]:first[v + 1]]``."""

    first: NDArray[np.int64]
    members: NDArray[np.int64]

    @classmethod
    def of(cls, faces: NDArray[np.int64], is_wanted: NDArray[np.bool_]) -> Stars:
        """Of the wanted ones of all vertices, (N,) bool; the others get none."""
        corners = faces.ravel()
        places = np.flatnonzero(is_wanted[corners])
        owners = corners[places]
        counts = np.bincount(owners, minlength=len(is_wanted))
        order = np.argsort(owners, kind="stable")
        return cls(np.concatenate(([0], np.cumsum(counts))), places[order] // 3)


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """For each of some points the nearest place on some triangles.

    Attributes
    ----------
    faces : (n,) int64
        -1 where a point had no triangle to choose from.
    weights : (n, 3) float64
        Barycentric coordinates of the place, each 0 to 1.
    distances : (n,) float64
        Infinite where there was no triangle.
    """

    faces: NDArray[np.int64]
    weights: NDArray[np.float64]
    distances: NDArray[np.float64]


def nearest_points(
    points: NDArray[np.float64],
    owners: NDArray[np.int64],
    stars: Stars,
    positions: NDArray[np.float64],
    faces: NDArray[np.int64],
) -> Nearest:
    """The nearest place to each point on the triangles around a vertex.

    Parameters
    ----------
    points : (n, 3) float64
    owners : (n,) int64
        The vertex around which to look for each point.
    stars : Stars
    positions : (N, 3) float64
    faces : (F, 3) int64
    """
    out = Nearest(np.full(len(points), -1, np.int64), np.zeros((len(points), 3)), np.full(len(points), np.inf))
    counts = stars.first[owners + 1] - stars.first[owners]
    for start in range(0, len(points), _BLOCK):
        own = np.flatnonzero(counts[start : start + _BLOCK]) + start
        if not len(own):
            continue
        sizes = counts[own]
        starts = np.cumsum(sizes) - sizes
        point = np.repeat(np.arange(len(own)), sizes)
        member = stars.members[np.arange(len(point)) + np.repeat(stars.first[owners[own]] - starts, sizes)]
        corners = positions[faces[member]]
        weights, squares = _closest(points[own][point], corners)
        least = np.minimum.reduceat(squares, starts)
        hits = np.flatnonzero(squares == least[point])[::-1]
        best = np.zeros(len(own), np.int64)
        best[point[hits]] = hits  # the last to be set is the first of them
        out.faces[own], out.weights[own] = member[best], weights[best]
        out.distances[own] = np.sqrt(np.maximum(squares[best], 0))
    return out


def _closest(
    points: NDArray[np.float64], corners: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights (n, 3) of the place on triangle i, (n, 3, 3), that is nearest to point i, and its squared distance.

    The place is ``a + v (b - a) + w (c - a)``: that below the point where it lies inside, else on one of the edges.
    """
    ab, ac, ap = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], points - corners[:, 0]
    d11, d12, d22 = _dot(ab, ab), _dot(ab, ac), _dot(ac, ac)
    e1, e2 = _dot(ab, ap), _dot(ac, ap)
    tiny = np.finfo(np.float64).tiny
    det = d11 * d22 - d12 * d12
    is_flat = det <= 1e-14 * d11 * d22
    det[is_flat] = 1
    v, w = (d22 * e1 - d12 * e2) / det, (d11 * e2 - d12 * e1) / det
    best = np.where(is_flat | (v < 0) | (w < 0) | (v + w > 1), np.inf, v * (v * d11 - 2 * e1 + 2 * w * d12))
    best += w * (w * d22 - 2 * e2)
    outside = np.flatnonzero(~np.isfinite(best))
    d11, d12, d22, e1, e2 = (x[outside] for x in (d11, d12, d22, e1, e2))
    least = np.full(len(outside), np.inf)
    along_bc = np.clip((d11 - d12 + e2 - e1) / np.maximum(d11 - 2 * d12 + d22, tiny), 0, 1)
    none = np.zeros(len(outside))
    for s, t in (
        (np.clip(e1 / np.maximum(d11, tiny), 0, 1), none),
        (none, np.clip(e2 / np.maximum(d22, tiny), 0, 1)),
        (1 - along_bc, along_bc),
    ):
        value = s * (s * d11 - 2 * e1 + 2 * t * d12) + t * (t * d22 - 2 * e2)
        is_less = value < least
        rows = outside[is_less]
        v[rows], w[rows], least[is_less] = s[is_less], t[is_less], value[is_less]
    best[outside] = least
    return np.stack((1 - v - w, v, w), axis=1), best + _dot(ap, ap)


def _dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    out: NDArray[np.float64] = np.einsum("nd,nd->n", a, b)
    return out


def face_areas(positions: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Area of each triangle of vertices (N, 3)."""
    corners = positions[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return np.asarray(np.sqrt(_dot(normal, normal)) / 2)
