"""Reads in flight: what to read next, in which portions, and what to do with what came back, or did not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.errors import Cancelled, ConflictError
from zvview.format import names
from zvview.store.store import Store
from zvview.stream.cache import Key
from zvview.stream.facts import StoreFacts, are_alike
from zvview.stream.health import SOURCE_FAILURES, SourceHealth
from zvview.stream.holdings import ABSENT, COMING, Holdings
from zvview.stream.jobs import Job, Jobs
from zvview.stream.ledger import Ledger
from zvview.stream.loading import LoadedChunks, load_chunks
from zvview.stream.parts import ChunkPart
from zvview.stream.plan import Order
from zvview.stream.portions import MOST_CHUNKS, Portions
from zvview.stream.settings import StreamSettings

__all__ = ["ReadGroup", "Reads", "next_group"]

_JOINED = 3  # times as much at once where links need the vertices of chunks around: 8 chunks in one read cost a third
_MOST_HUNG = 8  # threads that a source holds fast before it is left alone until one comes back
_WORTH_KEEPING = 0.5  # of the chunks of a read: it goes on as long as a view wants that many
_SHRINK = 0.7  # of what one view may take, when the cache turned out too small for it


@dataclass(frozen=True, slots=True, eq=False)
class ReadGroup:
    """Chunks of one level that are read together.

    Attributes
    ----------
    keys : tuple of (level, row)
        In ascending order.
    is_ahead : bool
        Whether no view needed them when the read began.
    facts : StoreFacts
        Those by which the keys count.
    """

    facts: StoreFacts
    keys: tuple[Key, ...]
    is_ahead: bool

    @property
    def level(self) -> int:
        """Index of the level."""
        return self.keys[0][0]

    def rebased(self, facts: StoreFacts) -> ReadGroup | None:
        """The same chunks by other facts; None where these are of another store, or of no such level."""
        number = self.facts.levels[self.level].number
        found = [k for k, level in enumerate(facts.levels) if level.number == number]
        if not found or not are_alike(self.facts, facts):
            return None
        return ReadGroup(facts, tuple((found[0], row) for _, row in self.keys), self.is_ahead)

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows of the chunks."""
        return np.array([row for _, row in self.keys], np.int64)


def next_group(
    pending: Order, nbytes: NDArray[np.float64], is_alone: NDArray[np.bool_], most_bytes: float, most_chunks: int
) -> tuple[Key, ...]:
    """The first chunk of `pending` (n, 2) and those of its level behind it that fit into one read with it.

    Parameters
    ----------
    pending : (n, 2) int64 array
        Level and row, in the order of reading.
    nbytes : (n,) float64 array
        What each is expected to take.
    is_alone : (n,) bool array
        Chunks that must not be read with others: a read with them failed.
    most_bytes : float
    most_chunks : int
    """
    if is_alone[0]:
        return ((int(pending[0, 0]), int(pending[0, 1])),)
    alike = np.flatnonzero((pending[:, 0] == pending[0, 0]) & ~is_alone)[:most_chunks]
    fits = np.cumsum(nbytes[alike]) <= most_bytes
    fits[0] = True
    return tuple(sorted((int(level), int(row)) for level, row in pending[alike[fits]].tolist()))


