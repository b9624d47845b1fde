"""Lines as annotations: every object in one spatial level, without gaps, and found whole by its id."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import zvview
from zvview.neuroglancer.serving.answers import Answers
from zvview.neuroglancer.sources import line_segments, tiers
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.line_columns import _directions_of
from zvview.neuroglancer.sources.line_segments import open_edges
from zvview.neuroglancer.sources.line_source import LineSource
from zvview.neuroglancer.sources.pieces import Pieces
from zvview.neuroglancer.sources.polylines import open_polylines
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.style.colourmaps import colour_ids
from zvview.testing import make_store

GOLDEN = Path(__file__).parents[2] / "data" / "golden"
LINES = ("lines", "old07_lines")
POLYLINES = (
    "streamlines",
    "edited_streamlines",
    "polylines_2d_sharded",
    "streamlines_sparsity_only",
    "streamlines_tools",
    "old07_streamlines",
)
NETWORKS = (
    "graph",
    "skeleton",
    "skeleton_chunked",
    "skeleton_tools",
    "duplicate_links",
    "old07_graph",
    "old07_skeleton",
)

Open = Callable[[Chunks, SourceFrame], LineSource]


def open_single_lines(chunks: Chunks, frame: SourceFrame) -> LineSource:
    return open_polylines(chunks, frame, "line")


def source_of(store: zvview.Store, opened: Open = open_polylines) -> LineSource:
    frame = SourceFrame.of(store.axes, store.bounds, store.level(0).resolution)
    return opened(Chunks(store), frame)


@dataclass(frozen=True)
class Cell:
    """A spatial cell: level, place, positions, bounds and ids of its annotations, and the properties of each."""

    level: int
    place: NDArray[np.int64]
    positions: NDArray[np.float32]
    offsets: NDArray[np.int64]
    ids: NDArray[np.uint64]
    tails: NDArray[Any]


def decode(source: LineSource, body: bytes, count: int) -> tuple[list[NDArray[np.float32]], NDArray[Any], int]:
    """Positions and properties of records, straight from the format; and where they end."""
    rank, dtype, at = source.schema.rank, source.schema.record_dtype, 0
    lines, tails = [], []
    for _ in range(count):
        if source.schema.annotation_type == "line":
            record = np.frombuffer(body, dtype, 1, at)[0]
            lines.append(record["_geometry"].reshape(2, rank))
            tails.append(record)
            at += dtype.itemsize
            continue
        size = int(np.frombuffer(body, "<u4", 1, at)[0])
        lines.append(np.frombuffer(body, "<f4", size * rank, at + 4).reshape(size, rank))
        at += 4 + 4 * size * rank
        tails.append(np.frombuffer(body, dtype, 1, at)[0] if dtype.itemsize else None)
        at += dtype.itemsize
    return lines, np.array(tails), at


def cells(source: LineSource) -> Iterator[Cell]:
    for number, section in enumerate(s for s in source.sections if s.grid_shape is not None):
        for keys in source.keys(section):
            block = source.read(section, keys)
            for row, key in enumerate(block.keys):
                body = block.content(row)[1]
                count = int(np.frombuffer(body[:8], "<u8")[0])
                lines, tails, end = decode(source, body[8:], count)
                ids = np.frombuffer(body[8 + end :], "<u8")
                assert len(ids) == count > 0
                offsets = np.cumsum([0, *(len(line) for line in lines)])
                yield Cell(number, source.cell(section, int(key)), np.concatenate(lines), offsets, ids, tails)


def steps_of(positions: NDArray[Any], offsets: NDArray[Any], ids: NDArray[Any]) -> NDArray[np.float64]:
    """Object and both ends of all steps, each (1 + 2 D,), in order; single vertices are steps of no length."""
    owner = np.repeat(np.arange(len(ids)), np.diff(offsets))
    joined = np.flatnonzero(owner[1:] == owner[:-1])
    alone = np.asarray(offsets[:-1])[np.diff(offsets) == 1]
    starts, ends = np.append(joined, alone), np.append(joined + 1, alone)
    numbers = np.where(ids >> 62 == -2, -1, ids)  # what belongs to no object
    rows = np.column_stack((numbers[owner[starts]], positions[starts], positions[ends]))
    return rows[np.lexsort(rows.T[::-1])]


def drawn(source: LineSource) -> list[NDArray[np.float64]]:
    """The steps of each spatial level."""
    found: dict[int, list[NDArray[np.float64]]] = {}
    for cell in cells(source):
        ids = cell.ids.astype(np.uint64).view(np.int64)
        found.setdefault(cell.level, []).append(steps_of(cell.positions, cell.offsets, ids))
    none = np.empty((0, 1 + 2 * source.schema.rank))
    out = [np.concatenate([none, *found.get(level, [])]) for level in range(len(source.tiers))]
    return [rows[np.lexsort(rows.T[::-1])] for rows in out]


def stored(store: zvview.Store, source: LineSource, level: int, ids: NDArray[Any]) -> NDArray[np.float64]:
    """The steps of some objects of a level of the store, as the source's coordinates have them."""
    batch = store.level(level).read_objects(ids.astype(np.int64))
    return steps_of(source.frame.place(batch.positions), batch.offsets, batch.object_ids)


