"""Cells replaced in arrays of any compressors and shards: others stay as the very bytes that they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.format import documents
from zvview.store.cell_arrays import GridArray
from zvview.store.hierarchy import Hierarchy, document_key, parse_document
from zvview.store.patching.cell_patch import PatchedCells, compressors_of, grid_arrays, grid_of
from zvview.store.patching.nodes import read_nodes
from zvview.store.patching.overlay import Overlay
from zvview.store.places.memory import MemorySource
from zvview.store.waves import read_cells
from zvview.store.writing.grid_cells import GridCells
from zvview.store.writing.options import codecs_of

ORIGIN, SHAPE = np.array([-1, 2]), np.array([4, 3])
EVERY = np.stack(np.meshgrid(*(o + np.arange(n) for o, n in zip(ORIGIN, SHAPE, strict=True)), indexing="ij"), -1)
EVERY = EVERY.reshape(-1, 2)
FORMS: list[dict[str, Any]] = [{}, {"codec": "zstd"}, {"shards": [2, 2]}, {"codec": "gzip", "shards": [3, 2]}]

Cells = dict[tuple[int, int], bytes]


class _Memory:
    def __init__(self) -> None:
        self.place: dict[str, bytes] = {}

    def put_many(self, items: Any) -> None:
        self.place |= {key: b"".join(pieces) for key, pieces in items}


def payloads(cells: Sequence[bytes]) -> list[NDArray[np.uint8]]:
    return [np.frombuffer(cell, np.uint8) for cell in cells]


def write(arrays: dict[str, tuple[Cells, dict[str, Any]]]) -> dict[str, bytes]:
    """A level of arrays, each of its own form, with a foreign key in its document."""
    memory = _Memory()
    for name, (cells, form) in arrays.items():
        codecs = codecs_of(form.get("codec", "raw"), is_local=True)
        grid = GridCells(memory, "0", ORIGIN, SHAPE, codecs, form.get("shards"))
        coords = np.array(sorted(cells), np.int64).reshape(-1, 2)
        coords = coords[grid.order(coords)]
        grid.put(name, coords, payloads([cells[tuple(c)] for c in coords.tolist()]))  # type: ignore[index]
        grid.finish(name, {"zv_array": name, "foreign": [1]})
        for path, document in grid.documents.items():
            memory.place[document_key(path)] = documents.encode_document(document)
    memory.place["0/zarr.json"] = documents.encode_document(documents.group())
    return memory.place


def read(overlay: Overlay, document: dict[str, Any], path: str) -> Cells:
    array = GridArray(overlay, path, document)
    (found,) = read_cells(Hierarchy(overlay), [(array, array.chunks)])
    return {tuple(c): cell.tobytes() for c, cell in zip(array.chunks.tolist(), found, strict=True)}  # type: ignore[misc]


CELLS = st.dictionaries(
    st.sampled_from([tuple(c) for c in EVERY.tolist()]), st.binary(min_size=1, max_size=4), min_size=1
)


@pytest.mark.parametrize("form", FORMS, ids=str)
@settings(max_examples=30, deadline=None)
@given(before=CELLS, fresh=CELLS, stale=st.sets(st.sampled_from([tuple(c) for c in EVERY.tolist()])))
def test_stale_cells_give_way_and_no_others(form: dict[str, Any], before: Cells, fresh: Cells, stale: Any) -> None:
    fresh = {chunk: cell for chunk, cell in fresh.items() if chunk in stale}
    other = {(0, 2): b"rest"}
    place = write({"vertices": (other, {}), "a": (before, form)})
    overlay = Overlay(MemorySource(place))
    known = grid_arrays(read_nodes(overlay, "0")[0])
    cells = PatchedCells(overlay, "0", known, lambda name, coords: np.array([tuple(c) in stale for c in coords], bool))
    cells.put("a", np.array(list(fresh), np.int64).reshape(-1, 2), payloads(list(fresh.values())))
    cells.finish("a", {})
    wanted = {chunk: cell for chunk, cell in before.items() if chunk not in stale} | fresh
    document = cells.documents.get("0/a")
    assert (document is not None) == bool(wanted)
    if document is not None:
        assert read(overlay, document, "0/a") == wanted
        assert grid_of(document)[2] == form.get("shards")
        assert compressors_of(document) == compressors_of(known["0/a"])
        assert document["attributes"]["foreign"] == [1]
        assert (document == known["0/a"]) == (wanted.keys() == before.keys())
    differ = {chunk for chunk in wanted.keys() | before.keys() if wanted.get(chunk) != before.get(chunk)}
    assert {tuple(c) for _, coords in cells.changed for c in coords.tolist()} == differ
    if "shards" not in form:
        index = {"/".join(map(str, np.array(chunk) - ORIGIN)) for chunk in differ}
        assert set(overlay.changes) == {f"0/a/c/{place}" for place in index}
    assert bool(overlay.changes) == bool(differ)


def test_new_arrays_are_like_the_vertices_and_unwanted_ones_are_none() -> None:
    place = write({"vertices": ({(0, 2): b"rest"}, FORMS[3]), "gone": ({(0, 2): b"x"}, {})})
    overlay = Overlay(MemorySource(place))
    nodes, encoded = read_nodes(overlay, "0")
    assert nodes["0/gone"] == parse_document(encoded["0/gone"], "0/gone")
    cells = PatchedCells(
        overlay,
        "0",
        grid_arrays(nodes),
        lambda _, coords: np.ones(len(coords), bool),
        keeps_empty=True,
        unwanted=["no"],
    )
    for name in ("new", "no"):
        cells.put(name, np.array([[2, 4]]), payloads([b"abc"]))
        cells.finish(name, {"zv_array": name})
    cells.finish_rest()
    assert cells.documents.keys() == {"0/new", "0/gone", "0/vertices"}
    assert read(overlay, cells.documents["0/new"], "0/new") == {(2, 4): b"abc"}
    assert grid_of(cells.documents["0/new"])[2] == FORMS[3]["shards"]
    assert [cells.documents[p]["attributes"]["nonempty_chunks"] for p in ("0/gone", "0/vertices")] == [[], []]
    assert overlay.changes.keys() == {"0/new/c/1/1", "0/gone/c/1/0", "0/vertices/c/0/0"}
