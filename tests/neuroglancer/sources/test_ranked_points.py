"""Points of stores without levels that serve: each once over levels by rank, in cells of a bounded size."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from tests.neuroglancer.exporting.reading import contents_of
from tests.neuroglancer.sources.test_points import cells
from zvview.neuroglancer.exporting.exporting import export
from zvview.neuroglancer.sources import ranked_points, ranks
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.opening import open_sources
from zvview.neuroglancer.sources.points import NestedPoints
from zvview.neuroglancer.sources.properties import Properties
from zvview.neuroglancer.sources.ranked_points import RankedPoints
from zvview.neuroglancer.sources.ranks import plan_ranks
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.stream.facts import LevelFacts

COUNT = 10_000


def make(place: Path, *, axes: str = "xyz", edge: float = 20.0, objects: bool = False) -> zvview.Store:
    rng = np.random.default_rng(5)
    positions = rng.uniform(-50, 150, (COUNT, len(axes))).astype(np.float32)
    positions[: COUNT // 4] = rng.normal(20, 4, (COUNT // 4, len(axes)))  # denser in one place
    if axes[0] == "t":
        positions[:, 0] = rng.integers(0, 3, COUNT)
    positions[:100] = positions[100:200]  # some lie upon each other
    attributes = {"value": rng.normal(size=COUNT).astype("f4")}
    ids = rng.integers(0, 40, COUNT) if objects else None
    with zvview.create(place, kind="point_cloud", axes=axes, chunk_shape=(edge,) * len(axes)) as store:
        store.write(zvview.Points(positions, attributes=attributes, object_ids=ids))
    return zvview.open(place)


def ranked(store: zvview.Store) -> RankedPoints:
    chunks = Chunks(store, levels=1)
    frame = SourceFrame.of(store.axes, store.bounds, store.level(0).resolution)
    return RankedPoints(chunks, frame, Properties.of(chunks.facts.attributes))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits at which a small store has levels of each sort."""
    monkeypatch.setattr(ranks, "LIMIT", 50)
    monkeypatch.setattr(ranks, "MOST_READ", 750)


def check_each_once(store: zvview.Store, source: RankedPoints) -> list[int]:
    """Each point is in one cell, that in which it lies, and found by its id; how many each level has."""
    info = source.info
    lower = np.array(info["lower_bound"])
    found = list(cells(source))
    for level, cell, records, _ in found:
        size = np.array(info["spatial"][level]["chunk_size"])
        assert (cell < info["spatial"][level]["grid_shape"][: len(cell)]).all()
        inside = ((records["_geometry"] - lower) / size)[:, : len(cell)]
        assert (inside > cell - 1e-4).all()
        assert (inside < cell + 1 + 1e-4).all()
    records = np.concatenate([r for _, _, r, _ in found])
    ids = np.concatenate([i for *_, i in found])
    assert len(records) == COUNT
    assert len(np.unique(ids)) == COUNT
    batch = store.level(0).read()
    flat = np.zeros((COUNT, max(0, 3 - batch.positions.shape[1])))
    expected = np.column_stack((batch.positions, flat, batch.attributes["value"])).astype(np.float32)
    got = np.column_stack((records["_geometry"], records["value"]))
    assert np.array_equal(got[np.lexsort(got.T)], expected[np.lexsort(expected.T)])
    (by_id,) = (s for s in source.sections if s.key == "by_id")
    block = source.read(by_id, ids.astype(np.uint64))
    size = source.schema.record_dtype.itemsize
    back = {int(key): block.contents.content(row)[:size] for row, key in enumerate(block.keys)}
    assert all(back[int(i)] == r.tobytes() for i, r in zip(ids, records, strict=True))
    every = np.concatenate([source.read(by_id, keys).keys for keys in source.keys(by_id)])
    assert len(every) == len(np.unique(every)) == COUNT
    return np.bincount([level for level, *_ in found], [len(i) for *_, i in found]).astype(int).tolist()


