"""Collections: several stores in one place, that appear together and open together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr_vectors

import zvview
from zvview.errors import DamagedError, ExistsError, InvalidInputError, MissingError, UnsupportedError

POINTS = zvview.Points(np.random.default_rng(0).uniform(0, 9, (50, 3)).astype("f4"))
MESH = zvview.Mesh(np.eye(3, dtype="f4"), faces=[[0, 1, 2]])


def write(place: Any, mode: Any = "w-") -> zvview.NewCollection:
    with zvview.create_collection(place, mode=mode) as collection:
        collection.create("synapses", kind="point_cloud").write(POINTS)
        collection.create("surface", kind="mesh").write(MESH)
    return collection


@pytest.mark.parametrize("kind", ["folder", "zip", "memory"])
def test_members_come_back(tmp_path: Path, kind: str) -> None:
    place: Any = {} if kind == "memory" else tmp_path / ("c.zip" if kind == "zip" else "c")
    with write(place).open() as collection:
        assert list(collection) == ["synapses", "surface"]
        assert collection.notes == ()
        read = collection["synapses"].level(0).read()
        assert sorted(read.positions.tolist()) == sorted(POINTS.positions.tolist())
        surface = collection["surface"].level(0).read()
        assert surface.positions[surface.faces].tolist() == [MESH.positions.tolist()]
        assert collection["surface"] is collection["surface"]
    with zvview.open(place) as again:
        assert isinstance(again, zvview.Collection)
        with pytest.raises(MissingError, match="synapses"):
            again["nothing"]


def test_each_member_is_a_store_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "c")
    store = zvview.open(tmp_path / "c" / "surface")
    assert isinstance(store, zvview.Store)
    assert zarr_vectors.open(str(tmp_path / "c" / "surface")).validate(level=5).errors == []
    assert zvview.check(tmp_path / "c").ok


def test_nothing_appears_when_a_member_fails(tmp_path: Path) -> None:
    def write_two() -> None:
        with zvview.create_collection(tmp_path / "c") as collection:
            collection.create("synapses", kind="point_cloud").write(POINTS)
            collection.create("surface", kind="mesh").write(POINTS)

    with pytest.raises(InvalidInputError):
        write_two()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_unless_asked(tmp_path: Path) -> None:
    write(tmp_path / "c")
    with pytest.raises(ExistsError):
        write(tmp_path / "c")
    write(tmp_path / "c", mode="w")
    with pytest.raises(InvalidInputError):
        write(tmp_path / "d", mode="a")


def test_foreign_members_are_left_out_and_named(tmp_path: Path) -> None:
    write(tmp_path / "c")
    image = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": {"multiscales": []}}}
    (tmp_path / "c" / "image").mkdir()
    (tmp_path / "c" / "image" / "zarr.json").write_text(json.dumps(image))
    root = json.loads((tmp_path / "c" / "zarr.json").read_text())
    root["attributes"]["ome"]["nodes"].append({"name": "image", "type": "multiscale", "path": "./image"})
    (tmp_path / "c" / "zarr.json").write_text(json.dumps(root))
    with zvview.open(tmp_path / "c") as collection:
        assert isinstance(collection, zvview.Collection)
        assert len(collection) == 2
        assert "'image'" in collection.notes[0]


DAMAGED = {
    "no JSON": b"not json at all",
    "truncated": None,
    "empty": b"",
    "a list": b"[1, 2, 3]",
    "a number": b"1e999",
    "no text": bytes(range(128, 256)),
    "nested deeply": b'{"node_type": "group", "attributes": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001,
    "a list nested deeply": b"[" * 10_000 + b"]" * 10_000,
    "attributes that are a list": b'{"zarr_format": 3, "node_type": "group", "attributes": []}',
}


@pytest.mark.parametrize("what", DAMAGED)
@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_a_damaged_member_does_not_take_the_others_with_it(tmp_path: Path, kind: str, what: str) -> None:
    place: Any = {} if kind == "memory" else tmp_path / "c"
    write(place)
    document = (tmp_path / "c" / "synapses" / "zarr.json").read_bytes() if kind == "folder" else None
    whole = place["synapses/zarr.json"] if document is None else document
    damaged = DAMAGED[what] if DAMAGED[what] is not None else bytes(whole)[:-40]
    if kind == "folder":
        (tmp_path / "c" / "synapses" / "zarr.json").write_bytes(damaged)
    else:
        place["synapses/zarr.json"] = damaged
    with zvview.open(place) as collection:
        assert isinstance(collection, zvview.Collection)
        assert list(collection) == ["surface"] and "synapses" not in collection and "surface" in collection
        assert len(collection["surface"].level(0).read()) == 3
        (note,) = collection.notes
        assert note.startswith("member 'synapses' is left out: damaged document in synapses/zarr.json")
        with pytest.raises(DamagedError, match="synapses"):
            collection["synapses"]


def test_a_collection_of_damaged_members_alone_is_empty_and_says_so(tmp_path: Path) -> None:
    write(tmp_path / "c")
    for name in ("synapses", "surface"):
        (tmp_path / "c" / name / "zarr.json").write_text("{")
    with zvview.open(tmp_path / "c") as collection:
        assert isinstance(collection, zvview.Collection)
        assert len(collection) == 0 and len(collection.notes) == 2


@pytest.mark.parametrize("path", ["../elsewhere", "/etc", "a/../../b", "https://127.0.0.1/x"])
def test_members_outside_of_the_collection_are_refused(tmp_path: Path, path: str) -> None:
    write(tmp_path / "c")
    root = json.loads((tmp_path / "c" / "zarr.json").read_text())
    root["attributes"]["ome"]["nodes"][0]["path"] = path
    (tmp_path / "c" / "zarr.json").write_text(json.dumps(root))
    if path == "/etc":  # a leading slash is the collection's own root
        with zvview.open(tmp_path / "c") as collection:
            assert list(collection) == ["surface"]
        return
    with pytest.raises((InvalidInputError, UnsupportedError)):
        zvview.open(tmp_path / "c")


@pytest.mark.parametrize("name", ["a/b", "zvview", "..", "", "zarr.json"])
def test_names_that_are_no_folders_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError), zvview.create_collection(tmp_path / "c") as collection:
        collection.create(name, kind="mesh")
