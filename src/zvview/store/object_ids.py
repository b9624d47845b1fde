"""Ids of the rows of an object index, of which only those cells are read in which a wanted one may stand.

Ids mostly ascend, and mostly are the numbers of their rows. Where the index says that they ascend a search goes from
cell to cell, and begins where an id would stand if it were the number of its row.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from zvview.format.sequences import distinct
from zvview.store.table_chunks import NumberCells

__all__ = ["ChangedRows", "ObjectIds", "RowFinder"]

Ints = NDArray[np.int64]


class RowFinder:
    """Finds the rows of ids among many, (M,) int64, that mostly ascend."""

    def __init__(self, ids: Ints) -> None:
        self._ids = ids
        self._order = None if bool((ids[1:] > ids[:-1]).all()) else np.argsort(ids, kind="stable")

    @property
    def is_sorted(self) -> bool:
        """Whether the ids ascend."""
        return self._order is None

    def find(self, wanted: Ints) -> Ints:
        """Row of each wanted id, (n,); -1 where there is none."""
        if not len(self._ids):
            return np.full(len(wanted), -1, np.int64)
        rows = np.minimum(np.searchsorted(self._ids, wanted, sorter=self._order), len(self._ids) - 1)
        rows = rows if self._order is None else self._order[rows]
        return np.where(self._ids[rows] == wanted, rows, -1)


class ObjectIds:
    """The ids of the objects of a level by row.

    Parameters
    ----------
    count : int
        Rows.
    read : callable, optional
        Gives all ids, (count,) int64, checked. None: an id is the number of its row.
    cells : NumberCells, optional
        The same ids, to be read cell by cell, where they are said to ascend.
    """

    def __init__(self, count: int, read: Callable[[], Ints] | None = None, cells: NumberCells | None = None) -> None:
        self._count, self._read, self._cells = count, read, cells
        self._whole: Ints | None = None
        self._finder: RowFinder | None = None
        self._checked: dict[int, Ints] = {}

    def __len__(self) -> int:
        return self._count

    @property
    def whole(self) -> Ints:
        """Id of each row, (count,) int64."""
        if self._whole is None:
            self._whole = np.arange(self._count, dtype=np.int64) if self._read is None else self._read()
        return self._whole

    @property
    def is_sorted(self) -> bool:
        """Whether the ids ascend, as far as was looked."""
        return self._read is None or self._cells is not None or self._rows.is_sorted

    def find(self, wanted: Ints) -> Ints:
        """Row of each wanted id, (n,); -1 where there is none."""
        if not self._count or not len(wanted):
            return np.full(len(wanted), -1, np.int64)
        if self._read is None:
            return np.where((wanted >= 0) & (wanted < self._count), wanted, -1)
        if self._whole is None and self._cells is not None:
            some = distinct(wanted)
            rows = self._search(some)
            if rows is not None:
                return np.asarray(rows[np.searchsorted(some, wanted)])
        return self._rows.find(wanted)

    def at(self, rows: Ints) -> Ints:
        """Id of each of some rows, (n,)."""
        if self._read is None:
            return np.asarray(rows, np.int64)
        if self._whole is not None or self._cells is None:
            return self.whole[rows]
        per = self._cells.rows_per_cell
        numbers = distinct(rows // per)
        out = np.empty(len(rows), np.int64)
        for number, ids in zip(numbers.tolist(), self._cells.read(numbers), strict=True):
            here = rows // per == number
            out[here] = ids[rows[here] - number * per]
        return out

    def begins_with(self, other: ObjectIds) -> bool:
        """Whether the first rows are those of `other`; what is stored in the same bytes is not decoded."""
        if len(other) > len(self):
            return False
        if self._read is None and other._read is None:
            return True
        if self._cells is not None and other._cells is not None:
            return self._cells.begin_with(other._cells)
        return np.array_equal(self.whole[: len(other)], other.whole)

    @property
    def least(self) -> int:
        """The least id; 0 where there is none."""
        return self._end(0, np.min) if self._count else 0

    @property
    def greatest(self) -> int:
        """The greatest id; -1 where there is none."""
        return self._end(self._count - 1, np.max) if self._count else -1

    def _end(self, row: int, of_all: Callable[[Ints], np.int64]) -> int:
        is_read = self._whole is not None or (self._read is not None and self._cells is None)
        return int(of_all(self.whole)) if is_read else int(self.at(np.array([row]))[0])

    @property
    def _rows(self) -> RowFinder:
        if self._finder is None:
            self._finder = RowFinder(self.whole)
        return self._finder

    def _search(self, wanted: Ints) -> Ints | None:
        """Rows of distinct, ascending ids, told by cells; None where a cell shows that ids do not ascend."""
        cells = self._cells
        assert cells is not None
        rows = np.full(len(wanted), -1, np.int64)
        low, high = np.zeros(len(wanted), np.int64), np.full(len(wanted), cells.count - 1)
        middle = np.clip(wanted // cells.rows_per_cell, 0, cells.count - 1)
        open_ones = np.arange(len(wanted))
        while len(open_ones):
            open_ones = open_ones[np.argsort(middle[open_ones], kind="stable")]
            numbers = distinct(middle[open_ones])
            bounds = pairwise([*np.searchsorted(middle[open_ones], numbers).tolist(), len(open_ones)])
            for number, ids, (a, b) in zip(numbers.tolist(), self._ascending(numbers), bounds, strict=True):
                if ids is None:
                    self._cells = None
                    return None
                here = open_ones[a:b]
                asked = wanted[here]
                high[here[asked < ids[0]]] = number - 1
                low[here[asked > ids[-1]]] = number + 1
                inside = here[(asked >= ids[0]) & (asked <= ids[-1])]
                at = np.searchsorted(ids, wanted[inside])
                rows[inside] = np.where(ids[at] == wanted[inside], number * cells.rows_per_cell + at, -1)
                high[inside] = low[inside] - 1
            open_ones = open_ones[low[open_ones] <= high[open_ones]]
            middle = (low + high) // 2
        return rows

    def _ascending(self, numbers: Ints) -> list[Ints | None]:
        """Ids of some cells; None for a cell of which they do not ascend."""
        assert self._cells is not None
        out: list[Ints | None] = []
        for number, ids in zip(numbers.tolist(), self._cells.read(numbers), strict=True):
            if number not in self._checked and bool((ids[1:] > ids[:-1]).all()):
                self._checked[number] = ids
            out.append(self._checked.get(number))
        return out


class ChangedRows:
    """Rows of an object index as they were, with new ones behind them or put in another order.

    Parameters
    ----------
    before : ObjectIds
    added : (n,) int64, optional
        Ids of new rows behind those.
    others : ObjectIds, optional
        All ids in place of both, where the rows that there were are others now.
    model : ObjectIds, optional
        Ids that stand in the very same rows.
    """

    def __init__(
        self,
        before: ObjectIds,
        added: Ints | None = None,
        others: ObjectIds | None = None,
        model: ObjectIds | None = None,
    ) -> None:
        self._before, self._others, self._model = before, others, model
        self.added = np.empty(0, np.int64) if added is None else added
        self._finder = RowFinder(self.added)

    def __len__(self) -> int:
        return len(self._before) + len(self.added) if self._others is None else len(self._others)

    @property
    def is_grown(self) -> bool:
        """Whether the rows that there were are the first of those that there are."""
        return self._others is None

    @property
    def ids(self) -> ObjectIds:
        """Id of each row."""
        if self._others is not None:
            return self._others
        return ObjectIds(len(self), lambda: np.concatenate((self._before.whole, self.added)))

    @property
    def is_sorted(self) -> bool:
        """Whether the ids ascend."""
        if self._others is not None:
            return self._others.is_sorted
        is_behind = not len(self.added) or int(self.added[0]) > self._before.greatest
        return self._before.is_sorted and self._finder.is_sorted and is_behind

    def grown(self, added: Ints) -> ChangedRows:
        """The rows that there were, with others behind them."""
        return ChangedRows(self._before, added)

    def like(self, finer: ObjectIds) -> ChangedRows:
        """The rows of another index, in the order of ids."""
        model = finer if finer.is_sorted else None
        if model is None:
            ordered = np.sort(finer.whole)
            finer = ObjectIds(len(ordered), lambda: ordered)
        if finer.begins_with(self._before):
            return ChangedRows(self._before, finer.at(np.arange(len(self._before), len(finer))), None, model)
        return ChangedRows(self._before, None, finer, model)

    def are_as_in(self, other: ObjectIds) -> bool:
        """Whether each id stands in the row in which it stands there."""
        return self._model is other or np.array_equal(self.ids.whole, other.whole)

    def find(self, ids: Ints) -> Ints:
        """Row of each id, (n,); -1 where there is none."""
        if self._others is not None:
            return self._others.find(ids)
        rows = self._before.find(ids)
        if len(self.added):
            unknown = np.flatnonzero(rows < 0)
            at = self._finder.find(ids[unknown])
            rows[unknown[at >= 0]] = len(self._before) + at[at >= 0]
        return rows
