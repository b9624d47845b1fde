"""Points in spatial levels that add up: every point once, found again by its id, on the grid that is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import zvview
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.points import NestedPoints
from zvview.neuroglancer.sources.properties import Properties
from zvview.pyramid import PyramidOptions, build_pyramid

COUNT = 20_000


def make(place: Path, *, count: int = COUNT, objects: bool = False, double: bool = False) -> zvview.Store:
    rng = np.random.default_rng(5)
    positions = rng.uniform(-50, 150, (count, 3)).astype(np.float64 if double else np.float32)
    positions[: count // 10] = positions[count // 10 : 2 * (count // 10)]  # some lie upon each other
    attributes = {"value": rng.normal(size=count).astype("f4"), "kind": rng.choice(["soma", "axon"], count)}
    ids = rng.integers(0, 40, count) if objects else None
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(20, 20, 20)) as store:
        store.write(zvview.Points(positions, attributes=attributes, object_ids=ids))
    build_pyramid(place, PyramidOptions(target=200))
    return zvview.open(place)


def source_of(store: zvview.Store) -> NestedPoints:
    chunks = Chunks(store)
    frame = SourceFrame.of(store.axes, store.bounds, store.level(0).resolution)
    return NestedPoints(chunks, frame, Properties.of(chunks.facts.attributes))


def cells(source: NestedPoints) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Spatial level, cell, records and ids of everything that the source has."""
    for number, section in enumerate(s for s in source.sections if s.grid_shape is not None):
        for keys in source.keys(section):
            block = source.read(section, keys)
            for row, key in enumerate(block.keys):
                head, body = block.content(row)
                assert head == b""
                count = int(np.frombuffer(body[:8], "<u8")[0])
                size = source.schema.record_dtype.itemsize
                records = np.frombuffer(body[8 : 8 + count * size], source.schema.record_dtype)
                ids = np.frombuffer(body[8 + count * size :], "<u8")
                assert len(records) == len(ids) == count
                yield number, source.cell(section, int(key)), records, ids


@pytest.mark.parametrize("objects", [False, True])
def test_each_point_is_in_exactly_one_level(tmp_path: Path, objects: bool) -> None:
    store = make(tmp_path / "points.zarrvectors", objects=objects)
    found = list(cells(source_of(store)))
    assert len({level for level, *_ in found}) == len(store.levels) > 2
    records = np.concatenate([r for _, _, r, _ in found])
    ids = np.concatenate([i for *_, i in found])
    assert len(records) == COUNT
    assert len(np.unique(ids)) == COUNT
    batch = store.level(0).read()
    expected = np.column_stack((batch.positions, batch.attributes["value"], batch.attributes["kind"]))
    got = np.column_stack((records["_geometry"], records["value"], records["kind"]))
    assert np.array_equal(got[np.lexsort(got.T)], expected[np.lexsort(expected.T)])


def test_every_cell_holds_what_lies_in_it(tmp_path: Path) -> None:
    source = source_of(make(tmp_path / "points.zarrvectors"))
    info = source.info
    lower = np.array(info["lower_bound"])
    for level, cell, records, _ in cells(source):
        size = np.array(info["spatial"][level]["chunk_size"])
        assert (cell < info["spatial"][level]["grid_shape"]).all()
        inside = (records["_geometry"] - lower) / size
        assert (np.floor(inside) == cell).all()
    assert (np.array(info["upper_bound"]) >= 150 - 20).all()


def test_points_are_found_by_their_ids(tmp_path: Path) -> None:
    source = source_of(make(tmp_path / "points.zarrvectors", count=3000))
    by_id = next(s for s in source.sections if s.key == "by_id")
    for _, _, records, ids in cells(source):
        block = source.read(by_id, ids.astype(np.uint64))
        order = np.argsort(ids)
        assert np.array_equal(np.sort(block.keys), ids[order])
        back = {int(k): block.contents.content(i) for i, k in enumerate(block.keys)}
        assert all(back[int(i)] == r.tobytes() for i, r in zip(ids, records, strict=True))
    every = np.concatenate([source.read(by_id, keys).keys for keys in source.keys(by_id)])
    assert len(every) == len(np.unique(every)) == 3000
    assert len(source.read(by_id, np.array([2**64 - 1, 2**32 - 1], np.uint64))) == 0


def test_a_stale_pyramid_still_gives_each_point_once(tmp_path: Path) -> None:
    place = tmp_path / "points.zarrvectors"
    make(place, count=3000)
    with zvview.open(place) as store:
        batch = store.level(1).read()
    kept = 500
    with zvview.create(tmp_path / "other.zarrvectors", kind="point_cloud", axes="xyz", chunk_shape=(20, 20, 20)) as new:
        new.write(zvview.Points(batch.positions[:kept]))
    assert len(np.unique(batch.positions[:kept], axis=0)) <= kept
    source = source_of(zvview.open(tmp_path / "other.zarrvectors"))
    assert sum(len(i) for *_, i in cells(source)) == kept


def test_order_within_a_cell_is_fair(tmp_path: Path) -> None:
    """The client draws the first ones of a cell: they must come from everywhere."""
    source = source_of(make(tmp_path / "points.zarrvectors"))
    records = next(r for _, _, r, _ in cells(source) if len(r) > 100)
    first, all_of_them = records["_geometry"][: len(records) // 2], records["_geometry"]
    assert np.allclose(first.mean(axis=0), all_of_them.mean(axis=0), atol=0.2 * np.ptp(all_of_them, axis=0).max())
