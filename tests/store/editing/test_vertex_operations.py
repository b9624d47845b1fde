"""Operations on vertices against a dictionary of what was said of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from zvview.errors import MissingError
from zvview.store.editing.edits import Edits, VertexRefs
from zvview.store.editing.recording import are_equal, record_changes
from zvview.store.editing.vertex_operations import (
    add_vertices,
    delete_vertices,
    move_vertices,
    reassign_vertices,
    rows_by_chunk,
    set_column,
)

names = st.tuples(st.integers(-2, 2), st.integers(-1, 1), st.integers(0, 9))
several = st.lists(names, min_size=1, max_size=6)


def refs_from(table: list[tuple[int, int, int]]) -> VertexRefs:
    rows = np.array(table, np.int64)
    return VertexRefs(rows[:, :2], rows[:, 2])


@given(st.lists(st.tuples(st.sampled_from(["move", "delete", "set", "assign"]), several), max_size=8))
@settings(max_examples=60, deadline=None)
def test_the_last_word_on_each_vertex_is_kept_and_nothing_else(said: list[tuple[str, Any]]) -> None:
    edits, model = Edits(), dict[tuple[int, ...], dict[str, Any]]()
    for number, (what, table) in enumerate(said):
        refs, before = refs_from(table), record_changes(Edits(), edits)
        old = edits
        values = np.arange(len(table)) + 100 * number
        if what == "move":
            edits = move_vertices(edits, refs, np.stack((values, values), axis=1).astype(np.float64))
        elif what == "delete":
            edits = delete_vertices(edits, refs, 2)
        elif what == "set":
            edits = set_column(edits, refs, "a", values.astype(np.int16), 2)
        else:
            edits = reassign_vertices(edits, refs, values, 2)
        for name, value in zip(table, values.tolist(), strict=True):
            model.setdefault(name, {})[what] = value
        assert are_equal(old, old) and _same_tree(before, record_changes(Edits(), old))
    found: dict[tuple[int, ...], dict[str, Any]] = {}
    for key, entry in edits.chunks.items():
        assert (np.diff(entry.rows) > 0).all()
        for i, row in enumerate(entry.rows.tolist()):
            told = found.setdefault((*key, row), {})
            if entry.is_moved[i]:
                told["move"] = entry.positions[i, 0]
            if entry.is_deleted[i]:
                told["delete"] = None
            if entry.is_reassigned[i]:
                told["assign"] = entry.objects[i]
            if "a" in entry.columns and entry.columns["a"][0][i]:
                told["set"] = entry.columns["a"][1][i]
    assert found == {n: {w: None if w == "delete" else v for w, v in told.items()} for n, told in model.items()}


def _same_tree(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)


@given(several)
def test_rows_are_told_chunk_by_chunk(table: list[tuple[int, int, int]]) -> None:
    refs = refs_from(table)
    found = [(*key, int(refs.rows[i])) for key, index in rows_by_chunk(refs) for i in index]
    assert sorted(found) == sorted(table)
    assert len({key for key, _ in rows_by_chunk(refs)}) == len({name[:2] for name in table})


def test_new_vertices_are_edited_in_place_and_their_numbers_are_never_used_again() -> None:
    columns = {"a": np.zeros(3, np.int16)}
    edits, refs = add_vertices(Edits(), np.zeros((3, 2)), columns, np.array([7, 7, 8]), 2)
    one = VertexRefs(refs.chunks[1:2], refs.rows[1:2])
    edits = move_vertices(edits, one, np.ones((1, 2)))
    edits = set_column(edits, one, "a", np.array([5], np.int16), 2)
    edits = reassign_vertices(edits, one, np.array([9]), 2)
    assert edits.added is not None and edits.chunks == {}
    assert edits.added.positions[:, 0].tolist() == [0, 1, 0] and edits.added.columns["a"].tolist() == [0, 5, 0]
    assert edits.added.objects is not None and edits.added.objects.tolist() == [7, 9, 8]
    edits = delete_vertices(edits, one, 2)
    assert edits.added is not None and edits.added.numbers.tolist() == [0, 2]
    with pytest.raises(MissingError):
        move_vertices(edits, one, np.ones((1, 2)))
    more, fresh = add_vertices(edits, np.zeros((1, 2)), {"a": np.zeros(1, np.int16)}, np.array([1]), 2)
    assert fresh.rows.tolist() == [-4] and more.added is not None
    gone = delete_vertices(more, VertexRefs(np.zeros((3, 2), np.int64), np.array([-1, -3, -4])), 2)
    assert gone.added is None and are_equal(gone, zvview.Edits())
