"""Faults of cells: lists of chunks, vertices, fragments and attributes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.store.check.conftest import (
    LEVEL,
    ROOT,
    Built,
    Cases,
    Specimen,
    Where,
    assert_found,
    attribute_of,
    full,
    golden,
    make,
)

CASES = Cases()

CASES.sets("draco", "0/vertices", None, kind="mesh", encoding="draco")


@CASES.changes("damaged-cell", "point_cloud")
def _(store: Specimen) -> Where:
    chunk = full(store)
    store[store.key("0/vertices", chunk)] = store[store.key("0/vertices", chunk)][:-5]
    return f"0/vertices, chunk {chunk}"


@CASES.changes("outside-bounds", "point_cloud")
def _(store: Specimen) -> Where:
    store.edit("", lambda own: own["bounds"][1].__setitem__(0, own["bounds"][0][0] + 1), ROOT)
    return "0/vertices"


@CASES.changes("fragments-missing", "point_cloud")
def _(store: Specimen) -> Where:
    store.drop_tree("0/vertex_fragments")
    return "0"


@CASES.changes("chunk-list", "point_cloud")
def _(store: Specimen) -> Where:
    store.edit("0/vertices", lambda attributes: attributes["nonempty_chunks"].append("99.0.0"))
    return "0/vertices, chunk 99.0.0"


@CASES.changes("stray-cell", "point_cloud")
def _(store: Specimen) -> Where:
    chunk = full(store)
    store.edit("0/vertex_fragments", lambda attributes: attributes["nonempty_chunks"].remove(chunk))
    return f"0/vertex_fragments, chunk {chunk}"


@CASES.changes("missing-cell", "point_cloud")
def _(store: Specimen) -> Where:
    chunk = full(store)
    del store[store.key("0/vertices", chunk)]
    return f"0/vertices, chunk {chunk}"


@CASES.changes("orphan-cell", "point_cloud")
def _(store: Specimen) -> Where:
    chunk = full(store)
    name = attribute_of(store)
    store.drop("0/vertices", chunk)
    return f"{name}, chunk {chunk}"


@CASES.changes("not-finite", "point_cloud")
def _(store: Specimen) -> Where:
    chunk = full(store)
    values = store.read("0/vertices", chunk, "<f4")
    values[4] = np.nan
    store.write("0/vertices", chunk, values)
    return f"0/vertices, chunk {chunk}"


@CASES.changes("wrong-chunk", "point_cloud")
def _(store: Specimen) -> Where:
    chunk = full(store)
    values = store.read("0/vertices", chunk, "<f4")
    values[0] += 400
    store.write("0/vertices", chunk, values)
    return f"0/vertices, chunk {chunk}"


@CASES.case("bin-fragments")
def _() -> Built:
    store = make("point_cloud", form="uniform", with_attributes=False, with_groups=False)
    chunk = full(store)
    store.write("0/vertices", chunk, store.read("0/vertices", chunk, "<f4").reshape(-1, 3)[::-1])
    return store, f"0/vertex_fragments, chunk {chunk}"


@CASES.case("chunk-attribute")
def _() -> Built:
    store = golden("points_by_attribute")
    store.edit("0", lambda own: own["chunk_attribute_values"].pop(), LEVEL)
    return store, "0/vertices, chunk"


@CASES.changes("tiling-claim", "point_cloud")
def _(store: Specimen) -> Where:
    chunk = full(store)
    table = store.fragments(chunk)
    ranges = list(zip(table.starts.tolist(), table.counts.tolist(), strict=True))
    store.set_fragments(chunk, [(s, max(0, c - 1)) for s, c in ranges])
    return f"0/vertex_fragments, chunk {chunk}"


@CASES.changes("dead-rows", "point_cloud")
def _(store: Specimen) -> Where:
    store.edit("0", lambda own: own.pop("fragments_tile"), LEVEL)
    chunk = full(store)
    table = store.fragments(chunk)
    ranges = list(zip(table.starts.tolist(), table.counts.tolist(), strict=True))
    store.set_fragments(chunk, [(s, max(0, c - 1)) for s, c in ranges])
    return "0/vertices"


@CASES.changes("attribute-length", "point_cloud")
def _(store: Specimen) -> Where:
    name = attribute_of(store)
    chunk = full(store, name)
    store.write(name, chunk, store.read(name, chunk)[:-1])
    return f"{name}, chunk {chunk}"


@CASES.changes("attribute-width", "point_cloud")
def _(store: Specimen) -> Where:
    name = attribute_of(store)
    chunk = full(store, name)
    store.write(name, chunk, np.repeat(store.read(name, chunk), 3))
    return f"{name}, chunk {chunk}"


@CASES.changes("row-shape", "point_cloud")
def _(store: Specimen) -> Where:
    name = attribute_of(store)
    store.set(name, row_shape=[5])
    return name


@CASES.changes("category-code", "point_cloud")
def _(store: Specimen) -> Where:
    name = attribute_of(store, is_categorical=True)
    chunk = full(store, name)
    codes = store.read(name, chunk)
    codes[0] = 100
    store.write(name, chunk, codes)
    return f"{name}, chunk {chunk}"


@pytest.mark.parametrize("code", CASES)
def test_each_fault_is_found_in_its_place(code: str) -> None:
    assert_found(CASES[code], code)
