"""Edits and what another program did meanwhile: all that can be found again is kept, and the rest is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.editing.models import VertexModel, describe_lines, keys_of, refs_from, stored_content
from zvview.store.editing.rebasing import Rebased, rebase
from zvview.store.editing.recording import are_equal
from zvview.store.store import Store
from zvview.testing import make_store


def make(kind: str, seed: int = 0) -> Store:
    return make_store({}, kind, size=120, chunk_shape=(400.0,) * 3, n_objects=3, seed=seed)


@pytest.mark.parametrize("kind", ["point_cloud", "graph"])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=8, deadline=None)
def test_what_is_found_again_is_edited_and_the_rest_is_counted(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    store = make(kind)
    mine, theirs = store.edit(), store.edit()
    model = VertexModel.of(kind, mine.find())
    names = list(model.vertices)
    column = next(n for n, m in mine.schema.columns.items() if not m.row_shape and m.categories is None)
    dtype = mine.schema.columns[column].dtype

    def draw(n: int) -> list[tuple[int, ...]]:
        return [names[i] for i in rng.choice(len(names), n, replace=False)]

    their_moved, their_gone, their_set = draw(10), draw(5), draw(10)
    theirs.move(refs_from(their_moved), np.arange(30.0).reshape(10, 3))
    theirs.set_attributes(refs_from(their_set), {column: 3})
    theirs.delete(refs_from(their_gone))
    my_moved, my_gone, my_set = draw(15), draw(5), draw(15)
    mine.move(refs_from(my_moved), 500 + np.arange(45.0).reshape(15, 3))
    mine.set_attributes(refs_from(my_set), {column: 7})
    mine.delete(refs_from(my_gone))
    theirs.commit()
    told = mine.reload()
    for name, position in zip(their_moved, np.arange(30.0).reshape(10, 3), strict=True):
        model.vertices[name].position = tuple(position.tolist())
    for name in their_set:
        model.vertices[name].values[column] = np.array(3, dtype).tobytes()
    lost = set(their_moved) | set(their_gone)
    for name, position in zip(my_moved, 500 + np.arange(45.0).reshape(15, 3), strict=True):
        if name not in lost:
            model.vertices[name].position = tuple(position.tolist())
    for name in set(my_set) - lost:
        model.vertices[name].values[column] = np.array(7, dtype).tobytes()
    model.delete(set(their_gone) | (set(my_gone) - lost))
    edited = set(my_moved) | set(my_gone) | set(my_set)
    assert told == Rebased(lost_vertices=len(edited & lost)) and told.is_whole == (not edited & lost)
    assert VertexModel.of(kind, mine.find()).content() == model.content()
    mine.commit()
    assert stored_content(kind, store.level(0).read()) == model.content()


def test_links_of_vertices_that_are_lost_are_lost_with_them() -> None:
    store = make("graph")
    mine, theirs = store.edit(), store.edit()
    found = mine.find()
    a, b, c = (found.take(np.array([i])) for i in (0, 40, 80))
    mine.set_attributes(found.take(np.array([0, 40, 80])), {"radius": 2})
    mine.connect(a, b)
    mine.connect(b, c)
    theirs.move(c, [1.0, 2.0, 3.0])
    theirs.commit()
    told = mine.reload()
    assert (told.lost_vertices, told.lost_links) == (1, 1)
    assert str(told) == "could not be found again: 1 vertices, 1 links"
    assert mine.review().linked == 1


def test_one_of_several_that_are_alike_stands_for_another_and_none_is_taken_twice() -> None:
    store = make("point_cloud")
    with store.edit() as edit:
        edit.add(np.full((4, 3), 100.0), {"intensity": 1})
    mine, theirs = store.edit(), store.edit()
    four = mine.find(box=([100] * 3, [100] * 3))
    assert len(four) == 4
    mine.delete(four.take(np.arange(3)))
    theirs.delete(four.take(np.arange(2)))
    theirs.commit()
    told = mine.reload()
    assert told.lost_vertices == 1 and mine.review().deleted == 2
    assert not len(mine.find(box=([100] * 3, [100] * 3)))


def test_edits_of_a_store_that_did_not_change_stay_as_they_are() -> None:
    store = make("skeleton")
    session = store.edit()
    session.delete(session.find().take(np.arange(5)))
    session.add_branch(session.find().take(np.array([0])), np.ones((2, 3)))
    kept, told = rebase(session.edits, store.reader(0))
    assert are_equal(kept, session.edits) and str(told) == "all edits were kept"


def test_words_on_objects_and_groups_that_are_gone_go() -> None:
    store = describe_lines({})
    session = store.edit()
    first, second = 0, 3
    session.set_object_attributes([first, second], {"length": 1.0})
    session.remove_from_group("left", [first])
    session.join_lines([first, second])
    edits = replace(session.edits, line_bases={first: b"", second: b""})
    kept, told = rebase(edits, store.reader(0))
    assert (told.lost_lines, told.lost_objects) == (2, 2)
    assert kept.lines == {} and kept.object_attributes == {} and kept.groups == {}


def test_names_found_by_position_are_those_of_the_same_vertices() -> None:
    store = make("point_cloud", seed=4)
    mine, theirs = store.edit(), store.edit()
    found = mine.find()
    mine.set_attributes(found, {"intensity": 9})
    theirs.delete(found.take(np.arange(0, len(found), 3)))
    theirs.commit()
    mine.reload()
    session = store.edit()
    for key, entry in mine.edits.chunks.items():
        refs = refs_from([(*key, int(row)) for row in entry.rows])
        now = session.look_up(refs)
        assert entry.origins is not None and keys_of(now.refs) == keys_of(refs)
        np.testing.assert_array_equal(now.positions, entry.origins)
