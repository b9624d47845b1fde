"""Vertices land in their chunk, fragments tile, links and parents map back: for any batch and any cut into runs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.format.grid import locate_chunks
from zvview.format.links import permutation_table
from zvview.geometry.batches import Batch, Graph, Mesh, Points, Polylines, Skeletons
from zvview.store.writing.intake import Intake, join_intakes, take_in
from zvview.store.writing.link_waves import LinkMerge
from zvview.store.writing.object_ids import ObjectIds
from zvview.store.writing.partition import Tiling, partition
from zvview.store.writing.runs import Run, Spool
from zvview.store.writing.schema import Schema
from zvview.store.writing.vertex_waves import Merge, VertexWave

CHUNK = (4.0, 3.0)
COORDINATE = st.integers(-40, 40).map(lambda n: n / 4)


@st.composite
def positions(draw: st.DrawFn, most: int = 24) -> NDArray[np.float32]:
    rows = draw(st.lists(st.tuples(COORDINATE, COORDINATE), max_size=most))
    return np.array(rows, np.float32).reshape(-1, 2)


@st.composite
def batches(draw: st.DrawFn, kind: str) -> Batch:
    where = draw(positions())
    n = len(where)
    tag = {"tag": np.arange(n)}
    if kind == "point_cloud":
        ids = draw(
            st.none() | st.lists(st.integers(-3, 3), min_size=n, max_size=n).map(lambda v: np.array(v, np.int64))
        )
        return Points(where, ids, attributes=tag)
    cuts = draw(st.lists(st.integers(0, n), max_size=4).map(sorted))
    offsets = np.array([0, *cuts, n])
    ids = np.array(draw(st.permutations(range(-2, len(offsets) - 3))), np.int64)
    if kind == "polyline":
        return Polylines(where, offsets=offsets, object_ids=ids, attributes=tag)
    if kind == "skeleton":
        parents = [draw(st.integers(-1, i - 1)) for i in range(n)]
        order = draw(st.permutations(range(n)))  # parents need not come before their children
        up = np.full(n, -1)
        for child, parent in enumerate(parents):
            up[order[child]] = -1 if parent < 0 else order[parent]
        return Skeletons.from_parents(where, up, offsets=offsets, object_ids=ids, attributes=tag)
    width = {"graph": 2, "mesh": 3}[kind]
    row = st.lists(st.integers(0, max(n - 1, 0)), min_size=width, max_size=width)
    links = np.array(draw(st.lists(row, max_size=20 if n else 0)), np.int64).reshape(-1, width)
    link_tag = {"link": np.arange(len(links))}
    if kind == "graph":
        return Graph(where, offsets=offsets, object_ids=ids, edges=links, attributes=tag, link_attributes=link_tag)
    return Mesh(where, offsets=offsets, object_ids=ids, faces=links, attributes=tag, link_attributes=link_tag)


def taken(batch: Batch, ids: ObjectIds | None = None) -> Intake:
    vertices, links = Schema("vertex attribute", {}), Schema("link attribute", {})
    return take_in(
        batch, dtype=np.dtype("<f4"), vertices=vertices, links=links, ids=ids or ObjectIds(), kind=batch.kind
    )


def tiling_of(batch: Batch) -> Tiling:
    has_bins = isinstance(batch, Points) and batch.object_ids is None
    return Tiling(batch.kind, CHUNK, (2, 3) if has_bins else None)


def all_waves(merge: Merge, wave_bytes: int) -> list[VertexWave]:
    return list(merge.waves(np.arange(len(merge.chunks)), 16, wave_bytes))


def read_back(runs: list[Run], tiling: Tiling, wave_bytes: int) -> dict[str, NDArray[np.int64]]:
    """What the merged runs say: the tag of each stored row, its fragment and object, and links between tags."""
    merge = Merge(runs, 2, tiling.fragments_per_chunk)
    tags: list[int] = []
    owners: list[int] = []
    starts: list[int] = []
    base: dict[tuple[int, ...], int] = {}
    for wave in all_waves(merge, wave_bytes):
        assert wave.rows[-1] == len(wave.positions) == wave.counts.sum()
        assert wave.fragments[-1] == len(wave.counts)
        coords = np.repeat(merge.chunks[wave.chunks], np.diff(wave.rows), axis=0)
        assert np.array_equal(locate_chunks(wave.positions, CHUNK), coords)
        before = np.concatenate(([0], np.cumsum(wave.counts)))
        assert np.array_equal(before[wave.fragments], wave.rows)  # fragments tile
        for chunk, row in zip(merge.chunks[wave.chunks].tolist(), wave.rows.tolist(), strict=False):
            base[tuple(chunk)] = len(tags) + row
        starts += (before[:-1] + len(tags))[wave.counts > 0].tolist()
        owners += [] if wave.objects is None else np.repeat(wave.objects, wave.counts).tolist()
        tags += wave.columns["tag"].tolist()
    links, link_tags = [], []
    if tiling.kind != "point_cloud":
        link_merge = LinkMerge(merge)
        for name in link_merge.arrays:
            for wave in link_merge.waves(name, link_merge.sources(name), 3):
                segment = wave.segment
                stored = segment.rows[:, 1:] if segment.offsets.any() else segment.rows
                slots = np.arange(stored.shape[1])
                sources = np.repeat(segment.coords, segment.counts, axis=0)
                for record, source in enumerate(sources):
                    ends = [source, *(source + o for o in segment.offsets)]
                    rows = [base[tuple(e.tolist())] + int(r) for e, r in zip(ends, stored[record], strict=True)]
                    if segment.offsets.any():
                        slots = np.argsort(permutation_table(len(rows))[segment.rows[record, 0]])
                    links.append([tags[rows[s]] for s in slots])
                link_tags += wave.columns.get("link", np.empty(0, np.int64)).tolist()
    width = len(links[0]) if links else 2
    return {
        "tags": np.array(tags, np.int64),
        "owners": np.array(owners, np.int64),
        "starts": np.array(starts, np.int64),
        "links": np.array(links, np.int64).reshape(-1, width),
        "link_tags": np.array(link_tags, np.int64),
    }


@pytest.mark.parametrize("kind", ["point_cloud", "polyline", "graph", "mesh", "skeleton"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_rows_objects_and_links_survive_the_sort(kind: str, data: st.DataObject) -> None:
    batch = data.draw(batches(kind))
    tiling = tiling_of(batch)
    found = read_back([partition(taken(batch), tiling)], tiling, data.draw(st.sampled_from([1, 100, 1 << 20])))
    assert sorted(found["tags"].tolist()) == list(range(len(batch)))
    ids = batch.object_ids if isinstance(batch, Points) else batch.vertex_object_ids
    if ids is not None:
        assert np.array_equal(found["owners"], ids[found["tags"]])
    if isinstance(batch, Graph | Mesh) and not isinstance(batch, Skeletons):
        rows = batch.faces if isinstance(batch, Mesh) else batch.edges
        order = np.argsort(found["link_tags"])
        assert np.array_equal(found["links"][order].ravel(), rows.ravel())
    if isinstance(batch, Polylines):
        assert len(found["links"]) == len(found["starts"]) - int((np.diff(batch.offsets) > 0).sum())
    if isinstance(batch, Skeletons):
        assert np.array_equal(_parents(found), batch.parents)


def _parents(found: dict[str, NDArray[np.int64]]) -> NDArray[np.int64]:
    """Parents by tag, after the rule of readers: the row before in the fragment, unless a record replaces it."""
    tags = found["tags"]
    up = np.full(len(tags), -1, np.int64)
    is_first = np.zeros(len(tags), bool)
    is_first[found["starts"]] = True
    follows = np.flatnonzero(~is_first)
    up[tags[follows]] = tags[follows - 1]
    up[found["links"][:, 0]] = found["links"][:, 1]
    return up


@pytest.mark.parametrize("kind", ["point_cloud", "polyline", "graph", "mesh", "skeleton"])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_several_runs_are_one_level(kind: str, data: st.DataObject) -> None:
    several = data.draw(st.lists(batches(kind), min_size=2, max_size=3))
    if kind == "point_cloud":
        several = [Points(b.positions, None, attributes=b.attributes) for b in several]
    ids = ObjectIds()
    parts = []
    before = links = 0
    for b in several:
        part = taken(b if kind == "point_cloud" else _without_ids(b), ids)
        columns = {"tag": part.columns["tag"] + before}
        link_columns = {n: v + links for n, v in part.link_columns.items()}
        parts.append(Intake(part.positions, columns, part.objects, part.parents, part.links, link_columns))
        before += len(b)
        links += 0 if part.links is None else len(part.links)
    tiling = tiling_of(several[0])
    apart = read_back([partition(p, tiling) for p in parts], tiling, data.draw(st.sampled_from([1, 100, 1 << 20])))
    joined = read_back([partition(join_intakes(parts), tiling)], tiling, 1 << 20)
    for name in ("tags", "owners", "link_tags"):
        assert np.array_equal(np.sort(apart[name]), np.sort(joined[name]))
    assert sorted(map(tuple, apart["links"].tolist())) == sorted(map(tuple, joined["links"].tolist()))
    if kind == "skeleton":
        assert np.array_equal(_parents(apart), _parents(joined))
    if kind == "point_cloud":
        assert np.array_equal(apart["starts"], joined["starts"])  # a bin is one fragment, however many runs fill it


def _without_ids(batch: Batch) -> Batch:
    values = {
        n: getattr(batch, n)
        for n in ("offsets", "edges", "faces", "attributes", "link_attributes")
        if hasattr(batch, n)
    }
    return type(batch)(batch.positions, **values)


def test_points_of_an_object_in_several_runs_are_one_fragment() -> None:
    first = taken(Points(np.zeros((3, 2), np.float32), np.array([5, 1, 5]), attributes={"tag": np.arange(3)}))
    second = taken(Points(np.zeros((2, 2), np.float32), np.array([1, 0]), attributes={"tag": np.arange(3, 5)}))
    tiling = Tiling("point_cloud", CHUNK)
    (wave,) = all_waves(Merge([partition(first, tiling), partition(second, tiling)], 2), 1 << 20)
    assert wave.objects is not None
    assert wave.objects.tolist() == [0, 1, 5]
    assert wave.counts.tolist() == [1, 2, 2]
    assert wave.columns["tag"].tolist() == [4, 1, 3, 0, 2]


def test_bins_that_are_no_power_of_two_never_leave_their_chunk() -> None:
    edge = 0.3
    where = np.arange(-60, 60, dtype=np.float64)[:, None] * (edge / 10)
    batch = Points(where, attributes={"tag": np.arange(len(where))})
    intake = take_in(
        batch,
        dtype=np.dtype("<f8"),
        vertices=Schema("v", {}),
        links=Schema("l", {}),
        ids=ObjectIds(),
        kind="point_cloud",
    )
    run = partition(intake, Tiling("point_cloud", (edge,), (10,)))
    assert run.keys is not None
    assert run.keys.min() >= 0
    assert run.keys.max() <= 9
    assert np.array_equal(np.repeat(run.chunks, np.diff(run.rows), axis=0), locate_chunks(run.positions, [edge]))


def test_spilled_runs_give_the_same_bytes() -> None:
    rng = np.random.default_rng(1)
    faces = rng.integers(0, 30_000, (20_000, 3))
    batch = Mesh(rng.normal(0, 20, (30_000, 2)).astype(np.float32), faces=faces, attributes={"tag": np.arange(30_000)})
    tiling = Tiling("mesh", (10.0, 10.0))
    run = partition(taken(batch), tiling)
    spool = Spool()
    try:
        spilled = spool.spill(run)
        assert spool.files >= 3
        waves = [all_waves(Merge([r], 2), 50_000) for r in (run, spilled)]
        assert len(waves[0]) > 3
        for a, b in zip(*waves, strict=True):
            assert np.array_equal(a.positions, b.positions)
            assert np.array_equal(a.columns["tag"], b.columns["tag"])
    finally:
        spool.close()
