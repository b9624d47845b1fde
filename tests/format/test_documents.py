"""Documents are what zarr reads and what the metadata models parse back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from zvview.errors import InvalidInputError
from zvview.format import documents
from zvview.format.metadata import Axis, LevelMetadata, RootMetadata


def opened(document: dict[str, Any]) -> Any:
    data = default_buffer_prototype().buffer.from_bytes(documents.encode_document(document))
    return zarr.open(MemoryStore({"zarr.json": data}), mode="r")


def test_bytes_are_compact_unicode_and_always_the_same() -> None:
    document = documents.group({"b": [1, 2.5], "a": "µm"})
    data = documents.encode_document(document)
    assert data == '{"zarr_format":3,"node_type":"group","attributes":{"b":[1,2.5],"a":"µm"}}'.encode()
    assert json.loads(data) == document


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, np.float32(1)])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(InvalidInputError, match="JSON"):
        documents.encode_document(documents.group({"x": value}))


@pytest.mark.parametrize("shard", [None, (2, 3)])
def test_grid_arrays_open_with_zarr(shard: tuple[int, int] | None) -> None:
    codecs = [{"name": "zstd", "configuration": {"level": 1, "checksum": False}}]
    document = documents.grid_array(
        {"zv_array": "vertices"}, origin=(-1, 0), shape=(4, 5), keys=["-1.0", "0.2"], codecs=codecs, shard_shape=shard
    )
    array = opened(document)
    assert array.shape == (4, 5)
    assert array.chunks == (1, 1)
    assert array.shards == shard
    assert array.attrs["nonempty_chunks"] == ["-1.0", "0.2"]
    assert array.attrs["chunk_grid_origin"] == [-1, 0]
    assert bytes(np.ravel(array[0:1, 0:1])[0]) == b""


@pytest.mark.parametrize(
    ("dtype", "fill"),
    [
        ("float32", np.nan),
        ("float64", np.nan),
        ("int16", -(2**15)),
        ("int64", -(2**63)),
        ("uint8", 255),
        ("uint64", 2**64 - 1),
        ("bool", False),
        ("<U5", ""),
    ],
)
def test_object_arrays_mark_absent_rows_with_the_fill_value(dtype: str, fill: object) -> None:
    document = documents.object_array("a", np.zeros((3, 2), dtype), {"unit": "m"})
    array = opened(document)
    assert array.dtype == np.dtype(dtype)
    assert array.shape == (3, 2)
    assert array.chunks == (65536, 2)
    assert array.attrs["unit"] == "m"
    assert array.fill_value == fill or (fill != fill and np.isnan(array.fill_value))
    assert array.attrs["fill_sentinel_meaning"] == "absent"


def test_plain_and_row_arrays() -> None:
    assert opened(documents.plain_array(np.zeros(3, np.int64), chunk_shape=[3])).chunks == (3,)
    assert documents.plain_array(np.zeros(1), fill_value=np.inf)["fill_value"] == "Infinity"
    assert documents.plain_array(np.zeros(1), fill_value=-np.inf)["fill_value"] == "-Infinity"
    rows = opened(documents.row_array(10, 4, {"k": 1}))
    assert (rows.shape, rows.chunks, dict(rows.attrs)) == ((10,), (4,), {"k": 1})
    with pytest.raises(InvalidInputError, match="complex128"):
        documents.plain_array(np.zeros(1, complex))


def test_root_and_level_attributes_parse_back() -> None:
    axes = (Axis("t", "time", "second"), Axis("x"))
    attributes = documents.root_attributes(
        kind="graph",
        axes=axes,
        chunk_shape=(2, 10),
        bin_shape=(1, 2.5),
        bounds=((-1, 0), (5, 90.5)),
        scales={"0": (1, 1), "1": (1, 4)},
        name="s",
        crs={"epsg": 1},
        attribute_specs={"vertex": {"v": {"dtype": "float32"}}},
    )
    root = RootMetadata.parse(json.loads(documents.encode_document(attributes)))
    assert root.axes == axes
    assert root.version_text == "0.9.2"
    assert root.links_convention == "explicit"
    assert root.base_bin_shape.tolist() == [1, 2.5]
    assert (root.lo.tolist(), root.hi.tolist()) == ([-1, 0], [5, 90.5])
    assert root.scales["1"].tolist() == [1, 4]
    assert root.crs == {"epsg": 1}
    translations = [d["coordinateTransformations"][1]["translation"] for d in attributes["multiscales"][0]["datasets"]]
    assert translations == [[0.5, 1.25], [0.5, 5.0]]
    assert [n["name"] for n in attributes["ome"]["nodes"]] == ["0", "1"]
    own = documents.level_attributes(
        1,
        vertex_count=7,
        arrays_present=["vertices"],
        parent_level=0,
        coarsening_method="thin",
        object_sparsity=0.5,
        chunk_shape=(2, 20),
        inherited_num_objects=3,
        more={"refinement": "replace"},
    )
    level = LevelMetadata.parse(own, 1, root)
    assert (level.vertex_count, level.parent_level, level.object_sparsity) == (7, 0, 0.5)
    assert level.chunk_shape.tolist() == [2, 20]
    assert level.preserves_object_ids
    assert level.fragments_tile
    assert own["zarr_vectors_level"]["inherited_num_objects"] == 3