def make(
    place: Any, kind: str = "streamline", *, levels: bool = True, size: int = 8000, **options: Any
) -> zvview.Store:
    make_store(place, kind, size=size, chunk_shape=(200,) * options.get("ndim", 3), **options).close()
    if levels:
        build_pyramid(place, PyramidOptions(target=500))
    return zvview.open(place)


@pytest.mark.parametrize("kind", ["streamline", "polyline", "line"])
@pytest.mark.parametrize("levels", [True, False])
def test_each_object_is_drawn_in_one_level_without_gaps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, levels: bool
) -> None:
    monkeypatch.setattr(tiers, "FIRST_VERTICES", 300)
    store = make(tmp_path / "a.zarrvectors", kind, levels=levels)
    source = source_of(store, open_single_lines if kind == "line" else open_polylines)
    found = drawn(source)
    assert len(found) > 2
    seen = [np.unique(rows[:, 0]) for rows in found]
    assert np.array_equal(np.sort(np.concatenate(seen)), store.level(0).present_object_ids)
    for tier, rows, ids in zip(source.tiers, found, seen, strict=True):
        assert np.array_equal(rows, stored(store, source, tier.level, ids))
    assert source.tiers[-1].level == 0
    assert len(found[0]) < len(found[-1])


def test_lines_far_from_the_origin_that_move(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers, "FIRST_VERTICES", 40)
    rng = np.random.default_rng(4)
    axes = [zvview.Axis("t", "time", "second"), *(zvview.Axis(name, "space", "nanometer") for name in "xyz")]
    positions = np.cumsum(rng.normal(0, 3, (900, 4)), axis=0) + np.array([0, 3e7, 3e7, 3e7])
    batch = zvview.Polylines(positions, offsets=np.arange(0, 901, 30), object_ids=2 * np.arange(30) - 10)
    with zvview.create({}, kind="polyline", axes=axes, chunk_shape=(20,) * 4, dtype="float64") as store:
        store.write(batch)
        source = source_of(store)
        found = np.concatenate(drawn(source))
        assert source.frame.origin[1:].min() > 2e7 and len(source.tiers) > 1
        assert source.tiers[0].factors.tolist()[0] == 1 < source.tiers[0].factors.tolist()[1]
        ids = store.level(0).present_object_ids
        assert np.array_equal(found[np.lexsort(found.T[::-1])], stored(store, source, 0, ids))
        keys = np.concatenate(list(source.keys(source.sections[-1])))
        assert np.array_equal(np.sort(keys.view(np.int64)), ids)
        assert len(source.read(source.sections[-1], keys)) == 30


