"""The order of objects that decides who goes first: by a hash of the id, then by id."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zvview.pyramid.hashing import hash_ids
from zvview.store.writing.sorting import invert

__all__ = ["hash_objects", "rank_objects"]


def hash_objects(ids: NDArray[np.int64], seed: int) -> NDArray[np.uint32]:
    """What decides of objects, (n,)."""
    return hash_ids(ids, seed) if len(ids) else np.empty(0, np.uint32)


def rank_objects(hashes: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Place of each object in the order by hash, then by id, (n,), given the hashes of ascending ids."""
    keys = (hashes.astype(np.uint64) << np.uint64(32)) | np.arange(len(hashes), dtype=np.uint64)
    keys.sort()
    return invert((keys & np.uint64(0xFFFFFFFF)).astype(np.int64))