@pytest.mark.parametrize(
    ("axes", "edge", "objects"),
    [("xyz", 18.0, False), ("xyz", 25.0, True), ("xyz", 300.0, False), ("xy", 10.0, False), ("tyx", 25.0, False)],
)
@pytest.mark.usefixtures("small")
def test_each_point_is_in_exactly_one_level(tmp_path: Path, axes: str, edge: float, objects: bool) -> None:
    store = make(tmp_path / "p.zarrvectors", axes=axes, edge=edge, objects=objects)
    held = check_each_once(store, ranked(store))
    assert len(held) > 2
    assert held[-1] > held[0]


@pytest.mark.usefixtures("small")
def test_levels_are_of_each_sort(tmp_path: Path) -> None:
    """From kept samples, read for each request, and of parts of chunks; the first is of a few cells."""
    source = ranked(make(tmp_path / "p.zarrvectors", edge=60.0))
    assert [level.is_kept for level in source.levels][:1] == [True]
    assert any(not level.is_kept and (level.parts == 1).all() for level in source.levels)
    assert (source.levels[-1].parts == 2).all() or (source.levels[-1].parts > 2).all()
    assert np.prod(source.levels[0].shape) <= 8
    assert any("zvview pyramid" in note for note in source.notes)


def test_without_limits_that_are_small_a_store_is_one_level_of_a_few_cells(tmp_path: Path) -> None:
    source = ranked(make(tmp_path / "p.zarrvectors", edge=20.0))
    assert len(source.levels) == 1
    assert np.prod(source.levels[0].shape) <= 8
    assert not source.notes


@pytest.mark.usefixtures("small")
def test_cells_are_of_the_size_that_is_told(tmp_path: Path) -> None:
    source = ranked(make(tmp_path / "p.zarrvectors"))
    told = [level["limit"] for level in source.info["spatial"]]
    for level, most in enumerate(told):
        sizes = np.array([len(ids) for number, *_, ids in cells(source) if number == level])
        assert most <= 100  # the last one takes up to twice as many as wished
        assert 0.6 * most < (sizes**2).sum() / sizes.sum() < 1.7 * most + 5


@pytest.mark.usefixtures("small")
def test_a_level_is_a_fair_sample(tmp_path: Path) -> None:
    store = make(tmp_path / "p.zarrvectors", edge=20.0)
    source = ranked(store)
    first = np.concatenate([r["_geometry"] for level, _, r, _ in cells(source) if level == 0])
    dense = (np.abs(store.level(0).read().positions - 20) < 12).all(axis=1).mean()
    share = (np.abs(first - 20) < 12).all(axis=1).mean()
    assert abs(share - dense) < 4 * np.sqrt(dense * (1 - dense) / len(first))


@pytest.mark.usefixtures("small")
def test_each_chunk_is_read_once_for_all_first_levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ranked(make(tmp_path / "p.zarrvectors", edge=25.0))
    assert sum(level.is_kept for level in source.levels) > 0
    read: list[int] = []
    lock = threading.Lock()
    draw = source._draw_sample

    def counted(row: int, part: object) -> object:
        with lock:
            read.append(row)
        return draw(row, part)  # type: ignore[arg-type]

    monkeypatch.setattr(source._samples, "_draw", counted)
    asked = [
        (source.sections[number], np.array([code], np.uint64))
        for number, level in enumerate(source.levels)
        if level.is_kept
        for code in level.grid.codes.tolist()
    ]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: source.read(*one), asked * 2))
    assert sorted(read) == sorted(set(read))
    assert len(read) == len(source._chunks.levels[0].chunks)


@pytest.mark.usefixtures("small")
def test_samples_are_the_same_bytes_whatever_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make(tmp_path / "p.zarrvectors", edge=25.0)

    def contents(source: RankedPoints) -> dict[tuple[str, int], bytes]:
        found = {}
        for section in source.sections:
            for keys in source.keys(section):
                block = source.read(section, keys)
                found.update({(section.key, int(k)): block.content(row)[1] for row, k in enumerate(block.keys)})
        return found

    expected = contents(ranked(store))
    one = ranked(store)
    backwards = {}
    for section in one.sections[::-1]:
        for key in np.concatenate([k for s, k in expected_keys(expected) if s == section.key])[::-1]:
            block = one.read(section, np.array([key], np.uint64))
            backwards[section.key, int(key)] = block.content(0)[1]
    assert backwards == expected
    tight = ranked(store)
    monkeypatch.setattr(tight._samples, "_held", type(tight._samples._held)(4096, lambda drawn: drawn.nbytes))
    assert contents(tight) == expected