@pytest.mark.parametrize("first", [50_000, 8])
@pytest.mark.parametrize("name", [*LINES, *POLYLINES])
def test_stores_of_the_reference_are_drawn_whole(name: str, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers, "FIRST_VERTICES", first)
    store = zvview.open(GOLDEN / f"{name}.zip")
    source = source_of(store, open_single_lines if name in LINES else open_polylines)
    found = drawn(source)
    known = store.level(0).present_object_ids
    assert known is not None
    seen = [np.unique(rows[:, 0]).astype(np.int64) for rows in found]
    owned = [np.intersect1d(ids, known) for ids in seen]
    assert np.array_equal(np.sort(np.concatenate(owned)), known)
    everything = {tuple(row[1:]) for row in stored(store, source, 0, known)}
    for tier, rows, ids in zip(source.tiers, found, owned, strict=True):
        there = {tuple(row[1:]) for row in rows}
        assert tier.level > 0 or there <= everything
        if len(ids):  # pieces that several objects share are drawn once, in a level of their own
            wanted = {tuple(row[1:]) for row in stored(store, source, tier.level, ids)}
            drawn_at_all = there if tier.level else {tuple(row[1:]) for rows in found for row in rows}
            assert wanted <= drawn_at_all


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_lines_of_any_shape_have_no_gaps(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(2, 3))
    counts = data.draw(st.lists(st.integers(2, 6), min_size=1, max_size=6))
    values = st.integers(-12, 12)
    rows = data.draw(st.lists(st.tuples(*[values] * ndim), min_size=sum(counts), max_size=sum(counts)))
    ids = data.draw(st.lists(st.integers(0, 99), min_size=len(counts), max_size=len(counts), unique=True))
    batch = zvview.Polylines(
        np.array(rows, np.float32) / 2, offsets=np.cumsum([0, *counts]), object_ids=np.array(ids, np.int64)
    )
    with zvview.create({}, kind="polyline", axes="xyz"[:ndim], chunk_shape=(2.0,) * ndim) as store:
        store.write(batch)
        source = source_of(store)
        (found,) = drawn(source)
        expected = steps_of(source.frame.place(batch.positions), batch.offsets, batch.object_ids)
        assert np.array_equal(found, expected)


def test_every_cell_holds_what_begins_in_it(tmp_path: Path) -> None:
    source = source_of(make(tmp_path / "a.zarrvectors"))
    info = source.info
    for cell in cells(source):
        told = info["spatial"][cell.level]
        assert (cell.place < told["grid_shape"]).all()
        places = (cell.positions[cell.offsets[:-1]] - info["lower_bound"]) / told["chunk_size"]
        assert (np.floor(places) == cell.place).all()


def test_lines_are_found_whole_by_their_ids(tmp_path: Path) -> None:
    store = make(tmp_path / "a.zarrvectors", size=5000)
    source = source_of(store)
    by_id = source.sections[-1]
    keys = np.concatenate(list(source.keys(by_id)))
    assert np.array_equal(np.sort(keys), store.level(0).present_object_ids)
    block = source.read(by_id, keys)
    assert np.array_equal(np.sort(block.keys), np.sort(keys))
    for row, key in enumerate(block.keys[:20]):
        (line,), _, _ = decode(source, block.content(row)[1], 1)
        whole = store.level(0).read_objects([int(key)])
        assert np.array_equal(line, source.frame.place(whole.positions))
    assert len(source.read(by_id, np.array([2**64 - 1, 2**63, 10**9], np.uint64))) == 0


def test_levels_that_add_to_coarser_ones(tmp_path: Path) -> None:
    place = tmp_path / "a.zarrvectors"
    make(place, size=2000).close()
    document = json.loads((place / "0" / "zarr.json").read_text())
    document["attributes"]["zarr_vectors_level"]["refinement"] = "add"
    (place / "0" / "zarr.json").write_text(json.dumps(document))
    store = zvview.open(place)
    source = source_of(store)
    assert store.level(0).refinement == "add"
    seen = [np.unique(rows[:, 0]) for rows in drawn(source)]
    assert np.array_equal(np.sort(np.concatenate(seen)), store.level(0).present_object_ids)
    assert [tier.level for tier in source.tiers[-2:]] == [1, 0]
    keys = np.concatenate(list(source.keys(source.sections[-1])))
    assert len(np.unique(keys)) == len(keys) == len(source.read(source.sections[-1], keys))


def test_lines_without_objects_have_ids_of_their_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    place = tmp_path / "a.zarrvectors"
    positions = np.cumsum(rng.normal(0, 4, (400, 3)), axis=0)
    with zvview.create(place, kind="polyline", axes="xyz", chunk_shape=(20,) * 3) as store:
        store.write(zvview.Polylines(positions.astype("f4"), offsets=np.arange(0, 401, 20)))
    for part in ("object_index", "fragment_attributes"):
        shutil.rmtree(place / "0" / part)
    store = zvview.open(place)
    assert store.level(0).object_ids is None
    source = source_of(store)
    assert all((cell.ids >> np.uint64(62) == 2).all() for cell in cells(source))
    found = np.concatenate([cell.ids for cell in cells(source)])
    keys = np.concatenate(list(source.keys(source.sections[-1])))
    assert np.array_equal(np.sort(found), np.sort(keys))
    assert len(source.read(source.sections[-1], keys)) == len(keys)


