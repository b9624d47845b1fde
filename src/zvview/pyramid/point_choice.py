"""How points are thinned, decided from samples: the finest bins that stay fair, and chunks of a good size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt, prod

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.pyramid.thinning import MOST_BINS, Thinning, find_least, number_bins
from zvview.store.writing.choose import TARGET_BYTES
from zvview.store.writing.sorting import rank_rows

__all__ = [
    "PointSample",
    "choose_multiples",
    "choose_thinning",
    "count_parts",
    "declare_bin",
    "fit_bins",
    "list_bins",
    "share_evenly",
]

_MOST_EXTRAS = 1 / 8  # of a level may be there for its bin only: more would turn a sparse background into a dense one
_FINEST = 14  # powers of two along an axis of a chunk of level 0
_MOST_TRIES = 256
_EXACT = 1e-9  # relative: how far a ratio that shall be an integer may be off


@dataclass(frozen=True, slots=True, eq=False)
class PointSample:
    """Some points of a level, by chunks or other blocks of space, of which all are there.

    Attributes
    ----------
    positions : (N, D)
    hashes : (N,) uint32
    slots : (N,) int64
        Row in `chunks` of the chunk of each point.
    weights : (N,) float64
        How many points of the level each stands for.
    chunks : (C, D) int64
    """

    positions: NDArray[np.floating]
    hashes: NDArray[np.uint32]
    slots: NDArray[np.int64]
    weights: NDArray[np.float64]
    chunks: NDArray[np.int64]

    def measure(self, thinning: Thinning) -> tuple[float, float]:
        """How many points of the level a thinning keeps, and how many of them for their bin only."""
        least = find_least(self.hashes, *number_bins(self.positions, self.slots, self.chunks, thinning))
        is_low = self.hashes < np.uint32(thinning.threshold)
        extras = float(self.weights[least & ~is_low].sum())
        return float(self.weights[is_low].sum()) + extras, extras


def share_evenly(
    counts: NDArray[np.int64], strata: int, rows: int, most: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Chunks to look at: some of each of `strata` ranges of occupancy that hold about equally many points.

    Parameters
    ----------
    counts : (C,) int64
        Points of each chunk.
    strata : int
    rows : int
        Points wanted of each range; a chunk is taken whole.
    most : int
        Chunks of each range at most.

    Returns
    -------
    chunks : (n,) int64
        Indices into `counts`, ascending.
    weights : (n,) float64
        Points of the range over points that are looked at.
    """
    order = np.argsort(-counts, kind="stable")
    ends = np.cumsum(counts[order])
    total = int(ends[-1]) if len(ends) else 0
    of_chunk = ((ends - counts[order] / 2) * strata / max(total, 1)).astype(np.int64)
    picked, weights = [np.empty(0, np.int64)], [np.empty(0)]
    for stratum in range(strata):
        here = order[of_chunk == stratum]
        held = int(counts[here].sum())
        if not held:
            continue
        wanted = min(len(here), most, max(1, -(-rows * len(here) // held)))
        few = here[((np.arange(wanted) + 0.5) * len(here) / wanted).astype(np.int64)]
        picked.append(few)
        weights.append(np.full(wanted, held / max(1, int(counts[few].sum()))))
    chunks, weight = np.concatenate(picked), np.concatenate(weights)
    by_place = np.argsort(chunks)
    return chunks[by_place], weight[by_place]


def list_bins(
    edges: Sequence[float], is_space: Sequence[bool], rest: Sequence[int], grid: Sequence[int] | None
) -> list[tuple[int, ...]]:
    """Ways to cut a chunk into bins as cubic as can be, finest first.

    Parameters
    ----------
    edges : D floats
        Of a chunk of the finer level.
    is_space : D booleans
    rest : D integers
        Bins along the other axes.
    grid : D integers, optional
        Bins of the finer level along each axis of its chunk, of which the new ones must be unions; None at level 0.
    """
    powers = 1 << np.arange(_FINEST + 1)
    free = np.unique(np.concatenate((powers, 3 * powers[:-2])))
    allowed = [free if grid is None else _divisors(grid[axis]) for axis in range(len(edges))]
    axes = [axis for axis, space in enumerate(is_space) if space]
    sizes = np.unique(np.concatenate([edges[axis] / allowed[axis] for axis in axes]))
    out: list[tuple[int, ...]] = []
    for size in sizes.tolist():
        bins = list(rest)
        for axis in axes:
            counts = allowed[axis]
            bins[axis] = int(counts[min(np.searchsorted(counts, edges[axis] / size * (1 - _EXACT)), len(counts) - 1)])
        if prod(bins) <= MOST_BINS and (not out or tuple(bins) != out[-1]):
            out.append(tuple(bins))
    return out or [tuple(1 if space else n for space, n in zip(is_space, rest, strict=True))]


def fit_bins(
    given: Sequence[float], edges: Sequence[float], is_space: Sequence[bool], grid: Sequence[int] | None
) -> tuple[int, ...]:
    """Bins along the space axes of a chunk, 1 along the others, that let a level keep the promise of a wished bin.

    They are whole parts of the wished bin, with a diagonal no longer than its shortest edge. Arguments as for
    :func:`list_bins`.

    Raises
    ------
    InvalidInputError
        No such bins fit the chunks, or the bins of the finer level.
    """
    wished = np.array(given)[np.asarray(is_space)]
    longest = float(wished.min()) / np.sqrt(len(wished)) * (1 + _EXACT)
    bins = [1] * len(edges)
    for axis in np.flatnonzero(is_space).tolist():
        least = max(1, int(np.ceil(given[axis] / min(longest, edges[axis]) * (1 - _EXACT))))
        parts = np.arange(least, 4 * least + _MOST_TRIES)
        counts = edges[axis] * parts / given[axis]
        whole = np.rint(counts).astype(np.int64)
        fits = np.abs(counts - whole) <= counts * _EXACT
        if grid is not None:
            fits &= grid[axis] % np.maximum(whole, 1) == 0
        if not fits.any():
            raise InvalidInputError(
                f"bins of {list(given)} cannot be made of whole parts of the finer level's chunks of {list(edges)} "
                "and of its bins"
            )
        bins[axis] = int(whole[np.argmax(fits)])
    if prod(bins) > MOST_BINS:
        raise InvalidInputError(f"bins of {list(given)} are too small for chunks of {list(edges)}")
    return tuple(bins)


def choose_thinning(sample: PointSample, candidates: Sequence[Thinning]) -> tuple[Thinning, float]:
    """The finest of `candidates`, which are finest first, whose bins add few enough; and how many points it keeps.

    Where none does it is the coarsest.
    """
    low, high = 0, len(candidates) - 1
    kept: float | None = None
    while low < high:
        middle = (low + high) // 2
        count, extras = sample.measure(candidates[middle])
        if extras <= count * _MOST_EXTRAS:
            high, kept = middle, count
        else:
            low, kept = middle + 1, None
    return candidates[low], sample.measure(candidates[low])[0] if kept is None else kept


def choose_multiples(
    chunks: NDArray[np.int64], chunk_bytes: NDArray[np.float64], edges: Sequence[float], is_space: Sequence[bool]
) -> tuple[int, ...]:
    """By how much chunks shall grow along each axis: as far as the byte-weighted mean chunk stays below 1 MB.

    Parameters
    ----------
    chunks : (C, D) int64
        Of the finer level.
    chunk_bytes : (C,) float64
        What the new level will hold of each.
    edges : D floats
        Of a chunk of the finer level.
    is_space : D booleans
        The other axes are left as they are.
    """
    multiples = np.ones(len(edges), np.int64)
    while len(chunks):
        first, last = chunks.min(axis=0), chunks.max(axis=0)
        # neighbours on both sides of zero never come together
        can_grow = np.asarray(is_space) & (first != last) & ~((first == -1) & (last == 0))
        if not can_grow.any():
            break
        axis = int(np.argmin(np.where(can_grow, multiples * np.asarray(edges), np.inf)))
        parents = chunks.copy()
        parents[:, axis] >>= 1
        _, firsts, of_each = np.unique(rank_rows(parents)[0], return_index=True, return_inverse=True)
        held = np.bincount(of_each, chunk_bytes)
        if (held**2).sum() > held.sum() * TARGET_BYTES:
            break
        multiples[axis] *= 2
        chunks, chunk_bytes = parents[firsts], held.astype(np.float64)
    return tuple(multiples.tolist())


def declare_bin(
    thinning: Thinning, chunk: Sequence[float], is_space: Sequence[bool], least: Sequence[float]
) -> tuple[float, ...]:
    """Edges of the bin that a level promises: nothing of level 0 is farther from the level than any of them.

    A bin keeps one of its points, so any other may be as far from it as the diagonal.

    Parameters
    ----------
    thinning : Thinning
    chunk : D floats
        Chunk edges of the level; each space edge of the bin divides them or is a multiple.
    is_space : D booleans
    least : D floats
        Edges of the finer level's bin, or zeros; they are those of the other axes.
    """
    bins = np.array(thinning.unit) * thinning.factor
    diagonal = float(np.sqrt((bins[np.asarray(is_space)] ** 2).sum()))
    out = list(map(float, least))
    for axis in np.flatnonzero(is_space).tolist():
        count = max(1, round(chunk[axis] / bins[axis]))
        units = max(diagonal, least[axis]) / bins[axis] * (1 - _EXACT)
        if units > count:
            out[axis] = chunk[axis] * int(np.ceil(units / count))
        else:
            out[axis] = chunk[axis] / max(n for n in _divisors(count).tolist() if n * units <= count)
    return tuple(out)


def _divisors(number: int) -> NDArray[np.int64]:
    """All divisors up to 2**20, ascending; and the number itself."""
    small = np.arange(1, min(isqrt(number), 1 << 20) + 1)
    small = small[number % small == 0]
    return np.unique(np.concatenate((small, number // small)))


def count_parts(given: float, unit: float, what: str) -> int:
    """How often `unit` goes into `given`, which must be a whole number of times.

    Raises
    ------
    InvalidInputError
    """
    ratio = given / unit
    if not (ratio >= 1 - _EXACT and abs(ratio - round(ratio)) <= _EXACT * ratio):
        raise InvalidInputError(f"{what} has an edge of {given:g}, expected a multiple of {unit:g}")
    return round(ratio)
