"""Edits and what another program did meanwhile: all that can be found again is kept, and the rest is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.editing.models import VertexModel, describe_lines, keys_of, needed, refs_from, stored_content
from zvview.store.editing.edits import Edits
from zvview.store.editing.packing import pack, unpack
from zvview.store.editing.rebasing import Rebased, rebase
from zvview.store.editing.recording import are_equal, record_changes, replay_changes
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
        edit.add(np.full((4, 3), 100.0), {**needed(edit), "intensity": 1})
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
    session.add_branch(session.find().take(np.array([0])), np.ones((2, 3)), attributes=needed(session))
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


@pytest.mark.parametrize("kind", ["graph", "skeleton", "mesh"])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=5, deadline=None)
def test_links_whose_ends_nobody_touched_are_made_and_cut_again(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    store = make(kind)
    mine, theirs = store.edit(), store.edit()
    model = VertexModel.of(kind, mine.find())
    if kind == "skeleton":
        parents = dict(model.links)
        child = next(c for c, p in rng.permutation(model.links).tolist() if tuple(p) in parents)
        ends = [tuple(child), parents[tuple(child)], parents[parents[tuple(child)]]]
        mine.set_parent(refs_from(ends[:1]), refs_from(ends[2:]))
    else:
        ends = list(model.links[int(rng.integers(len(model.links)))])
        if kind == "mesh":
            mine.delete_faces(refs_from(ends))
            others = [name for name in model.vertices if name not in ends and not model.has_link([*ends[1:], name])]
            mine.add_faces(refs_from([*ends[1:], others[0]]))
            ends = list(model.vertices)[:3] + ends
        else:
            mine.cut(refs_from(ends[:1]), refs_from(ends[1:]))
    wanted = mine.review()
    others = [name for name in model.vertices if name not in ends]
    theirs.delete(refs_from([other for other in others if other not in ends][-1:]))
    theirs.move(refs_from(others[3:-1:3]), rng.uniform(0, 1000, (len(others[3:-1:3]), 3)))
    theirs.commit()
    assert wanted.cut == 1
    told = mine.reload()
    assert told.is_whole and mine.review() == wanted
    left = VertexModel.of(kind, mine.find()).content()
    mine.commit()
    assert stored_content(kind, store.level(0).read()) == left


def test_an_end_that_is_not_the_only_one_of_its_kind_is_not_guessed() -> None:
    store = make("graph")
    with store.edit() as edit:
        twins = edit.add(np.full((2, 3), 100.0), object_ids=0, attributes=needed(edit))
    mine, theirs = store.edit(), store.edit()
    found = mine.find()
    at = np.flatnonzero((found.positions == 100).all(axis=1))
    other = np.flatnonzero((found.positions != 100).any(axis=1))[:1]
    mine.connect(found.take(at[:1]), found.take(other))
    theirs.delete(found.take(at[1:]))
    theirs.commit()
    told = mine.reload()
    assert len(twins) == len(at) == 2
    assert (told.lost_vertices, told.lost_links) == (0, 1) and not mine.is_changed


def test_a_reload_makes_no_second_parent_and_no_ring() -> None:
    for is_ring in (True, False):
        store = make_store({}, "skeleton", size=150, chunk_shape=(400.0,) * 3, n_objects=1, seed=1)
        mine, theirs = store.edit(), store.edit()
        found = mine.find()
        children, parents = found.links.T
        forks, counts = np.unique(parents, return_counts=True)
        a, b = (found.take(np.array([c])) for c in children[parents == forks[counts > 1][0]][:2])
        mine.set_parent(a, b)
        new = theirs.add_branch(b, found.positions[:1] + 1, attributes=needed(theirs))
        theirs.set_parent(*((b, a) if is_ring else (a, new)))
        theirs.commit()
        told = mine.reload()
        assert told.lost_links >= 1 and mine.review().linked == 0
        mine.commit()
        edges = store.level(0).read().edges
        assert len(edges) == len(found.links) + 1 and len(np.unique(edges[:, 0])) == len(edges)


def test_ends_of_links_survive_in_the_journal() -> None:
    store = make("graph")
    mine = store.edit()
    found = mine.find()
    mine.connect(found.take(np.array([0, 9])), found.take(np.array([20, 30])))
    again = replay_changes(Edits(), unpack(pack(record_changes(Edits(), mine.edits))))
    assert are_equal(again, mine.edits) and again.ends
    old = {name: value for name, value in record_changes(Edits(), mine.edits).items() if name != "ends"}
    kept, told = rebase(replay_changes(Edits(), old), store.reader(0))
    assert told.is_whole and are_equal(kept, mine.edits)


def test_a_new_object_of_which_nothing_is_left_is_as_if_never_made() -> None:
    store = make("skeleton")
    mine, theirs = store.edit(), store.edit()
    found = mine.find()
    leaf = found.take(np.setdiff1d(np.arange(len(found)), found.links[:, 1])[:1])
    ids = {mine.split_object(leaf)}
    theirs.move(leaf, [1.0, 2.0, 3.0])
    theirs.commit()
    assert ids == mine.edits.new_objects and mine.reload().lost_vertices == 1
    assert not mine.edits.new_objects and not mine.is_changed
