"""Edits of points, graphs, skeletons and meshes as cells: read back, they are what the edits say."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr_vectors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from zarr_vectors.types.graphs import read_graph
from zarr_vectors.types.meshes import read_mesh
from zarr_vectors.types.points import read_points

import zvview
from tests.pyramid.conftest import assert_same_stores, rebuild, unsynced  # noqa: F401 - a fixture
from tests.store.editing.vertex_models import (
    HI,
    LO,
    Memory,
    Whole,
    as_rows,
    assert_same_content,
    change_at_random,
    edit_some,
    numbered_store,
    read_by_name,
    read_whole,
)
from zvview.errors import ConflictError, InvalidInputError, UnsupportedError
from zvview.format.fragments import FragmentTable, decode_fragments, encode_fragments
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.pyramid.refresh import compute_refresh
from zvview.store.editing.edits import (
    AddedVertices,
    ChunkEdits,
    ChunkKey,
    Edits,
    GroupEdits,
    LinkEdits,
    VertexRefs,
)
from zvview.store.editing.put_vertices import put_vertex_edits
from zvview.store.editing.touched import Touched
from zvview.store.editing.vertices import apply_edits
from zvview.store.patching.overlay import Overlay
from zvview.store.places.memory import MemorySource

pytestmark = pytest.mark.usefixtures("unsynced")

SLOW = settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow])

FORMS: list[dict[str, Any]] = [
    {},
    {"bin_shape": (62.5,) * 3},
    {"n_objects": 30, "sparse": True},
    {"ndim": 2, "shift": 250.0, "bin_shape": (125.0,) * 2},
    {"ndim": 4, "n_objects": 5, "chunk_shape": (500.0,) * 4},
    {"dtype": "float64", "codec": "zstd", "shards": 2, "n_objects": 12},
    {"codec": "zstd", "shards": 3, "bin_shape": (125.0,) * 3},
]
LINKED: list[dict[str, Any]] = [
    {"sparse": True},
    {"dtype": "float64", "codec": "zstd", "shards": 2},
    {"shift": 250.0, "ndim": 2},
]


def commit(place: Memory, edits: Edits) -> tuple[Memory, Touched]:
    """The store after edits, coarse levels and index included."""
    overlay = Overlay(MemorySource(place))
    touched = put_vertex_edits(overlay, edits)
    refreshed = compute_refresh(overlay, touched.chunks, objects=touched.objects)
    assert_only_touched_cells_changed(place, overlay, touched)
    changes = {**overlay.changes, **refreshed.changes}
    after = {key: data for key, data in place.items() if key not in changes}
    return after | {key: data for key, data in changes.items() if data is not None}, touched


def assert_only_touched_cells_changed(place: Memory, overlay: Overlay, touched: Touched) -> None:
    """Cells of level 0 that came out anew lie in touched chunks, or in shards with these."""
    chunks = {tuple(c) for c in touched.chunks.tolist()}
    with zvview.open(place) as store:
        vertices = store.reader(0).hierarchy.document("0/vertices")
    assert vertices is not None
    origin = np.array(vertices["attributes"]["chunk_grid_origin"])
    edges = np.array(vertices["chunk_grid"]["configuration"]["chunk_shape"])
    held = {tuple((np.array(c) - origin) // edges) for c in chunks}
    for key in overlay.changes:
        path, cell, index = key.rpartition("/c/")
        if cell and path.split("/")[1] in ("vertices", "vertex_fragments", "vertex_attributes", "links"):
            assert tuple(map(int, index.split("/"))) in held


def check_random_edits(place: Memory, seed: int, rounds: int = 2) -> Memory:
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        whole = read_whole(place)
        edits, expected = change_at_random(rng, whole)
        place, _ = commit(place, edits)
        assert_same_content(read_whole(place), expected)
        findings = [f for f in zvview.check(place) if f.code != "several-roots"]
        assert findings == []
        with zvview.open(place) as store:
            assert store.level(0).declared_vertex_count == store.level(0).vertex_count == len(expected)
    return place


@pytest.mark.parametrize("form", FORMS, ids=str)
@SLOW
@given(seed=st.integers(0, 2**32))
def test_points_come_out_as_edited(form: dict[str, Any], seed: int) -> None:
    check_random_edits(numbered_store("point_cloud", 400, seed=seed % 5, **form), seed)


@pytest.mark.parametrize("kind", ["graph", "skeleton", "mesh"])
@pytest.mark.parametrize("form", LINKED, ids=str)
@SLOW
@given(seed=st.integers(0, 2**32))
def test_linked_vertices_come_out_as_edited(kind: str, form: dict[str, Any], seed: int) -> None:
    form = form | ({"ndim": 3} if kind == "mesh" else {})
    check_random_edits(numbered_store(kind, 500, seed=seed % 5, n_objects=8, **form), seed)


@pytest.mark.parametrize("kind", ["point_cloud", "graph", "skeleton", "mesh"])
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_coarse_levels_are_those_of_a_rebuild(kind: str, seed: int) -> None:
    place = numbered_store(kind, 600, seed=seed % 3, n_objects=9)
    build_pyramid(place, PyramidOptions(levels=2, chunk_shapes=[(500.0,) * 3, (1000.0,) * 3]))
    place = check_random_edits(place, seed, rounds=1)
    assert_same_stores(place, rebuild(place))


def edits_of(whole: Whole, rows: NDArray[np.int64], **more: Any) -> Edits:
    """Edits of the vertices at `rows`: ``deleted``, ``positions`` (n, D), ``objects`` (n,) or ``columns``."""
    chunks = {}
    for key in {tuple(c) for c in whole.chunks[rows].tolist()}:
        at = rows[(whole.chunks[rows] == key).all(axis=1)]
        own = np.isin(rows, at)
        flag = np.ones(len(at), bool)
        positions = more["positions"][own] if "positions" in more else whole.positions[at]
        objects = more["objects"][own] if "objects" in more else np.zeros(len(at), np.int64)
        columns = {name: (flag, values[own]) for name, values in more.get("columns", {}).items()}
        chunks[key] = ChunkEdits(
            whole.rows[at],
            flag & more.get("deleted", False),
            flag & ("positions" in more),
            np.asarray(positions, np.float64),
            flag & ("objects" in more),
            objects,
            columns,
        )
    return Edits(chunks=chunks)


def changed_arrays(place: Memory, after: Memory) -> set[str]:
    """Arrays of level 0 of which a cell is another one."""
    keys = {key for key in place.keys() | after.keys() if place.get(key) != after.get(key)}
    return {key.rpartition("/c/")[0] for key in keys if key.startswith("0/") and "/c/" in key}


@pytest.mark.parametrize("kind", ["point_cloud", "graph", "skeleton", "mesh"])
def test_only_the_arrays_that_differ_are_written(kind: str) -> None:
    place = numbered_store(kind, 300, n_objects=3)
    whole = read_whole(place)
    rows = np.arange(0, len(whole), 7)
    fresh = np.full((len(rows), 3), 0.5, np.float32)
    after, touched = commit(place, edits_of(whole, rows, columns={"vector": fresh}))
    assert changed_arrays(place, after) == {"0/vertex_attributes/vector"}
    assert {tuple(c) for c in touched.chunks.tolist()} == {tuple(c) for c in whole.chunks[rows].tolist()}
    np.testing.assert_array_equal(read_whole(after).columns["vector"][rows], fresh)
    middles = (whole.chunks[rows] + 0.5) * 250
    after, _ = commit(place, edits_of(whole, rows, positions=middles))
    assert changed_arrays(place, after) == {"0/vertices"}
    assert_same_content(read_whole(after), replace(whole, positions=read_whole(after).positions))
    same, touched = commit(place, edits_of(whole, rows, positions=whole.positions[rows]))
    assert {key for key in place if same[key] != place[key]} <= {"zvview/zarr.json"}
    assert not len(touched.chunks)


def test_points_that_stay_in_their_bins_keep_their_places() -> None:
    place = numbered_store("point_cloud", 400, bin_shape=(62.5,) * 3)
    whole = read_whole(place)
    rows = np.arange(0, len(whole), 7)
    middles = (np.floor(whole.positions[rows] / 62.5) + 0.5) * 62.5
    after, _ = commit(place, edits_of(whole, rows, positions=middles))
    assert changed_arrays(place, after) == {"0/vertices"}
    np.testing.assert_array_equal(read_whole(after).positions[rows], middles)


@pytest.mark.parametrize("form", [{}, {"bin_shape": (62.5,) * 3}, {"n_objects": 3}], ids=str)
@pytest.mark.parametrize("kind", ["point_cloud", "graph", "skeleton", "mesh"])
def test_vertices_come_into_chunks_that_held_nothing(kind: str, form: dict[str, Any]) -> None:
    place = numbered_store(kind, 200, **form)
    whole = read_whole(place)
    positions = np.array([[1250.0, 1260.0, 1270.0], [1299.0, 1299.0, 1299.0], [-290.0, -20.0, 600.0]])
    columns = {name: values[:3] for name, values in whole.columns.items()}
    columns["number"] = np.array([7001, 7002, 7003], np.int32)
    objects = None if whole.objects is None else whole.objects[[0, 0, 0]]
    edits = Edits(added=AddedVertices(np.arange(3), positions, columns, objects))
    after, touched = commit(place, edits)
    found = read_whole(after)
    assert_same_content(found.keep(found.numbers < 7000), whole)
    new = np.argsort(found.numbers)[-3:]
    np.testing.assert_array_equal(found.positions[new], positions.astype(np.float32))
    np.testing.assert_array_equal(found.columns["vector"][new], columns["vector"])
    assert touched.chunks.tolist() == [[-2, -1, 2], [5, 5, 5]]
    assert {finding.code for finding in zvview.check(after)} <= {"several-roots"}


def test_many_points_are_moved_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    place = numbered_store("point_cloud", 400, bin_shape=(62.5,) * 3)
    whole = read_whole(place)
    rows = np.arange(0, len(whole), 3)
    edits = edits_of(whole, rows, positions=(whole.positions[rows] + 90).clip(LO, HI))
    few, _ = commit(place, edits)
    monkeypatch.setattr("zvview.store.editing.renewed_points._MOST_CUTS", 3)
    many, _ = commit(place, edits)
    assert few == many


@pytest.mark.parametrize("kind", ["point_cloud", "graph", "skeleton", "mesh"])
def test_an_edit_and_its_opposite_give_the_same_content(kind: str) -> None:
    place = numbered_store(kind, 400, n_objects=3, shards=2)
    whole = read_whole(place)
    rows = np.arange(0, len(whole), 5)
    away = (whole.positions[rows] + 180).clip(LO, HI)
    moved, _ = commit(
        place, edits_of(whole, rows, positions=away, columns={"vector": whole.columns["vector"][rows] * 2})
    )
    there = read_whole(moved)
    assert not np.array_equal(np.sort(there.positions, axis=0), np.sort(whole.positions, axis=0))
    back = np.flatnonzero(np.isin(there.numbers, whole.numbers[rows]))
    origin = np.searchsorted(whole.numbers, there.numbers[back], sorter=np.argsort(whole.numbers))
    origin = np.argsort(whole.numbers)[origin]
    values = {"vector": whole.columns["vector"][origin]}
    again, _ = commit(moved, edits_of(there, back, positions=whole.positions[origin], columns=values))
    assert_same_content(read_whole(again), whole)


@pytest.mark.parametrize("kind", ["point_cloud", "graph", "skeleton", "mesh"])
def test_all_vertices_can_go(kind: str) -> None:
    place = numbered_store(kind, 200, n_objects=3)
    build_pyramid(place, PyramidOptions(levels=1, chunk_shapes=[(500.0,) * 3]))
    whole = read_whole(place)
    after, _ = commit(place, edits_of(whole, np.arange(len(whole)), deleted=True))
    with zvview.open(after) as store:
        assert store.levels == (0,)
        level = store.level(0)
        assert level.vertex_count == level.declared_vertex_count == len(level.read()) == 0
        assert np.array_equal(level.object_ids, np.unique(whole.objects))
        assert len(level.present_object_ids) == 0
        assert store.groups is not None and not any(map(len, store.groups.members))
    assert list(zvview.check(after)) == []


def test_objects_go_come_and_change_what_is_said_of_them() -> None:
    place = numbered_store("graph", 300, n_objects=4)
    whole = read_whole(place)
    assert whole.objects is not None
    gone, kept = np.unique(whole.objects)[:2].tolist()
    new = int(whole.objects.max()) + 1
    rows = np.flatnonzero(whole.objects == gone)
    pair = np.flatnonzero(whole.objects == kept)[:2]
    edits = edits_of(whole, np.concatenate((rows, pair)), objects=np.full(len(rows) + 2, new))
    chunks = {k: replace(e, is_deleted=whole_rows(whole, k, e.rows, rows)) for k, e in edits.chunks.items()}
    edits = replace(
        edits,
        chunks=chunks,
        new_objects=frozenset({new}),
        object_attributes={"twice": {new: np.int64(-5), kept: np.int64(7)}},
        groups={0: GroupEdits(np.array([new]), np.empty(0, np.int64))},
    )
    after, touched = commit(place, edits)
    with zvview.open(after) as store:
        level = store.level(0)
        assert level.object_ids is not None and level.present_object_ids is not None and store.groups is not None
        assert np.array_equal(level.object_ids, [*np.unique(whole.objects), new])
        assert gone not in level.present_object_ids and new in level.present_object_ids
        values = dict(zip(level.object_ids.tolist(), level.object_attribute("twice").tolist(), strict=True))
        assert (values[new], values[kept]) == (-5, 7)
        assert new in store.groups.members[0] and not any(gone in members for members in store.groups.members)
        assert len(level.read_objects(new)) == 2
    assert touched.objects is not None and {gone, kept, new} <= set(touched.objects.tolist())
    assert {finding.code for finding in zvview.check(after)} <= {"link-between-objects"}


def whole_rows(whole: Whole, key: ChunkKey, rows: NDArray[np.int64], some: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the `rows` of a chunk are those of the vertices at `some`."""
    own = some[(whole.chunks[some] == key).all(axis=1)]
    return np.isin(rows, whole.rows[own])


