"""Stores in memory that are edited behind their coarse levels' backs, and what a refresh is held against: a rebuild."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import zvview
from zvview.geometry.batches import Batch, Pieces
from zvview.geometry.concatenate import concatenate
from zvview.geometry.select import keep_objects
from zvview.pyramid import LevelDesign, refresh_pyramid
from zvview.pyramid.build import rebuild_pyramid
from zvview.store.index_view import read_index
from zvview.store.patching.chunk_objects import find_pieces
from zvview.store.patching.line_pieces import LinePieces
from zvview.store.places.memory import MemorySource
from zvview.store.reading.links import decode_selection, select_links
from zvview.store.waves import read_cells
from zvview.store.writing.partition import LINE_KINDS
from zvview.testing import make_batch

CHUNK = (150.0,) * 3
LO, HI = (-600.0,) * 3, (600.0,) * 3
NESTED = [(300.0,) * 3, (600.0,) * 3]
OBJECTS = {"bounds": ((-50.0,) * 3, (1050.0,) * 3)}
TABLES = ("object_index", "object_attributes", "groups", "group_attributes")

Memory = dict[str, bytes]


@pytest.fixture(scope="module")
def unsynced() -> Iterator[None]:
    """Rebuilds go through folders; that these reach the disk is tested elsewhere, and takes most of the time here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zvview.store.places.folder_sink.sync_path", lambda path: None)
        patch.setattr("zvview.store.places.folder_sink.sync_folders", lambda root, folders: None)
        yield


def write(batch: Batch, **more: Any) -> Memory:
    """A store in memory, with the same bounds and chunks whatever is in it."""
    place: Memory = {}
    dtype = batch.positions.dtype
    options = {"chunk_shape": CHUNK, "bounds": (LO, HI), "axes": "xyz", "dtype": dtype} | more.pop("options", {})
    with zvview.create(place, kind=batch.kind, **options) as store:
        store.write(batch, **more)
    return place


def designs_of(place: Memory) -> list[LevelDesign]:
    with zvview.open(place) as store:
        return [LevelDesign.parse(store.reader(n).layout.metadata) for n in store.levels[1:]]


def transplant(place: Memory, edited: Memory) -> tuple[Memory, NDArray[np.int64]]:
    """A store with the level 0 of another one; the chunks of which cells differ."""
    before, after = ({k: v for k, v in p.items() if k.startswith("0/")} for p in (place, edited))
    differ = {k for k in before.keys() | after.keys() if before.get(k) != after.get(k) and "/c/" in k}
    cells = {k.rpartition("/c/")[2] for k in differ if k.split("/")[1] not in TABLES}
    with zvview.open(edited) as store:
        origin = np.floor(np.array(store.bounds[0]) / store.level(0).chunk_shape).astype(int)
    chunks = np.array([list(map(int, c.split("/"))) for c in sorted(cells)], np.int64).reshape(-1, len(origin))
    return {k: v for k, v in place.items() if not k.startswith("0/")} | after, chunks + origin


def rebuild(place: Memory) -> Memory:
    """A copy of a store, its coarse levels made anew by their own designs."""
    kept = ("zvview/commits/",)
    other = {k: data for k, data in place.items() if not k.startswith("zvview/") or k.startswith(kept)}
    rebuild_pyramid(other, designs_of(place))
    return other


def describe_lines(level: Any) -> dict[str, Any]:
    """All that a level of lines holds: of each chunk and of each object the pieces, and the links between pieces."""
    reader, ids = level._reader, level.present_object_ids
    pieces = LinePieces.of(level, ids)
    buffer = pieces.read(level.chunks)
    starts, counts = pieces.find_rows(buffer, np.arange(len(pieces.owners)))
    columns = [buffer.positions, *(buffer.attributes[name] for name in sorted(buffer.attributes))]
    rows = [b"".join(column[a : a + n].tobytes() for column in columns) for a, n in zip(starts, counts, strict=True)]
    by_line = list(zip(pieces.owners.tolist(), map(tuple, pieces.chunks.tolist()), rows, strict=True))
    told = find_pieces(reader, level.chunks)
    begin, sizes = pieces.locate(buffer, told.chunks, told.numbers)
    assert sorted(zip(told.objects.tolist(), map(tuple, told.chunks.tolist()), begin.tolist(), strict=True)) == sorted(
        zip(pieces.owners.tolist(), map(tuple, pieces.chunks.tolist()), starts.tolist(), strict=True)
    )
    assert int(sizes.sum()) == len(buffer.positions) == int(counts.sum())
    owner_of = np.full(len(buffer.positions), -1, np.int64)
    for owner, a, n in zip(pieces.owners.tolist(), starts.tolist(), counts.tolist(), strict=True):
        owner_of[a : a + n] = owner
    family, links = reader.layout.links(0), []
    if family is not None:
        selection = select_links(family, lambda ends: np.ones(len(ends), bool))
        table = decode_selection(selection, read_cells(reader.hierarchy, selection.asks))
        ends = buffer.find_rows(table.places, table.at, table.rows)
        assert ends.min(initial=0) >= 0
        assert (owner_of[ends[:, 0]] == owner_of[ends[:, 1]]).all()
        links = sorted(
            (
                int(owner_of[a]),
                *(tuple(c) for c in chunks),
                buffer.positions[a].tobytes(),
                buffer.positions[b].tobytes(),
            )
            for (a, b), chunks in zip(ends.tolist(), table.chunks.tolist(), strict=True)
        )
    whole = level.read_objects(ids)
    return {
        "lines": by_line,
        "links": links,
        "whole": [whole.positions.tobytes(), whole.offsets.tolist(), whole.object_ids.tolist()],
        "joined": np.sort(whole.segments, axis=0).tolist(),
        "attributes": {name: values.tobytes() for name, values in whole.attributes.items()},
        "of objects": {name: level.object_attribute(name).tolist() for name in level.object_attribute_names},
        "groups": None if level.groups is None else [group.tolist() for group in level.groups.members],
        "counts": level.chunk_vertex_counts.tolist(),
        "bounds": [edge.tolist() for edge in (whole.positions.min(axis=0), whole.positions.max(axis=0))],
    }