def test_properties_tell_of_objects_directions_and_means(tmp_path: Path) -> None:
    place = tmp_path / "a.zarrvectors"
    lines = [
        np.array([[0, 0, 0], [4, 0, 0], [8, 0, 0]]),
        np.array([[0, 1, 1], [0, 9, 1]]),
        np.array([[0, 2, 2], [0, 2, 9.5]]),
    ]
    attributes = {"fa": np.array([1, 2, 3, 4, 6, 7, 8], "f4"), "kind": np.array(list("aabbacc"))}
    batch = zvview.Polylines.from_list(
        [line.astype("f4") for line in lines], object_ids=[5, 7, 9], attributes=attributes
    )
    with zvview.create(place, kind="polyline", axes="xyz", chunk_shape=(100,) * 3) as store:
        store.write(batch, groups={"one": [5], "two": [7, 9]})
        source = source_of(store)
    (cell,) = cells(source)
    by_id = dict(zip(cell.ids.tolist(), cell.tails, strict=True))
    assert [by_id[i]["direction"].tolist() for i in (5, 7, 9)] == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert [by_id[i]["fa"] for i in (5, 7, 9)] == [2, 5, 7.5]
    assert [int(by_id[i]["kind"]) for i in (5, 7, 9)] == [0, 1, 2]
    assert [int(by_id[i]["group"]) for i in (5, 7, 9)] == [0, 1, 1]
    colours = np.rint(colour_ids([5, 7, 9])[:, :3] * 255)
    assert np.array_equal([by_id[i]["object"] for i in (5, 7, 9)], colours)
    assert set(source.properties.by_attribute) == {"direction", "object", "group", "fa", "kind"}


@pytest.mark.parametrize("name", NETWORKS)
def test_each_edge_is_drawn_once(name: str) -> None:
    store = zvview.open(GOLDEN / f"{name}.zip")
    source = source_of(store, open_edges)
    batch = store.level(0).read(clip="chunks")
    pairs = source.frame.place(batch.positions)[batch.edges].reshape(len(batch.edges), -1)
    found = np.concatenate(
        [np.empty((0, pairs.shape[1])), *(c.positions.reshape(len(c.ids), -1) for c in cells(source))]
    )
    assert np.array_equal(found[np.lexsort(found.T)], pairs[np.lexsort(pairs.T)])
    names = np.concatenate([np.empty(0, np.uint64), *(c.ids for c in cells(source))])
    keys = np.concatenate(list(source.keys(source.sections[-1])))
    assert np.array_equal(np.sort(keys), np.sort(names))
    assert len(np.unique(names)) == len(names) > 0
    assert len(source.read(source.sections[-1], keys)) == len(keys)


def test_few_objects_are_found_without_reading_all_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers, "FIRST_VERTICES", 60)
    source = source_of(make(tmp_path / "a.zarrvectors", levels=False, size=30_000))
    expected = drawn(source)
    monkeypatch.setattr(tiers, "_FEW", 0.0)
    everything = source_of(zvview.open(tmp_path / "a.zarrvectors"))
    assert source.tiers[0].share < 0.01 and (source.tiers[0].factors > 1).all()
    for one, other in zip(expected, drawn(everything), strict=True):
        assert np.array_equal(one, other)
    assert any("zvview pyramid" in note for note in source.notes)


def test_large_stores_are_simplified_and_tell_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers, "FIRST_VERTICES", 300)
    monkeypatch.setattr(tiers, "READ_VERTICES", 500)
    store = make(tmp_path / "a.zarrvectors")
    source = source_of(store)
    assert source.tiers[0].level > 0
    assert any("simplified" in note for note in source.notes)
    for tier, rows in zip(source.tiers, drawn(source), strict=True):
        assert np.array_equal(rows, stored(store, source, tier.level, np.unique(rows[:, 0])))