def test_what_is_said_of_objects_changes_without_any_vertex() -> None:
    place = numbered_store("mesh", 200, n_objects=3)
    ids = np.unique(read_whole(place).objects)
    with zvview.open(place) as store:
        assert store.groups is not None
        number = next(i for i, members in enumerate(store.groups.members) if ids[0] in members)
    groups = {number: GroupEdits(ids[:0], ids[:1])}
    edits = Edits(object_attributes={"twice": {int(ids[1]): np.int64(99)}}, groups=groups)
    after, touched = commit(place, edits)
    assert not len(touched.chunks) and touched.objects is not None and set(ids[:2]) == set(touched.objects)
    with zvview.open(after) as store:
        assert store.level(0).object_attribute("twice")[1] == 99
        assert store.groups is not None and ids[0] not in store.groups.members[number]
    assert changed_arrays(place, after) == {"0/object_attributes/twice", "0/groups"}
    assert_same_content(read_whole(after), read_whole(place))


def with_listed_rows(place: Memory) -> Memory:
    """The fragments of every other chunk name their rows one by one, backwards, and leave the last row out."""
    level = json.loads(place["0/zarr.json"])
    del level["attributes"]["zarr_vectors_level"]["fragments_tile"]
    out = place | {"0/zarr.json": json.dumps(level).encode()}
    for key in sorted(key for key in place if key.startswith("0/vertex_fragments/c/"))[::2]:
        size = len(place[key.replace("vertex_fragments", "vertices")][8:]) // 12
        table = decode_fragments([np.frombuffer(place[key][8:], np.uint8)], np.array([size]))
        counts = table.counts.copy()
        counts[np.flatnonzero(counts)[-1]] -= 1
        rows = [start + np.arange(count)[::-1] for start, count in zip(table.starts, counts, strict=True)]
        starts = np.cumsum(counts) - counts
        listed = FragmentTable(table.first, counts, starts, np.zeros(len(counts), bool), np.concatenate(rows))
        (cell,) = encode_fragments(listed)
        out[key] = b"\x01\0\0\0" + len(cell).to_bytes(4, "little") + cell.tobytes()
    return out


