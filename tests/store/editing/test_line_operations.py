from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zvview.store.editing.edits import EditedLine, Edits
from zvview.store.editing.line_operations import (
    insert_rows,
    join_ends,
    keep_rows,
    reverse_line,
    set_line_rows,
    set_lines,
    tie_lines,
)


def line(n: int, first: int = 0) -> EditedLine:
    values = np.arange(first, first + n)
    return EditedLine(np.stack((values, values), axis=1).astype(np.float64), {"a": values.astype(np.int16)})


def told(found: EditedLine) -> list[int]:
    assert found.positions[:, 0].tolist() == found.columns["a"].tolist()
    return [int(x) for x in found.positions[:, 0]]


@given(st.integers(2, 12), st.data())
def test_a_line_that_is_split_and_joined_again_is_itself(n: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, n - 1))
    whole, every = line(n), np.arange(n)
    parts = [keep_rows(whole, every[:at]), keep_rows(whole, every[at:])]
    assert told(join_ends(parts)) == told(whole)
    assert told(reverse_line(reverse_line(whole))) == told(whole)
    assert told(join_ends([reverse_line(part) for part in parts[::-1]])) == told(reverse_line(whole))


@given(st.integers(2, 8), st.lists(st.integers(0, 8), max_size=5))
def test_vertices_are_inserted_as_into_a_list(n: int, before: list[int]) -> None:
    before = [min(at, n) for at in before]
    fresh = line(len(before), 100)
    found = insert_rows(line(n), np.array(before, np.int64), fresh.positions, fresh.columns)
    expected = [(at, 0, 100 + i) for i, at in enumerate(before)] + [(i, 1, i) for i in range(n)]
    assert told(found) == [value for _, _, value in sorted(expected, key=lambda entry: entry[:2])]


def test_values_are_set_in_a_copy() -> None:
    old = line(4)
    new = set_line_rows(old, np.array([1, 3]), np.full((2, 2), 9.0), {"a": np.array([9, 9], np.int16)})
    assert told(new) == [0, 9, 2, 9] and told(old) == [0, 1, 2, 3]


def test_new_lines_that_are_deleted_leave_nothing_and_stored_ones_are_told() -> None:
    edits = set_lines(Edits(), {3: line(2), 7: line(2)}, frozenset({7}))
    assert edits.new_objects == {7}
    edits = set_lines(edits, {3: None, 7: None}, frozenset())
    assert edits.lines == {3: None}


def test_ties_join_ties() -> None:
    edits = tie_lines(tie_lines(Edits(), (3, 8)), (5, 9))
    assert edits.line_ties == {3: 3, 8: 3, 5: 5, 9: 5}
    assert set(tie_lines(edits, (8, 9, 12)).line_ties.values()) == {3}
