"""Skeletons that two programs hang anew at the same time stay trees."""

from __future__ import annotations

import contextlib
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from zvview.errors import ConflictError, InvalidInputError
from zvview.store.editing import link_trees
from zvview.store.editing.edits import Edits
from zvview.store.editing.identity import join_refs
from zvview.store.editing.link_operations import add_links
from zvview.store.editing.link_trees import find_unsound, keep_trees
from zvview.store.editing.selection import Selection
from zvview.store.editing.session import EditSession
from zvview.testing import make_store

NODES = np.array([[5, 5, 5], [15, 5, 5], [25, 5, 5], [5, 15, 5], [5, 25, 5]], np.float32)
# what is cut off, or hung elsewhere, at the same time as something is hung on it stays one tree, of two objects
ALLOWED = {"several-roots", "link-between-objects"}


def make(parents: list[int], ids: list[int] | None, place: dict[str, bytes], **options: Any) -> zvview.Store:
    """Five nodes, each in a chunk of its own; with `ids` each root with what follows it is an object."""
    offsets = [i for i, parent in enumerate(parents) if parent < 0] if ids is not None and len(ids) > 1 else [0]
    batch = zvview.Skeletons.from_parents(NODES, parents, offsets=[*offsets, len(NODES)], object_ids=ids)
    store = zvview.create(
        place, kind="skeleton", axes="xyz", chunk_shape=(10.0,) * 3, bounds=((0,) * 3, (40,) * 3), **options
    )
    store.write(batch)
    return store


def node(session: EditSession, row: int) -> Selection:
    """One of the five, by where it is."""
    return session.find((NODES[row], NODES[row]))


def is_sound(place: dict[str, bytes]) -> bool:
    return {finding.code for finding in zvview.check(place)} <= ALLOWED


@pytest.mark.parametrize("ids", [None, [7]])
def test_two_branches_hung_on_each_other_are_refused_and_told(ids: list[int] | None) -> None:
    place: dict[str, bytes] = {}
    store = make([-1, -1, 1, -1, 3], ids, place)
    one, other = store.edit(), store.edit()
    one.set_parent(node(one, 1), node(one, 4))
    other.set_parent(node(other, 3), node(other, 2))
    other.add_branch(node(other, 0), [[6.0, 6.0, 6.0]])
    one.commit()
    before = dict(place)
    with pytest.raises(ConflictError, match=r"close a ring: the nodes at \(5, 15, 5\).*Reload"):
        other.commit()
    assert place == before and other.is_changed
    told = other.reload()
    assert told.lost_links == 1 and other.review().linked == 1
    other.commit()
    assert len(store.level(0).read()) == 6 and is_sound(place)


def test_what_cannot_hang_elsewhere_stays_of_the_object_that_it_hangs_on() -> None:
    place: dict[str, bytes] = {}
    store = make([-1, -1, 1, -1, 3], [7, 8, 9], place)
    one, other = store.edit(), store.edit()
    one.set_parent(node(one, 1), node(one, 4))
    other.set_parent(node(other, 3), node(other, 2))
    other.add_branch(node(other, 4), [[6.0, 26.0, 6.0]])
    one.commit()
    assert other.reload().lost_links == 1
    other.commit()
    found = store.level(0).read()
    assert isinstance(found, zvview.Skeletons) and len(found) == 6
    session = store.edit()
    owners = [session.vertices_of(number).positions.tolist() for number in (7, 8, 9)]
    assert [len(rows) for rows in owners] == [1, 0, 5]
    assert {finding.code for finding in zvview.check(place)} <= {"several-roots"}


def test_a_ring_that_leads_through_several_objects_is_found() -> None:
    store = make([-1, -1, 1, -1, 3], [7], {})
    with store.edit() as edit:
        edit.reassign(node(edit, 2), 8)
        edit.reassign(join_refs([node(edit, 1).refs, node(edit, 4).refs]), 9)
    session = store.edit()
    link = join_refs([node(session, 3).refs, node(session, 2).refs])
    edits = add_links(Edits(), link, {}, 2)
    assert not len(find_unsound(edits, store.reader(0)))
    with store.edit() as edit:
        edit.set_parent(node(edit, 1), node(edit, 4))
    assert find_unsound(edits, store.reader(0)).tolist() == [[5, 15, 5]]
    kept, lost = keep_trees(edits, store.reader(0))
    assert kept.links is None and len(lost) == 1


@given(seed=st.integers(0, 10**6), n_objects=st.sampled_from([1, 2]))
@settings(max_examples=8, deadline=None)
def test_whatever_two_programs_hang_on_what_the_store_stays_sound(seed: int, n_objects: int) -> None:
    rng = np.random.default_rng(seed)
    place: dict[str, bytes] = {}
    store = make_store(place, "skeleton", size=60, seed=seed, n_objects=n_objects, chunk_shape=(60.0,) * 3)
    sessions = [store.edit(), store.edit()]
    for session in sessions:
        for _ in range(3):
            found = session.find()
            child, parent = (found.take(np.array([i])) for i in rng.choice(len(found), 2, replace=False))
            with contextlib.suppress(InvalidInputError):  # the parent lies below
                session.set_parent(child, parent)
    for session in sessions:
        try:
            session.commit()
        except ConflictError:
            session.reload()
            session.commit()
        assert is_sound(place)
    assert len(store.level(0).read()) == 60


def test_who_deletes_nodes_or_adds_branches_reads_no_whole_trees() -> None:
    place: dict[str, bytes] = {}
    store = make([-1, 0, 1, 0, 3], [7], place)
    session = store.edit()
    session.delete(node(session, 1))
    session.add_branch(node(session, 4), [[5.0, 35.0, 5.0], [15.0, 35.0, 5.0]])
    session.delete(session.add_branch(node(session, 2), [[35.0, 5.0, 5.0]]))
    with mock.patch.object(link_trees, "_read_trees", side_effect=AssertionError):
        session.commit()
    assert len(store.level(0).read().edges) == 5 and is_sound(place)  # type: ignore[union-attr]


def test_nodes_are_told_where_they_are() -> None:
    store = make([-1, -1, 1, -1, 3], [7], {})
    session = store.edit()
    session.set_parent(node(session, 1), node(session, 4))
    assert find_unsound(session.edits, store.reader(0)).shape == (0, 3)
    with store.edit() as other:
        other.set_parent(node(other, 3), node(other, 2))
    assert find_unsound(session.edits, store.reader(0)).tolist() == [[15, 5, 5]]
