"""Ids of objects read by cells are those that are stored, found as in a list; cells that lie are not believed."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import DamagedError
from zvview.format import documents
from zvview.store.hierarchy import Hierarchy
from zvview.store.object_ids import ChangedRows, ObjectIds
from zvview.store.places.memory import MemorySource
from zvview.store.plain_arrays import read_plain_array
from zvview.store.table_chunks import NumberCells
from zvview.store.writing.plain_cells import plain_cells

Memory = dict[str, bytes]
FEW = settings(max_examples=60, deadline=None)
SORTED = st.lists(st.integers(-5, 60) | st.integers(-(2**63), 2**63 - 1), unique=True, max_size=40).map(sorted)
ROWS = st.integers(0, 40).map(lambda n: list(range(n)))


class Counting(MemorySource):
    """Counts the cells that are asked for."""

    cells = 0

    def get_many(self, requests: Any, cancel: Any = None) -> Any:
        self.cells += sum("/c/" in key for key, _ in requests)
        return super().get_many(requests, cancel)


def stored(ids: Any, per: int = 4) -> tuple[Counting, dict[str, Any]]:
    values = np.array(ids, np.int64)
    document = documents.plain_array(values, chunk_shape=[per])
    place: Memory = {key: b"".join(map(bytes, pieces)) for key, pieces in plain_cells("ids", document, values)}
    place["ids/zarr.json"] = json.dumps(document).encode()
    return Counting(place), document


def opened(source: Counting, document: dict[str, Any]) -> ObjectIds:
    hierarchy = Hierarchy(source)
    cells = NumberCells.open(hierarchy, "ids", document)
    assert cells is not None
    return ObjectIds(document["shape"][0], lambda: read_plain_array(hierarchy, "ids", document), cells)


@FEW
@given(ids=SORTED | ROWS, data=st.data())
def test_rows_and_ids_are_found_as_in_a_list(ids: list[int], data: st.DataObject) -> None:
    known = opened(*stored(ids))
    assert len(known) == len(ids) and known.is_sorted
    assert (known.least, known.greatest) == ((ids[0], ids[-1]) if ids else (0, -1))
    wanted = data.draw(st.lists(st.sampled_from([*ids, -7, 3, 61, 2**62]), max_size=8))
    rows = known.find(np.array(wanted, np.int64))
    assert rows.tolist() == [ids.index(w) if w in ids else -1 for w in wanted]
    assert known.at(rows[rows >= 0]).tolist() == [w for w in wanted if w in ids]
    assert known.whole.tolist() == ids
    assert known.find(np.array(wanted, np.int64)).tolist() == rows.tolist()


def test_few_cells_are_read() -> None:
    source, document = stored(range(4000))
    known = opened(source, document)
    assert known.find(np.array([2000, 2001, 2003])).tolist() == [2000, 2001, 2003] and source.cells == 1
    assert known.greatest == 3999 and source.cells == 2
    source, document = stored(np.arange(4000) * 10**6)
    assert opened(source, document).find(np.array([17 * 10**6, 17])).tolist() == [17, -1]
    assert source.cells <= 12


def test_ids_that_do_not_ascend_as_they_are_said_to_are_read_as_wholes() -> None:
    ids = [3, 9, 7, 8, 20, 21, 22, 23, 1]
    known = opened(*stored(ids))
    assert known.find(np.array([3, 7, 9, 1, 2])).tolist() == [0, 2, 1, 8, -1]
    assert not known.is_sorted and (known.least, known.greatest) == (1, 23)


@pytest.mark.parametrize("data", [b"", b"\0" * 7])
def test_cells_of_another_size_are_damaged(data: bytes) -> None:
    source, document = stored(range(9))
    source.mapping["ids/c/1"] = data
    with pytest.raises(DamagedError, match="ids"):
        opened(source, document).find(np.array([5]))


@FEW
@given(ids=SORTED | ROWS, count=st.integers(0, 40), other=st.integers(2, 5))
def test_an_index_begins_with_what_it_was(ids: list[int], count: int, other: int) -> None:
    whole = opened(*stored(ids))
    first = opened(*stored(ids[:count], other))
    assert whole.begins_with(first) and whole.begins_with(opened(*stored(ids[:count])))
    assert first.begins_with(whole) == (count >= len(ids))
    if ids[:count]:
        limits = np.iinfo(np.int64)
        another = ids[-1] + 1 if ids[-1] < limits.max else ids[0] - 1 if ids[0] > limits.min else 0
        assert not whole.begins_with(opened(*stored([*ids[: count - 1], another])))


@FEW
@given(before=SORTED, added=st.lists(st.integers(100, 120), unique=True, max_size=4), as_finer=st.booleans())
def test_rows_that_change(before: list[int], added: list[int], as_finer: bool) -> None:
    rows = ChangedRows(opened(*stored(before)))
    added = [n for n in added if n not in before]
    every = sorted([*before, *added]) if as_finer else [*before, *added]
    finer = opened(*stored(every))
    now = rows.like(finer) if as_finer else rows.grown(np.array(added, np.int64))
    assert len(now) == len(every) and now.ids.whole.tolist() == every
    assert now.is_sorted == (every == sorted(every))
    assert now.find(np.array([*every, 99], np.int64)).tolist() == [
        *range(len(every)),
        every.index(99) if 99 in every else -1,
    ]
    assert now.is_grown == (every[: len(before)] == before) and now.are_as_in(finer)
