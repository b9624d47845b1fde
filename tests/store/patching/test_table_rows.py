"""Rows of arrays changed in place: what is read is what was put, and cells without a changed row are left alone."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format import documents
from zvview.store.hierarchy import Hierarchy, document_key, parse_document
from zvview.store.patching.overlay import Overlay
from zvview.store.patching.table_rows import put_byte_rows, put_typed_rows, rearrange_byte_rows
from zvview.store.places.memory import MemorySource
from zvview.store.plain_arrays import read_plain_array
from zvview.store.table_chunks import ByteRows
from zvview.store.writing.plain_cells import plain_cells, row_cells

SEEDS = st.integers(0, 2**32)
PATH = "0/table"


def store_typed(values: NDArray[Any], chunk: int) -> tuple[Overlay, dict[str, Any]]:
    fill: Any = "" if values.dtype.kind == "U" else 7
    shape = [chunk, *values.shape[1:]]
    document = documents.plain_array(values, {"shape": list(values.shape)}, fill_value=fill, chunk_shape=shape)
    cells = {key: b"".join(map(bytes, pieces)) for key, pieces in plain_cells(PATH, document, values)}
    return Overlay(MemorySource(cells)), document


@settings(max_examples=40, deadline=None)
@given(
    seed=SEEDS,
    dtype=st.sampled_from(["<f4", "<i8", "<u2", "bool", "<U5"]),
    width=st.sampled_from([None, 3]),
    chunk=st.sampled_from([4, 7, 100]),
)
def test_typed_rows(seed: int, dtype: str, width: int | None, chunk: int) -> None:
    rng = np.random.default_rng(seed)
    shape = () if width is None else (width,)
    before, after = int(rng.integers(1, 40)), int(rng.integers(0, 9))
    values = rng.integers(0, 99, (before, *shape)).astype(dtype)
    overlay, document = store_typed(values, chunk)
    rows = rng.choice(before + after, int(rng.integers(0, before + after)), replace=False)
    new = rng.integers(0, 99, (len(rows), *shape)).astype(dtype)
    made = put_typed_rows(overlay, PATH, document, rows, new, before + after)
    fill: Any = "" if values.dtype.kind == "U" else 7
    expected = np.full((before + after, *shape), fill, dtype)
    expected[:before] = values
    expected[rows] = new
    np.testing.assert_array_equal(read_plain_array(Hierarchy(overlay), PATH, made), expected)
    assert made["shape"] == made["attributes"]["shape"] == list(expected.shape)
    touched = {f"{PATH}/c/{row // chunk}" + ("" if width is None else "/0") for row in rows.tolist()}
    assert set(overlay.changes) <= touched


@pytest.mark.parametrize("form", [{"chunks": (5, 2)}, {"chunks": (4, 3), "shards": (8, 3)}, {"dtype": ">i4"}])
def test_arrays_of_others_are_written_whole(form: dict[str, Any]) -> None:
    place: dict[str, Any] = {}
    store = zarr.storage.MemoryStore(place)
    values = np.arange(60).reshape(20, 3)
    form = {"chunks": (8, 3), "dtype": "int32"} | form
    array = zarr.create_array(store, name=PATH, shape=(20, 3), zarr_format=3, fill_value=-1, **form)
    array[...] = values
    cells = {key: data.to_bytes() for key, data in place.items()}
    overlay = Overlay(MemorySource(cells))
    document = parse_document(cells[document_key(PATH)], PATH)
    made = put_typed_rows(overlay, PATH, document, np.array([3, 21]), np.array([[1, 2, 3], [4, 5, 6]]), 22)
    expected = np.concatenate((values, [[-1] * 3, [4, 5, 6]]))
    expected[3] = [1, 2, 3]
    np.testing.assert_array_equal(read_plain_array(Hierarchy(overlay), PATH, made), expected)


def test_longer_text_makes_all_rows_wider() -> None:
    overlay, document = store_typed(np.array(["a", "bc"]), 4)
    made = put_typed_rows(overlay, PATH, document, np.array([1]), np.array(["longer"]), 3)
    assert read_plain_array(Hierarchy(overlay), PATH, made).tolist() == ["a", "longer", ""]


def test_a_cell_of_another_size_is_damage() -> None:
    overlay, document = store_typed(np.arange(9), 4)
    overlay.put(f"{PATH}/c/1", overlay.get_many([(f"{PATH}/c/0", None)])[0][:-2])  # type: ignore[index]
    with pytest.raises(DamagedError):
        put_typed_rows(overlay, PATH, document, np.array([5]), np.array([1]), 9)


def some_rows(rng: np.random.Generator, count: int) -> list[bytes]:
    return [rng.bytes(int(rng.choice([0, 1, 8, 40]))) for _ in range(count)]


def joined(rows: list[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    return np.frombuffer(b"".join(rows), np.uint8), np.array([len(row) for row in rows], np.int64)


def store_rows(rows: list[bytes], per: int) -> tuple[Overlay, dict[str, Any]]:
    document = documents.row_array(len(rows), per)
    cells = {k: b"".join(map(bytes, pieces)) for k, pieces in row_cells(PATH, document, *joined(rows))}
    return Overlay(MemorySource(cells)), document


def read_rows(overlay: Overlay, document: dict[str, Any]) -> list[bytes]:
    table = ByteRows(Hierarchy(overlay), PATH, document).read()
    ends = zip(table.starts.tolist(), (table.starts + table.sizes).tolist(), strict=True)
    return [table.buffer[a:b].tobytes() for a, b in ends]


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, per=st.sampled_from([1, 3, 8, 50]), keeps_sizes=st.booleans())
def test_byte_rows(seed: int, per: int, keeps_sizes: bool) -> None:
    rng = np.random.default_rng(seed)
    rows = some_rows(rng, int(rng.integers(1, 30)))
    overlay, document = store_rows(rows, per)
    fresh = int(rng.integers(0, 7))
    chosen = np.sort(rng.choice(len(rows), int(rng.integers(0, len(rows) + 1)), replace=False))
    at = np.concatenate((chosen, len(rows) + np.arange(fresh)))
    new = some_rows(rng, len(at))
    if keeps_sizes:
        new[: len(chosen)] = [rng.bytes(len(rows[row])) for row in chosen.tolist()]
    table = ByteRows(Hierarchy(overlay), PATH, document)
    made = put_byte_rows(overlay, PATH, document, at, *joined(new), table)
    expected = rows + [b""] * fresh
    for row, data in zip(at.tolist(), new, strict=True):
        expected[row] = data
    assert read_rows(overlay, made) == expected
    stored = Overlay(overlay.below)
    stored.put_many((key, (data,)) for key, data in overlay.changes.items() if data is not None)
    assert read_rows(stored, made) == expected
    assert {type(data) for data in overlay.changes.values()} <= {bytes, type(None)}
    if len(rows) > per:
        assert made["chunk_grid"] == document["chunk_grid"]
        assert set(overlay.changes) <= {f"{PATH}/c/{row // per}" for row in at.tolist()}


def test_changing_many_rows_sets_off_no_collection_of_garbage() -> None:
    rows = [b"%d" % i for i in range(8000)]
    overlay, document = store_rows(rows, 4000)
    at, new = np.arange(0, 8000, 2), [b"longer than before"] * 4000
    collections: list[int] = []
    gc.collect()
    gc.callbacks.append(note := lambda phase, info: collections.append(info["generation"]))
    try:
        made = put_byte_rows(overlay, PATH, document, at, *joined(new), ByteRows(Hierarchy(overlay), PATH, document))
    finally:
        gc.callbacks.remove(note)
    assert len(collections) <= 2
    rows[::2] = new
    assert read_rows(overlay, made) == rows


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, per=st.sampled_from([2, 9, 50]))
def test_byte_rows_in_another_order(seed: int, per: int) -> None:
    rng = np.random.default_rng(seed)
    rows = some_rows(rng, int(rng.integers(1, 30)))
    overlay, document = store_rows(rows, per)
    source = rng.integers(0, len(rows), int(rng.integers(1, 30)))
    at = np.sort(rng.choice(len(source), int(rng.integers(0, len(source))), replace=False))
    new = some_rows(rng, len(at))
    made = rearrange_byte_rows(overlay, PATH, document, source, at, *joined(new))
    expected = [rows[i] for i in source.tolist()]
    for row, data in zip(at.tolist(), new, strict=True):
        expected[row] = data
    assert read_rows(overlay, made) == expected
    again, other = store_rows(expected, made["chunk_grid"]["configuration"]["chunk_shape"][0])
    cells = {k: v for k, v in overlay.changes.items() if v is not None}
    stored = {key: bytes(data) for key in again.list_keys(PATH) if (data := again.get_many([(key, None)])[0])}
    assert cells | {k: v for k, v in stored.items() if k not in cells} == stored
    assert other["shape"] == made["shape"]


def test_rows_of_no_array_make_one() -> None:
    overlay = Overlay(MemorySource({}))
    made = rearrange_byte_rows(overlay, PATH, None, np.arange(2), np.arange(2), *joined([b"ab", b""]))
    assert read_rows(overlay, made) == [b"ab", b""]


def test_cells_that_grow_too_large_are_cut_anew() -> None:
    overlay, document = store_rows([b"x"] * 9, 3)
    table = ByteRows(Hierarchy(overlay), PATH, document)
    large = [bytes(600_000), bytes(600_000)]
    made = put_byte_rows(overlay, PATH, document, np.array([0, 1]), *joined(large), table)
    assert made["chunk_grid"] != document["chunk_grid"]
    assert read_rows(overlay, made) == [*large, *[b"x"] * 7]
