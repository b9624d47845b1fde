"""Levels of point clouds, made and read again: nested, complete, the same whatever the parts, true to the picture."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from zvview.errors import DamagedError, InvalidInputError
from zvview.geometry.batches import Points
from zvview.pyramid.build import build_pyramid
from zvview.pyramid.design import LevelDesign, PyramidOptions
from zvview.pyramid.kind import Coarsened, Job, TaskContext
from zvview.pyramid.point_waves import sample_points
from zvview.pyramid.points import PointsKind, thin_part
from zvview.pyramid.scratch import Scratch
from zvview.pyramid.thinning import Thinning
from zvview.store.level import Level
from zvview.store.writing.partition import Tiling

TXY = ({"name": "t", "type": "time"}, "x", "y")


def clustered(count: int, seed: int = 0, ndim: int = 3) -> np.ndarray:
    """Clusters in a tenth of background, in 0 to 1000."""
    rng = np.random.default_rng(seed)
    middles, widths = rng.uniform(150, 850, (8, ndim)), rng.uniform(15, 60, (8, ndim))
    which = rng.integers(0, 8, count)
    where = middles[which] + rng.standard_normal((count, ndim)) * widths[which]
    loose = rng.random(count) < 0.1
    where[loose] = rng.uniform(0, 1000, (int(loose.sum()), ndim))
    return where.clip(0, 999.9).astype(np.float32)


def make_store(batch: Points, **options: Any) -> zvview.Store:
    place: dict[str, bytes] = {}
    zvview.create(place, kind="point_cloud", shards=False, **options).write(batch)
    return zvview.open(place)


def rich_points(count: int, seed: int = 0, ndim: int = 3, *, has_objects: bool = True) -> Points:
    rng = np.random.default_rng(seed)
    return Points(
        clustered(count, seed, ndim),
        rng.choice([-7, 3, 10**12], count) if has_objects else None,
        attributes={
            "row": np.arange(count),
            "colour": rng.integers(0, 255, (count, 3)).astype(np.uint8),
            "label": np.array(["a", "b", "long one"])[rng.integers(0, 3, count)],
        },
    )


def coarsen(kind: PointsKind, fine: Level, design: LevelDesign, folder: Path) -> tuple[Coarsened, list[Any]]:
    tiling, scratch = Tiling("point_cloud", design.chunk_shape), Scratch(str(folder))
    context = TaskContext(fine, design, tiling, scratch)
    job = Job(fine, design, tiling, scratch, lambda task, parts: [task(context, part) for part in parts])
    done = kind.coarsen(job)
    return done, [scratch.load(name) for name in done.runs]


def build(
    batch: Points, options: PyramidOptions | None = None, **create: Any
) -> tuple[zvview.Store, list[LevelDesign]]:
    place: dict[str, bytes] = {}
    zvview.create(place, kind="point_cloud", shards=False, **create).write(batch)
    levels = build_pyramid(place, PyramidOptions(target=300) if options is None else options)
    return zvview.open(place), [level.design for level in levels]


def rows_of(batch: Points) -> Counter[bytes]:
    """Each point as bytes: position, object and all attributes."""
    columns = [batch.positions, *(batch.attributes[name] for name in sorted(batch.attributes))]
    if batch.object_ids is not None:
        columns.append(batch.object_ids)
    flat = [np.ascontiguousarray(c).reshape(len(batch), -1).view(np.uint8) for c in columns]
    return Counter(map(bytes, np.concatenate(flat, axis=1)))


def farthest(where: np.ndarray, among: np.ndarray) -> float:
    """Largest distance of any of `where` from the nearest of `among`."""
    least = [
        np.linalg.norm(part[:, None] - among[None], axis=2).min(axis=1)
        for part in np.array_split(where, 40)
        if len(part)
    ]
    return float(np.concatenate(least).max())


@pytest.mark.parametrize("has_objects", [False, True])
@pytest.mark.parametrize("edge", [None, 250.0])
def test_levels_are_nested_with_attributes_and_objects(has_objects: bool, edge: float | None) -> None:
    shape = {} if edge is None else {"chunk_shape": (edge,) * 3}
    batch = rich_points(12_000, has_objects=has_objects)
    store, designs = build(batch, **shape)
    assert len(designs) >= 2
    finer = rows_of(store.level(0).read())
    assert finer.total() == 12_000
    for design in designs:
        level = store.level(design.level)
        batch = level.read()
        rows = rows_of(batch)
        assert rows <= finer
        assert set(batch.labels("label").tolist()) == {"a", "b", "long one"}
        assert (batch.object_ids is not None) == has_objects
        if has_objects:
            some = level.read_objects(3)
            assert rows_of(some).total() == int((batch.object_ids == 3).sum()) > 0
        if edge is None and finer.total() > 1_000:
            assert 4 <= finer.total() / rows.total() <= 8
        finer = rows


@pytest.mark.parametrize("edge", [None, 200.0])
def test_each_occupied_bin_has_one_and_no_point_of_level_0_is_farther_than_the_bin(edge: float | None) -> None:
    where = clustered(4_000, 3)
    store, designs = build(Points(where), **({} if edge is None else {"chunk_shape": (edge,) * 3}))
    for design in designs:
        thinning = Thinning.parse(design.parameters)
        bins = np.array(thinning.unit) * thinning.factor
        kept = store.level(design.level).read().positions
        occupied = set(map(tuple, np.floor(where.astype(float) / bins).astype(int).tolist()))
        assert occupied == set(map(tuple, np.floor(kept.astype(float) / bins).astype(int).tolist()))
        assert farthest(where, kept) <= min(design.bin_shape)
        assert np.allclose(store.level(design.level).resolution, design.bin_shape)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 10),
    st.sampled_from([1e4, 1e6, 1e9]),
    st.sampled_from([None, 200.0]),
    st.booleans(),
)
def test_points_far_away_do_not_make_the_bins_coarser(
    seed: int, outliers: int, far: float, edge: float | None, are_clusters: bool
) -> None:
    rng = np.random.default_rng(seed)
    where = clustered(6_000, seed).astype(np.float64)
    away = rng.standard_normal((outliers, 3))
    away *= far / np.linalg.norm(away, axis=1, keepdims=True)
    if are_clusters:
        away = np.concatenate([middle + rng.standard_normal((300, 3)) * 30 for middle in away])
    both = np.concatenate((where, away))
    chunks = {} if edge is None else {"chunk_shape": (edge,) * 3}
    _, plain = build(Points(where), **chunks)
    store, designs = build(Points(both), **chunks)
    assert 0.5 <= designs[0].bin_shape[0] / plain[0].bin_shape[0] <= 2
    counts = [store.level(number).vertex_count for number in range(len(designs) + 1)]
    falls = np.array(counts[:-1]) / counts[1:]
    assert (falls >= 4).all()
    assert (falls <= 8).all()
    for design in designs:
        kept = store.level(design.level).read().positions.astype(np.float64)
        assert max(farthest(part, kept) for part in (where, away)) <= min(design.bin_shape)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([None, 170.0, 333.0]), st.sampled_from([1, 9_000, 40_000]), st.booleans())
def test_levels_do_not_depend_on_the_size_of_parts(
    tmp_path_factory: pytest.TempPathFactory, seed: int, edge: float | None, part_bytes: int, has_objects: bool
) -> None:
    batch = rich_points(1_500, seed, has_objects=has_objects)
    store = make_store(batch, **({} if edge is None else {"chunk_shape": (edge,) * 3}))
    fine = store.level(0)
    design = PointsKind().design(fine, None, PyramidOptions(chunk_shapes=[tuple((2 * fine.chunk_shape).tolist())]))
    found = []
    for kind in (PointsKind(), PointsKind(part_bytes)):
        _, runs = coarsen(kind, fine, design, tmp_path_factory.mktemp("scratch"))
        chunks: dict[tuple[int, ...], list[Any]] = {}
        for run in runs:
            for c, chunk in enumerate(run.chunks.tolist()):
                rows = slice(run.rows[c], run.rows[c + 1])
                here = slice(run.fragments[c], run.fragments[c + 1])
                objects = None if run.objects is None else run.objects[here].tolist()
                columns = {name: values[rows].tolist() for name, values in run.columns.items()}
                assert tuple(chunk) not in chunks
                chunks[tuple(chunk)] = [run.positions[rows].tolist(), run.counts[here].tolist(), objects, columns]
        found.append(chunks)
    assert found[0] == found[1]


def test_each_chunk_alone_tells_which_of_its_points_go_on(tmp_path: Path) -> None:
    store = make_store(rich_points(3_000), chunk_shape=(150.0,) * 3)
    fine = store.level(0)
    design = PointsKind().design(fine, None, PyramidOptions())
    _, runs = coarsen(PointsKind(), fine, design, tmp_path / "whole")
    tiling, scratch = Tiling("point_cloud", design.chunk_shape), Scratch(str(tmp_path / "alone"))
    context = TaskContext(fine, design, tiling, scratch)
    names = [thin_part(context, (i, fine.chunks[i : i + 1])) for i in range(len(fine.chunks))]
    alone = [scratch.load(name).columns["row"] for name in names if name is not None]
    assert sorted(np.concatenate(alone).tolist()) == sorted(np.concatenate([r.columns["row"] for r in runs]).tolist())


def density(where: np.ndarray) -> np.ndarray:
    return np.histogramdd(where, 16, [(0, 1000)] * 3)[0].ravel() / len(where)


def test_density_stays_true() -> None:
    where = clustered(150_000, 9)
    store, designs = build(Points(where), PyramidOptions(target=20_000))
    truth = density(where)
    is_sparse = truth < 3 * 0.1 / 16**3
    assert len(designs) == 2
    for design in designs:
        kept = store.level(design.level).read().positions
        by_chance = where[np.random.default_rng(1).permutation(len(where))[: len(kept)]]
        assert np.abs(density(kept) - truth).sum() <= np.abs(density(by_chance) - truth).sum() + 0.08
        assert truth[is_sparse].sum() <= density(kept)[is_sparse].sum() <= truth[is_sparse].sum() + 0.1


def test_no_grid_shows() -> None:
    where = np.random.default_rng(2).uniform(0, 1000, (150_000, 3)).astype(np.float32)
    store, designs = build(Points(where), PyramidOptions(target=20_000), chunk_shape=(1000.0,) * 3)
    for design in designs:
        kept = store.level(design.level).read().positions.astype(float)
        thinning = Thinning.parse(design.parameters)
        for bins in (np.array(thinning.unit) * thinning.factor, np.array(design.bin_shape)):
            kept = kept[(kept < 1000 // bins * bins).all(axis=1)]
            for axis in range(3):
                inside = np.histogram(kept[:, axis] / bins[axis] % 1, 8, (0, 1))[0]
                assert inside.max() / inside.mean() < 1 + 4.5 / np.sqrt(inside.mean())


@pytest.mark.parametrize("step", [1.0, 0.04])
def test_frames_never_stand_for_each_other(step: float) -> None:
    rng = np.random.default_rng(4)
    frames = rng.integers(0, 12, 20_000)
    where = np.column_stack((frames * step, rng.uniform(0, 100, (20_000, 2))))
    where[frames == 5, 1:] = 50.0
    chunk = (4 * step, 100.0, 100.0)
    store, designs = build(Points(where), PyramidOptions(target=1_000), axes=TXY, chunk_shape=chunk, dtype="float64")
    assert len(designs) >= 2
    for design in designs:
        kept = store.level(design.level).read().positions
        for time in np.unique(where[:, 0]):
            level_0, level = where[where[:, 0] == time], kept[kept[:, 0] == time]
            assert len(level) > 0
            assert farthest(level_0, level) <= min(design.bin_shape[1:])
        assert design.chunk_shape[0] == chunk[0]
        assert design.bin_shape[0] == store.metadata.base_bin_shape[0]
        assert design.parameters["exact_axes"] == [True, False, False]


def test_times_of_their_own_count_as_simultaneous_within_a_bin_of_level_0() -> None:
    rng = np.random.default_rng(4)
    where = rng.uniform(0, 100, (20_000, 3))
    options = PyramidOptions(target=1_000)
    store, designs = build(Points(where), options, axes=TXY, chunk_shape=(50.0,) * 3, bin_shape=(10.0, 25.0, 25.0))
    assert len(designs) >= 2
    for design in designs:
        assert design.parameters["exact_axes"] == [False, False, False]
        assert design.parameters["thinning_unit"][0] == design.bin_shape[0] == 10.0
        assert design.parameters["thinning_factor"][0] == 1
        assert design.chunk_shape[0] == 50.0
        kept = store.level(design.level).read().positions
        for slab in range(10):
            here = [w[w[:, 0] // 10 == slab][:, 1:] for w in (where.astype(np.float32), kept)]
            assert farthest(*here) <= min(design.bin_shape[1:])


@pytest.mark.parametrize("ndim", [1, 2, 4])
def test_any_number_of_axes(ndim: int) -> None:
    batch = rich_points(5_000, 1, ndim)
    store, designs = build(batch, PyramidOptions(target=1_000))
    assert designs
    assert rows_of(store.level(1).read()) <= rows_of(store.level(0).read())
    assert farthest(batch.positions, store.level(1).read().positions) <= min(designs[0].bin_shape)


def test_wished_shapes_are_obeyed() -> None:
    where = clustered(3_000, 3)
    options = PyramidOptions(
        levels=2,
        bin_shapes=[(20.0, 20.0, 40.0), (40.0, 40.0, 80.0)],
        chunk_shapes=[(400.0,) * 3, (800.0, 400.0, 1200.0)],
    )
    store, designs = build(Points(where), options, chunk_shape=(200.0, 200.0, 400.0))
    assert [d.bin_shape for d in designs] == list(options.bin_shapes or ())
    assert [d.chunk_shape for d in designs] == list(options.chunk_shapes or ())
    for design in designs:
        kept = store.level(design.level).read().positions
        assert farthest(where, kept) <= min(design.bin_shape)
        assert store.level(design.level).chunk_shape.tolist() == list(design.chunk_shape)


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"chunk_shapes": [(300.0,) * 3]}, "multiple"),
        ({"chunk_shapes": [(100.0,) * 3]}, "multiple"),
        ({"bin_shapes": [(30.0,) * 3]}, "multiple|whole parts"),
        ({"bin_shapes": [(20.0,) * 3, (25.0,) * 3]}, "multiple|whole parts"),
        ({"bin_shapes": [(20.0,) * 3, (10.0,) * 3]}, "multiple|whole parts"),
    ],
)
def test_wished_shapes_that_cannot_be_are_refused(wishes: dict[str, Any], message: str) -> None:
    place: dict[str, bytes] = {}
    store = zvview.create(place, kind="point_cloud", chunk_shape=(200.0,) * 3, shards=False)
    store.write(Points(clustered(3_000)))
    with pytest.raises(InvalidInputError, match=message):
        build_pyramid(place, PyramidOptions(levels=2, **wishes))


def degenerate() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(8)
    line, plane = np.zeros((3_000, 3)), rng.uniform(0, 100, (3_000, 3))
    line[:, 0], plane[:, 2] = rng.uniform(0, 100, 3_000), 7.0
    return {
        "one point": np.ones((1, 3)),
        "all equal": np.full((3_000, 3), 2.5),
        "a line": line,
        "a plane": plane,
        "metres of UTM": rng.uniform(0, 800, (3_000, 3)) + np.array([5e5, 5.4e6, 100]),
        "nanometres, of which float32 tells few apart": rng.uniform(0, 1_000, (3_000, 3)) + 1e9,
        "far apart": np.concatenate((rng.random((1_500, 3)), rng.random((1_500, 3)) + 1e7)),
        "across zero": rng.uniform(-1, 1, (3_000, 3)),
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", degenerate())
def test_degenerate_clouds(name: str, dtype: str) -> None:
    batch = Points(degenerate()[name].astype(dtype), attributes={"row": np.arange(len(degenerate()[name]))})
    store, designs = build(batch, dtype=dtype)
    assert len(designs) >= (name not in ("one point", "all equal", "nanometres, of which float32 tells few apart"))
    finer = rows_of(store.level(0).read())
    for design in designs:
        level = store.level(design.level).read()
        assert rows_of(level) <= finer
        where = batch.positions
        assert farthest(where[::10], level.positions) <= min(design.bin_shape)
        finer = rows_of(level)


def test_equal_points_go_on_together() -> None:
    where = np.repeat(clustered(1_500), np.random.default_rng(0).integers(1, 4, 1_500), axis=0)
    copies = Counter(map(bytes, where))
    store, designs = build(Points(where))
    assert designs
    for design in designs:
        kept = Counter(map(bytes, store.level(design.level).read().positions))
        assert kept == Counter({point: copies[point] for point in kept})


def test_a_level_without_points_is_coarsened_to_nothing(tmp_path: Path) -> None:
    store = make_store(Points(np.empty((0, 3), np.float32)), bounds=((0,) * 3, (1,) * 3))
    design = PointsKind().design(store.level(0), None, PyramidOptions())
    done, _ = coarsen(PointsKind(), store.level(0), design, tmp_path)
    assert list(done.runs) == []


@pytest.mark.parametrize("dense", [30.0, 900.0])
def test_a_very_full_chunk_is_judged_by_some_of_its_blocks(tmp_path: Path, dense: float) -> None:
    rng = np.random.default_rng(3)
    where = np.concatenate((rng.uniform(0, dense, (400_000, 3)), rng.uniform(0, 1000, (40_000, 3)))).astype(np.float32)
    fine = make_store(Points(where), chunk_shape=(1024.0,) * 3).level(0)
    sample = sample_points(fine, 0, (True,) * 3)
    assert sample.weights.sum() == pytest.approx(len(where))
    assert dense < 100 or len(sample.weights) < 200_000
    design = PointsKind().design(fine, None, PyramidOptions())
    _, runs = coarsen(PointsKind(), fine, design, tmp_path)
    count = sum(len(run.positions) for run in runs)
    assert count == pytest.approx(sample.measure(Thinning.parse(design.parameters))[0], rel=0.1)
    assert 1.04 <= count / (len(where) / 6) <= 1.16


def test_points_that_edits_left_without_an_object_do_not_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = rich_points(3_000)
    fine = make_store(batch).level(0)
    read = Level.read_chunks

    def read_chunks(level: Level, *args: Any, **kwargs: Any) -> Points:
        points = read(level, *args, **kwargs)
        assert isinstance(points, Points)
        ids = np.where(points.object_ids == 3, -1, points.object_ids)
        return Points(points.positions, ids, attributes=points.attributes)

    monkeypatch.setattr(Level, "read_chunks", read_chunks)
    design = PointsKind().design(fine, None, PyramidOptions())
    _, runs = coarsen(PointsKind(), fine, design, tmp_path)
    assert {i for run in runs for i in run.objects.tolist()} == {-7, 10**12}


def test_the_object_of_id_minus_one_is_one_like_any_other(tmp_path: Path) -> None:
    fine = make_store(Points(clustered(500), np.full(500, -1))).level(0)
    design = PointsKind().design(fine, None, PyramidOptions())
    _, runs = coarsen(PointsKind(), fine, design, tmp_path)
    assert {i for run in runs for i in run.objects.tolist()} == {-1}


def test_stale_counts_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fine = make_store(rich_points(2_000), chunk_shape=(300.0,) * 3).level(0)
    design = PointsKind().design(fine, None, PyramidOptions())
    expected = coarsen(PointsKind(), fine, design, tmp_path / "true")[1]
    counts = fine.chunk_vertex_counts
    stale = counts.copy()
    stale[:2] += [1, -1]
    for wrong in (stale, counts + 1, np.zeros_like(counts)):
        monkeypatch.setattr(Level, "chunk_vertex_counts", property(lambda _, wrong=wrong: wrong))
        runs = coarsen(PointsKind(), fine, design, tmp_path / "stale")[1]
        assert [r.columns["row"].tolist() for r in runs] == [r.columns["row"].tolist() for r in expected]


def test_positions_outside_of_their_chunk_are_damage(tmp_path: Path) -> None:
    store = zvview.create(str(tmp_path / "store"), kind="point_cloud", codec="raw", shards=False)
    store.write(Points(clustered(100)))
    cell = next(p for p in (tmp_path / "store/0/vertices").rglob("*") if p.is_file() and p.name != "zarr.json")
    content = bytearray(cell.read_bytes())
    content[-4:] = np.float32(1e7).tobytes()
    cell.write_bytes(content)
    with pytest.raises(DamagedError, match="in the chunks that they are stored in"):
        PointsKind().design(zvview.open(str(tmp_path / "store")).level(0), None, PyramidOptions())
