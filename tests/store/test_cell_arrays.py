"""Where the cells of a grid lie, sharded or not, against zarr, which wrote them."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import DamagedError, UnsupportedError
from zvview.store.cell_arrays import GridArray, key_encoding
from zvview.store.hierarchy import Hierarchy
from zvview.store.places.memory import MemorySource
from zvview.store.waves import UnreadableCells, read_cells

Cells = dict[tuple[int, ...], bytes]
SHAPE = (3, 4)


def grid(
    cells: Cells, *, shard: tuple[int, ...] | None = None, compressor: str | None = None, **own: Any
) -> dict[str, Any]:
    """A grid array as zarr lays it out: its document written by hand, its shards by zarr's own codec."""
    inner: list[dict[str, Any]] = [{"name": "vlen-bytes"}]
    if compressor:
        inner.append({"name": "zstd", "configuration": {"level": 1, "checksum": False}})
    codecs = inner
    if shard is not None:
        index = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
        configuration = {"chunk_shape": [1, 1], "codecs": inner, "index_codecs": index, "index_location": "end"}
        codecs = [{"name": "sharding_indexed", "configuration": configuration}]
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(SHAPE),
        "data_type": "variable_length_bytes",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(shard or (1, 1))}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": "",
        "codecs": codecs,
        "attributes": own,
    }
    store = zarr.storage.MemoryStore()
    encoded = zarr.core.buffer.cpu.Buffer.from_bytes(json.dumps(document).encode())
    store._store_dict["a/zarr.json"] = encoded
    array = zarr.open_array(store, path="a", mode="r+")
    for (i, j), payload in cells.items():
        value = np.empty((1, 1), object)
        value[0, 0] = payload
        array[i : i + 1, j : j + 1] = value
    return {key: bytes(data.to_bytes()) for key, data in store._store_dict.items()}


def opened(held: dict[str, Any], **kwargs: Any) -> GridArray:
    return GridArray(MemorySource(held), "a", json.loads(held["a/zarr.json"]), **kwargs)


def payloads(held: dict[str, Any], coords: list[tuple[int, ...]]) -> list[bytes]:
    hierarchy = Hierarchy(MemorySource(held))
    (found,) = read_cells(hierarchy, [(opened(held), np.array(coords, np.int64).reshape(-1, 2))])
    return [cell.tobytes() for cell in found]


pytestmark = pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
POSITIONS = st.tuples(st.integers(0, 2), st.integers(0, 3))


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(POSITIONS, st.binary(min_size=1, max_size=9), max_size=6),
    st.sampled_from([None, (2, 2), (3, 4)]),
    st.sampled_from([None, "zstd"]),
    st.lists(st.tuples(st.integers(-2, 4), st.integers(-2, 5)), max_size=6),
)
def test_cells_are_as_zarr_wrote_them(
    cells: Cells, shard: tuple[int, ...] | None, compressor: str | None, extra: list[tuple[int, int]]
) -> None:
    held = grid(cells, shard=shard, compressor=compressor, nonempty_chunks=[], chunk_grid_origin=[-1, 2])
    wanted = [(i - 1, j + 2) for i, j in [*cells, *extra]]
    expected = [cells.get((i + 1, j - 2), b"") for i, j in wanted]
    assert payloads(held, wanted) == expected


@settings(max_examples=20, deadline=None)
@given(st.sets(POSITIONS), st.sampled_from([None, (2, 2)]), st.booleans())
def test_presence_is_found_without_a_list(places: set[tuple[int, int]], shard: Any, can_list: bool) -> None:
    held = grid(dict.fromkeys(places, b"x"), shard=shard, chunk_grid_origin=[-1, 0])
    held["a/c/99/0"] = held["a/c/x/0"] = held["a/c/0"] = b"strays"
    source = MemorySource(held)
    source.can_list = can_list
    array = GridArray(source, "a", json.loads(held["a/zarr.json"]))
    assert array.chunks.tolist() == sorted([i - 1, j] for i, j in places)


