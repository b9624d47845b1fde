"""Objects by id, and the way back from fragments to their owners, against plain Python."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError, InvalidInputError, MissingError
from zvview.format.grid import ChunkTable
from zvview.format.manifests import Manifests
from zvview.store.object_ids import ObjectIds
from zvview.store.reading.object_table import ObjectTable, as_object_ids

Piece = tuple[int, int]
FEW = settings(max_examples=60, deadline=None)
OBJECTS = st.lists(st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 3)), max_size=4), max_size=5)


class Rows:
    """An object index in memory, over chunks of one component."""

    sid_ndim = 1

    def __init__(self, objects: list[list[Piece]], ids: Iterable[int]) -> None:
        self.ids = ObjectIds(len(objects), lambda: np.array(list(ids), np.int64))
        flat = [p for pieces in objects for p in pieces]
        offsets = np.cumsum([0] + [len(o) for o in objects])
        chunks = np.array([[c] for c, _ in flat], np.int64).reshape(-1, 1)
        self._all = Manifests(offsets, chunks, np.array([f for _, f in flat], np.int64))
        self.reads = 0

    def read_manifests(self, rows: NDArray[np.int64] | None = None, cancel: CancelToken | None = None) -> Manifests:
        self.reads += 1
        return self._all if rows is None else self._all.select(rows)


def table_of(objects: list[list[Piece]], ids: Iterable[int] | None = None) -> ObjectTable:
    return ObjectTable(Rows(objects, range(len(objects)) if ids is None else ids), "0/object_index")


@FEW
@given(st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=6), st.data())
def test_rows_are_found_by_id(ids: list[int], data: st.DataObject) -> None:
    table = table_of([[] for _ in ids], ids)
    wanted = data.draw(st.lists(st.sampled_from(ids), max_size=5)) if ids else []
    assert table.rows_of(wanted).tolist() == [ids.index(w) for w in wanted]
    if 12345 not in ids:
        with pytest.raises(MissingError, match="12345"):
            table.rows_of([*wanted, 12345])


def test_long_unsigned_labels_are_not_mistaken() -> None:
    labels = [2**60, 2**60 + 1, 720575940621675174]
    table = table_of([[], [], []], labels)
    assert table.rows_of(np.array(labels, np.uint64)).tolist() == [0, 1, 2]
    assert table.rows_of(set(labels)).size == 3 and table.rows_of(labels[1]).tolist() == [1]
    with pytest.raises(MissingError):
        table.rows_of(np.array([2**60 + 2], np.uint64))


def test_ids_that_are_none() -> None:
    assert as_object_ids([]).dtype == np.int64
    for wrong in ([0.5], ["a"], np.array([1.0]), [2**70]):
        with pytest.raises(InvalidInputError):
            as_object_ids(wrong)  # type: ignore[arg-type]
    with pytest.raises(MissingError, match=str(2**63)):
        as_object_ids([2**63])


@FEW
@given(OBJECTS, st.lists(st.tuples(st.integers(-2, 3), st.integers(0, 5)), max_size=4, unique_by=lambda c: c[0]))
def test_owners_against_the_manifests(objects: list[list[Piece]], asked: list[tuple[int, int]]) -> None:
    ids = [10 * (i + 1) for i in range(len(objects))]
    table = table_of(objects, ids)
    counts = dict(sorted(asked))
    chunks = ChunkTable.of(np.array(list(counts), np.int64).reshape(-1, 1))
    first = np.cumsum([0, *counts.values()])
    pieces = [(c, f) for c, n in counts.items() for f in range(n)]
    owners = [{i for i, o in zip(ids, objects, strict=True) if p in o} for p in pieces]
    assert table.owners_of(chunks, first).tolist() == [next(iter(o)) if len(o) == 1 else -1 for o in owners]
    assert table.are_owned(chunks, first).tolist() == [bool(o) for o in owners]
    among = np.array(ids[1:3], np.int64)
    expected = [min(o & set(ids[1:3]), default=-1) for o in owners]
    assert table.owners_of(chunks, first, among=among).tolist() == expected


@FEW
@given(OBJECTS, st.lists(st.integers(-1, 2), unique=True, max_size=3))
def test_objects_that_are_there_and_where_they_begin(objects: list[list[Piece]], held: list[int]) -> None:
    ids = [7 - i for i in range(len(objects))]
    table = table_of(objects, ids)
    chunks = np.array(held, np.int64).reshape(-1, 1)
    assert table.present_ids().tolist() == sorted(i for i, pieces in zip(ids, objects, strict=True) if pieces)
    absent = held[0] if held else 0
    expected = [[pieces[0][0] if pieces else absent] for pieces in objects]
    assert table.first_chunks(np.array(ids, np.int64), chunks).tolist() == expected


def test_manifests_are_read_once_where_all_are_wanted() -> None:
    rows = Rows([[(0, 0)], [(1, 1), (0, 0)]], [5, 6])
    table = ObjectTable(rows, "p")
    assert table.manifests(np.array([1])).fragments.tolist() == [1, 0]
    assert table.piece_rows().tolist() == [0, 1, 1]
    assert table.manifests() is table.manifests() and rows.reads == 2
    assert table.manifests(np.array([0])).chunks.tolist() == [[0]]


def test_fragment_numbers_beyond_any_chunk_are_damage() -> None:
    table = table_of([[(0, 2**62), (1, 0)]])
    with pytest.raises(DamagedError, match="fragment"):
        table.owners_of(ChunkTable.of(np.array([[0]])), np.array([0, 1]))
