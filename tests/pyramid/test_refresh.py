"""A refresh after any edit is a rebuild with the stored designs."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import zvview
from zvview.errors import ConflictError, DamagedError, InvalidInputError, UnsupportedError
from zvview.geometry.batches import Batch, Pieces
from zvview.geometry.concatenate import concatenate
from zvview.geometry.select import keep_objects
from zvview.pyramid import LevelDesign, PyramidOptions, build_pyramid, refresh_pyramid
from zvview.pyramid.build import rebuild_pyramid
from zvview.store.index_view import read_index
from zvview.store.places.memory import MemorySource
from zvview.testing import make_batch

CHUNK = (150.0,) * 3
LO, HI = (-600.0,) * 3, (600.0,) * 3
NESTED = [(300.0,) * 3, (600.0,) * 3]
TABLES = ("object_index", "object_attributes", "groups", "group_attributes")

Memory = dict[str, bytes]


@pytest.fixture(autouse=True, scope="module")
def unsynced() -> Iterator[None]:
    """Rebuilds go through folders; that these reach the disk is tested elsewhere, and takes most of the time here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zvview.store.places.folder_sink._sync", lambda path: None)
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


def assert_refresh_is_rebuild(place: Memory, chunks: NDArray[np.int64], **more: Any) -> Any:
    """Refresh a store, and compare with a rebuild of a copy of it; statistics in the index are hints."""
    designs, other = designs_of(place), {k: v for k, v in place.items() if not k.startswith("zvview/")}
    report = refresh_pyramid(place, chunks, **more)
    rebuild_pyramid(other, designs)
    views = [read_index(MemorySource(p)) for p in (place, other)]
    assert views[0] is not None
    assert views[1] is not None
    assert views[0].fingerprints == views[1].fingerprints
    for kind in ("chunks", "counts"):
        first, second = (getattr(view, kind) for view in views)
        assert first.keys() == second.keys()
        for number, values in first.items():
            np.testing.assert_array_equal(values, second[number])
    found, expected = ({k: v for k, v in p.items() if not k.startswith("zvview/")} for p in (place, other))
    assert found.keys() == expected.keys()
    assert [key for key in found if found[key] != expected[key]] == []
    return report


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


def some_points(rng: np.random.Generator, count: int, has_objects: bool, ndim: int = 3) -> zvview.Points:
    positions = rng.normal(0, 200, (count, ndim)).clip(LO[0], HI[0]).astype(np.float32)
    ids = rng.integers(-5, 40, count) if has_objects else None
    labels = rng.integers(0, 3, count).astype(np.uint8)
    categories = {"label": zvview.Categories(("a", "b", "c"))}
    attributes = {"weight": rng.random(count, np.float32), "label": labels, "rgb": rng.random((count, 3))}
    return zvview.Points(positions, object_ids=ids, attributes=attributes, categories=categories)


QUICK = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEEDS = st.integers(0, 2**32)


@QUICK
@given(seed=SEEDS, has_objects=st.booleans(), times=st.integers(1, 2))
def test_points_after_random_edits(seed: int, has_objects: bool, times: int) -> None:
    rng = np.random.default_rng(seed)
    points = some_points(rng, 1000, has_objects)
    place = write(points)
    build_pyramid(place, PyramidOptions(levels=2, chunk_shapes=NESTED))
    for _ in range(times):
        points = edit_points(rng, points)
        place, chunks = transplant(place, write(points))
        report = assert_refresh_is_rebuild(place, chunks)
        assert not any(level.is_whole for level in report.levels)


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


OBJECTS = {"bounds": ((-50.0,) * 3, (1050.0,) * 3)}


@pytest.mark.parametrize("kind", ["graph", "skeleton", "line", "polyline", "streamline", "mesh"])
@settings(QUICK, max_examples=3)
@given(seed=SEEDS, sparsity=st.sampled_from([None, 0.5]), times=st.integers(1, 2))
def test_objects_after_random_edits(kind: str, seed: int, sparsity: float | None, times: int) -> None:
    rng = np.random.default_rng(seed)
    batch: Any = make_batch(kind, 800, seed=seed % 7, n_objects=400 if kind == "line" else 12)
    place = write(batch, options=OBJECTS, **tables_of(batch))
    build_pyramid(place, PyramidOptions(levels=2, chunk_shapes=NESTED, object_sparsity=sparsity))
    for _ in range(times):
        batch = edit_objects(rng, batch, kind)
        place, chunks = transplant(place, write(batch, options=OBJECTS, **tables_of(batch)))
        report = assert_refresh_is_rebuild(place, chunks)
        wholly = {level.is_whole for level in report.levels}
        assert wholly <= (
            {True} if kind not in ("graph", "skeleton") else {False} if sparsity is None else {True, False}
        )


