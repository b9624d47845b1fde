"""Points in spatial levels that add up: every point once, found again by its id, on the grid that is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

import zvview
from zvview.neuroglancer.exporting import runs
from zvview.neuroglancer.exporting.exporting import export
from zvview.neuroglancer.serving.published import Published
from zvview.neuroglancer.sources import point_records
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.opening import open_sources
from zvview.neuroglancer.sources.points import NestedPoints
from zvview.neuroglancer.sources.properties import Properties
from zvview.neuroglancer.sources.ranked_points import RankedPoints
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


def edit_behind(place: Path, change: str) -> np.ndarray:
    """Another program edits level 0 and leaves the coarse levels; all positions there are now."""
    with zvview.open(place) as store:
        positions = store.level(0).read().positions.copy()
        coarse = store.level(store.levels[-1]).read().positions
    shown = np.isin(positions[:, 0], coarse[:, 0])
    one = int(np.flatnonzero(shown)[0])
    if change == "moved":
        positions[one] += 0.01
    elif change == "deleted":
        positions = np.delete(positions, one, axis=0)
    elif change == "chunk deleted":
        chunk = np.floor(positions / 20)
        positions = positions[(chunk != chunk[one]).any(axis=1)]
    elif change == "far away only":
        positions = positions[(positions < 100).any(axis=1)]
    elif change == "added":
        positions = np.append(positions, positions[one : one + 1] + 0.01, axis=0)
    other = place.with_name("other.zarrvectors")
    with zvview.create(other, kind="point_cloud", axes="xyz", chunk_shape=(20, 20, 20)) as store:
        store.write(zvview.Points(positions))
    is_told = change in ("chunk deleted", "far away only")  # by the documents of the level, too
    for path in (Path("0"),) if is_told else (Path("0", "vertices", "c"), Path("0", "vertex_fragments", "c")):
        shutil.rmtree(place / path)
        shutil.copytree(other / path, place / path)
    return positions


def positions_in(contents: Iterable[bytes], size: int) -> np.ndarray:
    found = [np.frombuffer(body[8 : 8 + int(np.frombuffer(body[:8], "<u8")[0]) * size], "<f4") for body in contents]
    rows = np.concatenate(found).reshape(-1, size // 4)[:, :3]
    return rows[np.lexsort(rows.T)]


@pytest.mark.parametrize("change", ["moved", "deleted", "chunk deleted", "far away only", "added"])
def test_points_that_another_program_edited_are_each_there_once(tmp_path: Path, change: str) -> None:
    place = tmp_path / "points.zarrvectors"
    rng = np.random.default_rng(5)
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(20, 20, 20)) as store:
        store.write(zvview.Points(rng.uniform(-50, 150, (1500, 3)).astype(np.float32)))
    build_pyramid(place, PyramidOptions(target=100))
    expected = edit_behind(place, change)
    expected = expected[np.lexsort(expected.T)]
    with zvview.open(place) as store:
        assert len(store.levels) > 2
        published = Published(store, open_sources)

        def shown() -> list[bytes]:
            source = published.sources["points"]
            names = [
                f"points/{section.key}/{'_'.join(map(str, source.cell(section, int(key))))}"
                for section in source.sections
                if section.grid_shape is not None
                for keys in source.keys(section)
                for key in keys.tolist()
            ]
            answers = [published.answer(name, {}) for name in names]
            return [answer.body for answer in answers if answer.status == 200]

        shown()  # what a client asks for until it is told that the source is another one
        assert isinstance(published.sources["points"], NestedPoints if change == "added" else RankedPoints)
        size = published.sources["points"].schema.record_dtype.itemsize
        assert np.array_equal(positions_in(shown(), size), expected)
        told = any("zvview pyramid" in note for note in published.sources["points"].notes)
        assert told is (change != "added")
    done = export(place, tmp_path / "out")
    files = [p.read_bytes() for p in sorted((tmp_path / "out" / "points").glob("spatial*/*"))]
    assert np.array_equal(positions_in(files, size), expected)
    assert any("zvview pyramid" in note for note in done.notes) is (change != "added")
    with zvview.open(place) as store:
        source = open_sources(store, with_levels=change == "added")["points"]
        by_id = source.sections[-1]
        records = [source.read(by_id, keys).contents.buffer.tobytes() for keys in source.keys(by_id)]
        found = np.frombuffer(b"".join(records), "<f4").reshape(-1, size // 4)[:, :3]
        assert np.array_equal(found[np.lexsort(found.T)], expected)


def test_processes_that_share_an_export_find_out_that_levels_are_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_FEW", 0)
    place = tmp_path / "points.zarrvectors"
    make(place, count=1500)
    expected = edit_behind(place, "moved")
    done = export(place, tmp_path / "out", workers=2)
    assert any("zvview pyramid" in note for note in done.notes)
    files = [p.read_bytes() for p in sorted((tmp_path / "out" / "points").glob("spatial*/*"))]
    with zvview.open(place) as store:
        size = source_of(store).schema.record_dtype.itemsize
    assert np.array_equal(positions_in(files, size), expected[np.lexsort(expected.T)])


def test_points_far_from_the_origin_do_not_seem_stale(tmp_path: Path) -> None:
    """Of points on the faces of chunks, whose world coordinates are rounded, nobody can tell the chunk."""
    place = tmp_path / "points.zarrvectors"
    rng = np.random.default_rng(5)
    positions = rng.integers(0, 60, (3000, 3)).astype(np.float64) * 0.1
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(0.7, 0.7, 0.7)) as store:
        store.write(zvview.Points(positions))
    document = place / "zarr.json"
    build_pyramid(place, PyramidOptions(target=100))
    root = json.loads(document.read_text())
    found = next(value for value in root["attributes"].values() if isinstance(value, dict) and "bounds" in value)
    found["coordinate_offset"] = [1e12 / 3, 0.1, -7e11 / 9]
    document.write_text(json.dumps(root))
    with zvview.open(place) as store:
        source = open_sources(store)["points"]
        assert isinstance(source, NestedPoints)
        assert (source._chunks.facts.offset != 0).all()
        assert sum(len(ids) for *_, ids in cells(source)) == 3000
        assert source._checked  # some seemed to be elsewhere


def test_order_within_a_cell_is_fair(tmp_path: Path) -> None:
    """The client draws the first ones of a cell: they must come from everywhere."""
    source = source_of(make(tmp_path / "points.zarrvectors"))
    records = next(r for _, _, r, _ in cells(source) if len(r) > 100)
    first, all_of_them = records["_geometry"][: len(records) // 2], records["_geometry"]
    assert np.allclose(first.mean(axis=0), all_of_them.mean(axis=0), atol=0.2 * np.ptp(all_of_them, axis=0).max())


@pytest.mark.parametrize("levels", [True, False])
@pytest.mark.parametrize("objects", [True, False])
def test_a_damaged_index_of_a_chunk_keeps_no_other_from_being_found(
    tmp_path: Path, objects: bool, levels: bool
) -> None:
    place = tmp_path / "points.zarrvectors"
    rng = np.random.default_rng(5)
    ids = rng.integers(0, 9, 900) if objects else None
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(50, 50, 50)) as store:
        store.write(zvview.Points(rng.uniform(0, 150, (900, 3)).astype(np.float32), object_ids=ids))
    if levels:
        build_pyramid(place, PyramidOptions(target=100))
    cell = max(path for path in (place / "0" / "vertex_fragments" / "c").rglob("*") if path.is_file())
    cell.write_bytes(cell.read_bytes()[:-5])
    with zvview.open(place) as store:
        source = open_sources(store)["points"]
        shown = np.concatenate([ids for *_, ids in cells(source)])
        by_id = source.sections[-1]
        assert by_id.key == "by_id" and len(shown) > 700
        told = np.concatenate([source.read(by_id, keys).keys for keys in source.keys(by_id)])
        assert np.array_equal(np.sort(told), np.sort(shown))
    export(place, tmp_path / "out")


@pytest.mark.parametrize("levels", [True, False])
def test_an_index_that_tells_of_giants_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, levels: bool
) -> None:
    place = tmp_path / "points.zarrvectors"
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(50, 50, 50)) as store:
        store.write(zvview.Points(np.random.default_rng(5).uniform(0, 150, (900, 3)).astype(np.float32)))
    if levels:
        build_pyramid(place, PyramidOptions(target=100))
    monkeypatch.setattr(point_records, "count_rows", lambda reader: np.full(len(reader.layout.vertices.chunks), 2**40))
    with zvview.open(place) as store:
        source = open_sources(store)["points"]
        by_id = source.sections[-1]
        assert sum(len(source.read(by_id, keys)) for keys in source.keys(by_id)) == 900