class Reads:
    """The reads of one streamer; called by its thread only."""

    def __init__(
        self, store: Store, settings: StreamSettings, jobs: Jobs, health: SourceHealth, ledger: Ledger
    ) -> None:
        self._store, self._settings, self._jobs = store, settings, jobs
        self._health, self._ledger = health, ledger
        self._portions: Portions | None = None
        self._answered = 0.0
        self.notes: dict[str, None] = {}

    @property
    def active(self) -> list[Job]:
        """Reads in flight."""
        return [job for job in self._jobs.active if isinstance(job.purpose, ReadGroup)]

    def start(self, holdings: Holdings, order: Order, *, is_ahead: bool) -> bool:
        """Begin as many reads of `order` as may run; returns whether anything of it is still to be read."""
        pending = holdings.pending(order) if self._jobs.hung < _MOST_HUNG else order[:0]
        most_bytes = self._most_bytes(holdings)
        if self._portions is None:
            origin = holdings.facts.origin
            self._portions = Portions(origin is None or origin.source.is_local)
        while len(pending):
            active = self.active
            if len(active) >= self._settings.concurrent_reads:
                if not is_ahead:  # a view needs more than what is read ahead
                    for job in active:
                        if job.purpose.is_ahead and not job.cancelled:
                            job.cancel()
                break
            some = pending[: 4 * MOST_CHUNKS]
            alone = holdings.is_alone[holdings.numbers_of(some)]
            keys = next_group(some, holdings.predictions.bytes_of(some), alone, most_bytes, self._portions.chunks)
            self._begin(holdings, ReadGroup(holdings.facts, keys, is_ahead))
            pending = holdings.pending(pending)
        return bool(len(pending))

    def _most_bytes(self, holdings: Holdings) -> int:
        """What one read may fetch."""
        return self._settings.group_bytes * (1 if holdings.facts.kind == names.POINT_CLOUD else _JOINED)

    def _begin(self, holdings: Holdings, group: ReadGroup) -> None:
        facts, store, wanted = group.facts, self._store, self._settings.attributes
        level, rows = facts.levels[group.level], group.rows
        holdings.mark(group.keys, COMING)
        self._ledger.count(reads=1)
        self._jobs.start(group, lambda token: load_chunks(store, facts, level, rows, wanted, token))

    def rebase(self, holdings: Holdings | None) -> None:
        """Let reads in flight be for other facts of the same store; those that they do not fit are given up."""
        for job in self.active:
            group = None if holdings is None else job.purpose.rebased(holdings.facts)
            if holdings is None or group is None:
                self._jobs.abandon(job)
            else:
                job.purpose = group
                holdings.mark(group.keys, COMING)

    def cancel_unless(self, is_wanted: Callable[[Key], bool]) -> None:
        """Stop the reads of which little is wanted any more: what is will be read before the rest would be here."""
        for job in self.active:
            keys = job.purpose.keys
            if sum(map(is_wanted, keys)) < max(1, _WORTH_KEEPING * len(keys)):
                job.cancel()

    def take_in(self, holdings: Holdings, job: Job, group: ReadGroup) -> bool:
        """What a read came to; returns whether the facts of the store must be gathered anew."""
        now = time.perf_counter()
        if job.cancelled:
            self._ledger.note_cancelling(job.ended - job.cancelled)
        if job.is_abandoned:
            return False
        if job.result is not None:
            self._health.recover()
            self._answered = now
            if self._portions is not None and not job.cancelled:
                self._portions.learn(len(group.keys), job.ended - job.started)
            self._keep(holdings, group, job.result)
            return False
        holdings.mark(group.keys, ABSENT)
        if isinstance(job.error, Cancelled):
            self._ledger.count(reads_cancelled=1)
            return False
        self._ledger.count(reads_failed=1)
        if isinstance(job.error, ConflictError):
            return True
        if isinstance(job.error, SOURCE_FAILURES):
            self._health.fail(str(job.error), now)
        elif len(group.keys) > 1:
            for key in group.keys:
                holdings.is_alone[holdings.number_of(key)] = True
        else:
            self._note(f"{_named(holdings, group.keys[0])} is left out: {job.error}")
            self._keep_part(holdings, group.keys[0], ChunkPart(np.empty((0, holdings.facts.ndim), np.float32)))
        return False

    def _keep(self, holdings: Holdings, group: ReadGroup, loaded: LoadedChunks) -> None:
        for note in loaded.notes:
            self._note(note)
        sizes = ((key, part.nbytes) for key, part in zip(group.keys, loaded.parts, strict=True))
        self._ledger.read(sizes, is_ahead=group.is_ahead)
        for key, part in zip(group.keys, loaded.parts, strict=True):
            self._keep_part(holdings, key, part)

    def _keep_part(self, holdings: Holdings, key: Key, part: ChunkPart) -> None:
        gone = holdings.keep(key, part)
        if gone is not None:
            self._ledger.count(evictions=gone)
        elif holdings.is_needed(key):
            self._note(
                f"{_named(holdings, key)} takes {part.nbytes / 1e6:.3g} MB: there is no room for it in the cache"
            )
            holdings.most_bytes *= _SHRINK

    def watch(self, holdings: Holdings, now: float) -> float | None:
        """Report reads that take long and give up those that take too long; returns when to look again."""
        active = [job for job in self.active if not job.cancelled]
        for job in active:
            if now - job.started >= self._settings.give_up_s:
                self._jobs.abandon(job)
                holdings.mark(job.purpose.keys, ABSENT)
                self._health.fail(f"a read was given up after {now - job.started:.0f} s", now)
        waits = [now - max(job.started, self._answered) for job in active if not job.is_abandoned]
        if not waits:
            return None
        longest, stall_s = max(waits), self._settings.stall_s
        given_up = min(job.started for job in active if not job.is_abandoned) + self._settings.give_up_s
        if longest >= stall_s:
            self._health.stall(longest)
            return min(now + 1.0, given_up)
        return min(now + stall_s - longest, given_up)

    def _note(self, text: str) -> None:
        self.notes[text] = None


def _named(holdings: Holdings, key: Key) -> str:
    level = holdings.facts.levels[key[0]]
    return f"chunk {'.'.join(map(str, level.chunks[key[1]].tolist()))} of level {level.number}"
