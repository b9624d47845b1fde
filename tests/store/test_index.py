"""zvview's own index: what it copies, what it leaves out, and that it tells the store's bytes."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import zarr
from zarr.storage import MemoryStore

from zvview.format.documents import encode_document
from zvview.geometry.batches import Points, Polylines
from zvview.store.index import ATTRIBUTE, IndexedLevel, build_index
from zvview.store.index_view import read_index
from zvview.store.places.memory import MemorySource
from zvview.store.writing.options import WriteOptions
from zvview.store.writing.store_writer import write_store


def test_the_index_tells_documents_fingerprints_chunks_and_statistics() -> None:
    held: dict[str, bytes] = {}
    rng = np.random.default_rng(1)
    where = rng.uniform(-20, 20, (200, 2)).astype(np.float32)
    batch = Polylines(where, attributes={"v": np.arange(200, dtype=np.int16)})
    write_store(held, batch, WriteOptions(kind="polyline", chunk_shape=(10, 10)))
    own = json.loads(held["zvview/zarr.json"])["attributes"][ATTRIBUTE]
    assert own["version"] == 1
    nodes = {k[: -len("/zarr.json")] for k in held if k.endswith("/zarr.json") and not k.startswith("zvview")}
    assert set(own["metadata"]) == set(own["fingerprints"]) == nodes
    for path in nodes:
        data = held[f"{path}/zarr.json"]
        assert own["fingerprints"][path] == hashlib.blake2b(data, digest_size=16).hexdigest()
        document, copy = json.loads(data), own["metadata"][path]
        if copy["attributes"].get("nonempty_chunks") is True:
            vertices = json.loads(held["0/vertices/zarr.json"])
            assert document["attributes"]["nonempty_chunks"] == vertices["attributes"]["nonempty_chunks"]
            copy["attributes"]["nonempty_chunks"] = document["attributes"]["nonempty_chunks"]
        assert copy == document
    assert own["levels"]["0"]["vertex_count"] == 200
    statistics = own["levels"]["0"]["attributes"]["v"]
    assert (statistics["min"], statistics["max"]) == (0, 199)
    assert len(statistics["quantiles"]) == 101

    store = MemoryStore({k: zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(v) for k, v in held.items()})
    table = zarr.open_group(store, mode="r")["zvview/chunks"][:]
    coords, counts = np.unique(np.floor(where / 10).astype(int), axis=0, return_counts=True)
    assert np.array_equal(table, np.column_stack((np.zeros(len(coords), int), counts, coords)))


def test_a_store_without_an_index_has_no_such_group() -> None:
    held: dict[str, bytes] = {}
    write_store(held, Points(np.ones((2, 2))), WriteOptions(kind="point_cloud", has_index=False))
    assert not [key for key in held if key.startswith("zvview")]


def test_levels_stand_one_after_the_other_in_the_table() -> None:
    levels = [
        IndexedLevel(0, np.array([[0, 0], [1, -1]]), np.array([4, 5]), {}),
        IndexedLevel(1, np.array([[0, 0]]), np.array([3]), {}),
    ]
    documents, cells = build_index({}, {}, levels)
    assert documents["zvview/chunks"]["shape"] == [3, 4]
    assert documents["zvview"]["attributes"][ATTRIBUTE]["levels"]["1"] == {"vertex_count": 3, "attributes": {}}
    assert [key for key, _ in cells] == ["zvview/chunks/c/0/0"]


def test_levels_with_coordinates_of_different_lengths_share_the_table() -> None:
    levels = [
        IndexedLevel(0, np.array([[2, 0, -3], [2, 1, -1]]), np.array([4, 5]), {}),
        IndexedLevel(1, np.array([[0, -2]]), np.array([3]), {}),
    ]
    documents, cells = build_index({}, {}, levels)
    held = {f"{path}/zarr.json": encode_document(d) for path, d in documents.items()}
    held |= {key: b"".join(pieces) for key, pieces in cells}
    view = read_index(MemorySource(held))
    assert view is not None
    assert view.chunks[0].tolist() == [[2, 0, -3], [2, 1, -1]]
    assert view.chunks[1].tolist() == [[0, -2]]
    assert view.counts[1].tolist() == [3]


def test_no_flipped_bit_of_the_table_is_believed() -> None:
    place: dict[str, bytes] = {}
    positions = np.random.default_rng(0).uniform(0, 90, (300, 3))
    write_store(place, Points(positions), WriteOptions(kind="point_cloud", chunk_shape=(30, 30, 30)))
    true, cell = read_index(MemorySource(place)), place["zvview/chunks/c/0/0"]
    assert true is not None
    for at in range(len(cell)):
        place["zvview/chunks/c/0/0"] = cell[:at] + bytes([cell[at] ^ 1 << at % 8]) + cell[at + 1 :]
        found = read_index(MemorySource(place))
        if found is not None:
            np.testing.assert_array_equal(found.counts[0], true.counts[0])
            np.testing.assert_array_equal(found.chunks[0], true.chunks[0])