def test_links_between_levels_are_made_again() -> None:
    for kind in ("point_cloud", "graph"):
        rng = np.random.default_rng(4)
        batch: Any = some_points(rng, 800, True) if kind == "point_cloud" else make_batch(kind, 800, n_objects=5)
        options = {} if kind == "point_cloud" else OBJECTS
        place = write(batch, options=options)
        build_pyramid(place, PyramidOptions(levels=2, chunk_shapes=NESTED, cross_level_links=True))
        batch = edit_points(rng, batch) if kind == "point_cloud" else edit_objects(rng, batch, kind)
        place, chunks = transplant(place, write(batch, options=options))
        report = assert_refresh_is_rebuild(place, chunks)
        assert not any(level.is_whole for level in report.levels)
        assert zvview.open(place).level(1).link_deltas[-1] == 1
        assert list(zvview.check(place)) == []


def test_shards_keep_their_other_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zvview.store.writing.level.SHARD_ABOVE_CELLS", 100)
    monkeypatch.setattr("zvview.store.writing.level._SHARD_CELLS", 8)
    for seed in range(2):
        rng = np.random.default_rng(seed)
        points = some_points(rng, 600, seed % 2 == 1)
        place = write(points)
        build_pyramid(place, PyramidOptions(levels=1, chunk_shapes=[CHUNK]))
        assert b"sharding_indexed" in place["1/vertices/zarr.json"]
        for _ in range(2):
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
    positions = np.column_stack((rng.normal(0, 200, (1500, 3)).clip(LO[0], HI[0]), rng.integers(0, 9, 1500)))
    place = write(zvview.Points(positions), options=options)
    build_pyramid(place, PyramidOptions(levels=2))
    near = (positions[:, 3] == 4) & (positions[:, 0] > 0)
    positions[near, 1] *= 0.9
    place, chunks = transplant(place, write(zvview.Points(positions), options=options))
    report = assert_refresh_is_rebuild(place, chunks)
    assert 0 < report.levels[0].chunk_count < len(zvview.open(place).level(1).chunks)


def test_objects_and_groups_may_change_alone() -> None:
    for kind in ("graph", "polyline"):
        batch: Any = make_batch(kind, 800, n_objects=6)
        place = write(batch, options=OBJECTS, **tables_of(batch))
        build_pyramid(place, PyramidOptions(levels=2, chunk_shapes=NESTED))
        ids = np.unique(batch.object_ids)
        tables = {"groups": {"first": ids[:2]}, "object_attributes": {"twice": ids * 2 + 1, "name": list("abcdef")}}
        place, chunks = transplant(place, write(batch, options=OBJECTS, **tables))
        assert not len(chunks)
        assert_refresh_is_rebuild(place, chunks)
        with zvview.open(place) as store:
            assert store.level(2).groups.names == ("first",)
            assert store.level(2).object_attribute("name").tolist() == list("abcdef")


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


