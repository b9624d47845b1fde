"""Which chunks can hold what a filter lets pass, told by the object index alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.format.grid import ChunkTable
from zvview.store.store import Store
from zvview.stream.cut import Masks
from zvview.stream.facts import LevelFacts, StoreFacts, check_same
from zvview.stream.filtering import Filter, wanted_objects

__all__ = ["Restriction", "restrict"]


@dataclass(frozen=True, slots=True, eq=False)
class Restriction:
    """What a filter comes to in one store.

    Attributes
    ----------
    objects : (n,) int64 array or None
        Ids of the only objects that pass.
    chunks : masks of (C,) for each level, or None
        The only chunks that can hold something of them.
    """

    objects: NDArray[np.int64] | None = None
    chunks: Masks | None = None


def restrict(store: Store, facts: StoreFacts, filter: Filter, cancel: CancelToken | None = None) -> Restriction:
    """The restriction of `filter`; reads manifests where it names objects, and nothing otherwise.

    Raises
    ------
    ConflictError
        The store is another one than when the facts were gathered: its objects may be in other chunks.
    MissingError
        There is no such group.
    UnreachableError
    Cancelled
    """
    objects = wanted_objects(filter, store.groups if filter.groups is not None else None)
    if objects is None:
        return Restriction()
    masks = tuple(_chunks_of(store, facts, level, objects, cancel) for level in facts.levels)
    return Restriction(objects, masks)


def _chunks_of(
    store: Store, facts: StoreFacts, level: LevelFacts, objects: NDArray[np.int64], cancel: CancelToken | None
) -> NDArray[np.bool_]:
    def read() -> NDArray[np.bool_]:
        reader = store.reader(level.number)
        check_same(store, facts, reader)
        table = reader.objects
        if table is None:
            return np.ones(len(level.chunks), bool)
        manifests = table.manifests(np.flatnonzero(np.isin(table.ids, objects)), cancel)
        at = ChunkTable.of(level.chunks).find(manifests.chunks)
        out = np.zeros(len(level.chunks), bool)
        out[at[at >= 0]] = True
        return out

    return store.retry(read)