@pytest.mark.parametrize("n_objects", [None, 4])
def test_fragments_that_name_rows_one_by_one_are_put_in_order(n_objects: int | None) -> None:
    place = with_listed_rows(numbered_store("point_cloud", 300, n_objects=n_objects))
    before = read_by_name(place)
    edits = edit_some(before, moves=170.0, deletes=1)
    after, _ = commit(place, edits)
    assert as_rows(read_by_name(after)) == as_rows(apply_edits(before, edits))
    assert {f.code for f in zvview.check(after)} <= {f.code for f in zvview.check(place)}
    values = edit_some(read_by_name(place), moves=0.0, deletes=0)
    again, _ = commit(place, values)
    assert as_rows(read_by_name(again)) == as_rows(apply_edits(before, values))
    assert {a for a in changed_arrays(place, again) if "attributes" not in a} == set()


def test_what_cannot_be_is_refused_and_nothing_is_put() -> None:
    place = numbered_store("graph", 200, n_objects=3)
    whole = read_whole(place)
    far = np.full((1, 3), 5000.0)
    one = np.zeros(1, np.int64)
    unknown = edits_of(replace(whole, rows=whole.rows + 10_000), one, deleted=True)
    beyond = edits_of(replace(whole, rows=whole.rows + 10_000), one, columns={"vector": np.zeros((1, 3), np.float32)})
    bare = AddedVertices(one, whole.positions[:1].astype(float), {n: v[:1] for n, v in whole.columns.items()}, None)
    ends = VertexRefs(whole.chunks[:2], np.array([10_000, 0]))
    links = LinkEdits(
        VertexRefs(ends.chunks[:0], ends.rows[:0]), ends, {n: v[:1] for n, v in whole.link_columns.items()}, 2
    )
    known = int(whole.objects[0])  # type: ignore[index]
    for edits, error, match in [
        (edits_of(whole, one, positions=far), InvalidInputError, "outside the grid"),
        (edits_of(whole, one, positions=far * 1e300), InvalidInputError, "no chunk"),
        (unknown, ConflictError, "lacks a vertex"),
        (beyond, ConflictError, "has no row"),
        (Edits(links=links), ConflictError, "lacks a vertex"),
        (Edits(added=bare), InvalidInputError, "belong to objects"),
        (Edits(new_objects=frozenset({known})), ConflictError, f"object {known}"),
    ]:
        overlay = Overlay(MemorySource(place))
        with pytest.raises(error, match=match):
            put_vertex_edits(overlay, edits)
        assert overlay.changes == {}
    lines = numbered_store("polyline", 100, n_objects=3)
    with pytest.raises(UnsupportedError, match="lines"):
        put_vertex_edits(Overlay(MemorySource(lines)), Edits())
    points = numbered_store("point_cloud", 100)
    with pytest.raises(InvalidInputError, match="no objects"):
        put_vertex_edits(Overlay(MemorySource(points)), Edits(new_objects=frozenset({1})))


