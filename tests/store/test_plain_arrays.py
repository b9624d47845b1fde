"""Whole arrays and byte rows against zarr, which wrote them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.errors import DamagedError, UnsupportedError, ZvviewError
from zvview.format.cells import RowTable
from zvview.store.hierarchy import Hierarchy
from zvview.store.places.memory import MemorySource
from zvview.store.plain_arrays import ByteRows, document_of, fill_value_of, read_plain_array

Held = dict[str, Any]


def written(values: NDArray[Any], chunks: tuple[int, ...], **kwargs: Any) -> Held:
    """What zarr writes for an array at the path ``a``."""
    store = zarr.storage.MemoryStore()
    array = zarr.create_array(store, name="a", shape=values.shape, dtype=values.dtype, chunks=chunks, **kwargs)
    array[...] = values
    return {key: bytes(data.to_bytes()) for key, data in store._store_dict.items()}


def hierarchy_of(held: Held) -> Hierarchy:
    return Hierarchy(MemorySource(held))


def read(held: Held) -> NDArray[Any]:
    hierarchy = hierarchy_of(held)
    return read_plain_array(hierarchy, "a", document_of(hierarchy, "a"))


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["int64", "uint8", "float32", "bool", "float16"]),
    st.lists(st.integers(0, 7), min_size=1, max_size=3),
    st.sampled_from([None, "auto"]),
    st.data(),
)
def test_arrays_are_as_zarr_wrote_them(dtype: str, shape: list[int], compressors: Any, data: st.DataObject) -> None:
    values = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
    chunks = tuple(data.draw(st.integers(1, 4)) for _ in shape)
    found = read(written(values, chunks, compressors=compressors))
    assert found.dtype == values.dtype and np.array_equal(found, values)


def test_chunks_that_are_not_stored_hold_the_fill_value() -> None:
    values = np.array([1.0, np.nan, np.nan, 2.0])
    held = written(values, (1,), fill_value=np.nan)
    assert sum(k.startswith("a/c/") for k in held) == 2
    assert np.array_equal(read(held), values, equal_nan=True)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"serializer": zarr.codecs.BytesCodec(endian="big")},
        {"shards": (4,)},
        {"filters": [zarr.codecs.TransposeCodec(order=(0,))]},
    ],
)
def test_other_encodings_go_through_zarr(kwargs: dict[str, Any]) -> None:
    values = np.arange(8, dtype=np.int32)
    assert np.array_equal(read(written(values, (2,), **kwargs)), values)


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_text_goes_through_zarr() -> None:
    values = np.array(["", "a", "bcd"], "U3")
    assert read(written(values, (2,))).tolist() == ["", "a", "bcd"]


def test_shapes_far_beyond_the_chunks_are_damage() -> None:
    held = written(np.zeros(4), (4,), fill_value=1)
    for shape, chunk in (([2**40], [2**40]), ([2**40], [1]), ([2**31, 2**31], [2**31, 2**31])):
        document = json.loads(held["a/zarr.json"])
        document["shape"], document["chunk_grid"]["configuration"]["chunk_shape"] = shape, chunk
        with pytest.raises(DamagedError, match="a"):
            read({"a/zarr.json": json.dumps(document).encode()})


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"shape": [5]}, "bytes|shape"),
        ({"shape": [-1]}, "shape"),
        ({"shape": "x"}, "shape"),
        ({"chunk_grid": {}}, "chunk"),
        ({"chunk_grid": {"configuration": {"chunk_shape": [0]}}}, "shape"),
        ({"node_type": "group"}, "node_type"),
        ({"data_type": "float64"}, "bytes"),
        ({"data_type": "nonsense"}, "array"),
        ({"codecs": [{"name": "nonsense"}]}, "array|nonsense"),
    ],
)
def test_documents_that_do_not_fit_are_damage(change: dict[str, Any], match: str) -> None:
    held = written(np.arange(4, dtype=np.int32), (4,), compressors=None)
    document = json.loads(held["a/zarr.json"]) | change
    if change == {"shape": [5]}:
        document["chunk_grid"]["configuration"]["chunk_shape"] = [5]
    held["a/zarr.json"] = json.dumps(document).encode()
    with pytest.raises(DamagedError, match=match):
        read(held)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_flipped_bytes_give_values_or_errors(data: st.DataObject) -> None:
    held = written(np.arange(6, dtype=np.float32), (3,), filters=None)
    key = data.draw(st.sampled_from(sorted(k for k in held if k.startswith("a/c/"))))
    spoiled = bytearray(held[key])
    spoiled[data.draw(st.integers(0, len(spoiled) - 1))] ^= data.draw(st.integers(1, 255))
    held[key] = bytes(spoiled[: data.draw(st.integers(0, len(spoiled)))])
    try:
        found = read(held)
    except ZvviewError:
        return
    assert found.shape == (6,)


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [("NaN", "float32", np.nan), ("-Infinity", "float64", -np.inf), ("0x7f800000", "float32", np.inf), (3, "int8", 3)],
)
def test_fill_values(value: Any, dtype: str, expected: Any) -> None:
    found = fill_value_of({"fill_value": value}, np.dtype(dtype))
    assert np.array_equal(found, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [("x", "float32"), ("0x12", "float32"), ("0xzz", "float64"), (300, "int8"), (None, "int8"), ([], "int8")],
)
def test_fill_values_that_are_none(value: Any, dtype: str) -> None:
    with pytest.raises(DamagedError, match="fill_value"):
        fill_value_of({"fill_value": value}, np.dtype(dtype))


def rows_written(rows: list[bytes], chunk: int) -> Held:
    held: Held = {
        "a/zarr.json": json.dumps(
            {
                "zarr_format": 3,
                "node_type": "array",
                "shape": [len(rows)],
                "data_type": "variable_length_bytes",
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [chunk]}},
                "fill_value": "",
                "codecs": [{"name": "vlen-bytes"}],
            }
        ).encode()
    }
    for number in range(-(-len(rows) // chunk)):
        part = rows[number * chunk : (number + 1) * chunk]
        part += [b""] * (chunk - len(part))
        body = b"".join(len(r).to_bytes(4, "little") + r for r in part)
        held[f"a/c/{number}"] = len(part).to_bytes(4, "little") + body
    return held


def bytes_of(table: RowTable) -> list[bytes]:
    return [table.buffer[s : s + n].tobytes() for s, n in zip(table.starts, table.sizes, strict=True)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=4), min_size=1, max_size=9), st.integers(1, 4), st.data())
def test_rows_in_any_order(rows: list[bytes], chunk: int, data: st.DataObject) -> None:
    hierarchy = hierarchy_of(rows_written(rows, chunk))
    array = ByteRows(hierarchy, "a", document_of(hierarchy, "a"))
    wanted = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6))
    assert bytes_of(array.read(np.array(wanted, np.int64))) == [rows[i] for i in wanted]
    assert bytes_of(array.read()) == rows and len(array) == len(rows)


def test_absent_chunks_are_empty_rows() -> None:
    held = rows_written([b"a", b"b", b"c"], 2)
    del held["a/c/0"]
    hierarchy = hierarchy_of(held)
    assert bytes_of(ByteRows(hierarchy, "a", document_of(hierarchy, "a")).read()) == [b"", b"", b"c"]


@pytest.mark.parametrize("spoiled", [b"", b"\x01\0\0\0\0\0\0\0", b"\x02\0\0\0\xff\0\0\0\0\0\0\0", b"\xff\xff\xff\xff"])
def test_cells_that_do_not_hold_their_rows_are_damage(spoiled: bytes) -> None:
    hierarchy = hierarchy_of(rows_written([b"a", b"b", b"c"], 2) | {"a/c/0": spoiled})
    array = ByteRows(hierarchy, "a", document_of(hierarchy, "a"))
    assert bytes_of(array.read(np.array([2]))) == [b"c"]
    with pytest.raises(DamagedError, match="a/c/0"):
        array.read()


def test_arrays_that_are_no_rows_are_refused() -> None:
    hierarchy = hierarchy_of(written(np.zeros(2), (2,)))
    with pytest.raises(UnsupportedError):
        ByteRows(hierarchy, "a", document_of(hierarchy, "a"))
    with pytest.raises(DamagedError, match="nothing"):
        document_of(hierarchy, "b")
