"""Operations on many lines at once come to what the same operations on each come to, in one step."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from zvview.errors import InvalidInputError, MissingError, UnsupportedError
from zvview.store.editing import line_reading
from zvview.store.editing.recording import are_equal
from zvview.store.editing.session import EditSession
from zvview.testing import make_store

KINDS = ("line", "polyline", "streamline")
FEW = settings(max_examples=8, deadline=None)


def open_sessions(kind: str) -> tuple[EditSession, EditSession]:
    """Two sessions on the same store."""
    store = make_store({}, kind, size=200, chunk_shape=(250.0,) * 3)
    return store.edit(), store.edit()


def undo_all(session: EditSession) -> int:
    steps = 0
    while session.can_undo:
        session.undo()
        steps += 1
    return steps


def pick(session: EditSession, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of some lines, in any order, none twice: the line and the row of each."""
    lines = session.read_lines(rng.permutation(session.find_lines())[:6])
    assert lines.object_ids is not None
    counts = np.diff(lines.offsets)
    ids, rows = np.repeat(lines.object_ids, counts), np.concatenate([np.arange(n) for n in counts])
    some = rng.permutation(len(ids))[: int(rng.integers(1, 12))]
    return ids[some], rows[some]


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(seed=st.integers(0, 10**6))
def test_vertices_of_many_lines_are_edited_as_those_of_each(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    many, single = open_sessions(kind)
    name = next(iter(many.schema.columns))
    for work in rng.permutation(["move", "set", "delete", "reverse", "insert"]).tolist():
        if work == "insert" and kind == "line":
            continue
        ids, rows = pick(many, rng)
        positions = rng.uniform(0, 900, (len(ids), 3))
        values = np.ones((len(ids), *many.schema.columns[name].row_shape))
        steps = {
            "move": lambda s, n, r, at, p=positions: s.move_line_vertices(n, r, p[at]),
            "set": lambda s, n, r, at, v=values: s.set_line_attributes(n, {name: v[at]}, r),
            "insert": lambda s, n, r, at, p=positions: s.insert_line_vertices(n, r, p[at]),
            "delete": lambda s, n, r, at: s.delete_line_vertices(n, r),
            "reverse": lambda s, n, r, at: s.reverse_line(n),
        }
        step: Any = steps[work]
        before = len(many._history._past)
        step(many, ids, rows, slice(None))
        assert len(many._history._past) == before + 1
        for number in np.unique(ids).tolist():
            at = np.flatnonzero(ids == number)
            step(single, number, rows[at], at)
    assert are_equal(many.edits, single.edits)


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(seed=st.integers(0, 10**6))
def test_lines_are_set_and_added_as_one_by_one(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    many, single = open_sessions(kind)
    ids = rng.permutation(many.find_lines())[:5]
    old = many.read_lines(ids)
    assert old.object_ids is not None and old.object_ids.tolist() == ids.tolist()
    lengths = [2] * len(ids) if kind == "line" else rng.choice([2, 3, *np.diff(old.offsets)], len(ids)).tolist()
    parts = [rng.uniform(0, 900, (n, 3)) for n in lengths]
    name, column = next((n, c) for n, c in many.schema.columns.items() if c.categories is None)
    given = {name: np.ones((sum(lengths), *column.row_shape), column.dtype)} if rng.random() < 0.5 else {}
    batch = type(old).from_list(parts, object_ids=ids, attributes=given)
    many.set_lines(batch)
    made = many.add_lines(type(old).from_list(parts, attributes=given))
    assert len(many._history._past) == 2
    for number, part in zip(ids.tolist(), parts, strict=True):
        single.set_line(number, part, {name: 1} if given else None)
    assert made.tolist() == [single.add_line(part, {name: 1} if given else None) for part in parts]
    assert are_equal(many.edits, single.edits)
    assert undo_all(many) == 2 and are_equal(many.edits, zvview.Edits())


@pytest.mark.parametrize("kind", KINDS)
def test_lines_that_were_read_are_what_each_is_and_are_not_read_again(kind: str) -> None:
    session, _ = open_sessions(kind)
    ids = session.find_lines()[::-1][:7]
    session.move_line_vertices(int(ids[0]), [0], [[1.0, 2.0, 3.0]])
    new = session.add_line([[0, 0, 0], [1, 1, 1]])
    batch = session.read_lines([*ids.tolist(), new])
    assert batch.kind == kind and batch.object_ids is not None
    with mock.patch.object(line_reading, "stored_lines", side_effect=AssertionError):
        for i, number in enumerate(batch.object_ids.tolist()):
            line, here = session.line(number), slice(batch.offsets[i], batch.offsets[i + 1])
            assert np.array_equal(line.positions, batch.positions[here])
            for name, values in line.attributes.items():
                np.testing.assert_array_equal(values, batch.attributes[name][here])
        session.reverse_line(batch.object_ids)
    assert session.read_lines([]).offsets.tolist() == [0]


def test_a_batch_keeps_the_categories_that_it_names() -> None:
    place: dict[str, bytes] = {}
    lines = [np.eye(3) * 9, np.eye(3) * 5]
    with zvview.create(place, kind="streamline", axes="xyz", chunk_shape=(10,) * 3) as store:
        store.write(zvview.Streamlines.from_list(lines, attributes={"side": np.array(["left", "right", "left"] * 2)}))
    session = zvview.open(place).edit()
    batch = zvview.Streamlines.from_list([np.eye(3)], attributes={"side": np.array(["right", "right", "left"])})
    (new,) = session.add_lines(batch)
    assert session.read_lines([new]).labels("side").tolist() == ["right", "right", "left"]
    session.set_lines(session.read_lines([new, 0]))
    assert session.read_lines([0, new]).labels("side").tolist() == ["left", "right", "left", "right", "right", "left"]


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    session, _ = open_sessions("streamline")
    first, second = session.find_lines()[:2].tolist()
    line = np.eye(3)
    batches = {
        "object_ids": zvview.Streamlines.from_list([line]),
        "give each line one": zvview.Streamlines.from_list([line, line], object_ids=[first, first]),
        "1 vertices": zvview.Streamlines.from_list([line[:1]], object_ids=[first]),
        "bridges": zvview.Streamlines(
            np.eye(4)[:, :3], offsets=[0, 2, 4], object_ids=[first, second], bridges=[[1, 2]]
        ),
        "Points": zvview.Points(line),
    }
    for text, batch in batches.items():
        with pytest.raises(InvalidInputError, match=text):
            session.set_lines(batch)  # type: ignore[arg-type]
    with pytest.raises(MissingError):
        session.set_lines(zvview.Streamlines.from_list([line], object_ids=[10**9]))
    for taken in ([first], [10**6, 10**6]):
        with pytest.raises(InvalidInputError, match=r"already|several"):
            session.add_lines(zvview.Streamlines.from_list([line] * len(taken), object_ids=taken))
    for wrong in (
        lambda: session.move_line_vertices([first, second], [0], line[:1]),
        lambda: session.move_line_vertices([first, second], [0, 10**6], line[:2]),
        lambda: session.move_line_vertices([first, second], [0, 0], line),
        lambda: session.delete_line_vertices([first, second], [0, -1]),
    ):
        with pytest.raises(InvalidInputError):
            wrong()
    assert are_equal(session.edits, zvview.Edits()) and not session.can_undo
    points = make_store({}, "point_cloud", size=50).edit()
    for call in (points.read_lines, points.set_lines, points.add_lines, points.reverse_line):
        with pytest.raises(UnsupportedError, match="for lines"):
            call(zvview.Streamlines.from_list([line]))  # type: ignore[arg-type]
