"""The books of a streamer: counters that its thread keeps, and the snapshot that anyone may read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from zvview.stream.cache import Key
from zvview.stream.statistics import StreamStatistics

__all__ = ["Ledger"]


@dataclass(slots=True)
class Ledger:
    """Counters, as in :class:`~zvview.stream.statistics.StreamStatistics`. Changed by the streamer's thread only."""

    bytes_read: int = 0
    bytes_shown: int = 0
    bytes_prefetched: int = 0
    reads: int = 0
    reads_cancelled: int = 0
    reads_failed: int = 0
    chunks_read: int = 0
    cache_hits: int = 0
    cache_misses: int = 0
    evictions: int = 0
    views: int = 0
    updates: int = 0
    first_update_s: float | None = None
    settled_s: float | None = None
    longest_cancel_s: float = 0.0
    assembly_s: float = 0.0
    _unshown: dict[Key, int] = field(default_factory=dict)
    _ahead: dict[Key, int] = field(default_factory=dict)

    def read(self, key: Key, nbytes: int, *, is_ahead: bool) -> None:
        """A chunk was read, for a view or ahead of one."""
        self.chunks_read += 1
        self.bytes_read += nbytes
        if is_ahead:
            self.bytes_prefetched += nbytes
        (self._ahead if is_ahead else self._unshown)[key] = nbytes

    def shown(self, keys: list[Key]) -> None:
        """Chunks became part of an update."""
        for key in keys:
            self.bytes_shown += self._unshown.pop(key, 0) + self._ahead.pop(key, 0)

    def snapshot(self, cache_bytes: int, budget_bytes: int, is_wanted: Callable[[Key], bool]) -> StreamStatistics:
        """The state of the books; what was read for a view that no longer wants it counts as wasted."""
        return StreamStatistics(
            bytes_read=self.bytes_read,
            bytes_shown=self.bytes_shown,
            bytes_prefetched=self.bytes_prefetched,
            bytes_wasted=sum(n for key, n in self._unshown.items() if not is_wanted(key)),
            reads=self.reads,
            reads_cancelled=self.reads_cancelled,
            reads_failed=self.reads_failed,
            chunks_read=self.chunks_read,
            cache_hits=self.cache_hits,
            cache_misses=self.cache_misses,
            cache_bytes=cache_bytes,
            cache_budget_bytes=budget_bytes,
            evictions=self.evictions,
            views=self.views,
            updates=self.updates,
            first_update_s=self.first_update_s,
            settled_s=self.settled_s,
            longest_cancel_s=self.longest_cancel_s,
            assembly_s=self.assembly_s,
        )
