"""Operations on links against a list of what is there."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.store.editing.edits import Edits, VertexRefs
from zvview.store.editing.identity import RefTable, find_refs, join_refs, pair_refs, take_refs
from zvview.store.editing.link_operations import add_links, drop_links_of, remove_links

ends = st.tuples(st.integers(0, 1), st.integers(0, 4)) | st.tuples(st.just(0), st.integers(-4, -1))
pairs = st.lists(st.tuples(ends, ends), min_size=1, max_size=5)


def refs_from(names: list[tuple[int, int]]) -> VertexRefs:
    table = np.array(names, np.int64).reshape(-1, 2)
    return VertexRefs(table[:, :1], table[:, 1])


def told(refs: VertexRefs) -> list[tuple[int, int]]:
    return list(zip(refs.chunks[:, 0].tolist(), refs.rows.tolist(), strict=True))


@given(st.lists(st.tuples(st.sampled_from(["add", "remove", "drop"]), pairs), max_size=8))
@settings(max_examples=60, deadline=None)
def test_links_that_were_made_and_not_taken_away_are_there_with_their_values(said: list[tuple[str, list]]) -> None:  # type: ignore[type-arg]
    edits = Edits()
    added: list[tuple[tuple[tuple[int, int], ...], int]] = []
    removed: set[frozenset[tuple[int, int]]] = set()
    for number, (what, table) in enumerate(said):
        refs = refs_from([end for link in table for end in link])
        if what == "add":
            values = np.arange(len(table)) + 10 * number
            edits = add_links(edits, refs, {"w": values}, 2)
            added += list(zip(table, values.tolist(), strict=True))
        elif what == "remove":
            edits = remove_links(edits, refs, 2)
            gone = [sorted(link) for link in table]
            added = [entry for entry in added if sorted(entry[0]) not in gone]
            removed |= {frozenset(link) for link in table if all(row >= 0 for _, row in link)}
        else:
            deleted = [link[0] for link in table]
            edits = drop_links_of(edits, refs_from(deleted))
            added = [entry for entry in added if not set(entry[0]) & set(deleted)]
    if edits.links is None:
        assert not added and not removed
        return
    flat = told(edits.links.added)
    assert list(zip(flat[::2], flat[1::2], strict=True)) == [link for link, _ in added]
    if added:
        assert edits.links.columns["w"].tolist() == [value for _, value in added]
    flat = told(edits.links.removed)
    assert {frozenset(link) for link in zip(flat[::2], flat[1::2], strict=True)} == removed


@given(st.lists(ends, min_size=1, max_size=10), st.lists(ends, max_size=10))
def test_names_are_found_where_they_are(among: list[tuple[int, int]], wanted: list[tuple[int, int]]) -> None:
    at = find_refs(refs_from(among), refs_from(wanted))
    for name, index in zip(wanted, at.tolist(), strict=True):
        assert (among[index] == name) if index >= 0 else name not in among


def test_names_are_joined_picked_and_paired_in_order() -> None:
    one, other = refs_from([(0, 1), (1, 2)]), refs_from([(0, -1), (1, 4)])
    assert told(pair_refs(one, other)) == [(0, 1), (0, -1), (1, 2), (1, 4)]
    assert told(take_refs(join_refs([one, other]), np.array([3, 0]))) == [(1, 4), (0, 1)]
    empty = take_refs(one, np.zeros(2, bool))
    assert RefTable.of(empty).find(other).tolist() == [-1, -1]
    assert RefTable.of(one).find(empty).tolist() == []
