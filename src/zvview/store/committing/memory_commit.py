"""A commit in memory: the mapping is changed while nobody may begin, or end, a read of it."""

from __future__ import annotations

from collections.abc import Mapping

from zvview.store.committing.applied import Applied
from zvview.store.committing.keys import check_changes
from zvview.store.committing.watched import WatchedSource
from zvview.store.places.memory import MemorySource
from zvview.store.places.source import Source

__all__ = ["MemoryCommit"]


class MemoryCommit:
    """Changes the store in a mapping, whose writer lock the caller holds.

    Parameters
    ----------
    memory : MemorySource
    """

    def __init__(self, memory: MemorySource) -> None:
        self._memory, self._watched = memory, WatchedSource(memory)

    @property
    def source(self) -> Source:
        """See :class:`~zvview.store.committing.applied.Commit`."""
        return self._watched

    def apply(self, changes: Mapping[str, bytes | None]) -> Applied:
        """See :class:`~zvview.store.committing.applied.Commit`."""
        check_changes(changes)
        self._watched.refuse_changed()
        if changes:
            self._memory.change(changes)
        self._watched.forget(changes)
        sizes = [len(data) for data in changes.values() if data is not None]
        return Applied(len(sizes), len(changes) - len(sizes), sum(sizes))
