"""Stores by the reference library: an edit works, or is refused in clear words; nothing is ever damaged."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pytest

import zvview
from tests.store.conftest import NAMES, Expected
from tests.store.editing.vertex_models import Memory, as_rows, edit_some, read_by_name
from zvview.errors import UnsupportedError
from zvview.format.grid import ChunkTable
from zvview.pyramid.refresh import compute_refresh
from zvview.store.editing.edits import ChunkEdits, Edits
from zvview.store.editing.put_vertices import put_vertex_edits
from zvview.store.editing.vertices import apply_edits
from zvview.store.patching.overlay import Overlay
from zvview.store.places.memory import MemorySource

KINDS = ("point_cloud", "graph", "skeleton", "mesh")
CASES = [name for name in NAMES if Expected(name).facts["kind"] in KINDS]
REFUSED = {
    "duplicate_links": "stored once for each chunk",
    "points_by_attribute": "split by an attribute",
    "skeleton_chunked": "segment_id",
    "skeleton_tools": "segment_id",
}
"""Stores in which no vertex can change its place, and why."""


def finest_level_of(entries: Mapping[str, bytes]) -> Memory:
    """A store without its coarse levels, and without links to them."""
    kept = {k: v for k, v in entries.items() if not (k.split("/")[0].isdigit() and k.split("/")[0] != "0")}
    kept = {k: v for k, v in kept.items() if not k.startswith(("0/links/+", "0/links/-"))}
    root = json.loads(kept["zarr.json"])
    (scales, *_) = root["attributes"]["multiscales"]
    scales["datasets"] = [entry for entry in scales["datasets"] if entry["path"] == "0"]
    if "ome" in root["attributes"]:
        root["attributes"]["ome"]["nodes"] = [{"type": "zv:level", "name": "0"}]
    return kept | {"zarr.json": json.dumps(root).encode()}


def commit(place: Memory, edits: Edits) -> Memory:
    overlay = Overlay(MemorySource(place))
    touched = put_vertex_edits(overlay, edits)
    changes = {**overlay.changes, **compute_refresh(overlay, touched.chunks, objects=touched.objects).changes}
    return {k: v for k, v in place.items() if k not in changes} | {k: v for k, v in changes.items() if v is not None}


def assert_no_worse(before: Memory, after: Memory) -> None:
    """A check finds nothing that it did not find before."""
    known = {(f.code, f.where.split(",")[0]) for f in zvview.check(before)} | {("several-roots", "0/links/0")}
    assert {(f.code, f.where.split(",")[0]) for f in zvview.check(after)} <= known


@pytest.mark.parametrize("name", CASES)
def test_values_that_stay_in_their_place_are_set_in_any_store(
    name: str, golden_bytes: Mapping[str, dict[str, bytes]]
) -> None:
    place = finest_level_of(golden_bytes[name])
    before = read_by_name(place)
    edits = edit_some(before, moves=0.0, deletes=0)
    if name == "points_by_attribute":  # of which the values of the split are no attribute with cells
        own = zvview.open(place).reader(0).layout.attribute_names("vertex_attributes")  # type: ignore[union-attr]
        kept = {k: {n: c for n, c in e.columns.items() if n in own} for k, e in edits.chunks.items()}
        chunks = {
            k: ChunkEdits(e.rows, e.is_deleted, e.is_moved, e.positions, e.is_reassigned, e.objects, kept[k])
            for k, e in edits.chunks.items()
        }
        edits = Edits(chunks=chunks)
    after = commit(place, edits)
    assert as_rows(read_by_name(after)) == as_rows(apply_edits(before, edits))
    changed = {k for k in after if "/c/" in k and after[k] != place.get(k)}
    assert all(k.startswith("0/vertex_attributes/") for k in changed)
    assert_no_worse(place, after)


@pytest.mark.parametrize("name", CASES)
def test_vertices_move_and_go_or_it_is_refused(name: str, golden_bytes: Mapping[str, dict[str, bytes]]) -> None:
    place = finest_level_of(golden_bytes[name])
    before = read_by_name(place)
    lo, hi = (np.array(b) for b in zvview.open(place).bounds)  # type: ignore[union-attr]
    edits = edit_some(before, moves=float((hi - lo).min() / 7), deletes=2)
    for entry in edits.chunks.values():
        np.clip(entry.positions, lo, hi, out=entry.positions)
    if name in REFUSED:
        with pytest.raises(UnsupportedError, match=REFUSED[name]) as caught:
            put_vertex_edits(Overlay(MemorySource(place)), edits)
        assert "zvview convert" in str(caught.value)
        return
    after = commit(place, edits)
    dtype = zvview.open(place).level(0).dtype  # type: ignore[union-attr]
    for entry in edits.chunks.values():
        entry.positions[:] = entry.positions.astype(dtype)
    assert as_rows(read_by_name(after)) == as_rows(apply_edits(before, edits))
    assert_no_worse(place, after)
    level = zvview.open(after).level(0)  # type: ignore[union-attr]
    assert level.declared_vertex_count == level.vertex_count
    assert (ChunkTable.of(level.chunks).find(read_by_name(after).refs.chunks) >= 0).all()
