"""The points of low rank of each chunk, kept: what the first spatial levels of a store without levels are made of.

Every chunk is read once for all of these levels, when the first cell that holds it is asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from zvview.neuroglancer.encoding.annotations import encode_list
from zvview.neuroglancer.encoding.records import EncodedRecords, join_records
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.stream.parts import ChunkPart

__all__ = ["Drawn", "Samples", "encode_drawn"]

_AT_ONCE = 16  # chunks that are held for their samples


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Some points by rank.

    Attributes
    ----------
    ids : (n,) uint64 array
    ranks : (n,) uint32 array
        Ascending, as far as the points of one chunk are told.
    records : EncodedRecords
    """

    ids: NDArray[np.uint64]
    ranks: NDArray[np.uint32]
    records: EncodedRecords
    nbytes: int = field(init=False)

    def __post_init__(self) -> None:
        arrays = (self.ids, self.ranks, self.records.buffer, self.records.offsets)
        object.__setattr__(self, "nbytes", 512 + sum(array.nbytes for array in arrays))

    def __len__(self) -> int:
        return len(self.ids)

    def between(self, first: int, below: int) -> Drawn:
        """Those of ranks in ``[first, below)``, of one chunk."""
        start, stop = np.searchsorted(self.ranks.astype(np.int64), (first, below))
        return self.take(np.arange(start, stop))

    def take(self, rows: NDArray[np.int64]) -> Drawn:
        """Some of them, in the order of `rows`."""
        return Drawn(self.ids[rows], self.ranks[rows], self.records.take(rows))


def encode_drawn(parts: Sequence[Drawn]) -> bytes:
    """A cell of some points, at least one, those of lowest rank first: the client draws the first of too many."""
    ids, records = np.concatenate([part.ids for part in parts]), join_records([part.records for part in parts])
    if len(parts) > 1:
        order = np.argsort(np.concatenate([part.ranks for part in parts]), kind="stable")
        ids, records = ids[order], records.take(order)
    return encode_list(records, ids)


class Samples:
    """What is drawn of each chunk, within a budget of bytes; thread-safe.

    Parameters
    ----------
    chunks : Chunks
    draw : callable
        From the row of a chunk of the finest level, and what it holds, to its sample.
    groups : (C,) int64 array
        Chunks of one group are asked for together: a second request for any of them waits until the first is done.
    budget_bytes : int
    """

    def __init__(
        self, chunks: Chunks, draw: Callable[[int, ChunkPart], Drawn], groups: NDArray[np.int64], budget_bytes: int
    ) -> None:
        self._chunks, self._draw, self._groups = chunks, draw, groups
        self._held: LRUCache[int, Drawn] = LRUCache(budget_bytes, lambda drawn: drawn.nbytes)
        self._lock = threading.Lock()
        self._group_locks: dict[int, threading.Lock] = {}

    def read(self, rows: Sequence[int]) -> Iterator[Drawn]:
        """The samples of some chunks of one group, in the order of `rows`."""
        if not rows:
            return
        with self._lock:
            own = self._group_locks.setdefault(int(self._groups[rows[0]]), threading.Lock())
        with own:
            found: dict[int, Drawn] = {}
            with self._lock:
                found.update((row, held) for row in rows if (held := self._held.get(row)) is not None)
            missing = [row for row in rows if row not in found]
            for start in range(0, len(missing), _AT_ONCE):
                some = missing[start : start + _AT_ONCE]
                for row, part in zip(some, self._chunks.read(0, some), strict=True):
                    found[row] = self._draw(row, part)
                    with self._lock:
                        if found[row].nbytes <= self._held.maxsize:
                            self._held[row] = found[row]
        yield from (found[row] for row in rows)
