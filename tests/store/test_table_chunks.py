"""Rows and numbers of tables, of which single chunks are read, and shared by those who read the same bytes."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.errors import DamagedError, UnsupportedError
from zvview.format import documents
from zvview.format.cells import RowTable, split_rows
from zvview.store import table_chunks
from zvview.store.codecs import decode_wave, parse_codecs
from zvview.store.hierarchy import Hierarchy
from zvview.store.patching.overlay import Overlay
from zvview.store.places.memory import MemorySource
from zvview.store.plain_arrays import document_of
from zvview.store.table_chunks import ByteRows, NumberCells, share_rows
from zvview.store.writing.plain_cells import plain_cells

Held = dict[str, Any]


def hierarchy_of(held: Held) -> Hierarchy:
    return Hierarchy(MemorySource(held))


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
    with pytest.raises(UnsupportedError):
        ByteRows(hierarchy_of({}), "a", documents.plain_array(np.zeros(2)))


def numbers_written(path: str, values: NDArray[np.int64], per: int) -> tuple[dict[str, Any], Held]:
    document = documents.plain_array(values, chunk_shape=[per], codecs=documents.CHECKED_ZSTD)
    return document, {key: b"".join(map(bytes, cells)) for key, cells in plain_cells(path, document, values)}


def test_chunks_of_the_same_bytes_are_decoded_once() -> None:
    """By all readers of an overlay, and of one over it, at whatever path."""
    ids = np.arange(40)
    document, held = numbers_written("a", ids, 16)
    held |= numbers_written("b", ids, 16)[1]
    written = rows_written([b"x", b"", b"yz"], 3)
    rows = json.loads(written["a/zarr.json"])
    held["c/c/0"] = split = written["a/c/0"]
    overlay = Overlay(MemorySource(held))
    with (
        mock.patch.object(table_chunks, "decode_wave", wraps=decode_wave) as decode,
        mock.patch.object(table_chunks, "split_rows", wraps=split_rows) as find,
    ):
        for source in (overlay, Overlay(overlay), overlay):
            for path in ("a", "b"):
                cells = NumberCells.open(Hierarchy(source), path, document)
                assert cells is not None
                assert [c.tolist() for c in cells.read(np.array([2, 0]))] == [list(range(32, 40)), list(range(16))]
            table = ByteRows(Hierarchy(source), "c", rows)
            assert bytes_of(table.read()) == [b"x", b"", b"yz"]
        assert sum(len(call.args[0]) for call in decode.call_args_list) == 2 + 1
        assert find.call_count == 1
        made = split.replace(b"x", b"q")
        overlay.put("c/c/0", made)
        share_rows(overlay, parse_codecs(rows["codecs"], array="c").chain, made, split_rows(made))
        assert bytes_of(ByteRows(Hierarchy(overlay), "c", rows).read()) == [b"q", b"", b"yz"]
        assert find.call_count == 1


def test_a_shared_chunk_is_held_against_each_array() -> None:
    """Rows that fit one array may be too few, or too many, for another one."""
    held = rows_written([b"x", b"y", b"z"], 3)
    rows = json.loads(held.pop("a/zarr.json"))
    overlay = Overlay(MemorySource({"c/c/0": held["a/c/0"], "d/c/0": held["a/c/0"]}))
    assert len(ByteRows(Hierarchy(overlay), "c", rows).read()) == 3
    grid = {"name": "regular", "configuration": {"chunk_shape": [4]}}
    with pytest.raises(DamagedError, match="3 rows"):
        ByteRows(Hierarchy(overlay), "d", rows | {"shape": [4], "chunk_grid": grid}).read()
    assert len(ByteRows(Hierarchy(overlay), "d", rows | {"shape": [2]}).read()) == 2
