"""Faults of objects: ids, manifests, owners and groups."""

from __future__ import annotations

import numpy as np
import pytest
import zstandard

from tests.store.check.conftest import (
    LEVEL,
    Built,
    Cases,
    Specimen,
    Where,
    assert_found,
    attribute_of,
    full,
    golden,
)
from zvview.format.cells import split_rows
from zvview.format.manifests import Manifests

CASES = Cases()

CASES.sets("inherited-objects", "0", LEVEL, kind="streamline", inherited_num_objects=999)
CASES.sets("num-present", "0/object_index", None, kind="streamline", num_present=1)


@CASES.changes("duplicate-id", "streamline")
def _(store: Specimen) -> Where:
    store.set_plain("0/object_index/object_ids", lambda ids: ids.__setitem__(1, ids[0]))
    return "0/object_index/object_ids"


@CASES.changes("id-order", "streamline")
def _(store: Specimen) -> Where:
    store.set_plain("0/object_index/object_ids", lambda ids: ids.__setitem__(0, ids[-1] + 5))
    return "0/object_index"


@CASES.changes("manifest-chunk", "streamline")
def _(store: Specimen) -> Where:
    manifests = store.manifests()
    manifests.chunks[0] = 50
    store.set_manifests(manifests)
    return "0/object_index/manifests, object 0"


@CASES.changes("manifest-fragment", "streamline")
def _(store: Specimen) -> Where:
    manifests = store.manifests()
    manifests.fragments[0] = 5000
    store.set_manifests(manifests)
    return "0/object_index/manifests, object 0"


@CASES.changes("shared-fragment", "streamline")
def _(store: Specimen) -> Where:
    manifests = store.manifests()
    last = int(manifests.offsets[-2])
    manifests.chunks[last], manifests.fragments[last] = manifests.chunks[0], manifests.fragments[0]
    store.set_manifests(manifests)
    return f"0/vertex_fragments, chunk {'.'.join(map(str, manifests.chunks[0].tolist()))}"


@CASES.changes("unowned-fragment", "streamline")
def _(store: Specimen) -> Where:
    manifests = store.manifests()
    chunk = manifests.chunks[-1].tolist()
    offsets = np.append(manifests.offsets[:-1], len(manifests.fragments) - 1)
    store.set_manifests(Manifests(offsets, manifests.chunks[:-1], manifests.fragments[:-1]))
    return f"0/vertex_fragments, chunk {'.'.join(map(str, chunk))}"


@CASES.changes("line-length", "line")
def _(store: Specimen) -> Where:
    manifests = store.manifests()
    offsets = np.append(0, np.cumsum(np.diff(manifests.offsets) + (np.arange(len(manifests.offsets) - 1) == 0)))
    order = np.insert(np.arange(len(manifests.fragments)), 0, 0)
    store.set_manifests(Manifests(offsets, manifests.chunks[order], manifests.fragments[order]))
    return "0/object_index/manifests, object 0"


@CASES.changes("owner", "streamline")
def _(store: Specimen) -> Where:
    name = "0/fragment_attributes/object_id"
    chunk = full(store, name)
    store.write(name, chunk, store.read(name, chunk, "<i8") + 1)
    return f"{name}, chunk {chunk}"


@CASES.changes("values-end-early", "streamline")
def _(store: Specimen) -> Where:
    name = "0/fragment_attributes/object_id"
    chunk = full(store, name)
    store.write(name, chunk, store.read(name, chunk, "<i8")[:-1])
    return f"{name}, chunk {chunk}"


@CASES.case("object-rows")
def _() -> Built:
    store = golden("points_objects")
    store.drop_rows("0/object_attributes/volume", 1)
    return store, "0/object_attributes/volume"


@CASES.case("group-member")
def _() -> Built:
    store = golden("points_objects")
    cell = bytearray(zstandard.decompress(store["0/groups/c/0"]))
    table = split_rows(bytes(cell))
    group = int(np.flatnonzero(table.sizes)[0])
    cell[table.starts[group] : table.starts[group] + 8] = (999).to_bytes(8, "little")
    store["0/groups/c/0"] = zstandard.compress(bytes(cell))
    return store, f"0/groups, group {group}"


@CASES.case("group-rows")
def _() -> Built:
    store = golden("points_objects")
    store.drop_rows("0/group_attributes/weight", 1)
    return store, "0/group_attributes/weight"


@CASES.case("num-groups")
def _() -> Built:
    store = golden("points_objects")
    store.set("0/groups", num_groups=44)
    return store, "0/groups"


@CASES.case("group-names")
def _() -> Built:
    store = golden("points_objects")
    store.set("0/groups", group_names=["a", "b", "a"])
    return store, "0/groups"


@CASES.case("parametric")
def _() -> Built:
    store = golden("parametric")
    name = attribute_of(store, "parametric/object_attributes")
    store.drop_rows(name, 1)
    return store, name


@pytest.mark.parametrize("code", CASES)
def test_each_fault_is_found_in_its_place(code: str) -> None:
    assert_found(CASES[code], code)
