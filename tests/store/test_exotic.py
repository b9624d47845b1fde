"""Stores that no shipped writer writes but the format allows, or announces: made by hand, or from golden ones."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zvview import (
    DamagedError,
    Graph,
    InvalidInputError,
    Lines,
    Mesh,
    MissingError,
    Points,
    Polylines,
    Skeletons,
    Store,
    UnsupportedError,
    open,
)

if TYPE_CHECKING:
    from tests.store.conftest import HandMade

Bytes = Mapping[str, dict[str, bytes]]
UNIT = [10.0, 10.0, 10.0]


def at(*points: tuple[float, ...]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array(points, np.float32)


def reopened(objects: dict[str, bytes]) -> Store:
    store = open(objects)
    assert isinstance(store, Store)
    return store


def edited(objects: Mapping[str, bytes], change: Callable[[str, dict[str, Any]], None]) -> dict[str, bytes]:
    """The store with every document passed through `change`."""
    out = dict(objects)
    for key in objects:
        if key.endswith("zarr.json"):
            document = json.loads(objects[key])
            change(key, document)
            out[key] = json.dumps(document).encode()
    return out


def two_chunks(hand_made: type[HandMade], kind: str, convention: str, **own: Any) -> HandMade:
    """Rows 0 to 2 in chunk (0, 0, 0) and 0, 1 in chunk (1, 0, 0), one fragment each."""
    made = hand_made(kind, chunk_shape=UNIT, convention=convention, **own)
    made.level()
    made.vertices({(0, 0, 0): at((1, 1, 1), (3, 1, 1), (9, 1, 1)), (1, 0, 0): at((11, 1, 1), (15, 1, 1))})
    made.fragments({(0, 0, 0): [(0, 3)], (1, 0, 0): [(0, 2)]})
    return made


def test_unknown_required_capability_is_refused_by_name(hand_made: type[HandMade]) -> None:
    made = two_chunks(hand_made, "point_cloud", "explicit", required_capabilities=["additive_levels", "time_travel"])
    with pytest.raises(UnsupportedError, match="time_travel"):
        made.open()


def test_unknown_index_layout_is_refused_by_name_but_chunks_can_be_read(hand_made: type[HandMade]) -> None:
    made = two_chunks(hand_made, "point_cloud", "explicit")
    made.group("0/object_index", num_objects=1, sid_ndim=3, layout="manifests_v9")
    level = made.open().level(0)
    with pytest.raises(UnsupportedError, match="manifests_v9"):
        level.read()
    assert len(level.read(clip="chunks", object_ids=False)) == 5


def test_levels_that_add_are_united(hand_made: type[HandMade]) -> None:
    made = hand_made("polyline", chunk_shape=UNIT, convention="implicit_sequential")
    for number, own in ((0, {"refinement": "add"}), (1, {"parent_level": 0})):
        made.level(number, **own)
        made.vertices({(0, 0, 0): at((1, number, 1), (3, number, 1))}, level=number)
        made.fragments({(0, 0, 0): [(0, 2)]}, level=number)
        made.objects_of([[((0, 0, 0), 0)]], [40 + number], level=number)
    store = made.open()
    assert store.level(0).refinement == "add"
    for clip in ("exact", "objects", "chunks"):
        batch = store.level(0).read(box=((0, 0, 0), (2, 2, 2)), clip=clip)  # type: ignore[arg-type]
        assert isinstance(batch, Polylines) and batch.object_ids is not None
        assert batch.object_ids.tolist() == [40, 41] and len(batch) == 4
    assert store.level(0).read_objects([41, 40]).object_ids.tolist() == [40, 41]  # type: ignore[attr-defined]
    assert store.level(1).read().object_ids.tolist() == [41]  # type: ignore[attr-defined]
    with pytest.raises(MissingError, match="39"):
        store.level(0).read_objects([39])
    made.level(0, refinement="multiply")
    with pytest.raises(UnsupportedError, match="multiply"):
        made.open().level(0).read()


def test_dense_manifests(golden_bytes: Bytes) -> None:
    for name in ("streamlines", "points_sparse_ids_blosc"):
        objects = dict(golden_bytes[name])
        for number in reopened(objects).levels:
            table = reopened(dict(golden_bytes[name])).reader(number).objects
            assert table is not None
            manifests = table.manifests()
            spans = np.stack((manifests.offsets[:-1], np.diff(manifests.offsets)), axis=1)
            blocks = np.column_stack((manifests.chunks, manifests.fragments))
            root = f"{number}/object_index"
            objects = {k: v for k, v in objects.items() if not k.startswith(f"{root}/manifests/")}
            index = json.loads(objects[f"{root}/zarr.json"])
            index["attributes"]["layout"] = "dense_manifests_v1"
            objects[f"{root}/zarr.json"] = json.dumps(index).encode()
            put_plain(objects, f"{root}/manifest_spans", spans)
            put_plain(objects, f"{root}/manifest_blocks", blocks)
        expected = reopened(dict(golden_bytes[name]))
        store = reopened(objects)
        for number in store.levels:
            ours, theirs = store.level(number).read(), expected.level(number).read()
            assert np.array_equal(ours.positions, theirs.positions)
            assert np.array_equal(ours.object_ids, theirs.object_ids)  # type: ignore[attr-defined]
            assert store.level(number).object_ids.tolist() == expected.level(number).object_ids.tolist()  # type: ignore[union-attr]


def put_plain(objects: dict[str, bytes], path: str, values: np.ndarray[Any, Any]) -> None:
    shape = list(values.shape)
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": values.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [max(n, 1) for n in shape]}},
        "fill_value": 0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
    }
    objects[f"{path}/zarr.json"] = json.dumps(document).encode()
    objects["/".join([path, "c", *["0"] * values.ndim])] = values.tobytes()


@pytest.mark.parametrize("name", ["mesh", "mesh_zstd_sharded", "streamlines", "points_2d_bins"])
def test_presence_that_is_deferred_comes_from_the_keys(golden_bytes: Bytes, name: str) -> None:
    def defer(key: str, document: dict[str, Any]) -> None:
        if "nonempty_chunks" in document["attributes"]:
            document["attributes"]["nonempty_chunks"] = ["0.0.0"]  # stale: not to be believed while it is deferred
        if "zarr_vectors_level" in document["attributes"]:
            document["attributes"]["zarr_vectors_presence"] = "deferred"

    whole, deferred = reopened(dict(golden_bytes[name])), reopened(edited(golden_bytes[name], defer))
    for number in whole.levels:
        assert np.array_equal(deferred.level(number).chunks, whole.level(number).chunks)
        ours, theirs = deferred.level(number).read(), whole.level(number).read()
        assert np.array_equal(ours.positions, theirs.positions)
        assert ours.nbytes == theirs.nbytes


def test_coordinate_offset_is_added_in_float64(hand_made: type[HandMade]) -> None:
    offset = [1e6, 2e6, 3e6]
    made = two_chunks(hand_made, "point_cloud", "explicit", coordinate_offset=offset)
    store = made.open()
    whole = store.level(0).read()
    assert whole.positions.dtype == np.float64
    assert np.array_equal(whole.positions[3], np.array([11, 1, 1]) + offset)
    box = (np.array([10, 0, 0]) + offset, np.array([12, 2, 2]) + offset)
    assert len(store.level(0).read(box=box)) == 1
    assert np.array_equal(store.bounds[0], np.array([-100.0] * 3) + offset)


def test_several_kinds_are_shown_as_points_with_a_note(hand_made: type[HandMade]) -> None:
    made = two_chunks(hand_made, "mesh", "explicit")
    made.zv["geometry_types"] = ["mesh", "line"]
    made.edit("", zarr_vectors=made.zv)
    made.group("0/geometry_index", mesh={"array": "vertices_mesh"})
    store = made.open()
    assert store.kind == "point_cloud" and store.kinds == ("mesh", "line")
    assert isinstance(store.level(0).read(), Points)
    kinds, composite = store.notes
    assert "mesh, line" in kinds and "composite" in composite


def test_parametric_types_of_users(hand_made: type[HandMade]) -> None:
    made = two_chunks(hand_made, "point_cloud", "explicit")
    made.group("parametric", parametric_types={"7": {"name": "torus", "coefficients": ["R", "r"]}})
    made.plain("parametric/objects", np.array([[7, 3, 1, np.nan], [2, 0, 0, 0]], np.float64)[:, :3])
    with pytest.raises(DamagedError, match="coefficients"):
        _ = made.open().parametric
    made.plain("parametric/objects", np.array([[7, 3, 1, np.nan, np.nan], [2, 0, 0, 0, 5]], np.float64))
    found = made.open().parametric
    assert found is not None and found.names == ()
    assert found.types[7].name == "torus" and found.types[2].name == "sphere"
    assert found.type_ids.tolist() == [7, 2] and found.coefficients[0, :2].tolist() == [3, 1]
    made.plain("parametric/objects", np.array([[9, 3, 1, 0, 0]], np.float64))
    with pytest.raises(DamagedError, match="type id 9"):
        _ = made.open().parametric
    made.group("parametric", parametric_types={"²": {"name": "x", "coefficients": []}})
    with pytest.raises(DamagedError, match="type id"):
        _ = made.open().parametric


def test_quads_across_four_chunks_keep_their_winding(hand_made: type[HandMade]) -> None:
    made = hand_made("mesh", chunk_shape=[10.0, 10.0])
    made.level()
    corners = {(i, j): at((10 * i + 5, 10 * j + 5), (10 * i + 6, 10 * j + 5)) for i in (0, -1) for j in (0, -1)}
    made.vertices(corners)
    faces = [
        [((0, 0), 0), ((-1, 0), 1), ((-1, -1), 0), ((0, -1), 1)],
        [((-1, -1), 1), ((-1, -1), 0), ((0, 0), 1), ((0, 0), 0)],
        [((0, 0), 0), ((0, 0), 1), ((0, 0), 0), ((0, 0), 1)],
    ]
    made.links(faces)
    level = made.open().level(0)
    batch = level.read()
    assert isinstance(batch, Mesh) and batch.faces.shape == (3, 4)
    found = {tuple(map(tuple, batch.positions[f].tolist())) for f in batch.faces}
    assert found == {tuple(tuple(corners[c][r].tolist()) for c, r in face) for face in faces}
    part = level.read_chunks([(0, 0)])
    assert isinstance(part, Mesh) and len(part.faces) == 3 and part.offsets[-1] == 2


def test_links_of_width_one_are_no_edges(hand_made: type[HandMade]) -> None:
    made = two_chunks(hand_made, "graph", "explicit")
    made.group("0/links")
    made.group("0/links/0", link_width=1, sid_ndim=3, directed=True, store="canonical")
    made.grid("0/links/0/self", {(0, 0, 0): struct.pack("<2q", 2, 0)}, dtype="int64")
    level = made.open().level(0)
    batch = level.read()
    assert isinstance(batch, Graph) and len(batch.edges) == 0
    assert level.read_links(0).rows.tolist() == [[2], [0]]


def test_links_of_a_width_that_the_kind_cannot_have_are_damage(hand_made: type[HandMade]) -> None:
    made = two_chunks(hand_made, "mesh", "explicit")
    made.links([[((0, 0, 0), 0), ((0, 0, 0), 1)]])
    with pytest.raises(DamagedError, match="link_width = 2"):
        made.open().level(0).read()


def test_lines_in_four_dimensions(hand_made: type[HandMade]) -> None:
    made = hand_made("polyline", chunk_shape=[10.0] * 4, convention="implicit_sequential")
    made.level()
    made.vertices({(0, 0, 0, 0): at((1, 1, 1, 1)), (0, 0, 0, -1): at((1, 1, 1, -1), (1, 1, 1, -2))})
    made.fragments({(0, 0, 0, 0): [(0, 1)], (0, 0, 0, -1): [(0, 2)]})
    made.objects_of([[((0, 0, 0, 0), 0), ((0, 0, 0, -1), 0)]])
    level = made.open().level(0)
    assert level.read().positions[:, 3].tolist() == [1, -1, -2]
    assert len(level.read(box=([0, 0, 0, -0.5], [2, 2, 2, 0.5]))) == 2


def test_groups_given_as_ranges_and_by_name(hand_made: type[HandMade]) -> None:
    made = two_chunks(hand_made, "polyline", "implicit_sequential")
    made.objects_of([[((0, 0, 0), 0)], [((1, 0, 0), 0)]], [5, 3])
    rows = [struct.pack("<q", 5), b""]
    made.rows("0/groups", rows, num_groups=2, group_ranges={"1": [0, 2**62]}, group_names=["left", "all"])
    level = made.open().level(0)
    assert level.groups is not None and [m.tolist() for m in level.groups.members] == [[5], [3, 5]]
    assert level.read(groups=["left"]).object_ids.tolist() == [5]  # type: ignore[attr-defined]
    assert level.read(groups=["all"]).object_ids.tolist() == [5, 3]  # type: ignore[attr-defined]
    assert level.read(groups=[0], clip="chunks").object_ids.tolist() == [5]  # type: ignore[attr-defined]
    with pytest.raises(MissingError, match="right"):
        level.read(groups=["right"])
    made.rows("0/groups", rows, group_ranges={"2": [0, 1]})
    with pytest.raises(DamagedError, match="group_ranges"):
        _ = made.open().level(0).groups


def test_a_level_without_fragment_index_has_one_fragment_for_each_chunk(hand_made: type[HandMade]) -> None:
    made = hand_made("polyline", chunk_shape=UNIT, convention="implicit_sequential")
    made.level()
    made.vertices({(0, 0, 0): at((1, 1, 1), (3, 1, 1)), (1, 0, 0): at((11, 1, 1))})
    made.objects_of([[((0, 0, 0), 0), ((1, 0, 0), 0)]])
    level = made.open().level(0)
    assert level.read().positions[:, 0].tolist() == [1, 3, 11]
    assert level.chunk_vertex_counts.tolist() == [2, 1]
    pieces = level.read(clip="chunks")
    assert isinstance(pieces, Polylines) and pieces.bridges.tolist() == [[1, 2]]


def test_object_ids_may_be_negative_and_in_any_order(hand_made: type[HandMade]) -> None:
    made = two_chunks(hand_made, "graph", "explicit")
    made.objects_of([[((1, 0, 0), 0)], [((0, 0, 0), 0)], []], [-2, 2**60 + 1, -7])
    level = made.open().level(0)
    assert level.object_ids is not None and level.object_ids.tolist() == [-2, 2**60 + 1, -7]
    assert level.read().object_ids.tolist() == [2**60 + 1, -2]  # type: ignore[attr-defined]
    assert level.read_objects([-7, -2]).object_ids.tolist() == [-2]  # type: ignore[attr-defined]
    labels = np.array([2**60 + 1], np.uint64)
    assert len(level.read_objects(labels)) == len(level.read_objects({2**60 + 1})) == 3
    for wrong in ([2**60], labels + np.uint64(1), [2**63 + 5]):
        with pytest.raises(MissingError):
            level.read_objects(wrong)
    with pytest.raises(InvalidInputError):
        level.read_objects([0.5])  # type: ignore[list-item]
    owned = made.open().level(0)
    made.group("0/fragment_attributes")
    column = {(0, 0, 0): struct.pack("<q", 2**60 + 1), (1, 0, 0): struct.pack("<q", -2)}
    made.grid("0/fragment_attributes/object_id", column, name="object_id", dtype="int64")
    assert made.open().level(0).read().object_ids.tolist() == owned.read().object_ids.tolist()  # type: ignore[attr-defined]


def test_plain_arrays_in_the_other_byte_order(hand_made: type[HandMade]) -> None:
    made = two_chunks(hand_made, "polyline", "implicit_sequential")
    made.objects_of([[((0, 0, 0), 0)], [((1, 0, 0), 0)]], [5, 3])
    made.plain("0/object_index/object_ids", np.array([70, -3], np.int64), endian="big")
    assert made.open().level(0).read().object_ids.tolist() == [70, -3]  # type: ignore[attr-defined]


def test_owner_columns_that_end_early_or_name_several(hand_made: type[HandMade]) -> None:
    made = hand_made("graph", chunk_shape=UNIT)
    made.level()
    made.vertices({(0, 0, 0): at((1, 1, 1), (3, 1, 1), (5, 1, 1))})
    made.fragments({(0, 0, 0): [(0, 1), (1, 1), (2, 1)]})
    made.group("0/fragment_attributes")
    made.grid("0/fragment_attributes/object_id", {(0, 0, 0): struct.pack("<2q", 4, -2)}, dtype="int64")
    assert made.open().level(0).read().object_ids.tolist() == [4, -1, -1]  # type: ignore[attr-defined]
    made.grid("0/fragment_attributes/object_id", {(0, 0, 0): struct.pack("<4q", 4, 4, 4, 4)}, dtype="int64")
    with pytest.raises(DamagedError, match="object_id"):
        made.open().level(0).read()


def test_graphs_whose_objects_share_vertices_give_each_its_own(hand_made: type[HandMade]) -> None:
    made = hand_made("graph", chunk_shape=UNIT)
    made.level(shared_fragments=True)
    made.vertices({(0, 0, 0): at((1, 1, 1), (3, 1, 1), (5, 1, 1)), (1, 0, 0): at((11, 1, 1))})
    made.fragments({(0, 0, 0): [(0, 1), (1, 1), (2, 1)], (1, 0, 0): [(0, 1)]})
    shared = ((0, 0, 0), 1)
    made.objects_of([[((0, 0, 0), 0), shared, ((1, 0, 0), 0)], [shared, ((0, 0, 0), 2)]], [8, 9])
    made.links([[shared, ((1, 0, 0), 0)], [((0, 0, 0), 2), shared], [((0, 0, 0), 0), shared]])
    made.rows("0/groups", [struct.pack("<q", 9)])
    level = made.open().level(0)
    batch = level.read_objects([8, 9])
    assert isinstance(batch, Graph)
    found = {tuple(batch.positions[e][:, 0].tolist()) for e in batch.edges}
    assert batch.positions[:, 0].tolist() == [1, 3, 11, 3, 5]
    assert found == {(3, 11), (5, 3), (1, 3)} and len(batch.edges) == 3
    owners = batch.vertex_object_ids[batch.edges]
    assert (owners[:, 0] == owners[:, 1]).all()
    touched = level.read(box=((2.5, 0, 0), (3.5, 2, 2)), clip="objects")
    assert touched.object_ids.tolist() == [8, 9]  # type: ignore[attr-defined]
    for clip, edges in (("exact", [[5, 3]]), ("chunks", [[3, 11], [5, 3]])):  # whose far end is not told
        of_group = level.read(box=((0, 0, 0), (9, 9, 9)), groups=[0], clip=clip)  # type: ignore[arg-type]
        assert isinstance(of_group, Graph)
        assert of_group.positions[of_group.edges][:, :, 0].tolist() == edges
        assert of_group.object_ids is not None and of_group.object_ids.tolist() == [9, 9]


def test_lines_run_on_past_pieces_without_vertices(hand_made: type[HandMade]) -> None:
    made = two_chunks(hand_made, "polyline", "implicit_sequential")
    made.fragments({(0, 0, 0): [(0, 3), (0, 0), []], (1, 0, 0): [(0, 1), (1, 1), (0, 0)]})
    a, b = (0, 0, 0), (1, 0, 0)
    made.objects_of([[(a, 1), (a, 0), (a, 1), (b, 2), (a, 2), (b, 0), (b, 2), (b, 1), (b, 2)]])
    level = made.open().level(0)
    pieces = level.read(clip="chunks")
    assert isinstance(pieces, Polylines)
    assert sorted(pieces.positions[pieces.segments][:, :, 0].tolist()) == [[1, 3], [3, 9], [9, 11], [11, 15]]
    assert level.read(box=((10, 0, 0), (10.5, 2, 2))).positions[:, 0].tolist() == [9, 11]
    assert level.read().positions[:, 0].tolist() == [1, 3, 9, 11, 15]


def test_explicit_skeletons_with_attributes_of_links(hand_made: type[HandMade]) -> None:
    made = two_chunks(hand_made, "skeleton", "explicit")
    a, b = (0, 0, 0), (1, 0, 0)
    made.links([[(a, 1), (a, 0)], [(a, 1), (b, 0)], [(b, 1), (b, 0)]], directed=True)
    made.group("0/link_attributes")
    made.group("0/link_attributes/w")
    made.group("0/link_attributes/w/0")
    for segment, cells in {"0.0.0": {a: [10.0], b: [30.0]}, "+1.0.0": {a: [20.0]}}.items():
        payloads = {c: np.array(v, np.float32).tobytes() for c, v in cells.items()}
        made.grid(f"0/link_attributes/w/0/{segment}", payloads, name="w", dtype="float32")
    level = made.open().level(0)
    batch = level.read()
    assert isinstance(batch, Skeletons)
    ends = batch.positions[batch.edges][
        :, :, 0
    ].tolist()  # (child, parent); across chunks they are stored the other way
    by_value = dict(zip(batch.link_attributes["w"].tolist(), ends, strict=True))
    assert by_value == {10.0: [3, 1], 20.0: [11, 3], 30.0: [15, 11]}
    assert batch.parents.tolist() == [-1, 0, -1, 1, 3]


def test_lines_that_pass_through_a_box_without_vertices_keep_their_object(hand_made: type[HandMade]) -> None:
    for kind in ("line", "polyline"):
        made = hand_made(kind, chunk_shape=UNIT, convention="implicit_sequential")
        made.level(fragments_tile=True)
        made.vertices({(0, 0, 0): at((5, 5, 5)), (4, 0, 0): at((45, 5, 5))})
        made.fragments({(0, 0, 0): [(0, 1)], (4, 0, 0): [(0, 1)]})
        made.objects_of([[((0, 0, 0), 0), ((4, 0, 0), 0)]], [77])
        made.links([[((0, 0, 0), 0), ((4, 0, 0), 0)]])
        level = made.open().level(0)
        for clip in ("exact", "objects"):
            batch = level.read(box=((20, 0, 0), (30, 9, 9)), clip=clip)  # type: ignore[arg-type]
            assert isinstance(batch, Polylines) and batch.object_ids is not None
            assert batch.object_ids.tolist() == [77] and batch.positions[:, 0].tolist() == [5, 45]
        assert len(level.read(box=((20, 6, 0), (30, 9, 9)))) == 0


def test_edges_that_pass_through_a_box_without_vertices_tell_their_object(hand_made: type[HandMade]) -> None:
    made = hand_made("graph", chunk_shape=UNIT)
    made.level()
    made.vertices({(0, 0, 0): at((5, 5, 5)), (4, 0, 0): at((45, 5, 5))})
    made.objects_of([[((0, 0, 0), 0), ((4, 0, 0), 0)]], [77])
    made.links([[((4, 0, 0), 0), ((0, 0, 0), 0)]])
    level = made.open().level(0)
    for clip in ("exact", "objects"):
        batch = level.read(box=((20, 0, 0), (30, 9, 9)), clip=clip)  # type: ignore[arg-type]
        assert isinstance(batch, Graph) and len(batch.edges) == 1
        assert set(batch.vertex_object_ids.tolist()) == {77}


def test_records_of_single_lines_are_not_believed(hand_made: type[HandMade]) -> None:
    """The reference writes the number of the fragment where the row belongs."""
    made = hand_made("line", chunk_shape=UNIT, convention="implicit_sequential")
    made.level(fragments_tile=True)
    made.vertices({(0, 0, 0): at((1, 1, 1), (2, 1, 1), (9, 5, 5)), (1, 0, 0): at((11, 5, 5))})
    made.fragments({(0, 0, 0): [(0, 2), (2, 1)], (1, 0, 0): [(0, 1)]})
    made.objects_of([[((0, 0, 0), 0)], [((0, 0, 0), 1), ((1, 0, 0), 0)]])
    made.links([[((0, 0, 0), 1), ((1, 0, 0), 0)]])
    pieces = made.open().level(0).read(clip="chunks")
    assert isinstance(pieces, Lines)
    assert pieces.bridges.tolist() == [[2, 3]]


def test_attributes_may_have_the_name_of_zarrs_chunk_folder(hand_made: type[HandMade]) -> None:
    made = two_chunks(hand_made, "point_cloud", "explicit")
    made.group("0/vertex_attributes")
    values = {(0, 0, 0): np.arange(3, dtype=np.uint8).tobytes(), (1, 0, 0): np.arange(2, dtype=np.uint8).tobytes()}
    made.grid("0/vertex_attributes/c", values, name="c", dtype="uint8", row_shape=[])
    assert made.open().level(0).read().attributes["c"].tolist() == [0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    ("encoding", "place"),
    [({"name": "v2"}, "{}.{}.{}"), ({"name": "default", "configuration": {"separator": "."}}, "c.{}.{}.{}")],
)
def test_keys_in_other_encodings(hand_made: type[HandMade], encoding: dict[str, Any], place: str) -> None:
    made = two_chunks(hand_made, "point_cloud", "explicit")
    for i in (0, 1):
        made.objects["0/vertices/" + place.format(i, 0, 0)] = made.objects.pop(f"0/vertices/c/{i}/0/0")
    document = json.loads(made.objects["0/vertices/zarr.json"])
    document["chunk_key_encoding"] = encoding
    made.objects["0/vertices/zarr.json"] = json.dumps(document).encode()
    assert len(made.open().level(0).read()) == 5
    made.edit("0/vertices", nonempty_chunks=None)
    assert made.open().level(0).chunks.tolist() == [[0, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize("values", [("a", "b"), (10, 20), (0.5, 1.5)])
def test_chunks_split_by_an_attribute_of_any_type(hand_made: type[HandMade], values: tuple[Any, ...]) -> None:
    made = hand_made("point_cloud", chunk_shape=[10.0, 10.0])
    own = {"chunk_attribute_name": "g", "chunk_attribute_values": list(values), "chunk_dims": ["g", "x", "y"]}
    made.level(**own)
    made.vertices({(0, 0, 0): at((1, 1)), (1, 0, 0): at((2, 2), (3, 3)), (1, 0, -1): at((4, -4))})
    batch = made.open().level(0).read()
    assert batch.labels("g").tolist() == [values[0], values[1], values[1], values[1]]
    assert set(made.open().level(0).attributes) == {"g"}
    made.level(**own | {"chunk_attribute_values": list(values[:1])})
    with pytest.raises(DamagedError, match="leading coordinate 1"):
        made.open().level(0).read()


def test_levels_need_not_be_contiguous(hand_made: type[HandMade]) -> None:
    made = two_chunks(hand_made, "point_cloud", "explicit")
    made.level(3, parent_level=0, chunk_shape=[20.0] * 3)
    made.vertices({(0, 0, 0): at((11, 1, 1))}, level=3)
    made.group("headers")
    made.group("headers/trk", voxel=[1, 2, 3])
    store = made.open()
    assert store.levels == (0, 3) and len(store.level(3).read()) == 1
    assert store.headers == {"trk": {"voxel": [1, 2, 3]}}
    with pytest.raises(MissingError, match="1"):
        store.level(1)