def assert_same_stores(place: Memory, other: Memory) -> None:
    """Equal but for the statistics in the index, which are hints; of lines fragments may stand in another order."""
    views = [read_index(MemorySource(p)) for p in (place, other)]
    assert views[0] is not None
    assert views[1] is not None
    assert views[0].fingerprints == views[1].fingerprints
    for kind in ("chunks", "counts"):
        first, second = (getattr(view, kind) for view in views)
        assert first.keys() == second.keys()
        for number, values in first.items():
            np.testing.assert_array_equal(values, second[number])
    assert place.keys() == other.keys()
    free = ("zvview/zarr.json",)
    with zvview.open(place) as a, zvview.open(other) as b:
        if a.kind in LINE_KINDS:
            free += ("vertices/c", "vertex_fragments/c", "vertex_attributes", "fragment_attributes", "links/0")
            free += ("manifests/c", "zvview/surveys")
            for number in a.levels[1:]:
                assert describe_lines(a.level(number)) == describe_lines(b.level(number))
    assert [k for k in place if place[k] != other[k] and not any(part in k for part in free)] == []


def assert_refresh_is_rebuild(place: Memory, chunks: NDArray[np.int64], **more: Any) -> Any:
    """Refresh a store, and compare with a rebuild of a copy of it."""
    other = rebuild(place)
    report = refresh_pyramid(place, chunks, **more)
    assert_same_stores(place, other)
    return report


def some_points(rng: np.random.Generator, count: int, has_objects: bool, ndim: int = 3) -> zvview.Points:
    positions = rng.normal(0, 200, (count, ndim)).clip(LO[0], HI[0]).astype(np.float32)
    ids = rng.integers(-5, 40, count) if has_objects else None
    labels = rng.integers(0, 3, count).astype(np.uint8)
    categories = {"label": zvview.Categories(("a", "b", "c"))}
    attributes = {"weight": rng.random(count, np.float32), "label": labels, "rgb": rng.random((count, 3))}
    return zvview.Points(positions, object_ids=ids, attributes=attributes, categories=categories)


def edit_objects(rng: np.random.Generator, batch: Any, kind: str) -> Any:
    """Objects deleted and added, vertices moved and given other values in a region, edges cut there."""
    ids = np.unique(batch.object_ids)
    if rng.random() < 0.5 and len(ids) > 2:
        batch = keep_objects(batch, np.delete(ids, rng.integers(0, len(ids))))
    if rng.random() < 0.4:
        other = make_batch(kind, 150, seed=int(rng.integers(0, 1000)), n_objects=75 if kind == "line" else 1)
        assert isinstance(other, Pieces)
        other = keep_objects(other, other.object_ids[:1])
        batch = concatenate([batch, replace(other, object_ids=other.object_ids + int(rng.integers(2000, 9000)))])
    positions = batch.positions.copy()
    near = np.abs(positions - positions[rng.integers(0, len(positions))]).max(axis=1) < rng.uniform(10, 200)
    positions[near] += rng.normal(0, rng.choice([0, 3, 40]), (int(near.sum()), 3)).astype(np.float32)
    values = {n: v.copy() for n, v in batch.attributes.items()}
    for column in values.values():
        if column.dtype.kind == "f" and rng.random() < 0.5:
            column[near] *= 2
    batch = replace(batch, positions=positions.clip(-50, 1050), attributes=values)
    if kind == "graph":
        kept = ~near[batch.edges].any(axis=1) | (rng.random(len(batch.edges)) < 0.7)
        links = {n: v[kept] for n, v in batch.link_attributes.items()}
        batch = replace(batch, edges=batch.edges[kept], link_attributes=links)
    return batch


def tables_of(batch: Any) -> dict[str, Any]:
    ids = np.unique(batch.object_ids)
    return {"groups": {"odd": ids[ids % 2 == 1], "all": ids}, "object_attributes": {"twice": ids * 2}}


class CountingMemory(MemorySource):
    """Notes the keys of all objects that are read as a whole or in part."""

    def __init__(self, place: Memory) -> None:
        super().__init__(place)
        self.keys: set[str] = set()

    def get_many(self, requests: Sequence[Any], cancel: Any = None) -> list[Any]:
        self.keys |= {key for key, _ in requests}
        return super().get_many(requests, cancel)
