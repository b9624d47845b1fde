"""Which objects pass which bins of a grid: by their vertices, and by samples along the segments between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.format.cells import spread
from zvview.store.writing.sorting import rank_rows, run_starts, unrank_rows

__all__ = ["STEPS", "Passes", "Places", "Segments", "count_steps", "find_passes", "measure_lengths"]

STEPS = 2
"""Samples of a segment per edge of a bin: no point of it is farther than a quarter of the edge from one."""

_WAVE = 1 << 20  # samples at a time
_MOST_STEPS = 1 << 20  # of one segment


@dataclass(frozen=True, slots=True, eq=False)
class Passes:
    """Which objects pass which bins: distinct pairs, by bin, then by rank.

    Attributes
    ----------
    starts : (b,) int64
        Where the pairs of each bin begin.
    ranks : (m,) int64
        The object of each pair.
    places : (b, 1 + D) int64
        Chunk and bin.
    """

    starts: NDArray[np.int64]
    ranks: NDArray[np.int64]
    places: NDArray[np.int64]

    def winners(self, count: int) -> NDArray[np.bool_]:
        """Which of `count` ranks are the least of a bin, (count,)."""
        out = np.zeros(count, bool)
        out[self.ranks[self.starts]] = True
        return out

    def covered(self, kept: NDArray[np.bool_]) -> float:
        """Share of the bins that one of the kept ranks passes."""
        return float(np.logical_or.reduceat(kept[self.ranks], self.starts).mean()) if len(self.starts) else 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Vertices, and where they belong.

    Attributes
    ----------
    rows : (n,) int64
    keys : (n,) int64
        Chunk of each; equal bins of different chunks are different bins.
    ranks : (n,) int64
        Object of each.
    """

    rows: NDArray[np.int64]
    keys: NDArray[np.int64]
    ranks: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Joined vertices, and where they belong.

    Attributes
    ----------
    first, second : (S,) int64
        Rows.
    keys, ranks : (S,) int64
        As of :class:`Places`.
    lengths : (S,) float64
        In space.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    keys: NDArray[np.int64]
    ranks: NDArray[np.int64]
    lengths: NDArray[np.float64]


def find_passes(
    positions: NDArray[np.floating],
    vertices: Places,
    segments: Segments,
    bin_shape: NDArray[np.float64],
    is_space: NDArray[np.bool_],
) -> Passes:
    """Bins that vertices lie in and segments pass, with the ranks of their objects.

    Parameters
    ----------
    positions : (N, D)
    vertices : Places
    segments : Segments
    bin_shape : (D,)
    is_space : (D,) bool
    """
    first, second = segments.first, segments.second
    parts = [_tabulate(positions.take(vertices.rows, axis=0), vertices.keys, vertices.ranks, bin_shape)]
    counts = count_steps(positions, segments, bin_shape, is_space)
    long = np.flatnonzero(counts > 1)
    ends = np.cumsum(counts[long])
    done = 0
    while done < len(long):
        before = int(ends[done - 1]) if done else 0
        stop = max(done + 1, int(np.searchsorted(ends, before + _WAVE, side="right")))
        part = long[done:stop]
        low = positions[first[part]].astype(np.float64)
        step = (positions[second[part]] - low) / counts[part, None]
        _, owner, local = spread(counts[part] - 1)
        samples = np.take(step, owner, axis=0)
        samples *= (local + 1)[:, None]
        samples += np.take(low, owner, axis=0)
        of_samples = part[owner]
        parts.append(_tabulate(samples, segments.keys[of_samples], segments.ranks[of_samples], bin_shape))
        done = stop
    ranks, *columns = np.concatenate(parts, axis=1)
    table = np.array(columns).T
    keys, limit = rank_rows(table)
    bins = keys
    most = int(ranks.max(initial=0)) + 1
    if limit * most < 1 << 62:
        pairs = np.sort(bins * most + ranks)
        bins, ranks = np.divmod(pairs[run_starts(pairs)], most)
    else:
        order = np.lexsort((ranks, bins))
        order = order[run_starts(bins[order], ranks[order])]
        bins, ranks = bins[order], ranks[order]
    starts = run_starts(bins)
    return Passes(starts, ranks, unrank_rows(table, keys, bins[starts]))


def measure_lengths(
    positions: NDArray[np.floating],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    is_space: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Lengths in space of the segments between rows, (S,)."""
    squares = np.zeros(len(first), np.float64)
    for axis in np.flatnonzero(is_space).tolist():
        step = _steps_along(positions, first, second, axis)
        step *= step
        squares += step
    return np.sqrt(squares, out=squares)


def count_steps(
    positions: NDArray[np.floating],
    segments: Segments,
    bin_shape: NDArray[np.float64],
    is_space: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Into how many parts each segment is cut, (S,), so that none is longer than 1 / :data:`STEPS` of a bin."""
    reach = segments.lengths / bin_shape[is_space].min()
    for axis in np.flatnonzero(~is_space).tolist():
        step = np.abs(_steps_along(positions, segments.first, segments.second, axis)) / bin_shape[axis]
        np.maximum(reach, step, out=reach)
    counts: NDArray[np.int64] = np.clip(np.ceil(reach * STEPS), 1, _MOST_STEPS).astype(np.int64)
    return counts


def _steps_along(
    positions: NDArray[np.floating], first: NDArray[np.int64], second: NDArray[np.int64], axis: int
) -> NDArray[np.float64]:
    column = np.ascontiguousarray(positions[:, axis])
    return np.subtract(column.take(second), column.take(first), dtype=np.float64)


def _tabulate(
    positions: NDArray[np.floating], keys: NDArray[np.int64], ranks: NDArray[np.int64], bin_shape: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Rank, chunk and bin of each sample in rows, (2 + D, n); of consecutive samples that agree only the first."""
    table = np.empty((2 + positions.shape[1], len(positions)), np.int64)
    table[0], table[1] = ranks, keys
    for axis, edge in enumerate(bin_shape.tolist()):
        column = positions[:, axis].astype(np.float64)
        column /= edge
        table[2 + axis] = np.floor(column, out=column)
    return table.take(run_starts(*table), axis=1)
