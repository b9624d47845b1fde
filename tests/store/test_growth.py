"""A grown store holds the same, opens in the reference library, and takes vertices where it could not before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr_vectors

import zvview
from zvview.errors import InvalidInputError, NotZarrVectorsError, UnreachableError
from zvview.format.grid import parse_chunk_keys
from zvview.store.growth import plan_growth
from zvview.store.hierarchy import parse_document
from zvview.store.places.folder_sink import FolderSink
from zvview.store.places.memory import MemorySource
from zvview.store.places.open import open_source

BOUNDS = ((-130.0, -20.0, -5.0), (90.0, 260.0, 60.0))


def make_batch(kind: str) -> zvview.Batch:
    rng = np.random.default_rng(5)
    positions = rng.uniform(0, 60, (300, 3)).astype(np.float32)
    value = np.arange(300, dtype=np.float32)
    offsets, ids = np.arange(0, 301, 30), np.arange(10) * 3 - 4
    if kind == "point_cloud":
        return zvview.Points(positions, attributes={"value": value}, object_ids=np.repeat(ids, 30))
    common: dict[str, Any] = {"attributes": {"value": value}, "offsets": offsets, "object_ids": ids}
    if kind == "streamline":
        return zvview.Streamlines(positions, **common)
    first = np.arange(300).reshape(10, 30)
    if kind == "graph":
        edges = np.stack((first[:, 1:].ravel(), first[:, :-1].ravel()), axis=1)
        return zvview.Graph(positions, edges=edges, link_attributes={"weight": np.arange(len(edges))}, **common)
    faces = np.stack((first[:, :-2].ravel(), first[:, 1:-1].ravel(), first[:, 2:].ravel()), axis=1)
    return zvview.Mesh(positions, faces=faces, **common)


def same_content(a: zvview.Batch, b: zvview.Batch) -> bool:
    links = next((n for n in ("edges", "faces") if hasattr(a, n)), None)
    return (
        np.array_equal(a.positions, b.positions)
        and all(np.array_equal(a.attributes[n], b.attributes[n]) for n in a.attributes)
        and np.array_equal(a.object_ids, b.object_ids)  # type: ignore[attr-defined]
        and (links is None or sorted(getattr(a, links).tolist()) == sorted(getattr(b, links).tolist()))
    )


@pytest.mark.parametrize("shards", [False, 2])
@pytest.mark.parametrize("kind", ["point_cloud", "streamline", "graph", "mesh"])
def test_grown_store_is_the_same_and_valid(tmp_path: Path, kind: str, shards: bool | int) -> None:
    place = tmp_path / "s.zarrvectors"
    store = zvview.create(place, kind=kind, chunk_shape=(20, 20, 20), shards=shards)
    store.write(make_batch(kind))
    before, box = store.level(0).read(), ((10, 10, 10), (30, 35, 40))
    boxed = store.level(0).read(box)
    zvview.grow(place, BOUNDS)
    grown = zvview.open(place)
    assert isinstance(grown, zvview.Store)
    assert (grown.bounds[0] == BOUNDS[0]).all()
    assert (grown.bounds[1] == BOUNDS[1]).all()
    assert same_content(before, grown.level(0).read())
    assert same_content(boxed, grown.level(0).read(box))
    assert grown.statistics[0].keys() == {"value"}  # the index went along
    assert zvview.check(place).ok
    report = zarr_vectors.open(str(place)).validate(level=5)
    assert report.errors == []


def test_grid_grows_by_whole_shards() -> None:
    memory: dict[str, bytes] = {}
    zvview.create(memory, kind="point_cloud", chunk_shape=(20, 20, 20), shards=2).write(make_batch("point_cloud"))
    source = open_source(memory)
    nodes = {
        key.removesuffix("zarr.json").rstrip("/"): parse_document(memory[key], key)
        for key in source.list_keys("")
        if key.endswith("zarr.json") and not key.startswith("zvview/")
    }
    growth = plan_growth(nodes, ((-25, 0, 0), (10, 10, 10)))
    grown, old = growth.nodes["0/vertices"], nodes["0/vertices"]
    moved = np.array(old["attributes"]["chunk_grid_origin"]) - grown["attributes"]["chunk_grid_origin"]
    assert moved.tolist() == [2, 0, 0]
    assert growth.shifts["0/vertices"].tolist() == [1, 0, 0]
    assert growth.new_key("0/vertices/c/1/0/1") == "0/vertices/c/2/0/1"
    assert growth.new_key("0/object_attributes/x/c/0") == "0/object_attributes/x/c/0"
    chunks = parse_chunk_keys(grown["attributes"]["nonempty_chunks"], 3)
    assert (chunks >= grown["attributes"]["chunk_grid_origin"]).all()


def test_memory_and_zip_stores_grow_too(tmp_path: Path) -> None:
    for place in ({}, tmp_path / "s.zip"):
        store = zvview.create(place, kind="mesh", chunk_shape=(20, 20, 20))  # type: ignore[arg-type]
        store.write(make_batch("mesh"))
        before = store.level(0).read()
        store.close()
        zvview.grow(place, BOUNDS)  # type: ignore[arg-type]
        with zvview.open(place) as grown:  # type: ignore[arg-type]
            assert same_content(before, grown.level(0).read())  # type: ignore[union-attr]


def test_growth_inside_the_bounds_changes_no_byte(tmp_path: Path) -> None:
    place = tmp_path / "s"
    zvview.create(place, kind="point_cloud", bounds=((0, 0, 0), (60, 60, 60))).write(make_batch("point_cloud"))
    before = {p: p.stat().st_mtime_ns for p in place.rglob("*")}
    zvview.grow(place, ((1, 1, 1), (2, 2, 2)))
    assert {p: p.stat().st_mtime_ns for p in place.rglob("*")} == before


def test_growth_reads_each_document_once(monkeypatch: pytest.MonkeyPatch) -> None:
    memory: dict[str, bytes] = {}
    zvview.create(memory, kind="graph", chunk_shape=(20, 20, 20)).write(make_batch("graph"))
    own = {key for key in memory if key.endswith("zarr.json") and not key.startswith("zvview/")}
    asked: list[str] = []
    get_many = MemorySource.get_many

    def count(self: MemorySource, requests: Any, cancel: Any = None) -> Any:
        asked.extend(key for key, _ in requests if key in own)
        return get_many(self, requests, cancel)

    monkeypatch.setattr(MemorySource, "get_many", count)
    zvview.grow(memory, BOUNDS)
    assert sorted(key for key in asked if key != "zarr.json") == sorted(own - {"zarr.json"})
    assert asked.count("zarr.json") == 2  # once more to see that what is replaced is a store


def test_interrupted_growth_leaves_the_old_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "s"
    store = zvview.create(place, kind="graph", chunk_shape=(20, 20, 20))
    store.write(make_batch("graph"))
    before = store.level(0).read()

    def fail(self: FolderSink) -> None:
        raise UnreachableError("the disk went away")

    monkeypatch.setattr(FolderSink, "commit", fail)
    with pytest.raises(UnreachableError):
        zvview.grow(place, BOUNDS)
    assert same_content(before, zvview.open(place).level(0).read())  # type: ignore[union-attr]
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize("bounds", [((0, 0), (1, 1)), ((1, 0, 0), (0, 1, 1)), ((0, 0, 0), (np.nan, 1, 1))])
def test_wrong_bounds_are_refused(bounds: Any) -> None:
    memory: dict[str, bytes] = {}
    zvview.create(memory, kind="point_cloud").write(make_batch("point_cloud"))
    with pytest.raises(InvalidInputError, match="bounds"):
        zvview.grow(memory, bounds)


def test_attributes_named_as_the_folder_of_cells_grow_too(tmp_path: Path) -> None:
    place = tmp_path / "s"
    batch = make_batch("graph")
    named = zvview.Graph(
        batch.positions,
        offsets=batch.offsets,  # type: ignore[attr-defined]
        edges=batch.edges,  # type: ignore[attr-defined]
        attributes={"c": batch.attributes["value"]},
        link_attributes={"c": batch.link_attributes["weight"]},  # type: ignore[attr-defined]
    )
    zvview.create(place, kind="graph", chunk_shape=(20, 20, 20)).write(named)
    before = zvview.open(place).level(0).read()  # type: ignore[union-attr]
    zvview.grow(place, BOUNDS)
    after = zvview.open(place).level(0).read()  # type: ignore[union-attr]
    assert np.array_equal(before.attributes["c"], after.attributes["c"])
    assert np.array_equal(before.link_attributes["c"], after.link_attributes["c"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("reach", [1e17, 1e19, 1e300])
def test_growth_beyond_what_chunks_can_count_is_refused(reach: float) -> None:
    memory: dict[str, bytes] = {}
    zvview.create(memory, kind="point_cloud", chunk_shape=(1, 1, 1)).write(make_batch("point_cloud"))
    before = dict(memory)
    with pytest.raises(InvalidInputError, match="too small"):
        zvview.grow(memory, ((-reach, 0, 0), (reach, 1, 1)))
    assert memory == before


@pytest.mark.parametrize("bounds", [5, None, "ab", (1, 2, 3), ("a", "b")])
def test_bounds_that_are_no_corners_are_refused(bounds: Any) -> None:
    memory: dict[str, bytes] = {}
    zvview.create(memory, kind="point_cloud").write(make_batch("point_cloud"))
    with pytest.raises(InvalidInputError):
        zvview.grow(memory, bounds)
    with pytest.raises(NotZarrVectorsError):
        zvview.grow({}, BOUNDS)