@pytest.mark.parametrize(
    ("path", "document", "match"),
    [
        ("0/fragment_attributes/colour", {}, "'colour'"),
        ("0/vertices_mesh", {}, "vertices_mesh"),
        ("0/vertices", {"chunk_key_encoding": {"name": "v2", "configuration": {"separator": "."}}}, "keys"),
    ],
)
def test_levels_of_which_not_all_is_understood_keep_their_places(path: str, document: Any, match: str) -> None:
    place = numbered_store("graph", 200, n_objects=3)
    array = json.loads(place["0/vertex_fragments/zarr.json"] if document == {} else place[f"{path}/zarr.json"])
    place[f"{path}/zarr.json"] = json.dumps(array | document).encode()
    if document:
        place = {key.replace("0/vertices/c/0/", "0/vertices/0."): data for key, data in place.items()}
    whole = read_whole(numbered_store("graph", 200, n_objects=3))
    with pytest.raises(UnsupportedError, match=match) as caught:
        put_vertex_edits(Overlay(MemorySource(place)), edits_of(whole, np.zeros(1, np.int64), deleted=True))
    assert "zvview convert" in str(caught.value)


@pytest.mark.parametrize("kind", ["point_cloud", "graph", "skeleton", "mesh"])
def test_the_reference_reads_what_was_edited(kind: str, tmp_path: Path) -> None:
    place = check_random_edits(numbered_store(kind, 300, n_objects=None if kind == "point_cloud" else 3), 11)
    for key, data in place.items():
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(data)
    whole = read_whole(place)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert zarr_vectors.open(str(tmp_path)).validate(level=5).errors == []
        reads = {"point_cloud": read_points, "mesh": read_mesh}
        found = reads.get(kind, read_graph)(str(tmp_path))
    vertices = np.asarray(found["vertices" if kind == "mesh" else "positions"])
    order = np.lexsort(vertices.T)
    own = np.lexsort(whole.positions.T)
    np.testing.assert_array_equal(vertices[order], whole.positions[own])
    if kind != "point_cloud":
        links = np.asarray(found["faces" if kind == "mesh" else "edges"])
        ends = [v[np.sort(r, axis=1)].tolist() for v, r in ((np.argsort(order), links), (np.argsort(own), whole.links))]
        assert sorted(map(sorted, ends[0])) == sorted(map(sorted, ends[1]))
