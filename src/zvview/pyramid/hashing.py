"""Numbers drawn from what a point or an object is: the same on every machine, in every level, process and run.

A hash never sees a row or a chunk, so that edits elsewhere leave it alone and equal points draw equal numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["hash_ids", "hash_points"]

# multipliers of "lowbias32" (C. Wellons, Prospecting for hash functions, 2018): bias 0.17, the least known for two
_FIRST, _SECOND = np.uint32(0x7FEB352D), np.uint32(0x846CA68B)
_START = 0x9E3779B9
_BLOCK = 1 << 14  # rows at a time, so that the passes stay in the cache


def hash_points(positions: NDArray[np.floating], object_ids: NDArray[np.int64] | None, seed: int) -> NDArray[np.uint32]:
    """Hashes of points, from the bits of their coordinates and their object.

    Parameters
    ----------
    positions : (N, D) float32 or float64
        As they are stored; -0.0 counts as 0.0, which it equals. The two dtypes give different hashes.
    object_ids : (N,) int64 or None
    seed : int
        Any; its low 64 bits count.

    Returns
    -------
    (N,) uint32
        Spread evenly over all values.
    """
    out = np.full(len(positions), _start(seed), np.uint32)
    wide = positions.dtype.newbyteorder("<")
    for first in range(0, len(out), _BLOCK):
        state, block = out[first : first + _BLOCK], positions[first : first + _BLOCK]
        for axis in range(positions.shape[1]):
            column = np.add(block[:, axis], 0.0, dtype=positions.dtype.newbyteorder("="))  # makes 0.0 of -0.0
            _absorb(state, column.astype(wide, copy=False))
        if object_ids is not None:
            _absorb(state, object_ids[first : first + _BLOCK].astype("<i8"))
        _finish(state)
    return out


def hash_ids(ids: ArrayLike, seed: int) -> NDArray[np.uint32]:
    """Hashes of integer ids, (n,) uint32, spread evenly over all values; of `seed` the low 64 bits count."""
    words = np.asarray(ids, np.int64).astype("<i8")
    out = np.full(len(words), _start(seed), np.uint32)
    _absorb(out, words)
    _finish(out)
    return out


def _start(seed: int) -> np.uint32:
    state = np.full(1, _START, np.uint32)
    _absorb(state, np.array([seed & (1 << 64) - 1], "<u8"))
    return np.uint32(state[0])


def _absorb(state: NDArray[np.uint32], values: NDArray[np.generic]) -> None:
    """Mix little-endian values of 4 or 8 bytes into the state, in place, 4 bytes at a time.

    Each step is a bijection of the state and of the word: no two words are taken for each other.
    """
    words = np.ascontiguousarray(values).view("<u4").reshape(len(state), values.dtype.itemsize // 4)
    for word in words.T:
        state ^= word
        state *= _FIRST
        state ^= state >> np.uint32(15)


def _finish(state: NDArray[np.uint32]) -> None:
    """The finaliser: each bit of the state comes to decide each bit of the hash."""
    state ^= state >> np.uint32(16)
    state *= _FIRST
    state ^= state >> np.uint32(15)
    state *= _SECOND
    state ^= state >> np.uint32(16)
