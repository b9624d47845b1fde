"""Chunks of a store as sources need them: read together, kept for a while, the same from any thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.format.grid import ChunkTable
from zvview.store.store import Store
from zvview.stream.facts import LevelFacts, StoreFacts, gather_facts
from zvview.stream.loading import load_chunks
from zvview.stream.parts import ChunkPart

__all__ = ["Chunks"]

_BUDGET_BYTES = 256 << 20
_AT_ONCE = 64  # chunks that one read takes


class Chunks:
    """The chunks of one state of a store, within a budget of bytes.

    Parameters
    ----------
    store : Store
    budget_bytes : int
        Of chunks that are kept because they may be asked for again.
    levels : int, optional
        How many of the levels, the finest first; all by default.
    facts : StoreFacts, optional
        What is known of the store by now.

    Raises
    ------
    DamagedError
        No level of the store can be read.
    """

    def __init__(
        self,
        store: Store,
        budget_bytes: int = _BUDGET_BYTES,
        *,
        levels: int | None = None,
        facts: StoreFacts | None = None,
    ) -> None:
        self.store = store
        facts = facts or gather_facts(store)
        self.facts: StoreFacts = replace(facts, levels=facts.levels[:levels])
        self._held: LRUCache[tuple[int, int], ChunkPart] = LRUCache(budget_bytes, lambda part: part.nbytes)
        self._notes: dict[str, None] = dict.fromkeys(self.facts.notes)
        self._lock = threading.Lock()
        self._reading: dict[tuple[int, int], threading.Event] = {}

    @property
    def levels(self) -> tuple[LevelFacts, ...]:
        """The finest first."""
        return self.facts.levels

    @cached_property
    def tables(self) -> tuple[ChunkTable, ...]:
        """Where each chunk stands, level by level."""
        return tuple(ChunkTable.of(level.chunks) for level in self.facts.levels)

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read so far."""
        return tuple(self._notes)

    def read(self, level: int, rows: Sequence[int], cancel: CancelToken | None = None) -> list[ChunkPart]:
        """Chunks at `rows` of the table of a level, which counts from the finest.

        What another thread is reading is waited for, so that no chunk is read twice at a time.

        Raises
        ------
        ConflictError
            The store is another one, or has other chunks, than when this was made.
        UnreachableError
        Cancelled
        """
        wanted = list(dict.fromkeys(rows))
        found: dict[int, ChunkPart] = {}
        while missing := [row for row in wanted if row not in found]:
            mine, theirs = self._claim(level, missing, found)
            try:
                self._load(level, mine, found, cancel)
            finally:
                with self._lock:
                    for row in mine:
                        self._reading.pop((level, row)).set()
            for event in theirs:
                event.wait()
        return [found[row] for row in rows]

    def _claim(
        self, level: int, rows: list[int], found: dict[int, ChunkPart]
    ) -> tuple[list[int], list[threading.Event]]:
        """Take what is held; of the rest, tell what this thread is to read and what it must wait for."""
        mine, theirs = list[int](), list[threading.Event]()
        with self._lock:
            for row in rows:
                part = self._held.get((level, row))
                if part is not None:
                    found[row] = part
                elif (event := self._reading.get((level, row))) is not None:
                    theirs.append(event)
                elif len(mine) < _AT_ONCE:
                    self._reading[level, row] = threading.Event()
                    mine.append(row)
        return mine, theirs

    def _load(self, level: int, rows: list[int], found: dict[int, ChunkPart], cancel: CancelToken | None) -> None:
        if not rows:
            return
        ordered: NDArray[np.int64] = np.array(sorted(rows), np.int64)
        loaded = load_chunks(self.store, self.facts, self.levels[level], ordered, cancel=cancel)
        with self._lock:
            self._notes.update(dict.fromkeys(loaded.notes))
            for row, part in zip(ordered.tolist(), loaded.parts, strict=True):
                found[row] = part
                if part.nbytes <= self._held.maxsize:
                    self._held[level, row] = part
