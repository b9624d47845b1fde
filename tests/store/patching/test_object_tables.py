"""Object tables changed in place are those that a writer makes of the same objects, or read the same."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from zvview.errors import InvalidInputError, MissingError, UnsupportedError
from zvview.format import documents
from zvview.format.manifests import Manifests
from zvview.format.sequences import offsets_of
from zvview.store.editing.edits import GroupEdits
from zvview.store.hierarchy import document_key
from zvview.store.object_ids import ObjectIds
from zvview.store.patching.chunk_objects import find_pieces, owners_of_difference
from zvview.store.patching.nodes import read_nodes
from zvview.store.patching.object_tables import ChangedObjects, ObjectTables
from zvview.store.patching.overlay import Overlay
from zvview.store.places.memory import MemorySource
from zvview.testing import make_batch

Memory = dict[str, bytes]
Pieces = dict[int, list[tuple[tuple[int, ...], int]]]
NONE = np.empty(0, np.int64)


def some_store(ids: Any = range(0, 60, 3), groups: dict[str, Any] | None = None) -> Memory:
    ids = np.array(ids)
    batch: Any = make_batch("polyline", 400, n_objects=len(ids))
    offsets = batch.offsets
    batch = type(batch)(batch.positions, offsets=offsets, object_ids=ids)
    place: Memory = {}
    with zvview.create(place, kind="polyline", axes="xyz", chunk_shape=(150,) * 3) as store:
        store.write(batch, object_attributes={"twice": ids * 2.0}, groups=groups or {"odd": ids[ids % 2 == 1]})
    return place


def open_tables(place: Memory) -> tuple[Overlay, ObjectTables]:
    overlay = Overlay(MemorySource(place))
    return overlay, ObjectTables(overlay, zvview.open(place).level(0), read_nodes(overlay, "0")[0])


def applied(place: Memory, overlay: Overlay, tables: ObjectTables) -> Memory:
    changes = dict(overlay.changes)
    changes |= {document_key(path): documents.encode_document(d) for path, d in tables.documents.items()}
    return {k: v for k, v in place.items() if k not in changes} | {k: v for k, v in changes.items() if v is not None}


def pieces_of(place: Memory) -> Pieces:
    objects = zvview.open(place).level(0)._reader.objects
    assert objects is not None
    manifests = objects.manifests()
    out: Pieces = {}
    for i, number in enumerate(objects.ids.tolist()):
        here = slice(int(manifests.offsets[i]), int(manifests.offsets[i + 1]))
        chunks = [tuple(chunk) for chunk in manifests.chunks[here].tolist()]
        out[number] = list(zip(chunks, manifests.fragments[here].tolist(), strict=True))
    return out


def all_of(ids: Any) -> ObjectIds:
    return ObjectIds(len(ids), lambda: np.array(ids, np.int64))


def changed(pieces: Pieces) -> ChangedObjects:
    ids = sorted(pieces)
    flat = [piece for number in ids for piece in pieces[number]]
    chunks = np.array([chunk for chunk, _ in flat], np.int64).reshape(-1, 3)
    fragments = np.array([fragment for _, fragment in flat], np.int64)
    offsets = offsets_of([len(pieces[number]) for number in ids])
    return ChangedObjects(np.array(ids, np.int64), Manifests(offsets, chunks, fragments))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), is_sorted=st.booleans())
def test_manifests_of_some_objects(seed: int, is_sorted: bool) -> None:
    rng = np.random.default_rng(seed)
    place = some_store()
    pieces = pieces_of(place)
    new: Pieces = {}
    for number in rng.choice(list(pieces), int(rng.integers(0, 6)), replace=False).tolist():
        new[number] = [(tuple(rng.integers(-3, 9, 3).tolist()), int(rng.integers(0, 5)))] * int(rng.integers(0, 3))
    for number in range(100, 100 + int(rng.integers(0, 3))):
        new[number] = [((1, 2, 3), 4)]
    overlay, tables = open_tables(place)
    if is_sorted:  # as a coarse level gets them: in the middle as well
        new |= {1: [((0, 0, 0), 0)]}
        tables.put_index(changed(new), all_of(sorted({*pieces, *new, 2})))
        new[2] = []
    else:
        tables.put_index(changed(new))
    tables.put_attributes({})
    after = applied(place, overlay, tables)
    assert pieces_of(after) == pieces | new
    index = json.loads(after["0/object_index/zarr.json"])["attributes"]
    present = sum(1 for found in (pieces | new).values() if found)
    assert (index["num_objects"], index["num_present"]) == (len(pieces | new), present)
    assert tables.present == present
    assert index["object_ids_sorted"] is True
    level = zvview.open(after).level(0)
    if not is_sorted:
        twice = level.object_attribute("twice")
        known = [number in pieces for number in level.object_ids.tolist()]
        assert (~np.ma.getmaskarray(twice)).tolist() == known


def test_an_object_that_is_no_more_must_have_lost_its_pieces() -> None:
    place = some_store()
    ids = np.array(sorted(pieces_of(place)))
    _, tables = open_tables(place)
    with pytest.raises(InvalidInputError, match="give all chunks"):
        tables.put_index(changed({}), all_of(ids[1:]))
    overlay, tables = open_tables(place)
    tables.put_index(changed({int(ids[0]): []}), all_of(ids[1:]))
    assert sorted(pieces_of(applied(place, overlay, tables))) == ids[1:].tolist()


def test_what_stays_the_same_is_not_written() -> None:
    place = some_store()
    overlay, tables = open_tables(place)
    tables.put_index(changed(pieces_of(place)))
    tables.put_attributes({})
    tables.put_groups({}, NONE)
    assert overlay.changes == {}
    assert applied(place, overlay, tables) == place


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_groups(seed: int) -> None:
    rng = np.random.default_rng(seed)
    place = some_store(range(20), {"a": np.array([1, 5, 3]), "b": range(4, 20), "c": NONE})
    document = json.loads(place["0/groups/zarr.json"])
    document["attributes"]["group_ranges"]["1"] = [4, 30]  # beyond all ids that there are yet
    place["0/groups/zarr.json"] = json.dumps(document).encode()
    members = [{1, 5, 3}, set(range(4, 20)), set()]
    overlay, tables = open_tables(place)
    new = list(range(20, 20 + int(rng.integers(0, 3))))
    tables.put_index(changed({number: [((0, 0, 0), 0)] for number in new}))
    edits = {}
    for group in range(3):
        removed = {m for m in members[group] if rng.random() < 0.2}
        added = {m for m in [*range(20), *new] if rng.random() < 0.2} - members[group]
        if rng.random() < 0.7:
            edits[group] = GroupEdits(np.array(sorted(added), np.int64), np.array(sorted(removed), np.int64))
            members[group] = (members[group] - removed) | added
    gone = np.flatnonzero(rng.random(20) < 0.1)
    tables.put_groups(edits, gone)
    found = zvview.open(applied(place, overlay, tables)).level(0).groups
    assert found is not None
    assert [set(m.tolist()) for m in found.members] == [m - set(gone.tolist()) for m in members]
    assert found.names == ("a", "b", "c")


def test_what_is_not_there_is_named() -> None:
    _, tables = open_tables(some_store())
    tables.put_index(changed({}))
    with pytest.raises(MissingError, match="weight"):
        tables.put_attributes({"weight": {0: np.float64(1)}})
    with pytest.raises(MissingError, match="7"):
        tables.put_attributes({"twice": {7: np.float64(1)}})
    with pytest.raises(MissingError, match="group"):
        tables.put_groups({4: GroupEdits(NONE, NONE)}, NONE)


def test_the_older_layout_keeps_its_form_while_ids_are_rows() -> None:
    place = some_store(range(12))
    index = json.loads(place["0/object_index/zarr.json"])
    index["attributes"]["layout"] = "vlen_manifests_v1"
    place["0/object_index/zarr.json"] = json.dumps(index).encode()
    place = {key: data for key, data in place.items() if "/object_ids/" not in key}
    for new, layout in ((12, "vlen_manifests_v1"), (40, "vlen_manifests_v2")):
        overlay, tables = open_tables(place)
        tables.put_index(changed({new: [((0, 0, 0), 0)]}))
        after = applied(place, overlay, tables)
        assert json.loads(after["0/object_index/zarr.json"])["attributes"]["layout"] == layout
        assert sorted(pieces_of(after)) == [*range(12), new]


def test_a_layout_that_is_only_read_is_refused() -> None:
    place = some_store(range(12))
    overlay, tables = open_tables(place)
    tables.documents["0/object_index"]["attributes"]["layout"] = "dense_manifests_v1"
    with pytest.raises(UnsupportedError, match="convert"):
        tables.put_index(changed({}))
    assert overlay.changes == {}


def test_cells_tell_what_manifests_tell() -> None:
    place = some_store()
    level = zvview.open(place).level(0)
    chunks = level.chunks[::2]
    told = find_pieces(level._reader, chunks)
    bare = {k: v for k, v in place.items() if "fragment_attributes" not in k and not k.startswith("zvview")}
    known = find_pieces(zvview.open(bare).level(0)._reader, chunks)
    assert len(owners_of_difference(told, known)) == 0
    assert len(told.objects) == len(known.objects) > 0
    fewer = type(told)(told.objects[1:], told.chunks[1:], told.numbers[1:])
    assert owners_of_difference(told, fewer).tolist() == [told.objects[0]]