def test_a_folder_and_a_zip_and_workers(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    batch: Any = make_batch("mesh", 1500, n_objects=4)
    options = {**OBJECTS}
    place = write(batch, options=options)
    build_pyramid(place, PyramidOptions(levels=2, chunk_shapes=NESTED))
    moved = replace(batch, positions=batch.positions + rng.normal(0, 1, batch.positions.shape).astype(np.float32))
    place, chunks = transplant(place, write(moved, options=options))
    folder, archive = tmp_path / "store", tmp_path / "store.zip"
    for key, data in place.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)
    with zipfile.ZipFile(archive, "w") as packed:
        for key, data in place.items():
            packed.writestr(key, data)
    expected = dict(place)
    refresh_pyramid(expected, chunks)
    texts: list[str] = []
    refresh_pyramid(folder, chunks, workers=2, progress=lambda done, total, text: texts.append(text))
    assert {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == expected
    assert sorted(p.name for p in tmp_path.iterdir()) == ["store", "store.zip"]
    assert {"level 1", "level 2", "writing level 1"} <= set(texts)
    refresh_pyramid(archive, chunks)
    with zipfile.ZipFile(archive) as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == expected
    again = refresh_pyramid(folder, chunks)
    assert (again.written_bytes, again.written_keys, again.removed_keys) == (0, 0, 0)


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


def test_designs_come_back_as_they_were() -> None:
    for kind in ("point_cloud", "graph", "polyline", "mesh"):
        place = write(make_batch(kind, 900), options=OBJECTS)
        built = build_pyramid(place, PyramidOptions(levels=2))
        assert built
        assert designs_of(place) == [level.design for level in built]


def small() -> tuple[Memory, NDArray[np.int64]]:
    place = write(make_batch("polyline", 600), options=OBJECTS)
    build_pyramid(place, PyramidOptions(levels=1))
    return place, zvview.open(place).level(0).chunks[:1]


def test_what_is_refused(tmp_path: Path) -> None:
    place, chunks = small()
    before = dict(place)
    with pytest.raises(InvalidInputError, match="2 components"):
        refresh_pyramid(place, chunks[:, :2])
    with pytest.raises(InvalidInputError, match="chunks"):
        refresh_pyramid(place, ["a"])
    with pytest.raises(UnsupportedError, match=r"0\.7\.0"):
        refresh_pyramid(unpacked("old07_points", tmp_path), chunks)
    assert place == before


@pytest.mark.parametrize("value", [None, {}, {"bin_shape": [1.0]}, {"bin_shape": [1.0] * 3, "parameters": {}}, 7])
@pytest.mark.parametrize("kind", ["point_cloud", "graph", "polyline", "mesh"])
def test_designs_that_are_none(kind: str, value: Any) -> None:
    place = write(make_batch(kind, 600), options=OBJECTS)
    build_pyramid(place, PyramidOptions(levels=1))
    document = json.loads(place["1/zarr.json"])
    document["attributes"]["zarr_vectors_level"]["zvview_pyramid"] = value
    place["1/zarr.json"] = json.dumps(document).encode()
    with pytest.raises(DamagedError, match="level"):
        refresh_pyramid(place, np.zeros((1, 3), int))


def test_chunks_that_were_forgotten_are_noticed() -> None:
    batch: Any = make_batch("graph", 800, n_objects=6)
    place = write(batch, options=OBJECTS)
    build_pyramid(place, PyramidOptions(levels=1, chunk_shapes=NESTED[:1]))
    place, _ = transplant(place, write(keep_objects(batch, np.unique(batch.object_ids)[1:]), options=OBJECTS))
    with pytest.raises(InvalidInputError, match="all chunks that were edited"):
        refresh_pyramid(place, np.empty((0, 3), int))


def test_a_store_that_is_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "s"
    with zvview.create(place, kind="polyline", axes="xyz", chunk_shape=CHUNK) as store:
        store.write(make_batch("polyline", 600))
    build_pyramid(place, PyramidOptions(levels=1))
    cell = next(p for p in (place / "1/vertices/c").rglob("*") if p.is_file())
    cell.write_bytes(cell.read_bytes()[:-4] + bytes(4))
    note = place / "0" / "note.txt"
    with pytest.raises(ConflictError, match="was changed"):
        refresh_pyramid(place, np.zeros((1, 3), int), progress=lambda done, total, text: note.write_text(text))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s"]
    assert note.exists()


def test_it_can_be_cancelled() -> None:
    place, chunks = small()
    before, token = dict(place), zvview.CancelToken()
    token.cancel()
    with pytest.raises(zvview.Cancelled):
        refresh_pyramid(place, chunks, cancel=token)
    assert place == before


def unpacked(name: str, folder: Path) -> Path:
    with zipfile.ZipFile(Path(__file__).parents[1] / "data" / "golden" / f"{name}.zip") as archive:
        archive.extractall(folder / name)
    return next(p.parent for p in (folder / name).rglob("zarr.json"))
