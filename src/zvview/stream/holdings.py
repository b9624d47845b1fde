"""What a streamer knows of one store and holds of it: the tree of its chunks, their state, and those in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.stream.cache import ByteCache, Key
from zvview.stream.cells import build_cells
from zvview.stream.cut import Masks, splitting_of
from zvview.stream.facts import StoreFacts, levels_between
from zvview.stream.parts import ChunkPart
from zvview.stream.plan import Limits
from zvview.stream.predictions import Predictions
from zvview.stream.reach import Reach
from zvview.stream.samples import Samples
from zvview.stream.settings import StreamSettings

__all__ = ["ABSENT", "COMING", "HELD_BACK", "THERE", "Holdings"]

ABSENT, COMING, THERE, HELD_BACK = range(4)
"""States of a chunk; what is held back is not read until the view changes."""

_PLAN_SHARE = 0.6  # of the cache for one view: the old one stays until the new one is whole


class Holdings:
    """Chunks by number: those of the finest level first. One thread at a time."""

    def __init__(self, facts: StoreFacts, settings: StreamSettings) -> None:
        self.facts = facts
        self.tree = build_cells(facts)
        self.predictions = Predictions(facts)
        self.cache: ByteCache[ChunkPart] = ByteCache(settings.cache_bytes)
        self.most_bytes = settings.cache_bytes * _PLAN_SHARE
        self.is_alone = np.zeros(sum(len(level.chunks) for level in facts.levels), bool)
        self._settings = settings
        self._margins = [np.zeros(facts.ndim) for _ in facts.levels]
        self._samples = Samples(facts)
        self._spans = tuple(np.empty((0, 2), np.int64) for _ in facts.levels)
        self.is_reach_new = False
        self.is_reach_known = facts.kind == names.POINT_CLOUD
        self._base = np.cumsum([0, *(len(level.chunks) for level in facts.levels)])
        self._state = np.full(int(self._base[-1]), ABSENT, np.int8)
        self._needed = self._wanted = self._shown = np.zeros(len(self._state), bool)

    @property
    def is_indexed(self) -> bool:
        """Whether the vertices of all chunks are known before any is read."""
        return all(level.counts is not None and level.counts.min(initial=0) >= 0 for level in self.facts.levels)

    def limits(self, axes: Sequence[int]) -> Limits:
        """What bounds a plan for a canvas that shows `axes`."""
        return Limits(
            splitting_of(self.tree, axes, self.facts.is_spatial),
            self.predictions.vertices,
            self.predictions.bytes_per_vertex,
            self.most_bytes,
            Reach(tuple(self._margins), self._spans),
            self._settings.hysteresis,
            self._samples,
        )

    def numbers_of(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of chunks given as (n, 2) pairs of level and row."""
        return np.asarray(self._base[keys[:, 0]] + keys[:, 1])

    def key_of(self, number: int) -> Key:
        """Level and row of a chunk."""
        level = int(np.searchsorted(self._base, number, side="right")) - 1
        return level, number - int(self._base[level])

    def number_of(self, key: Key) -> int:
        """Number of a chunk."""
        return int(self._base[key[0]]) + key[1]

    @property
    def is_there(self) -> Masks:
        """Masks of the chunks that are in memory, one for each level."""
        return self.split(self._state == THERE)

    def split(self, flags: NDArray[np.bool_]) -> Masks:
        """Flags of all chunks, by level."""
        return tuple(np.split(flags, self._base[1:-1]))

    def join(self, masks: Masks) -> NDArray[np.bool_]:
        """The opposite of :meth:`split`."""
        return np.concatenate(masks)

    def pending(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of `keys` (n, 2) that are to be read, in their order."""
        return np.asarray(keys[self._state[self.numbers_of(keys)] == ABSENT])

    def count_there(self, keys: NDArray[np.int64]) -> int:
        """How many of `keys` are in memory."""
        return int((self._state[self.numbers_of(keys)] == THERE).sum())

    def mark(self, keys: Sequence[Key], state: int) -> None:
        """Set the state of chunks that are not in memory."""
        for key in keys:
            number = self.number_of(key)
            if self._state[number] != THERE:
                self._state[number] = state

    def want(self, needed: Masks, order: NDArray[np.int64]) -> None:
        """Tell what a view needs: it must stay; and what is to be read for it. What was held back is tried again."""
        self._needed = self.join(needed)
        self._wanted = np.zeros(len(self._state), bool)
        self._wanted[self.numbers_of(order)] = True
        self._state[self._state == HELD_BACK] = ABSENT
        for number in np.flatnonzero(self._wanted & (self._state == THERE)).tolist():
            self.cache.touch(self.key_of(number))

    def show(self, shown: Masks) -> None:
        """Tell what is shown: it stays until what the view needs is there."""
        self._shown = self.join(shown)

    def is_needed(self, key: Key) -> bool:
        """Whether the view shows a chunk as soon as it can."""
        return bool(self._needed[self.number_of(key)])

    def is_wanted(self, key: Key) -> bool:
        """Whether a chunk is to be read for the view."""
        return bool(self._wanted[self.number_of(key)])

    def keys_of(self, masks: Masks) -> list[Key]:
        """Chunks of masks as keys."""
        return [(level, row) for level, mask in enumerate(masks) for row in np.flatnonzero(mask).tolist()]

    def affordable(self, order: NDArray[np.int64], most_bytes: float) -> NDArray[np.int64]:
        """The first of `order` (n, 2) that together take no more than that."""
        sizes = self.predictions.bytes_of(order)
        return order[: int(np.searchsorted(np.cumsum(sizes), most_bytes, side="right"))]

    def keep(self, key: Key, part: ChunkPart) -> int | None:
        """Keep a chunk that arrived; returns how many had to go, None where there is no room for it."""
        self.predictions.learn(*key, len(part), part.nbytes)
        self._learn_reach(key[0], part)
        self._samples.take(key, part.positions)
        gone = self.cache.put(key, part, lambda k: self.is_needed(k) or bool(self._shown[self.number_of(k)]))
        if gone is None and self.is_needed(key):
            gone = self.cache.put(key, part, self.is_needed)
        if gone is None:
            self._state[self.number_of(key)] = HELD_BACK
            return None
        for other in gone:
            self._state[self.number_of(other)] = ABSENT
        self._state[self.number_of(key)] = THERE
        self._oversee(key[0])
        return len(gone)

    def _learn_reach(self, level: int, part: ChunkPart) -> None:
        """Links reach as far as the longest that was seen, one chunk at most: what is longer spans chunks."""
        if part.crossing is not None:
            longest = np.minimum(part.crossing.extent, self.facts.levels[level].chunk_shape)
            if (longest > self._margins[level]).any():
                self._margins[level] = np.maximum(self._margins[level], longest)
                self.is_reach_new = True

    def _oversee(self, level: int) -> None:
        """Let a level of points that is in memory as a whole stand for finer ones; other kinds thin out unevenly."""
        if self.facts.kind != names.POINT_CLOUD or not self._samples.can_oversee(level):
            return
        if (self._state[self._base[level] : self._base[level + 1]] == THERE).all():
            rows = range(len(self.facts.levels[level].chunks))
            self._samples.oversee(level, np.concatenate([self.cache[level, row].positions for row in rows]))

    def set_spans(self, spans: Sequence[NDArray[np.int64]]) -> None:
        """Take in which chunks links join that are no neighbours, as far as is known."""
        self._spans = tuple(spans) or self._spans
        self.is_reach_new = self.is_reach_known = True

    def parts_of(self, masks: Masks) -> list[tuple[NDArray[np.int64], list[ChunkPart]]]:
        """Rows and contents of chunks that are in memory, by level."""
        out = []
        for level, mask in enumerate(masks):
            rows = np.flatnonzero(mask)
            out.append((rows, [self.cache[(level, row)] for row in rows.tolist()]))
        return out

    def take_over(self, other: Holdings) -> None:
        """Keep what `other` holds of the same store, known by its numbers of levels."""
        index = levels_between(other.facts, self.facts)
        if not index:
            return
        for level, row in other.cache:
            if level in index:
                self.keep((index[level], row), other.cache[level, row])
        other.close()

    def close(self) -> None:
        """Let go of everything."""
        self.cache.clear()
        self._samples.clear()
        self._state[:] = ABSENT