def test_the_reader_of_neuroglancer_finds_each_line(tmp_path: Path) -> None:
    from neuroglancer.read_precomputed_annotations import AnnotationReader

    store = make(tmp_path / "a.zarrvectors", size=600)
    source = source_of(store)
    answers = Answers({"lines": source}, "v")
    for section in source.sections:
        keys = np.concatenate(list(source.keys(section)))
        names = [str(key) for key in keys.tolist()]
        if section.grid_shape is not None:
            names = ["_".join(map(str, source.cell(section, key).tolist())) for key in keys.tolist()]
        for name in names:
            path = tmp_path / "out" / section.key / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(answers.answer(f"lines/{section.key}/{name}").body)
    (tmp_path / "out" / "info").write_bytes(answers.answer("lines/info").body)
    reader = AnnotationReader(f"file://{tmp_path / 'out'}/")
    columns = [p.id for p in reader.properties]
    for key in store.level(0).present_object_ids.tolist():
        found, whole = reader.by_id[key], store.level(0).read_objects([key])
        assert np.array_equal(np.array(found.points, np.float32), source.frame.place(whole.positions))
        told = dict(zip(columns, found.props, strict=True))
        assert np.isclose(told["fa"], whole.attributes["fa"].mean(), rtol=1e-5)


@pytest.mark.parametrize("most", [1, 10**6])
def test_edges_are_thinned_by_object_or_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(tiers, "FIRST_VERTICES", 100)
    monkeypatch.setattr(line_segments, "_MANY_OBJECTS", most)
    store = make(tmp_path / "a.zarrvectors", "skeleton", levels=False, size=4000, n_objects=80)
    source = source_of(store, open_edges)
    batch = store.level(0).read(clip="chunks")
    pairs = source.frame.place(batch.positions)[batch.edges].reshape(len(batch.edges), -1)
    found: dict[int, list[NDArray[Any]]] = {}
    for cell in cells(source):
        found.setdefault(cell.level, []).append(cell.positions.reshape(len(cell.ids), -1))
    assert len(found) > 2
    rows = np.concatenate([part for parts in found.values() for part in parts])
    assert np.array_equal(rows[np.lexsort(rows.T)], pairs[np.lexsort(pairs.T)])
    owners = batch.vertex_object_ids[batch.edges[:, 0]].tolist()
    owner_of = dict(zip(map(bytes, pairs), owners, strict=True))
    levels: dict[int, set[int]] = {owner: set() for owner in owners}
    for level, parts in found.items():
        for row in np.concatenate(parts):
            levels[owner_of[bytes(row)]].add(level)
    assert all(len(told) == 1 for told in levels.values()) is (most <= 80)


def test_the_first_of_a_cell_are_the_same_lines_everywhere(tmp_path: Path) -> None:
    """The client draws the first ones of each cell: the same objects must come first in all of them."""
    source = source_of(make(tmp_path / "a.zarrvectors", levels=False))
    for cell in cells(source):
        ranks = tiers.rank_names(cell.ids)
        assert (ranks[1:] >= ranks[:-1]).all()


@pytest.mark.parametrize("levels", [True, False])
@pytest.mark.parametrize(("kind", "opened"), [("streamline", open_polylines), ("skeleton", open_edges)])
def test_many_threads_get_the_same_bytes_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, opened: Any, levels: bool
) -> None:
    monkeypatch.setattr(tiers, "FIRST_VERTICES", 300)
    store = make(tmp_path / "a.zarrvectors", kind, levels=levels, size=1500)

    def contents(source: LineSource, asked: list[tuple[str, int]], threads: int) -> list[bytes | None]:
        sections = {section.key: section for section in source.sections}
        begin = threading.Barrier(threads)

        def read(some: list[tuple[str, int]]) -> list[bytes | None]:
            begin.wait(60)
            blocks = [source.read(sections[name], np.array([key], np.uint64)) for name, key in some]
            return [block.content(0)[1] if len(block) else None for block in blocks]

        with ThreadPoolExecutor(threads) as pool:
            parts = list(pool.map(read, [asked[n::threads] for n in range(threads)]))
        found: list[bytes | None] = [None] * len(asked)
        for n, part in enumerate(parts):
            found[n::threads] = part
        return found

    one = source_of(store, opened)
    asked = [
        (section.key, key)
        for section in one.sections
        for keys in one.keys(section)
        for key in np.random.default_rng(1).permutation(keys)[:30].tolist()
    ]
    np.random.default_rng(2).shuffle(asked)
    asked = [(str(name), int(key)) for name, key in asked]
    expected = contents(one, asked, 1)
    assert sum(content is not None for content in expected) > 30
    small = 8 << 10  # so that chunks are read again and again
    many = opened(Chunks(store, small), one.frame)
    assert contents(many, asked * 2, 8) == expected * 2


