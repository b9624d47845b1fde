"""Which points of a level the next coarser one keeps: those of low hash, and the lowest of each occupied bin.

The share of the hashes that is kept is the same everywhere, so that densities stay true; the bins see to it that
nothing sparse vanishes. Both rules nest: a point that a level keeps was kept by every finer one. Bins divide chunks, so
a chunk alone tells which of its points go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.pyramid.hashing import hash_points
from zvview.store.writing.sorting import rank_rows, run_starts

__all__ = ["MOST_BINS", "Thinning", "find_least", "number_bins", "select_points"]

MOST_BINS = 1 << 44
"""Along one axis of a chunk. Nothing costs more for their number: they are counted, and tabled where they are few."""

_MOST_NUMBERS = 1 << 53  # floats count as far
_BLOCK = 1 << 13  # rows at a time, so that the passes stay in the cache
_TABLE = 1 << 24  # most bins of a dense table: 64 MB
_BINS_PER_POINT = 16  # above it clearing a dense table costs more than sorting the points


@dataclass(frozen=True, slots=True)
class Thinning:
    """How a level is thinned.

    Attributes
    ----------
    threshold : int
        Points whose hash is below it are kept; below 2**32.
    seed : int
        Of the hash.
    unit : D floats
        Edge lengths of the thinning bins of level 1, of which those of all coarser levels are unions.
    factor : D integers
        Units along each axis of a bin.
    bins : D integers
        Bins along each axis of a chunk of the finer level.
    is_exact : D booleans
        Axes (frames of time) where only points of the very same coordinate share a bin.
    """

    threshold: int
    seed: int
    unit: tuple[float, ...]
    factor: tuple[int, ...]
    bins: tuple[int, ...]
    is_exact: tuple[bool, ...]

    @classmethod
    def first(
        cls, threshold: int, seed: int, edges: Sequence[float], bins: Sequence[int], is_exact: Sequence[bool]
    ) -> Thinning:
        """That of level 1, whose bins are the units: `bins` of them in a chunk of `edges`."""
        unit = tuple(e / n for e, n in zip(edges, bins, strict=True))
        return cls(threshold, seed, unit, (1,) * len(unit), tuple(bins), tuple(is_exact))

    def recount(self, edges: Sequence[float]) -> Thinning:
        """The same bins, counted in chunks of other edges, multiples of the old ones."""
        sizes = zip(edges, self.unit, self.factor, strict=True)
        return replace(self, bins=tuple(round(edge / (unit * factor)) for edge, unit, factor in sizes))

    def unite(self, bins: Sequence[int]) -> Thinning:
        """With fewer bins in a chunk, each the union of some of these; `bins` divide their numbers."""
        factor = tuple(f * n // few for f, n, few in zip(self.factor, self.bins, bins, strict=True))
        return replace(self, factor=factor, bins=tuple(bins))

    def document(self) -> dict[str, Any]:
        """As parameters of a level, fit for JSON."""
        return {
            "threshold": self.threshold,
            "seed": self.seed,
            "thinning_unit": list(self.unit),
            "thinning_factor": list(self.factor),
            "thinning_bins": list(self.bins),
            "exact_axes": list(self.is_exact),
        }

    @classmethod
    def parse(cls, parameters: Mapping[str, Any]) -> Thinning:
        """The thinning of a :meth:`document`.

        Raises
        ------
        DamagedError
            Parameters that are missing or cannot be.
        """
        try:
            thinning = cls(
                int(parameters["threshold"]),
                int(parameters["seed"]),
                tuple(map(float, parameters["thinning_unit"])),
                tuple(map(int, parameters["thinning_factor"])),
                tuple(map(int, parameters["thinning_bins"])),
                tuple(map(bool, parameters["exact_axes"])),
            )
            sizes = (*thinning.unit, *thinning.factor, *thinning.bins)
            columns = (thinning.unit, thinning.factor, thinning.bins, thinning.is_exact)
            is_sound = all(0 < size < np.inf for size in sizes) and len({len(c) for c in columns}) == 1
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DamagedError("parameters of a level", found=repr(error), expected="those of a thinning") from error
        if not (is_sound and max(thinning.bins) <= MOST_BINS and 0 <= thinning.threshold < 1 << 32):
            found = f"{thinning.document()}"[:200]
            raise DamagedError("parameters of a level", found=found, expected="positive sizes, one for each axis")
        return thinning


def select_points(
    positions: NDArray[np.floating],
    object_ids: NDArray[np.int64] | None,
    slots: NDArray[np.int64],
    chunks: NDArray[np.int64],
    thinning: Thinning,
) -> NDArray[np.int64]:
    """Rows, ascending, of the points that the next coarser level keeps.

    Points that are equal in position and object share their fate.

    Parameters
    ----------
    positions : (N, D) float32 or float64
        Finite; all points of the chunks.
    object_ids : (N,) int64 or None
    slots : (N,) int64
        Row in `chunks` of the chunk of each point.
    chunks : (C, D) int64
        Coordinates of chunks of the finer level.
    thinning : Thinning
    """
    hashes = hash_points(positions, object_ids, thinning.seed)
    keep = find_least(hashes, *number_bins(positions, slots, chunks, thinning))
    keep |= hashes < np.uint32(thinning.threshold)
    return np.flatnonzero(keep)


def number_bins(
    positions: NDArray[np.floating], slots: NDArray[np.int64], chunks: NDArray[np.int64], thinning: Thinning
) -> tuple[NDArray[np.int64], int]:
    """The bin of each point, and a bound above all of them; arguments as for :func:`select_points`.

    The chunk decides: where rounding puts a position on its border into a neighbour's bin, it counts to its own
    chunk's nearest. Bins are found from units, whose rounding is the same at every level: so coarse bins are unions of
    fine ones exactly.
    """
    bins = [1 if exact else n for n, exact in zip(thinning.bins, thinning.is_exact, strict=True)]
    limit = max(1, len(chunks)) * prod(bins)
    if limit > _MOST_NUMBERS:
        keys, limit = rank_rows(_bins_by_axis(positions, slots, chunks, bins, thinning))
    else:
        keys = slots * prod(bins)
        for block, inside in _find_bins(positions, slots, chunks, bins, thinning):
            number = np.zeros(len(slots[block]))
            for axis, found in inside:
                number *= bins[axis]
                number += found
            keys[block] += number.astype(np.int64)
    for axis in np.flatnonzero(thinning.is_exact).tolist():
        ranks, count = _rank_values(positions[:, axis])
        if limit * count >= 1 << 62:
            keys, limit = rank_rows(np.stack((keys, ranks), axis=1))
        else:
            keys *= count
            keys += ranks
            limit *= count
    return keys, limit


def _find_bins(
    positions: NDArray[np.floating],
    slots: NDArray[np.int64],
    chunks: NDArray[np.int64],
    bins: Sequence[int],
    thinning: Thinning,
) -> Iterator[tuple[slice, Iterator[tuple[int, NDArray[np.float64]]]]]:
    """For some rows after the other, the bin of each in its chunk, axis by axis; axes of one bin are left out."""
    firsts = np.ascontiguousarray(chunks.T, np.float64) * np.array(bins, np.float64)[:, None]

    def find(block: slice) -> Iterator[tuple[int, NDArray[np.float64]]]:
        slot = slots[block]
        for axis, count in enumerate(bins):
            if count == 1:
                continue
            inside = np.divide(positions[block, axis], thinning.unit[axis], dtype=np.float64)
            np.floor(inside, out=inside)
            if (units := thinning.factor[axis]) > 1:
                inside += 0.5  # the middle of a unit, far from where rounding matters
                inside /= units
                np.floor(inside, out=inside)
            inside -= firsts[axis][slot]
            np.clip(inside, 0, count - 1, out=inside)
            yield axis, inside

    for start in range(0, len(slots), _BLOCK):
        block = slice(start, start + _BLOCK)
        yield block, find(block)


def _bins_by_axis(
    positions: NDArray[np.floating],
    slots: NDArray[np.int64],
    chunks: NDArray[np.int64],
    bins: Sequence[int],
    thinning: Thinning,
) -> NDArray[np.int64]:
    """Chunk and bins of each point as a row, (N, 1 + D): where there are too many for one number."""
    table = np.zeros((1 + len(bins), len(slots)), np.int64)
    table[0] = slots
    for block, inside in _find_bins(positions, slots, chunks, bins, thinning):
        for axis, found in inside:
            table[1 + axis, block] = found
    return table.T


def find_least(hashes: NDArray[np.uint32], keys: NDArray[np.int64], limit: int) -> NDArray[np.bool_]:
    """Whether no point of the same key, all below `limit`, has a lower hash: (N,)."""
    if limit <= min(_TABLE, _BINS_PER_POINT * len(keys) + 1024):
        table = np.full(limit, 0xFFFFFFFF, np.uint32)
        np.minimum.at(table, keys, hashes)
        return np.equal(hashes, table[keys])
    order = np.argsort(keys)
    starts = run_starts(keys[order])
    ordered = hashes[order]
    least = np.minimum.reduceat(ordered, starts) if len(starts) else ordered
    out = np.empty(len(keys), bool)
    out[order] = ordered == np.repeat(least, np.diff(np.append(starts, len(keys))))
    return out


def _rank_values(values: NDArray[np.floating]) -> tuple[NDArray[np.int64], int]:
    """Numbers from 0 that are equal where the values are, and a bound above them."""
    if not len(values):
        return np.empty(0, np.int64), 1
    low, high = float(values.min()), float(values.max())
    if high - low < len(values) and (values == np.floor(values)).all():
        return (values.astype(np.float64) - low).astype(np.int64), int(high - low) + 1
    distinct = np.unique(values)
    return np.searchsorted(distinct, values), len(distinct)