def expected_keys(contents: dict[tuple[str, int], bytes]) -> list[tuple[str, np.ndarray]]:
    names = dict.fromkeys(name for name, _ in contents)
    return [(name, np.array([k for n, k in contents if n == name], np.uint64)) for name in names]


def test_what_is_kept_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "LIMIT", 50)
    monkeypatch.setattr(ranks, "MOST_READ", 250)
    monkeypatch.setattr(ranked_points, "KEPT_BYTES", 25_000)
    store = make(tmp_path / "p.zarrvectors", edge=20.0)
    source = ranked(store)
    kept = max((level.below for level in source.levels if level.is_kept), default=0) / 2**32
    assert kept * COUNT * (source.schema.record_dtype.itemsize + 20) <= 25_000
    assert kept > 0
    check_each_once(store, source)


@given(
    st.lists(st.tuples(st.integers(-40, 40), st.integers(-40, 40), st.integers(1, 60_000)), min_size=1, max_size=60),
    st.sampled_from([(True, True), (True, False), (False, False)]),
)
@settings(max_examples=60, deadline=None)
def test_a_plan_takes_all_in_few_levels(chunks: list[tuple[int, int, int]], is_spatial: tuple[bool, bool]) -> None:
    known = {chunk[:2]: chunk[2] for chunk in chunks}
    coords = np.array(sorted(known), np.int64)
    level = LevelFacts(0, np.array([10.0, 10.0]), np.array([1.0, 1.0]), coords)
    counts = np.array([known[tuple(c)] for c in coords.tolist()], np.float64)
    corner, planned = plan_ranks(level, counts, np.array(is_spatial), 10**9)
    assert planned[0].first == 0
    assert planned[-1].below == 2**32
    assert all(a.below == b.first for a, b in pairwise(planned))
    assert len(planned) <= 12
    assert (corner <= coords.min(axis=0) * 10).all()
    for one in planned:
        rows = np.concatenate([one.grid.rows_of(code) for code in one.grid.codes.tolist()])
        assert sorted(rows.tolist()) == list(range(len(coords)))
        assert (np.array(one.shape) * one.cell_shape + corner >= (coords.max(axis=0) + 1) * 10 - 1e-6).all()


def test_points_with_nested_levels_are_not_ranked_and_others_are(tmp_path: Path) -> None:
    place = tmp_path / "p.zarrvectors"
    with make(place) as store:
        assert isinstance(open_sources(store)["points"], RankedPoints)
    build_pyramid(place, PyramidOptions(target=2000))
    with zvview.open(place) as store:
        assert isinstance(open_sources(store)["points"], NestedPoints)


@pytest.mark.usefixtures("small")
def test_foreign_levels_are_not_added(tmp_path: Path) -> None:
    place = tmp_path / "p.zarrvectors"
    make(place).close()
    build_pyramid(place, PyramidOptions(target=2000))
    document = place / "1" / "zarr.json"
    document.write_text(document.read_text().replace("nested_subset", "bin_mean"))
    with zvview.open(place) as store:
        assert len(store.levels) > 1
        source = open_sources(store)["points"]
        assert isinstance(source, RankedPoints)
        check_each_once(store, source)


@pytest.mark.usefixtures("small")
def test_an_export_after_an_edit_is_that_of_the_edited_store(tmp_path: Path) -> None:
    place = tmp_path / "p.zarrvectors"
    make(place, edge=50.0).close()
    export(place, tmp_path / "out")
    with zvview.open(place) as store, store.edit() as edit:
        some = store.level(0).read().positions[0]
        found = edit.find(box=(some - 0.001, some + 0.001))
        edit.move(found.take(np.arange(1)), found.positions[:1] + 0.01)
    again = export(place, tmp_path / "out")
    assert 0 < again.written < again.files / 2
    export(place, tmp_path / "fresh")
    one, other = (contents_of(tmp_path / folder / "points") for folder in ("out", "fresh"))
    assert one == other
    assert len(one) > 10
