"""Chunks of a level: multiples of the finer level's, of a good size, or as the caller wishes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.store.writing.choose import TARGET_BYTES
from zvview.store.writing.sorting import rank_rows

__all__ = ["EXACT", "choose_multiples", "count_parts"]

EXACT = 1e-9
"""Relative: how far a ratio that shall be an integer may be off."""


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


def count_parts(given: float, unit: float, what: str) -> int:
    """How often `unit` goes into `given`, which must be a whole number of times.

    Raises
    ------
    InvalidInputError
    """
    ratio = given / unit
    if not (ratio >= 1 - EXACT and abs(ratio - round(ratio)) <= EXACT * ratio):
        raise InvalidInputError(f"{what} has an edge of {given:g}, expected a multiple of {unit:g}")
    return round(ratio)
