"""Faults of links: where they are filed, what they name, and what they make together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.store.check.conftest import (
    LEVEL,
    ROOT,
    Built,
    Cases,
    Specimen,
    Where,
    assert_found,
    attribute_of,
    crossing,
    golden,
    intra,
    make,
)

CASES = Cases()

CASES.sets("num-links", "0/links/0", None, kind="graph", num_links=3)


@CASES.case("link-array")
def _() -> Built:
    store = golden("points_2d_bins")
    store.drop_tree("1")
    return store, "0/links/+1"


@CASES.changes("link-order", "graph")
def _(store: Specimen) -> Where:
    path, _ = crossing(store)
    turned = path.replace("+", "-")
    for key in [k for k in store if k.startswith(f"{path}/")]:
        store[turned + key[len(path) :]] = store.pop(key)
    return turned


@CASES.changes("link-chunk", "graph")
def _(store: Specimen) -> Where:
    path, chunk = crossing(store)
    store.drop("0/vertices", chunk)
    return f"{path}, chunk {chunk}"


def _set_link(store: Specimen, change: Callable[[NDArray[Any]], object]) -> Where:
    """Change the links inside one chunk, (M, L)."""
    path, chunk = intra(store)
    width = len(path.split("_")) + 1
    rows = store.read(path, chunk, "<i8").reshape(-1, width)
    change(rows)
    store.write(path, chunk, rows)
    return f"{path}, chunk {chunk}"


@CASES.changes("link-row", "graph")
def _(store: Specimen) -> Where:
    return _set_link(store, lambda rows: rows.__setitem__((0, 1), 10**6))


@CASES.changes("link-mark", "graph")
def _(store: Specimen) -> Where:
    _set_link(store, lambda rows: rows.__setitem__((0, 1), -1))
    return "0/links/0"


@CASES.changes("self-link", "graph")
def _(store: Specimen) -> Where:
    return _set_link(store, lambda rows: rows.__setitem__((0, 1), rows[0, 0]))


@CASES.changes("degenerate-face", "mesh")
def _(store: Specimen) -> Where:
    return _set_link(store, lambda rows: rows.__setitem__((0, 1), rows[0, 0]))


@CASES.changes("doubled-link", "mesh")
def _(store: Specimen) -> Where:
    return _set_link(store, lambda rows: rows.__setitem__(0, rows[1, [1, 2, 0]]))


@CASES.case("link-between-objects")
def _() -> Built:
    store = make("graph", n_objects=12)
    chunk = intra(store)[1]
    owners = np.repeat(store.read("0/fragment_attributes/object_id", chunk, "<i8"), store.fragments(chunk).counts)
    _set_link(store, lambda rows: rows.__setitem__(0, [0, np.flatnonzero(owners != owners[0])[0]]))
    return store, "0/links/0"


@CASES.changes("link-width", "graph")
def _(store: Specimen) -> Where:
    store.set("", ROOT, geometry_types=["mesh"])
    return "0/links/0"


@CASES.changes("link-attribute", "graph")
def _(store: Specimen) -> Where:
    path, _ = intra(store)
    name = attribute_of(store, "0/link_attributes").split("/")[2]
    store.drop_tree(f"0/link_attributes/{name}/0/{path.rpartition('/')[2]}")
    return path


@CASES.case("link-copies")
def _() -> Built:
    store = golden("duplicate_links")
    store.drop(*crossing(store))
    return store, "0/links/0"


@CASES.changes("link-fragments", "graph")
def _(store: Specimen) -> Where:
    chunk = intra(store)[1]
    store.set_fragments(chunk, [(0, 1)], "0/link_fragments")
    return f"0/link_fragments, chunk {chunk}"


@CASES.case("link-groups-claim")
def _() -> Built:
    store = make("graph", n_objects=12)
    store.set("0", LEVEL, fragment_link_groups=True)
    path, chunk = intra(store)
    count = len(store.read(path, chunk, "<i8")) // 2
    groups = [(0, 0)] * len(store.fragments(chunk).counts)
    store.set_fragments(chunk, [(0, count), *groups[1:]], "0/link_fragments")
    return store, f"0/link_fragments, chunk {chunk}"


@CASES.changes("bridges", "streamline")
def _(store: Specimen) -> Where:
    store.drop(*crossing(store))
    return "0/links/0"


@CASES.changes("several-roots", "skeleton")
def _(store: Specimen) -> Where:
    store.drop(*crossing(store))
    return "0/links/0, object"


@CASES.changes("two-parents", "skeleton")
def _(store: Specimen) -> Where:
    path, chunk = intra(store)
    rows = store.read(path, chunk, "<i8").reshape(-1, 2)
    child, parent = rows[0].tolist()
    store.write(path, chunk, np.concatenate((rows, [[child, parent - 1 if parent else parent + 1]])))
    return "0/links/0"


@CASES.changes("cycle", "skeleton")
def _(store: Specimen) -> Where:
    path, chunk = intra(store)
    rows = store.read(path, chunk, "<i8").reshape(-1, 2)
    table = store.fragments(chunk)
    children, ends = set(rows[:, 0].tolist()), set((table.starts + table.counts).tolist())
    child = next(r for r in rows[:, 0].tolist() if r + 1 not in children | ends)
    rows[rows[:, 0] == child, 1] = child + 1
    store.write(path, chunk, rows)
    return "0/links/0, object"


@pytest.mark.parametrize("code", CASES)
def test_each_fault_is_found_in_its_place(code: str) -> None:
    assert_found(CASES[code], code)