@pytest.mark.parametrize(("kind", "opened"), [("streamline", open_polylines), ("skeleton", open_edges)])
def test_lines_tell_the_same_alone_and_among_others(tmp_path: Path, kind: str, opened: Open) -> None:
    make_store(tmp_path / "l.zarrvectors", kind, size=3000, n_objects=12, seed=2).close()
    with zvview.open(tmp_path / "l.zarrvectors") as store:
        source = source_of(store, opened)
        (by_id,) = [section for section in source.sections if section.key == "by_id"]
        keys = np.concatenate(list(source.keys(by_id)))
        together = source.read(by_id, keys)
        some = np.random.default_rng(0).choice(len(keys), min(60, len(keys)), replace=False)
        for row in some.tolist():
            alone = source.read(by_id, together.keys[row : row + 1])
            assert alone.content(0) == together.content(row)
        apart = source.read(by_id, keys[some])  # lines of different objects one after the other
        held = {int(key): together.content(row) for row, key in enumerate(together.keys)}
        assert [apart.content(row) for row in range(len(apart))] == [held[int(key)] for key in apart.keys]


def test_the_lines_of_a_chunk_are_made_once_and_chunks_are_read_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_store(tmp_path / "s.zarrvectors", "skeleton", size=4000, n_objects=30, seed=2).close()
    with zvview.open(tmp_path / "s.zarrvectors") as store:
        source = source_of(store, open_edges)
        made: list[int] = []
        collect = source._collect
        monkeypatch.setattr(
            source, "_collect", lambda part, row, kinds: [made.append(row), collect(part, row, kinds)][1]
        )
        read: list[int] = []
        chunks = source._chunks
        whole = chunks.read
        monkeypatch.setattr(chunks, "read", lambda level, rows: [read.append(len(rows)), whole(level, rows)][1])
        (related, by_id) = [section for section in source.sections if section.grid_shape is None]
        count = len(chunks.levels[0].chunks)
        names = list(source.keys(by_id))
        assert len(names) == count > 1 and read == [*[32] * (count // 32), *([count % 32] if count % 32 else [])]
        for section in (by_id, related):
            for keys in source.keys(section):
                assert len(source.read(section, keys)) == len(keys)
        assert sorted(made) == list(range(count))


def test_directions_of_single_steps_are_those_of_lines() -> None:
    rng = np.random.default_rng(4)
    ends = rng.normal(size=(50, 2, 3)).astype("f4")
    ends[7, 1] = ends[7, 0]
    ids = np.arange(51)

    def of(positions: NDArray[Any], sizes: list[int]) -> NDArray[np.float32]:
        count = len(sizes)
        pieces = Pieces(positions, np.append(0, np.cumsum(sizes)), ids[:count], ids[:count].astype(np.uint64))
        return _directions_of(pieces, (2, 0, 1))

    alone = of(ends.reshape(-1, 3), [2] * 50)
    among = of(np.concatenate((ends.reshape(-1, 3), np.zeros((1, 3), "f4"))), [*[2] * 50, 1])
    assert np.array_equal(alone, among[:-1]) and not among[-1].any()
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), np.arange(50) != 7, atol=1e-6)


@pytest.mark.parametrize("far", [1e20, 1e200, np.inf, np.nan])
def test_lines_beyond_all_numbers_have_no_direction_and_no_warning(far: float) -> None:
    ends = np.array([[0, 0, 0], [far, 0, 0], [1, 1, 1], [1, 1, 2], [3, 1, 0], [3, 4, 4], [3, 4, 4]])
    ids = np.arange(3)
    for offsets, rows in (([0, 2, 4, 6], 6), ([0, 2, 4, 7], 7)):  # pairs, and others
        found = _directions_of(Pieces(ends[:rows], np.array(offsets), ids, ids.astype(np.uint64)), (0, 1, 2))
        assert np.allclose(found[1:], [[0, 0, 1], [0, 0.6, 0.8]]) and np.isfinite(found).all()
