"""Points after edits: the levels are those of a rebuild, made from the chunks above the edited ones alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import zvview
from tests.pyramid.conftest import (
    CHUNK,
    HI,
    LO,
    NESTED,
    CountingMemory,
    Memory,
    assert_refresh_is_rebuild,
    some_points,
    transplant,
    write,
)
from zvview.pyramid import PyramidOptions, build_pyramid, refresh_pyramid
from zvview.pyramid.refresh import compute_refresh

pytestmark = pytest.mark.usefixtures("unsynced")

QUICK = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEEDS = st.integers(0, 2**32)


def edit_points(rng: np.random.Generator, points: zvview.Points) -> zvview.Points:
    """Some points near each other deleted, some moved, some added, some with other values."""
    near = np.abs(points.positions - rng.uniform(LO[0], HI[0], points.ndim)).max(axis=1) < rng.uniform(30, 300)
    keep = ~near | (rng.random(len(points)) < rng.choice([0.0, 0.5, 1.0]))
    positions, values = points.positions[keep], {n: v[keep] for n, v in points.attributes.items()}
    ids = None if points.object_ids is None else points.object_ids[keep]
    moved = np.flatnonzero(near[keep])
    positions[moved] = (positions[moved] + rng.normal(0, 15, positions[moved].shape)).clip(LO[0], HI[0])
    for name, column in values.items():
        if column.dtype.kind == "f":
            values[name] = np.where(near[keep].reshape(-1, *[1] * (column.ndim - 1)), column * 2, column)
    extra = int(rng.integers(0, 20))
    if extra and len(positions):
        rows = rng.integers(0, len(positions), extra)
        place = rng.uniform(LO[0], HI[0], points.ndim) + rng.normal(0, 20, (extra, points.ndim))
        positions = np.concatenate((positions, place.clip(LO[0], HI[0]).astype(positions.dtype)))
        values = {n: np.concatenate((v, v[rows])) for n, v in values.items()}
        ids = None if ids is None else np.concatenate((ids, ids[rows] + int(rng.choice([0, 1_000_000]))))
    return replace(points, positions=positions, attributes=values, object_ids=ids)


@QUICK
@given(seed=SEEDS, has_objects=st.booleans(), times=st.integers(1, 2))
def test_points_after_random_edits(seed: int, has_objects: bool, times: int) -> None:
    rng = np.random.default_rng(seed)
    points = some_points(rng, 500, has_objects)
    place = write(points)
    build_pyramid(place, PyramidOptions(levels=2, chunk_shapes=NESTED))
    for _ in range(times):
        points = edit_points(rng, points)
        place, chunks = transplant(place, write(points))
        report = assert_refresh_is_rebuild(place, chunks)
        assert not any(level.is_whole for level in report.levels)


def test_shards_keep_their_other_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zvview.store.writing.choose._MOST_FILES", 50)
    monkeypatch.setattr("zvview.store.writing.choose._SHARD_BITS", 3)
    for seed in range(2):
        rng = np.random.default_rng(seed)
        points = some_points(rng, 250, seed % 2 == 1)
        place = write(points)
        build_pyramid(place, PyramidOptions(levels=1, chunk_shapes=[CHUNK]))
        assert b"sharding_indexed" in place["1/vertices/zarr.json"]
        for _ in range(1 + seed):
            points = edit_points(rng, points)
            edited = write(points)
            differ = changed_chunks(place, edited)
            place, _ = transplant(place, edited)
            report = assert_refresh_is_rebuild(place, differ)
            assert not report.levels[0].is_whole


def changed_chunks(place: Memory, edited: Memory) -> NDArray[np.int64]:
    """Chunks whose points differ, told by reading them all."""
    found = []
    with zvview.open(place) as before, zvview.open(edited) as after:
        levels = before.level(0), after.level(0)
        for chunk in np.unique(np.concatenate([level.chunks for level in levels]), axis=0):
            old, new = (level.read_chunks(chunk) for level in levels)
            names = ("positions", "object_ids")
            same = all(np.array_equal(np.asarray(getattr(old, n)), np.asarray(getattr(new, n))) for n in names)
            if not (same and all(np.array_equal(old.attributes[n], new.attributes[n]) for n in old.attributes)):
                found.append(chunk)
    return np.array(found, np.int64).reshape(-1, 3)


def test_moments_stay_apart() -> None:
    rng = np.random.default_rng(8)
    options = {"axes": "xyzt", "chunk_shape": (300.0,) * 3 + (2.0,), "bounds": ((*LO, 0.0), (*HI, 9.0))}
    positions = np.column_stack((rng.normal(0, 150, (800, 3)).clip(LO[0], HI[0]), rng.integers(0, 9, 800)))
    place = write(zvview.Points(positions), options=options)
    build_pyramid(place, PyramidOptions(levels=2))
    near = (positions[:, 3] == 4) & (positions[:, 0] > 0)
    positions[near, 1] *= 0.9
    place, chunks = transplant(place, write(zvview.Points(positions), options=options))
    report = assert_refresh_is_rebuild(place, chunks)
    assert 0 < report.levels[0].chunk_count < len(zvview.open(place).level(1).chunks)


def test_attributes_of_another_form_are_taken_over() -> None:
    rng = np.random.default_rng(5)
    points = some_points(rng, 800, False)
    place = write(points)
    build_pyramid(place, PyramidOptions(levels=2, chunk_shapes=NESTED))
    kept = {name: values for name, values in points.attributes.items() if name != "rgb"}
    points = replace(points, attributes={**kept, "new": np.arange(800)})
    place, chunks = transplant(place, write(points))
    report = assert_refresh_is_rebuild(place, chunks)
    assert all(level.is_whole for level in report.levels)


def test_points_of_chunks_that_were_not_touched_are_not_read_again() -> None:
    points = some_points(np.random.default_rng(9), 2000, True)
    place = write(points)
    build_pyramid(place, PyramidOptions(levels=2, chunk_shapes=NESTED))
    points.positions[0] += 1
    place, chunks = transplant(place, write(points))
    source = CountingMemory(place)
    compute_refresh(source, chunks)
    assert sum(key.startswith("0/vertices/c/") for key in source.keys) <= len(chunks)
    assert_refresh_is_rebuild(place, chunks)


def test_an_emptied_store_has_no_coarse_levels() -> None:
    points = some_points(np.random.default_rng(6), 500, False)
    place = write(points)
    build_pyramid(place, PyramidOptions(levels=2, chunk_shapes=NESTED))
    nothing = replace(
        points, positions=points.positions[:0], attributes={n: v[:0] for n, v in points.attributes.items()}
    )
    place, chunks = transplant(place, write(nothing))
    report = refresh_pyramid(place, chunks)
    assert report.levels[0].vertex_count == 0
    assert zvview.open(place).levels == (0,)
    assert not any(key.startswith(("1/", "2/")) for key in place)


def test_files_that_do_not_change_are_the_same_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    points = some_points(rng, 1000, False)
    place = write(points)
    build_pyramid(place, PyramidOptions(levels=2, chunk_shapes=NESTED))
    points.positions[0] += 1
    place, chunks = transplant(place, write(points))
    folder = tmp_path / "store"
    for key, data in place.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)
    before = {str(p.relative_to(folder)): p.stat().st_ino for p in folder.rglob("*") if p.is_file()}
    report = refresh_pyramid(folder, chunks)
    after = {str(p.relative_to(folder)): p.stat().st_ino for p in folder.rglob("*") if p.is_file()}
    assert after.keys() == before.keys()
    assert len([key for key in after if after[key] != before[key]]) <= report.written_keys + 1
    assert report.written_keys < 0.2 * len(after)
