"""Faults of metadata: of the root, of levels, and of what stands beside them."""

from __future__ import annotations

import json

import pytest

from tests.store.check.conftest import (
    LEVEL,
    ROOT,
    Built,
    Cases,
    Specimen,
    Where,
    assert_found,
    golden,
)

CASES = Cases()

CASES.sets("unsupported", "", ROOT, zv_version="0.8.1")
CASES.sets("bin-shape", "", ROOT, base_bin_shape=[150, 150, 150])
CASES.sets("convention", "", ROOT, kind="graph", links_convention="implicit_sequential")
CASES.sets("several-kinds", "", ROOT, geometry_types=["point_cloud", "mesh"])
CASES.sets("kind", "", ROOT, geometry_types=[])
CASES.sets("reader-note", "", ROOT, zv_version="0.11.0")
CASES.sets("ome-nodes", "", "ome", nodes=[])
CASES.sets("chunk-shape", "0", LEVEL, chunk_shape=[600, 600, 600])
CASES.sets("parent-level", "0", LEVEL, parent_level=3)
CASES.sets("object-sparsity", "0", LEVEL, object_sparsity=2.0)
CASES.sets("vertex-count", "0", LEVEL, vertex_count=7)
CASES.sets("arrays-present", "0", LEVEL, arrays_present=["vertices", "links"])


@CASES.case("not-a-store")
def _() -> Built:
    return Specimen({"zarr.json": b'{"zarr_format": 3, "node_type": "group", "attributes": {}}'}), "root"


@CASES.changes("damaged-metadata", "point_cloud")
def _(store: Specimen) -> Where:
    store["0/zarr.json"] = store["0/zarr.json"][:-9]
    return "0/zarr.json"


@CASES.changes("no-levels", "point_cloud")
def _(store: Specimen) -> Where:
    store.drop_tree("0")
    return "root"


@CASES.case("level-gap")
def _() -> Built:
    store = golden("points_2d_bins")
    store.drop_tree("1")
    return store, "root"


@CASES.case("counts-increase")
def _() -> Built:
    store = golden("points_2d_bins")
    for key in [k for k in store if k.startswith(("0/", "1/"))]:
        store[f"new{1 - int(key[0])}{key[1:]}"] = store.pop(key)
    for key in [k for k in store if k.startswith("new")]:
        store[key[3:]] = store.pop(key)
    for number in (0, 1):
        store.set(str(number), LEVEL, level=number)
    return store, "1"


@CASES.changes("level-metadata", "point_cloud")
def _(store: Specimen) -> Where:
    store.edit("0", lambda attributes: attributes.pop(LEVEL))
    return "0"


@CASES.changes("consolidated-metadata", "point_cloud")
def _(store: Specimen) -> Where:
    store["zarr.json"] = json.dumps({**json.loads(store["zarr.json"]), "consolidated_metadata": {}}).encode()
    return "root"


@CASES.changes("ome-missing", "point_cloud")
def _(store: Specimen) -> Where:
    store.edit("", lambda attributes: attributes.pop("ome"))
    return "root"


@CASES.changes("datasets", "point_cloud")
def _(store: Specimen) -> Where:
    store.edit("", lambda attributes: attributes["multiscales"][0].update(datasets=[]))
    return "root"


@CASES.changes("composite", "point_cloud")
def _(store: Specimen) -> Where:
    store["0/geometry_index/zarr.json"] = b'{"zarr_format": 3, "node_type": "group", "attributes": {}}'
    return "0"


@CASES.changes("index-damaged", "point_cloud")
def _(store: Specimen) -> Where:
    store["zvview/chunks/c/0/0"] = store["zvview/chunks/c/0/0"][:-3]
    return "zvview"


@CASES.changes("index-stale", "point_cloud")
def _(store: Specimen) -> Where:
    store["0/zarr.json"] += b" "
    return "zvview"


@pytest.mark.parametrize("code", CASES)
def test_each_fault_is_found_in_its_place(code: str) -> None:
    assert_found(CASES[code], code)
