"""The bytes of a tiny store of each kind: they change only on purpose."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from zvview.geometry.batches import Batch, Graph, Lines, Mesh, Points, Polylines, Skeletons, Streamlines
from zvview.store.writing.options import WriteOptions
from zvview.store.writing.store_writer import write_store

WHERE = np.array([[1, 1, 1], [6, 1, 1], [11, 1, 1], [14, 2, 1], [-1, 2, 3]], np.float32)

BATCHES: dict[str, Batch] = {
    "points": Points(WHERE, attributes={"part": np.array(["a", None, "b", "a", "a"], object)}),
    "objects": Points(WHERE, np.array([5, 5, -2, 5, -2]), attributes={"v": np.arange(5, dtype=np.float32)}),
    "line": Lines(WHERE[:4], offsets=np.array([0, 2, 4])),
    "polyline": Polylines(WHERE, offsets=np.array([0, 4, 5]), object_ids=np.array([9, 2])),
    "streamline": Streamlines(WHERE, attributes={"rgb": np.arange(15, dtype=np.uint8).reshape(5, 3)}),
    "graph": Graph(WHERE, edges=np.array([[3, 2], [0, 4], [1, 0]]), link_attributes={"w": np.array([1.0, 2.0, 3.0])}),
    "skeleton": Skeletons.from_parents(WHERE, [-1, 0, 1, 1, 0]),
    "mesh": Mesh(WHERE, faces=np.array([[0, 1, 2], [3, 2, 4], [1, 0, 4]])),
}

HASHES = {
    "points": "38f30cac78ef512dcdc855d7",
    "objects": "2f74ade27dfa093bbd807685",
    "line": "7146dcf639c7f4887c20075e",
    "polyline": "9a6169cb1fb0a61dbc4e58ff",
    "streamline": "08561fce0cb2bb270d833e73",
    "graph": "6d01ab233493182f8e3e3274",
    "skeleton": "29c17d82bbad64069d86a1ee",
    "mesh": "5246cae455356b4eec19628e",
}


def store_of(name: str) -> dict[str, bytes]:
    held: dict[str, bytes] = {}
    batch = BATCHES[name]
    write_store(held, batch, WriteOptions(kind=batch.kind, chunk_shape=(10, 10, 10), name="pinned"))
    return held


@pytest.mark.parametrize("name", BATCHES)
def test_the_bytes_of_a_tiny_store_are_pinned(name: str) -> None:
    digest = hashlib.blake2b(digest_size=12)
    for key, value in sorted(store_of(name).items()):
        # what a compressor makes of plain arrays is its own; cells and documents are ours
        if not key.startswith(("0/object_index/manifests/c/", "0/object_index/object_ids/c/", "zvview/chunks/c/")):
            digest.update(key.encode() + b"\0" + value + b"\0")
    assert digest.hexdigest() == HASHES[name]


def test_the_cells_of_the_worked_example_stand_in_the_specification() -> None:
    held = store_of("polyline")
    # grid origin (-1, 0, 0): chunk 0.0.0 is array index 1/0/0
    assert held["0/vertices/c/1/0/0"].hex() == "0100000018000000" + WHERE[:2].tobytes().hex()
    assert held["0/vertices/c/2/0/0"][8:] == WHERE[2:4].tobytes()
    bridge = held["0/links/0/+1.0.0/c/1/0/0"]
    assert np.frombuffer(bridge[8:], "<i8").tolist() == [1, 0, 0, 1, 0]  # one group at 0; perm 0, row 1 to row 0
    assert np.frombuffer(held["0/fragment_attributes/object_id/c/0/0/0"][8:], "<i8").tolist() == [2]
    level = json.loads(held["0/zarr.json"])["attributes"]["zarr_vectors_level"]
    assert level == {
        "level": 0,
        "vertex_count": 5,
        "arrays_present": ["vertices", "vertex_fragments", "fragment_attributes", "links", "object_index"],
        "object_sparsity": 1.0,
        "coarsening_method": "none",
        "parent_level": None,
        "fragments_tile": True,
    }


def test_a_face_across_chunks_is_filed_as_the_specification_says() -> None:
    corners = np.array([[1, 1, 1], [11, 1, 1], [1, 11, 1]], np.float32)  # A, B, C
    held: dict[str, bytes] = {}
    mesh = Mesh(corners, faces=np.array([[2, 1, 0]]))  # (C0, B0, A0)
    write_store(held, mesh, WriteOptions(kind="mesh", chunk_shape=(10, 10, 10)))
    cell = held["0/links/0/0.+1.0_+1.0.0/c/0/0/0"]
    assert np.frombuffer(cell[8:], "<i8").tolist() == [1, 0, 4, 0, 0, 0]
