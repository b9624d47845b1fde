"""The books of a streamer: what its thread counts, and the snapshot that anyone may read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from zvview.stream.cache import Key
from zvview.stream.statistics import StreamStatistics

__all__ = ["Ledger"]


class Ledger:
    """Keeps :class:`~zvview.stream.statistics.StreamStatistics` up to date. Changed by the streamer's thread only."""

    def __init__(self, cache_budget_bytes: int) -> None:
        self._counted = StreamStatistics(cache_budget_bytes=cache_budget_bytes)
        self._unshown: dict[Key, int] = {}
        self._ahead: dict[Key, int] = {}

    def count(self, **more: int) -> None:
        """Add to counters, by name."""
        self._counted = replace(self._counted, **{name: getattr(self._counted, name) + n for name, n in more.items()})

    def note(self, **values: Any) -> None:
        """Set what is no counter, by name."""
        self._counted = replace(self._counted, **values)

    def note_cancelling(self, seconds: float) -> None:
        """A read that was asked to stop has ended."""
        self.note(longest_cancel_s=max(self._counted.longest_cancel_s, seconds))

    def read(self, sizes: Iterable[tuple[Key, int]], *, is_ahead: bool) -> None:
        """Chunks were read, of so many bytes each, for a view or ahead of one."""
        taken = dict(sizes)
        (self._ahead if is_ahead else self._unshown).update(taken)
        nbytes = sum(taken.values())
        self.count(chunks_read=len(taken), bytes_read=nbytes, bytes_prefetched=nbytes if is_ahead else 0)

    def rebase(self, levels: Mapping[int, int]) -> None:
        """Indices of levels change, from the first to the second; what was read of others is counted no further."""
        for held in (self._unshown, self._ahead):
            kept = {(levels[level], row): n for (level, row), n in held.items() if level in levels}
            held.clear()
            held.update(kept)

    def shown(self, keys: Iterable[Key]) -> None:
        """Chunks became part of an update."""
        self.count(bytes_shown=sum(self._unshown.pop(key, 0) + self._ahead.pop(key, 0) for key in keys))

    def snapshot(self, cache_bytes: int = 0, is_wanted: Callable[[Key], bool] = lambda key: False) -> StreamStatistics:
        """The state of the books; what was read for a view that no longer wants it counts as wasted."""
        wasted = sum(n for key, n in self._unshown.items() if not is_wanted(key))
        return replace(self._counted, cache_bytes=cache_bytes, bytes_wasted=wasted)
