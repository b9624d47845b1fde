"""Whole arrays against zarr, which wrote them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.errors import DamagedError, ZvviewError
from zvview.store.hierarchy import Hierarchy
from zvview.store.places.memory import MemorySource
from zvview.store.plain_arrays import document_of, fill_value_of, read_plain_array

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


def test_a_document_that_is_not_there_is_damage() -> None:
    with pytest.raises(DamagedError, match="nothing"):
        document_of(hierarchy_of({}), "b")
