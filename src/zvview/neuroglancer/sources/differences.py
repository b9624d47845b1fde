"""Which vertices of a chunk the next coarser level lacks, compared by what they are and how often they occur."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zvview.stream.parts import ChunkPart

__all__ = ["identify", "lacking"]

_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)  # of splitmix64 (S. Vigna, 2015)


def identify(part: ChunkPart) -> NDArray[np.uint64]:
    """Numbers of points, (n,), equal where position and object are: 64 bits of their bytes, well mixed.

    Two points that differ come to the same number once in 10^19 pairs.
    """
    positions = part.positions
    words = np.add(positions, 0.0).view(f"u{positions.dtype.itemsize}")  # 0.0 for -0.0
    out = np.full(len(positions), 0x9E3779B97F4A7C15, np.uint64)
    columns = [words[:, axis].astype(np.uint64) for axis in range(words.shape[1])]
    if part.object_ids is not None:
        columns.append(part.object_ids.astype(np.int64).view(np.uint64))
    for column in columns:
        out ^= column
        out *= _FIRST
        out ^= out >> np.uint64(29)
        out *= _SECOND
        out ^= out >> np.uint64(32)
    return out


def lacking(own: NDArray[np.uint64], coarser: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Rows, ascending, of `own` that `coarser`, ascending, has not: of equal ones as many as it has less.

    Parameters
    ----------
    own : (n,) uint64 array
        As :func:`identify` gives them.
    coarser : (m,) uint64 array
        Ascending.
    """
    if not len(coarser):
        return np.arange(len(own))
    at = np.searchsorted(coarser, own)
    is_there = coarser[np.minimum(at, len(coarser) - 1)] == own
    shared = np.flatnonzero(is_there)
    names = own[shared]
    order = np.argsort(names, kind="stable")
    ordered = names[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(ordered) else order
    if len(starts) < len(ordered):  # points that lie upon each other
        rank = np.arange(len(ordered)) - np.repeat(starts, np.diff(np.append(starts, len(ordered))))
        held = np.searchsorted(coarser, ordered, side="right") - at[shared[order]]
        is_there[shared[order[rank >= held]]] = False
    return np.flatnonzero(~is_there)
