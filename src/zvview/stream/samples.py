"""Vertices that stand for chunks, so that one can tell how much of a chunk is in view before it is read.

Of a chunk that was read it is some of its own vertices. Of one that was not, those of a coarser level that lie in it:
a level that is in memory as a whole, as the first picture is, tells where all the others are dense.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import ChunkTable, locate_chunks
from zvview.format.sequences import offsets_of
from zvview.stream.cache import Key
from zvview.stream.facts import StoreFacts
from zvview.stream.in_view import LARGE_CHUNK, sample_of

__all__ = ["Samples"]

_MOST_OWN = 2048  # 3 kB each
_FEWEST = 8  # vertices of a coarser level that say something of a chunk
_MOST_OVERVIEW = 200_000  # vertices of a level that is kept as an overview


class Samples(Mapping[Key, NDArray[np.floating]]):
    """Samples of chunks by level and row, those with one's own and those from the overview. One thread at a time.

    They outlast their chunks: else one that is too crowded to be shown would be read again and again.
    """

    def __init__(self, facts: StoreFacts) -> None:
        self._facts = facts
        self._own: OrderedDict[Key, NDArray[np.floating]] = OrderedDict()
        self._overview: tuple[int, NDArray[np.floating]] = (len(facts.levels), np.empty((0, facts.ndim), np.float32))
        self._spread: dict[int, tuple[NDArray[np.floating], NDArray[np.int64]]] = {}

    def __getitem__(self, key: Key) -> NDArray[np.floating]:
        if key in self._own:
            return self._own[key]
        if key[0] < self._overview[0]:
            positions, bounds = self._spread_over(key[0])
            found = positions[bounds[key[1]] : bounds[key[1] + 1]]
            if len(found) >= _FEWEST:
                return sample_of(found)
        raise KeyError(key)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)

    def take(self, key: Key, positions: NDArray[np.floating]) -> None:
        """Take in a chunk that was read."""
        if len(positions) >= LARGE_CHUNK:
            self._own[key] = sample_of(positions)
            self._own.move_to_end(key)
            if len(self._own) > _MOST_OWN:
                self._own.popitem(last=False)

    def can_oversee(self, level: int) -> bool:
        """Whether a level would make a finer overview than the one at hand."""
        facts = self._facts.levels[level]
        return (
            0 < level < self._overview[0]
            and facts.counts is not None
            and int(facts.counts.sum()) <= _MOST_OVERVIEW
            and facts.chunks.shape[1] == self._facts.ndim
        )

    def oversee(self, level: int, positions: NDArray[np.floating]) -> None:
        """Take in all vertices of a level, in world coordinates."""
        self._overview = level, positions
        self._spread.clear()

    def clear(self) -> None:
        """Let go of everything."""
        self._own.clear()
        self.oversee(len(self._facts.levels), self._overview[1][:0])

    def _spread_over(self, level: int) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        """The overview in the order of the chunks of a finer level, and where each chunk's part begins and ends."""
        if level not in self._spread:
            facts, positions = self._facts.levels[level], self._overview[1]
            coords = locate_chunks(positions - self._facts.offset, facts.chunk_shape)
            at = ChunkTable.of(facts.chunks).find(coords)
            order = np.argsort(at, kind="stable")[int((at < 0).sum()) :]
            self._spread[level] = positions[order], offsets_of(np.bincount(at[order], minlength=len(facts.chunks)))
        return self._spread[level]
