"""Counters of a streamer, as values that do not change."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["StreamStatistics"]


@dataclass(frozen=True, slots=True)
class StreamStatistics:
    """What a streamer did since it was made; bytes are those of decoded arrays.

    Attributes
    ----------
    bytes_read : int
        All that was read.
    bytes_shown : int
        Of it, of chunks that were part of an update at least once.
    bytes_prefetched : int
        Of it, what was read ahead.
    bytes_wasted : int
        Of it, of chunks that were read because a view needed them, left the view, and were never shown.
    reads, reads_cancelled, reads_failed : int
        Each read is of one or more chunks.
    chunks_read : int
    cache_hits, cache_misses : int
        Chunks that a new view needed and that were, or were not, in memory.
    cache_bytes, cache_budget_bytes : int
        Now, and at most.
    evictions : int
    views, updates : int
        Views asked for, updates delivered.
    first_update_s, settled_s : float or None
        From the latest view that was settled to its first update, and to its last.
    longest_cancel_s : float
        Longest time between asking a read to stop and its end.
    assembly_s : float
        What joining and filtering the latest batch took.
    """

    bytes_read: int = 0
    bytes_shown: int = 0
    bytes_prefetched: int = 0
    bytes_wasted: int = 0
    reads: int = 0
    reads_cancelled: int = 0
    reads_failed: int = 0
    chunks_read: int = 0
    cache_hits: int = 0
    cache_misses: int = 0
    cache_bytes: int = 0
    cache_budget_bytes: int = 0
    evictions: int = 0
    views: int = 0
    updates: int = 0
    first_update_s: float | None = None
    settled_s: float | None = None
    longest_cancel_s: float = 0.0
    assembly_s: float = 0.0
