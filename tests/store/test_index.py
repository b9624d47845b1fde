"""zvview's own index: what it copies, what it leaves out, and that it tells the store's bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from zvview.format.documents import encode_document
from zvview.format.grid import format_chunk_keys, sort_chunks
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
    assert own["version"] == 2
    wanted: dict[int, list[str]] = {}
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
        elif isinstance(copy["attributes"].get("nonempty_chunks"), dict):
            wanted[copy["attributes"]["nonempty_chunks"]["bit"]] = document["attributes"]["nonempty_chunks"]
            copy["attributes"]["nonempty_chunks"] = document["attributes"]["nonempty_chunks"]
        assert copy == document
    assert sorted(wanted) == list(range(len(wanted))) and len(wanted) > 2 and own["sets"] == 1
    assert own["levels"]["0"]["vertex_count"] == 200
    statistics = own["levels"]["0"]["attributes"]["v"]
    assert (statistics["min"], statistics["max"]) == (0, 199)
    assert len(statistics["quantiles"]) == 101

    store = MemoryStore({k: zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(v) for k, v in held.items()})
    table = zarr.open_group(store, mode="r")["zvview/chunks"][:]
    coords, counts = np.unique(np.floor(where / 10).astype(int), axis=0, return_counts=True)
    assert np.array_equal(table[:, :-1], np.column_stack((np.zeros(len(coords), int), counts, coords)))
    for bit, keys in wanted.items():
        listed = coords[table[:, -1] >> bit & 1 == 1].tolist()
        assert sorted(".".join(map(str, chunk)) for chunk in listed) == sorted(keys)


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
    assert documents["zvview"]["attributes"][ATTRIBUTE]["version"] == 1  # nothing in it that older readers do not know
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


def _held(documents: Mapping[str, Any], cells: Any) -> dict[str, bytes]:
    held = {f"{path}/zarr.json": encode_document(d) for path, d in documents.items()}
    return held | {key: b"".join(pieces) for key, pieces in cells}


@given(st.data(), st.integers(1, 12), st.integers(0, 140))
@settings(max_examples=40)
def test_every_array_has_the_chunks_that_it_had(data: st.DataObject, count: int, arrays: int) -> None:
    chunks = sort_chunks(np.random.default_rng(count).integers(-9, 9, (count, 2)))
    keys = format_chunk_keys(chunks)
    listed = [data.draw(st.permutations(keys))[: data.draw(st.integers(0, len(keys)))] for _ in range(min(arrays, 5))]
    listed += [[keys[k] for k in range(len(keys)) if n >> k & 1] for n in range(arrays)]
    lists = {f"0/links/0/{n}": some for n, some in enumerate(listed)} | {"0/vertices": keys}
    nodes = {path: {"node_type": "array", "attributes": {"nonempty_chunks": some}} for path, some in lists.items()}
    level = IndexedLevel(0, chunks, np.ones(len(chunks), np.int64), {})
    held = _held(*build_index(nodes, {}, [level]))
    view = read_index(MemorySource(held))
    assert view is not None
    for path, some in lists.items():
        found = view.documents[path]["attributes"]["nonempty_chunks"]
        assert isinstance(found, np.ndarray) and sorted(format_chunk_keys(found)) == sorted(some)
    assert len(held["zvview/zarr.json"]) < 300 + 120 * len(lists)


def test_lists_of_other_chunks_or_of_none_are_spelled_out() -> None:
    odd: list[Any] = [["0.0", "7.7"], ["0.0", "0.0"], ["x"], [1], "0.0", None, 3]
    nodes = {f"0/a{n}": {"node_type": "array", "attributes": {"nonempty_chunks": some}} for n, some in enumerate(odd)}
    nodes["0/vertices"] = {"node_type": "array", "attributes": {"nonempty_chunks": ["0.0", "1.0"]}}
    level = IndexedLevel(0, np.array([[0, 0], [1, 0]]), np.ones(2, np.int64), {})
    view = read_index(MemorySource(_held(*build_index(nodes, {}, [level]))))
    assert view is not None
    assert [view.documents[f"0/a{n}"]["attributes"]["nonempty_chunks"] for n in range(len(odd))] == odd


@pytest.mark.parametrize("told", [{"bit": 63}, {"bit": -1}, {"bit": "0"}, {"bit": True}, {"bit": 1e400}, {}])
@pytest.mark.parametrize("columns", [1, 3, -1, "1"])
def test_bits_that_there_are_not_are_no_index(told: dict[str, Any], columns: Any) -> None:
    nodes = {
        "0/vertices": {"node_type": "array", "attributes": {"nonempty_chunks": ["0.0", "1.0"]}},
        "0/links/0/x": {"node_type": "array", "attributes": {"nonempty_chunks": ["1.0"]}},
    }
    level = IndexedLevel(0, np.array([[0, 0], [1, 0]]), np.ones(2, np.int64), {})
    documents, cells = build_index(nodes, {}, [level])
    own = documents["zvview"]["attributes"][ATTRIBUTE]
    assert own["metadata"]["0/links/0/x"]["attributes"]["nonempty_chunks"] == {"bit": 0} and own["sets"] == 1
    held = _held(documents, cells)
    assert read_index(MemorySource(held)) is not None
    own["metadata"]["0/links/0/x"]["attributes"]["nonempty_chunks"], own["sets"] = told, columns
    held["zvview/zarr.json"] = json.dumps(documents["zvview"]).encode()
    assert read_index(MemorySource(held)) is None


def test_an_index_that_spells_out_all_lists_is_read() -> None:
    nodes = {
        "0/vertices": {"node_type": "array", "attributes": {"nonempty_chunks": ["0.0", "1.0"]}},
        "0/links/0/x": {"node_type": "array", "attributes": {"nonempty_chunks": ["1.0"]}},
    }
    documents, cells = build_index(nodes, {}, [IndexedLevel(0, np.array([[0, 0], [1, 0]]), np.ones(2, np.int64), {})])
    own = documents["zvview"]["attributes"][ATTRIBUTE]
    own["metadata"]["0/links/0/x"], own["version"] = nodes["0/links/0/x"], 1
    view = read_index(MemorySource(_held(documents, cells)))
    assert view is not None and view.documents["0/links/0/x"]["attributes"]["nonempty_chunks"] == ["1.0"]
