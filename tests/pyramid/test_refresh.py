"""A refresh after any edit is a rebuild with the stored designs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
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
from zvview.format.metadata import LevelMetadata, RootMetadata
from zvview.geometry.batches import Batch
from zvview.pyramid import LevelDesign, PyramidOptions, build_pyramid, refresh_pyramid
from zvview.pyramid.build import rebuild_pyramid
from zvview.store.index_view import read_index
from zvview.store.places.folder import FolderSource
from zvview.testing import make_batch

CHUNK = (100.0,) * 3
LO, HI = (-1500.0,) * 3, (1500.0,) * 3


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def write(place: Path, batch: Batch, **more: Any) -> None:
    shape = more.pop("chunk_shape", CHUNK)
    bounds = more.pop("bounds", (LO, HI))
    with zvview.create(
        place, kind=batch.kind, axes="xyzt"[: batch.ndim], chunk_shape=shape, bounds=bounds, dtype=batch.positions.dtype
    ) as store:
        store.write(batch, **more)


def designs_of(place: Path) -> list[LevelDesign]:
    with zvview.open(place) as store:
        return [LevelDesign.parse(store.reader(n).layout.metadata) for n in store.levels[1:]]


def transplant(place: Path, edited: Path) -> NDArray[np.int64]:
    """Give a store the level 0 of another one; the chunks of which cells differ."""
    before, after = ({k: v for k, v in tree(p).items() if k.startswith("0/")} for p in (place, edited))
    differ = {k for k in before.keys() | after.keys() if before.get(k) != after.get(k) and "/c/" in k}
    with zvview.open(edited) as store:
        origin = np.floor(np.array(store.bounds[0]) / store.level(0).chunk_shape).astype(int)
        ndim = len(origin)
    cells = [k.rpartition("/c/")[2].split("/") for k in differ if k.split("/")[1] not in TABLES]
    shutil.rmtree(place / "0")
    shutil.copytree(edited / "0", place / "0")
    return np.array(sorted({tuple(map(int, c)) for c in cells}), np.int64).reshape(-1, ndim) + origin


TABLES = ("object_index", "object_attributes", "groups", "group_attributes")


def assert_refresh_is_rebuild(place: Path, chunks: NDArray[np.int64], **more: Any) -> Any:
    designs = designs_of(place)
    other = place.with_name("rebuilt")
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(place, other)
    report = refresh_pyramid(place, chunks, **more)
    rebuild_pyramid(other, designs)
    found, expected = tree(place), tree(other)
    indexed = [key for key in {**found, **expected} if key.startswith("zvview/")]
    views = [read_index(FolderSource(str(p))) for p in (place, other)]
    assert views[0] is not None
    assert views[1] is not None
    assert views[0].fingerprints == views[1].fingerprints
    for kind in ("chunks", "counts"):
        of_levels = [getattr(view, kind) for view in views]
        assert of_levels[0].keys() == of_levels[1].keys()
        for number, values in of_levels[0].items():
            np.testing.assert_array_equal(values, of_levels[1][number])
    for key in indexed:
        found.pop(key, None), expected.pop(key, None)
    assert found.keys() == expected.keys()
    assert [key for key in found if found[key] != expected[key]] == []
    assert list(zvview.check(place)) == []
    return report


def edit_points(rng: np.random.Generator, points: zvview.Points) -> zvview.Points:
    """Some points near each other deleted, some moved, some added, some with other values."""
    near = np.abs(points.positions - rng.uniform(LO[0], HI[0], points.ndim)).max(axis=1) < rng.uniform(50, 700)
    keep = ~near | (rng.random(len(points)) < rng.choice([0.0, 0.5, 1.0]))
    positions, values = points.positions[keep], {n: v[keep] for n, v in points.attributes.items()}
    ids = None if points.object_ids is None else points.object_ids[keep]
    moved = np.flatnonzero(near[keep])
    positions[moved] = (positions[moved] + rng.normal(0, 30, positions[moved].shape)).clip(LO[0], HI[0])
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
    positions = rng.normal(0, 350, (count, ndim)).clip(LO[0], HI[0]).astype(np.float32)
    ids = rng.integers(-5, 40, count) if has_objects else None
    labels = rng.integers(0, 3, count).astype(np.uint8)
    categories = {"label": zvview.Categories(("a", "b", "c"))}
    attributes = {"weight": rng.random(count, np.float32), "label": labels, "rgb": rng.random((count, 3))}
    return zvview.Points(positions, object_ids=ids, attributes=attributes, categories=categories)


QUICK = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(seed=st.integers(0, 2**32), has_objects=st.booleans(), times=st.integers(1, 3))
def test_points_after_random_edits(seed: int, has_objects: bool, times: int) -> None:
    rng = np.random.default_rng(seed)
    points = some_points(rng, 3000, has_objects)
    with tempfile.TemporaryDirectory() as folder:
        place, edited = Path(folder, "store"), Path(folder, "edited")
        write(place, points)
        build_pyramid(place, PyramidOptions(levels=3, chunk_shapes=[(200.0,) * 3, (400.0,) * 3, (1200.0,) * 3]))
        for _ in range(times):
            points = edit_points(rng, points)
            shutil.rmtree(edited, ignore_errors=True)
            write(edited, points)
            chunks = transplant(place, edited)
            report = assert_refresh_is_rebuild(place, chunks)
            assert not any(level.is_whole for level in report.levels)
