"""Damaged parts end in errors that name the place; with ``on_damage="skip"`` exactly the damaged part is left out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zvview import DamagedError, Graph, Level, Mesh, Points, Store, UnsupportedError, open

if TYPE_CHECKING:
    from tests.store.conftest import HandMade

Bytes = Mapping[str, dict[str, bytes]]


def reopened(objects: dict[str, bytes]) -> Store:
    store = open(objects)
    assert isinstance(store, Store)
    return store


def first_cell(objects: Mapping[str, bytes], array: str) -> tuple[str, tuple[int, ...]]:
    """Key and chunk of the first cell of an array."""
    key = min(k for k in objects if k.startswith(f"{array}/c/"))
    document = json.loads(objects[f"{array}/zarr.json"])
    index = np.array([int(n) for n in key.removeprefix(f"{array}/c/").split("/")])
    origin = document["attributes"].get("chunk_grid_origin", [0] * len(index))
    return key, tuple((index + origin).tolist())


def without_chunk(level: Level, chunk: tuple[int, ...]) -> Any:
    """The level as it is without one chunk."""
    return level.read_chunks(level.chunks[(level.chunks != chunk).any(axis=1)])


DAMAGES: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("vertices", lambda b: b[:-2]),
    ("vertices", lambda b: b[:4] + (len(b) - 9).to_bytes(4, "little") + b[8:-1]),
    ("vertices", lambda b: b[:-4] + np.float32(np.nan).tobytes()),
    ("vertex_fragments", lambda b: b[:8] + b"junk" + b[12:]),
    ("vertex_fragments", lambda b: b[:-1]),
    ("vertex_attributes/intensity", lambda b: b[:4] + (len(b) - 12).to_bytes(4, "little") + b[8:-4]),
    ("vertex_attributes/label", lambda b: b""),
]


@pytest.mark.parametrize(("family", "spoil"), DAMAGES)
def test_damaged_cells_cost_their_chunk(golden_bytes: Bytes, family: str, spoil: Callable[[bytes], bytes]) -> None:
    objects = dict(golden_bytes["points_objects"])
    key, chunk = first_cell(objects, f"0/{family}")
    objects[key] = spoil(objects[key])
    level, sound = reopened(objects).level(0), reopened(dict(golden_bytes["points_objects"])).level(0)
    with pytest.raises(DamagedError) as caught:
        level.read()
    assert caught.value.array == f"0/{family}"
    assert caught.value.cell == ".".join(map(str, chunk))
    batch, expected = level.read(on_damage="skip"), without_chunk(sound, chunk)
    assert np.array_equal(batch.positions, expected.positions)
    assert batch.attributes.keys() == expected.attributes.keys()
    assert all(np.array_equal(v, expected.attributes[n], equal_nan=True) for n, v in batch.attributes.items())
    (note,) = batch.notes
    assert family in note and ".".join(map(str, chunk)) in note
    assert level.read_objects(level.object_ids, on_damage="skip").notes == batch.notes  # type: ignore[arg-type]


def test_damaged_links_cost_their_records(golden_bytes: Bytes) -> None:
    for name, family in (("mesh", "0/links/0/0.0.0_0.0.0"), ("graph", "0/links/0/0.0.0")):
        objects = dict(golden_bytes[name])
        key, chunk = first_cell(objects, family)
        objects[key] = objects[key][:-3]
        level, sound = reopened(objects).level(0), reopened(dict(golden_bytes[name])).level(0)
        with pytest.raises(DamagedError) as caught:
            level.read()
        assert (caught.value.array, caught.value.cell) == (family, ".".join(map(str, chunk)))
        batch, whole = level.read(on_damage="skip"), sound.read()
        assert isinstance(batch, Graph | Mesh) and isinstance(whole, Graph | Mesh)
        assert np.array_equal(batch.positions, whole.positions) and len(batch.notes) == 1
        table = sound.read_links(0)
        lost = (table.chunks == np.array(chunk)).all(axis=(1, 2)).sum()
        links = "faces" if isinstance(batch, Mesh) else "edges"
        assert len(getattr(whole, links)) - len(getattr(batch, links)) == lost > 0


def test_damaged_index_of_a_shard_costs_its_chunks(golden_bytes: Bytes) -> None:
    objects = dict(golden_bytes["points_neg_sharded_zstd"])
    document = json.loads(objects["0/vertices/zarr.json"])
    outer = np.array(document["chunk_grid"]["configuration"]["chunk_shape"])
    key, first = first_cell(objects, "0/vertices")
    objects[key] = objects[key][:-1] + b"\0"
    level, sound = reopened(objects).level(0), reopened(dict(golden_bytes["points_neg_sharded_zstd"])).level(0)
    with pytest.raises(DamagedError, match="0/vertices"):
        level.read()
    origin = np.array(document["attributes"]["chunk_grid_origin"])
    shard = np.array([int(n) for n in key.removeprefix("0/vertices/c/").split("/")])
    kept = sound.chunks[((sound.chunks - origin) // outer != shard).any(axis=1)]
    assert 0 < len(kept) < len(sound.chunks) and first is not None
    batch = level.read(on_damage="skip")
    assert isinstance(batch, Points) and len(batch.notes) == 1
    assert np.array_equal(batch.positions, sound.read_chunks(kept).positions)


def test_rows_of_links_beyond_their_chunk_are_damage(hand_made: type[HandMade]) -> None:
    made = hand_made("graph", chunk_shape=[10.0] * 3)
    made.level()
    made.vertices({(0, 0, 0): np.ones((2, 3), np.float32)})
    made.objects_of([[((0, 0, 0), 0)]])
    made.links([[((0, 0, 0), 0), ((0, 0, 0), 2)], [((0, 0, 0), 0), ((0, 0, 0), 1)]])
    level = made.open().level(0)
    with pytest.raises(DamagedError, match=r"row 2 of chunk 0\.0\.0"):
        level.read()
    for batch in (level.read(on_damage="skip"), level.read_objects([0], on_damage="skip")):
        assert isinstance(batch, Graph) and batch.edges.tolist() == [[0, 1]]
        assert len(batch.notes) == 1 and "row 2" in batch.notes[0]


def test_manifests_that_name_what_is_not_there_are_damage(hand_made: type[HandMade]) -> None:
    for piece in (((0, 0, 0), 1), ((5, 0, 0), 0)):
        made = hand_made("polyline", chunk_shape=[10.0] * 3, convention="implicit_sequential")
        made.level()
        made.vertices({(0, 0, 0): np.ones((2, 3), np.float32)})
        made.objects_of([[((0, 0, 0), 0), piece]])
        level = made.open().level(0)
        with pytest.raises(DamagedError, match=f"fragment {piece[1]} of chunk"):
            level.read()
        skipped = level.read(on_damage="skip")
        assert len(skipped) == 2 and f"fragment {piece[1]} of chunk" in skipped.notes[0]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"shape": [2**60, 2**60, 1]}, "shape"),
        ({"shape": [3, 3]}, "3 axes|shape"),
        ({"data_type": "int8"}, "variable_length_bytes"),
        ({"chunk_key_encoding": {"name": "v7"}}, "chunk_key_encoding"),
        ({"chunk_grid": {"configuration": {"chunk_shape": [2, 1, 1]}}}, "one cell"),
    ],
)
def test_grids_that_cannot_be_are_damage(hand_made: type[HandMade], change: dict[str, Any], match: str) -> None:
    made = hand_made("point_cloud", chunk_shape=[10.0] * 3)
    made.level()
    made.vertices({(0, 0, 0): np.ones((2, 3), np.float32)})
    document = json.loads(made.objects["0/vertices/zarr.json"]) | change
    made.objects["0/vertices/zarr.json"] = json.dumps(document).encode()
    with pytest.raises(DamagedError, match=match):
        made.open().level(0).read()


def test_origins_beyond_whole_float64_numbers_are_damage(hand_made: type[HandMade]) -> None:
    made = hand_made("point_cloud", chunk_shape=[10.0] * 3)
    made.level()
    made.vertices({(0, 0, 0): np.ones((2, 3), np.float32)})
    for origin in (-(2**63), 2**63 - 1, 2**53):
        made.edit("0/vertices", chunk_grid_origin=[origin, 0, 0])
        with pytest.raises(DamagedError, match="2\\*\\*53"):
            made.open().level(0).read()


def draco_mesh(hand_made: type[HandMade], encode: Callable[..., bytes]) -> HandMade:
    made = hand_made("mesh", chunk_shape=[10.0] * 3)
    made.level()
    square = np.array([[1, 1, 1], [9, 1, 1], [9, 9, 1], [1, 9, 1]], np.float32)
    cells = {
        (0, 0, 0): encode(square, np.array([[0, 1, 2], [0, 2, 3]], np.uint32)),
        (1, 0, 0): encode(square + np.float32([10, 0, 0]), np.array([[0, 1, 2]], np.uint32)),
        (2, 0, 0): encode(square + np.float32([20, 0, 0])),
    }
    made.grid("0/vertices", cells, dtype="float32", encoding="draco")
    made.fragments({c: [(0, 4)] for c in cells})
    made.objects_of([[((0, 0, 0), 0)], [((1, 0, 0), 0), ((2, 0, 0), 0)]])
    made.links([[((0, 0, 0), 1), ((0, 0, 0), 2), ((1, 0, 0), 0)]])
    made.group("0/vertex_attributes")
    made.grid("0/vertex_attributes/v", {c: np.arange(4, dtype=np.uint8).tobytes() for c in cells}, dtype="uint8")
    return made


def test_draco_gives_the_meshes_of_single_chunks(hand_made: type[HandMade]) -> None:
    import DracoPy  # type: ignore[import-not-found]

    made = draco_mesh(hand_made, DracoPy.encode)
    store = made.open()
    level = store.level(0)
    batch = level.read()
    assert isinstance(batch, Mesh) and level.attributes == {} and batch.attributes == {}
    assert level.chunk_vertex_counts.tolist() == [4, 3, 4]  # the encoder drops what no face needs
    assert batch.positions.shape == (11, 3) and batch.faces.shape == (3, 3)
    assert batch.object_ids is not None and batch.object_ids.tolist() == [0, 1, 1]
    assert (batch.positions[batch.faces[:2]].max(axis=(0, 1)) < 9.1).all()
    assert batch.positions[batch.faces[2]][:, 0].min() > 10.9
    assert len(store.notes) == 1 and batch.notes == store.notes and "across chunks" in store.notes[0]
    part = level.read(box=((12, 0, 0), (13, 5, 5)))
    assert isinstance(part, Mesh) and len(part.faces) == 1 and part.notes == store.notes
    assert len(level.read_objects([1])) == 7
    key = "0/vertices/c/1/0/0"
    made.objects[key] = made.objects[key][:8] + b"DRAGO" + made.objects[key][13:]
    with pytest.raises(DamagedError, match=r"0/vertices, cell 1\.0\.0"):
        made.open().level(0).read()
    skipped = made.open().level(0).read(on_damage="skip")
    assert len(skipped) == 8 and len(skipped.notes) == 2


def test_draco_without_its_extra_is_refused_by_name(hand_made: type[HandMade], monkeypatch: pytest.MonkeyPatch) -> None:
    made = draco_mesh(hand_made, lambda positions, faces=None: b"DRACO")
    monkeypatch.setitem(sys.modules, "DracoPy", None)
    with pytest.raises(UnsupportedError, match="'draco'"):
        made.open().level(0).read()
