from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from tests.store.editing.models import VertexModel, edit_at_random
from zvview.errors import DamagedError
from zvview.store.editing.packing import pack, unpack
from zvview.store.editing.recording import are_equal, record_changes, replay_changes
from zvview.store.editing.session import EditSession
from zvview.testing import make_store


def edits_of(kind: str, seed: int, steps: int = 8) -> list[zvview.Edits]:
    """Edits after each of some random operations."""
    session = make_store({}, kind, size=160).edit()
    values = [session.edits]
    session.on_change(lambda before, after: values.append(after))
    rng = np.random.default_rng(seed)
    if session.schema.is_lines:
        _edit_lines(session)
    else:
        model = VertexModel.of(kind, session.find())
        for _ in range(steps):
            edit_at_random(session, model, rng)
    return values


def _edit_lines(session: EditSession) -> None:
    first, second, third = session._objects.ids[:3].tolist()
    session.reverse_line(first)
    session.split_line(first, 1)
    session.join_lines([first, second])
    session.delete_objects([third])
    session.remove_from_group(0, first)
    session.undo()


@pytest.mark.parametrize("kind", ["point_cloud", "graph", "skeleton", "mesh", "streamline"])
@given(seed=st.integers(0, 10**6), every=st.integers(1, 4))
@settings(max_examples=4, deadline=None)
def test_changes_that_were_recorded_and_packed_come_to_the_same_edits(kind: str, seed: int, every: int) -> None:
    values = edits_of(kind, seed)[::every]
    replayed = zvview.Edits()
    for before, after in zip([zvview.Edits(), *values], values, strict=False):
        replayed = replay_changes(replayed, unpack(pack(record_changes(before, after))))
        assert are_equal(replayed, after)
    assert are_equal(values[-1], replay_changes(zvview.Edits(), record_changes(zvview.Edits(), values[-1])))


def test_what_two_edits_share_is_not_recorded_again() -> None:
    session = make_store({}, "point_cloud", size=5000, chunk_shape=(100.0,) * 3).edit()
    found = session.find()
    session.delete(found)
    before = session.edits
    session.move(found.take(np.arange(1)), [1.0, 2.0, 3.0])
    tree = record_changes(before, session.edits)
    assert tree.keys() == {"chunks"} and len(tree["chunks"]["new"]) == 1
    assert record_changes(before, before) == {}


def test_edits_that_differ_in_one_number_are_not_equal() -> None:
    session = make_store({}, "point_cloud", size=100).edit()
    found = session.find()
    session.move(found, found.positions)
    one = session.edits
    session.undo()
    session.move(found, found.positions)
    assert are_equal(one, session.edits)
    session.move(found.take(np.arange(1)), [0.0, 0.0, 0.0])
    assert not are_equal(one, session.edits)


@pytest.mark.parametrize("kind", ["point_cloud", "graph", "streamline"])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_trees_that_lie_are_damage_or_edits(kind: str, data: st.DataObject) -> None:
    tree = record_changes(zvview.Edits(), edits_of(kind, 1)[-1])
    _lie(tree, data)
    with contextlib.suppress(DamagedError):
        assert isinstance(replay_changes(zvview.Edits(), tree), zvview.Edits)


def _lie(tree: Any, data: st.DataObject) -> None:
    """Put something else in place of one of the values in a tree."""
    while True:
        keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
        key = data.draw(st.sampled_from(keys))
        inner = tree[key]
        if not (isinstance(inner, dict | list) and inner) or data.draw(st.integers(0, 4)) == 0:
            lies = [None, -1, "x", [], {}, 2**70, np.zeros(3), np.array([5, 5, 1]), np.zeros((2, 2, 2)), True]
            tree[key] = lies[data.draw(st.integers(0, len(lies) - 1))]
            return
        tree = inner