def test_listed_presence_is_believed_unless_told_otherwise() -> None:
    held = grid({(0, 0): b"x"}, nonempty_chunks=["2.1", "0.0", "2.1"])
    assert opened(held).chunks.tolist() == [[0, 0], [2, 1]]
    assert opened(held, is_presence_listed=False).chunks.tolist() == [[0, 0]]
    for wrong in (["1"], "0.0", [None], {"0.0": 1}):
        spoiled = grid({}, nonempty_chunks=wrong)
        with pytest.raises(DamagedError, match="a"):
            _ = opened(spoiled).chunks


def test_grids_too_large_to_be_probed_are_damage() -> None:
    document = json.loads(grid({})["a/zarr.json"]) | {"shape": [10**6, 10**6]}
    source = MemorySource({})
    source.can_list = False
    with pytest.raises(DamagedError, match="nonempty_chunks"):
        _ = GridArray(source, "a", document).chunks


def test_damage_is_told_with_array_and_chunk() -> None:
    held = grid({(0, 0): b"xyz", (1, 1): b"abc"}, chunk_grid_origin=[0, -1])
    held["a/c/1/1"] = struct.pack("<II", 1, 99) + b"abc"
    with pytest.raises(UnreadableCells) as caught:
        payloads(held, [(0, -1), (1, 0)])
    assert (caught.value.array, caught.value.cell, caught.value.cells) == ("a", "1.0", (1,))
    assert caught.value.ask == 0


def test_a_damaged_index_of_a_shard_is_the_damage_of_its_cells() -> None:
    cells = {(0, 0): b"x", (0, 1): b"y", (2, 3): b"z"}
    held = grid(cells, shard=(2, 2))
    held["a/c/0/0"] = held["a/c/0/0"][:-1]
    with pytest.raises(UnreadableCells) as caught:
        payloads(held, [(2, 3), (0, 0), (0, 1)])
    assert caught.value.cells == (1, 2) and caught.value.cell == "0.0"
    assert payloads(held, [(2, 3)]) == [b"z"]


@pytest.mark.parametrize(
    "change",
    [
        {"shape": []},
        {"shape": [3, 0]},
        {"shape": [3, 2**54]},
        {"data_type": "uint8"},
        {"node_type": "group"},
        {"chunk_grid": {"configuration": {"chunk_shape": [1]}}},
        {"chunk_grid": {"configuration": {"chunk_shape": [2, 1]}}},
        {"chunk_grid": {}},
        {"chunk_key_encoding": {"name": "other"}},
        {"chunk_key_encoding": {"name": "v2", "configuration": {"separator": "-"}}},
        {"chunk_key_encoding": 5},
        {"attributes": {"chunk_grid_origin": [0]}},
        {"attributes": {"chunk_grid_origin": [-(2**63), 0]}},
        {"attributes": {"chunk_grid_origin": [2**53, 0]}},
    ],
)
def test_documents_that_cannot_be_are_damage(change: dict[str, Any]) -> None:
    document = json.loads(grid({})["a/zarr.json"]) | change
    with pytest.raises(DamagedError, match="a"):
        GridArray(MemorySource({}), "a", document)


def test_cells_of_other_serializers_are_refused() -> None:
    document = json.loads(grid({})["a/zarr.json"])
    document["codecs"] = [{"name": "vlen-utf8"}]
    with pytest.raises(UnsupportedError, match="vlen-utf8"):
        GridArray(MemorySource({}), "a", document)


def test_keys() -> None:
    assert key_encoding({}) == ("/", "c/")
    assert key_encoding({"chunk_key_encoding": {"name": "v2"}}) == (".", "")
    separator = {"configuration": {"separator": "."}}
    assert key_encoding({"chunk_key_encoding": {"name": "default"} | separator}) == (".", "c.")


def test_near_ranges_of_a_shard_are_read_as_one() -> None:
    held = grid({(0, 0): b"x" * 9, (0, 1): b"y" * 9, (1, 0): b"z" * 9}, shard=(2, 2))
    array = opened(held)
    coords = np.array([[1, 0], [0, 0], [1, 1], [0, 1]])
    requests = array.preparation(coords)
    array.prepare(requests, MemorySource(held).get_many(requests))
    plan = array.plan(coords)
    assert len(plan.requests) == 1 and [p is None for p in plan.places] == [False, False, True, False]
    assert array.preparation(coords) == []
