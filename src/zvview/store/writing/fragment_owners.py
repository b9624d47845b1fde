"""Which fragments make up each object, gathered while the chunks of a level are written, in bounded memory."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.format.sequences import distinct
from zvview.store.writing.runs import Spool
from zvview.store.writing.sorting import run_starts

__all__ = ["FragmentOwners", "OwnedFragments"]

_RUN_FRAGMENTS = 1 << 17  # 4 MB, and about three times as much while they are sorted
_KEPT_RUNS = 4  # in memory; of an edit there are hardly more


@dataclass(frozen=True, slots=True, eq=False)
class OwnedFragments:
    """Fragments, all arrays (F,) int64.

    Attributes
    ----------
    objects : (F,) int64
        The object that each belongs to.
    chunks, fragments : (F,) int64
        Its chunk, and its place there.
    ranks : (F,) int64
        Its place among those of its object.
    """

    objects: NDArray[np.int64]
    chunks: NDArray[np.int64]
    fragments: NDArray[np.int64]
    ranks: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.objects)

    def take(self, rows: slice | NDArray[np.int64]) -> OwnedFragments:
        """Some of them."""
        columns = (self.objects, self.chunks, self.fragments, self.ranks)
        return OwnedFragments(*(np.asarray(column[rows]) for column in columns))


class FragmentOwners:
    """Owner and place of every fragment of a level: 32 bytes each, on disk where they are more than half a million.

    What is there is kept as runs, each sorted by object, so that the fragments of some objects are a slice of each.
    """

    def __init__(self) -> None:
        self._spool = Spool()
        weakref.finalize(self, self._spool.close)
        self._pending: list[OwnedFragments] = []
        self._runs: list[OwnedFragments] = []

    def __len__(self) -> int:
        return sum(map(len, (*self._runs, *self._pending)))

    def add(
        self,
        objects: NDArray[np.int64],
        chunks: NDArray[np.int64],
        fragments: NDArray[np.int64],
        ranks: NDArray[np.int64] | None,
    ) -> None:
        """Take the fragments of a wave, each array (F,); without ranks an object goes by chunk and place in it."""
        self._pending.append(OwnedFragments(objects, chunks, fragments, chunks if ranks is None else ranks))
        if sum(map(len, self._pending)) > _RUN_FRAGMENTS:
            self._runs.append(self._take_pending())
            if len(self._runs) > _KEPT_RUNS:
                self._runs = [*map(self._spool.spill, self._runs)]

    def ids(self) -> NDArray[np.int64]:
        """Ids of all objects that own a fragment, ascending."""
        parts = [run.objects[run_starts(run.objects)] for run in self._all_runs()]
        return distinct(np.concatenate([np.empty(0, np.int64), *parts]))

    def count(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many fragments each of the objects `ids`, ascending, has; `ids` holds all that have any."""
        counts = np.zeros(len(ids), np.int64)
        for run in self._all_runs():
            starts = run_starts(run.objects)
            counts[np.searchsorted(ids, run.objects[starts])] += np.diff(np.append(starts, len(run)))
        return counts

    def between(self, first: int, last: int) -> OwnedFragments:
        """Fragments of the objects from `first` to `last`, by object and in the order that makes it up."""
        parts = []
        for run in self._all_runs():
            start, stop = np.searchsorted(run.objects, first), np.searchsorted(run.objects, last, side="right")
            parts.append(run.take(slice(int(start), int(stop))))
        return _sorted(parts) if len(parts) > 1 else _join(parts)

    def sorted(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Objects, chunks and fragments of all, each (F,), as :meth:`between` gives them."""
        limits = np.iinfo(np.int64)
        found = self.between(int(limits.min), int(limits.max))
        return found.objects, found.chunks, found.fragments

    def _all_runs(self) -> list[OwnedFragments]:
        if self._pending:
            self._runs.append(self._take_pending())
        return self._runs

    def _take_pending(self) -> OwnedFragments:
        parts, self._pending = self._pending, []
        return _sorted(parts)


def _join(parts: list[OwnedFragments]) -> OwnedFragments:
    if len(parts) == 1:
        return parts[0]
    none = np.empty(0, np.int64)
    names = ("objects", "chunks", "fragments", "ranks")
    return OwnedFragments(*(np.concatenate([none, *(getattr(part, name) for part in parts)]) for name in names))


def _sorted(parts: list[OwnedFragments]) -> OwnedFragments:
    joined = _join(parts)
    return joined.take(np.lexsort((joined.fragments, joined.ranks, joined.objects)))
