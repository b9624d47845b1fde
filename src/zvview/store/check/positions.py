"""Checking coordinates: numbers, in the chunk that holds them and, on level 0 of plain points, in their bin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.fragments import FragmentTable
from zvview.format.sequences import offsets_of
from zvview.store.check.report import chunk_name
from zvview.store.check.scope import LevelScope

__all__ = ["BoundsCheck", "check_bins", "check_positions"]

_ROUNDINGS = 4  # of the stored dtype: which side of a border a vertex within them lies on is a matter of the writer's


def check_positions(
    scope: LevelScope, coords: NDArray[np.int64], rows: NDArray[np.int64], positions: NDArray[np.floating]
) -> None:
    """Check the vertices of a wave of chunks.

    Parameters
    ----------
    coords : (C, sid) int64 array
    rows : (C,) int64 array
        Vertices of each chunk.
    positions : (N, D) array
        All of them.
    """
    path, edges = scope.layout.vertices.path, scope.layout.metadata.chunk_shape
    cell = np.repeat(np.arange(len(coords)), rows)
    infinite = ~np.isfinite(positions).all(axis=1)
    scope.report.add_rows(
        "not-finite",
        path,
        coords,
        cell,
        infinite,
        lambda row, n: f"{n} vertices, such as {positions[row].tolist()}, expected finite numbers",
    )
    spatial = coords[:, coords.shape[1] - len(edges) :].astype(np.float64)
    astray = np.zeros(len(positions), bool)
    with np.errstate(all="ignore"):
        for axis, edge in enumerate(edges.tolist()):
            values = positions[:, axis].astype(np.float64)
            low = spatial[cell, axis] * edge
            wrong = np.flatnonzero((np.floor(values / edge) != spatial[cell, axis]) & ~infinite)
            slack = _ROUNDINGS * np.finfo(positions.dtype).eps * np.maximum(np.abs(values[wrong]), edge)
            far = (values[wrong] < low[wrong] - slack) | (values[wrong] > low[wrong] + edge + slack)
            astray[wrong[far]] = True
    scope.report.add_rows(
        "wrong-chunk",
        path,
        coords,
        cell,
        astray,
        lambda row, n: (
            f"{n} vertices, such as {positions[row].tolist()}, expected in the chunk that holds them: chunks of "
            f"{edges.tolist()} from zero, this one is {chunk_name(coords[cell[row]])}"
        ),
    )


class BoundsCheck:
    """Whether the root's bounds hold all vertices of a level; the waves are shown one by one."""

    def __init__(self, scope: LevelScope) -> None:
        self._scope = scope
        self._outside = 0
        self._lo = np.full(scope.root.ndim, np.inf)
        self._hi = np.full(scope.root.ndim, -np.inf)

    def look(self, positions: NDArray[np.floating]) -> None:
        """Take the vertices of a wave, (N, D)."""
        root = self._scope.root
        finite = positions[np.isfinite(positions).all(axis=1)]
        if not len(finite):
            return
        self._lo = np.minimum(self._lo, finite.min(axis=0))
        self._hi = np.maximum(self._hi, finite.max(axis=0))
        slack = np.finfo(positions.dtype).eps * np.maximum(np.abs(root.lo), np.abs(root.hi))
        if (self._lo < root.lo - slack).any() or (self._hi > root.hi + slack).any():
            self._outside += int(((finite < root.lo - slack) | (finite > root.hi + slack)).any(axis=1).sum())

    def finish(self) -> None:
        """Report what lies outside."""
        if self._outside:
            root = self._scope.root
            self._scope.report.add(
                "outside-bounds",
                self._scope.layout.vertices.path,
                f"{self._outside} vertices outside the bounds {root.lo.tolist()} to {root.hi.tolist()}; "
                f"all lie in {self._lo.tolist()} to {self._hi.tolist()}",
            )


def check_bins(
    scope: LevelScope, coords: NDArray[np.int64], fragments: FragmentTable, positions: list[NDArray[np.floating]]
) -> None:
    """Check that the fragments of plain points are bins where a box read takes them for that (4.3)."""
    chunk, bins = scope.layout.metadata.chunk_shape, scope.root.base_bin_shape
    with np.errstate(all="ignore"):
        ratios = chunk / bins
    shape = np.rint(np.minimum(ratios, 2.0**16))
    count = float(shape.prod())
    of_bins = np.diff(fragments.first) == count
    if scope.number or scope.kind != names.POINT_CLOUD or not 1 < count <= 1 << 20 or not of_bins.any():
        return
    if not np.allclose(shape * bins, chunk, rtol=1e-9, atol=0):
        return
    offsets, rows = fragments.rows()
    cell = np.repeat(fragments.cell_of(), np.diff(offsets))
    number = np.repeat(np.arange(len(fragments.counts)), np.diff(offsets)) - fragments.first[cell]
    base = offsets_of([len(p) for p in positions])[:-1]
    points = np.concatenate(positions)[rows + base[cell]].astype(np.float64)
    place = np.stack(np.unravel_index(np.minimum(number, int(count) - 1), tuple(shape.astype(int).tolist())), axis=1)
    low = coords[cell, coords.shape[1] - len(bins) :] * chunk + place * bins
    slack = bins * 1e-6
    astray = ((points < low - slack) | (points > low + bins + slack)).any(axis=1) & of_bins[cell]
    scope.report.add_rows(
        "bin-fragments",
        scope.path(names.VERTEX_FRAGMENTS),
        coords,
        cell,
        astray,
        lambda row, n: f"{n} vertices, such as {points[row].tolist()}, expected in the bin of their fragment",
    )
