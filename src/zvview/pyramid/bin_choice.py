"""The bins of a thinning: which there can be, the finest that stay fair, and the bin that a level promises by them.

Bins divide chunks, but how many of them a chunk has tells nothing of what lies in it: a single point far away makes
chunks, and the number of bins in each, as large as the way to it. So they may be many, and are judged by what they
hold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zvview.errors import InvalidInputError
from zvview.pyramid.chunk_choice import EXACT
from zvview.pyramid.point_sample import PointSample
from zvview.pyramid.thinning import MOST_BINS, Thinning

__all__ = ["choose_thinning", "declare_bin", "fit_bins", "list_bins"]

_MOST_EXTRAS = 1 / 8  # of a level may be there for its bin only: more would turn a sparse background into a dense one
_FINEST = 30  # powers of two along an axis of a chunk of level 0: a thousandth of the data a million times as far away
_MOST_TRIES = 256
_LARGEST_PRIME = 1 << 20  # that is looked for


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
    allowed = [free if grid is None else np.array(_divisors(grid[axis])) for axis in range(len(edges))]
    axes = [axis for axis, space in enumerate(is_space) if space]
    sizes = np.unique(np.concatenate([edges[axis] / allowed[axis] for axis in axes]))
    out: list[tuple[int, ...]] = []
    for size in sizes.tolist():
        bins = list(rest)
        for axis in axes:
            counts = allowed[axis]
            bins[axis] = int(counts[min(np.searchsorted(counts, edges[axis] / size * (1 - EXACT)), len(counts) - 1)])
        if not out or tuple(bins) != out[-1]:
            out.append(tuple(bins))
    return out


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
    longest = float(wished.min()) / np.sqrt(len(wished)) * (1 + EXACT)
    bins = [1] * len(edges)
    for axis in np.flatnonzero(is_space).tolist():
        least = max(1, int(np.ceil(given[axis] / min(longest, edges[axis]) * (1 - EXACT))))
        parts = np.arange(least, 4 * least + _MOST_TRIES)
        counts = edges[axis] * parts / given[axis]
        whole = np.rint(counts).astype(np.int64)
        fits = np.abs(counts - whole) <= counts * EXACT
        if grid is not None:
            fits &= grid[axis] % np.maximum(whole, 1) == 0
        if not fits.any():
            raise InvalidInputError(
                f"bins of {list(given)} cannot be made of whole parts of the finer level's chunks of {list(edges)} "
                "and of its bins"
            )
        bins[axis] = int(whole[np.argmax(fits)])
    if max(bins) > MOST_BINS:
        raise InvalidInputError(f"bins of {list(given)} are too small for chunks of {list(edges)}")
    return tuple(bins)


def choose_thinning(sample: PointSample, candidates: Sequence[Thinning]) -> tuple[Thinning, float]:
    """The finest of `candidates`, which are finest first, whose bins add few enough; and how many points it keeps.

    Where none does it is the coarsest.
    """
    low, fair, step = 0, len(candidates) - 1, 1
    kept: float | None = None
    while low < fair:
        at = max(low, fair - step) if step else (low + fair) // 2  # from the coarse end: there it costs least
        count, extras = sample.measure(candidates[at])
        if extras <= count * _MOST_EXTRAS:
            fair, kept, step = at, count, 2 * step
        else:
            low, step = at + 1, 0
    return candidates[fair], sample.measure(candidates[fair])[0] if kept is None else kept


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
        units = max(diagonal, least[axis]) / bins[axis] * (1 - EXACT)
        if units > count:
            out[axis] = chunk[axis] * int(np.ceil(units / count))
        else:
            out[axis] = chunk[axis] / (count // next((n for n in _divisors(count) if n >= units), count))
    return tuple(out)


def _divisors(number: int) -> list[int]:
    """Divisors up to :data:`MOST_BINS`, ascending: all of them, where no prime above 2**20 divides `number` twice."""
    found, rest, prime = [1], number, 2
    while rest > 1:
        if prime * prime > rest or prime > _LARGEST_PRIME:
            prime = rest
        step = found
        while rest % prime == 0:
            rest //= prime
            step = [n * prime for n in step if n * prime <= MOST_BINS]
            found = found + step
        prime += 1
    return sorted(found)
