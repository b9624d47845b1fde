"""Which annotations belong to which object: told of each of them, listed for each segment, live as exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from neuroglancer.read_precomputed_annotations import AnnotationReader

import zvview
from tests.neuroglancer.exporting.reading import content
from zvview.neuroglancer.exporting.exporting import export
from zvview.neuroglancer.links.states import Exhibit, layers_of
from zvview.neuroglancer.serving.answers import Answers
from zvview.neuroglancer.sources import related
from zvview.neuroglancer.sources.opening import open_sources
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.testing import make_store

COUNT = 3000


def make_points(place: Path, *, objects: int, levels: bool, first: int = 0) -> zvview.Store:
    rng = np.random.default_rng(5)
    positions = rng.uniform(0, 100, (COUNT, 3)).astype(np.float32)
    ids = first + rng.permutation(np.append(np.arange(objects), rng.integers(0, objects, COUNT - objects)))
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(20, 20, 20)) as store:
        store.write(zvview.Points(positions, object_ids=ids))
    if levels:
        build_pyramid(place, PyramidOptions(target=200))
    return zvview.open(place)


def section_of(source: Any, key: str) -> Any:
    (found,) = (section for section in source.sections if section.key == key)
    return found


def segments_of(annotation: Any) -> list[int]:
    """Those of the one relationship that there is."""
    (found,) = annotation.segments
    return [int(segment) for segment in found]


def in_order(rows: Any) -> np.ndarray:
    rows = np.asarray(rows, np.float64)
    return rows[np.lexsort(rows.T)]


@pytest.mark.parametrize("levels", [True, False])
@pytest.mark.parametrize(("form", "objects"), [("directory", 30), ("sharded", 30), ("sharded", 1500)])
def test_the_reader_of_neuroglancer_finds_the_points_of_each_object(
    tmp_path: Path, levels: bool, form: Any, objects: int
) -> None:
    store = make_points(tmp_path / "p.zarrvectors", objects=objects, levels=levels)
    batch = store.level(0).read()
    export(store, tmp_path / "out", format=form)
    reader = AnnotationReader(f"file://{tmp_path / 'out' / 'points'}/")
    listed = 0
    for number in range(0, objects, max(1, objects // 20)):
        found = reader.relationships["object"][number + 1]  # there is an object 0, which is no segment
        expected = batch.positions[batch.object_ids == number]
        assert np.array_equal(in_order([a.point for a in found]), in_order(expected))
        assert all(segments_of(reader.by_id[int(a.id)]) == [number + 1] for a in found)
        assert len({a.id for a in found}) == len(found)
        listed += len(found)
    assert listed > 30
    assert not reader.relationships["object"].get(0).result()


@pytest.mark.parametrize("levels", [True, False])
@pytest.mark.parametrize("form", ["directory", "sharded"])
@pytest.mark.parametrize("kind", ["point_cloud", "streamline", "line", "skeleton"])
def test_live_and_exported_are_the_same_bytes(tmp_path: Path, kind: str, levels: bool, form: Any) -> None:
    place = tmp_path / "s.zarrvectors"
    if kind == "point_cloud":
        make_points(place, objects=30, levels=levels).close()
    else:
        make_store(place, kind, size=600, n_objects=300 if kind == "line" else 30, seed=3).close()
        if levels:
            build_pyramid(place, PyramidOptions(target=200))
    with zvview.open(place) as store:
        export(store, tmp_path / "out", format=form)
        sources = open_sources(store)
        answers = Answers(sources, "v")
        compared = 0
        for name, source in sources.items():
            for section in source.sections if "relationships" in source.info else ():
                if section.grid_shape is not None:
                    continue
                keys = np.concatenate(list(source.keys(section)))
                for key in np.random.default_rng(1).permutation(keys)[:60].tolist():
                    told = answers.answer(f"{name}/{section.key}/{key}")
                    written = content(tmp_path / "out" / name, section, key)[1]
                    assert (told.body if told.status == 200 else None) == (written or None)
                    compared += told.status == 200
        assert compared > 30


def test_the_lines_of_an_object_are_listed_whole(tmp_path: Path) -> None:
    store = make_store(tmp_path / "s.zarrvectors", "streamline", size=2000, n_objects=30, seed=3)
    export(store, tmp_path / "out")
    reader = AnnotationReader(f"file://{tmp_path / 'out' / 'lines'}/")
    for number in store.level(0).present_object_ids.tolist():
        shift = int(store.level(0).object_ids.min() == 0)
        (line,) = reader.relationships["object"][number + shift]
        assert int(line.id) == number
        assert segments_of(reader.by_id[number]) == [number + shift]
        assert np.array_equal(np.asarray(line.points, np.float32), store.level(0).read_objects([number]).positions)


@pytest.mark.parametrize("levels", [True, False])
def test_the_nodes_and_edges_of_an_object_are_listed(tmp_path: Path, levels: bool) -> None:
    place = tmp_path / "s.zarrvectors"
    make_store(place, "skeleton", size=2000, n_objects=30, seed=3).close()
    if levels:
        build_pyramid(place, PyramidOptions(target=200))
    with zvview.open(place) as store:
        export(store, tmp_path / "out")
        nodes, edges = (AnnotationReader(f"file://{tmp_path / 'out' / name}/") for name in ("nodes", "edges"))
        shift = int(store.level(0).object_ids.min() == 0)
        for number in store.level(0).present_object_ids[:20].tolist():
            whole = store.level(0).read_objects([number])
            found = nodes.relationships["object"][number + shift]
            assert np.array_equal(in_order([a.point for a in found]), in_order(whole.positions))
            lines = edges.relationships["object"][number + shift]
            assert len({a.id for a in lines}) == len(lines) == len(whole.edges)
            expected = whole.positions[whole.edges].reshape(len(whole.edges), -1)
            assert np.array_equal(in_order([[*a.point_a, *a.point_b] for a in lines]), in_order(expected))
            assert segments_of(edges.by_id[int(lines[0].id)]) == [number + shift]


def test_annotations_without_objects_relate_to_nothing(tmp_path: Path) -> None:
    place = tmp_path / "p.zarrvectors"
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(20, 20, 20)) as store:
        store.write(zvview.Points(np.random.default_rng(1).uniform(0, 50, (100, 3))))
    with zvview.open(place) as store:
        source = open_sources(store)["points"]
        assert source.info["relationships"] == []
        assert [s.key for s in source.sections if s.grid_shape is None] == ["by_id"]


def test_segments_that_are_no_objects_have_no_list(tmp_path: Path) -> None:
    source = open_sources(make_points(tmp_path / "p.zarrvectors", objects=30, levels=False))["points"]
    section = section_of(source, "related_0")
    assert len(source.read(section, np.array([0, 31, 2**63, 2**64 - 1], np.uint64))) == 0
    assert len(source.read(section, np.array([30, 1, 31], np.uint64))) == 2


def test_no_list_is_longer_than_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same annotations are kept whether or not others are asked for at once."""
    monkeypatch.setattr(related, "MOST_LISTED", 50)
    source = open_sources(make_points(tmp_path / "p.zarrvectors", objects=10, levels=True))["points"]
    section = section_of(source, "related_0")
    together = source.read(section, np.arange(1, 11).astype(np.uint64))
    assert len(together) == 10
    for row, key in enumerate(together.keys):
        body = together.content(row)[1]
        assert int(np.frombuffer(body[:8], "<u8")[0]) == 50
        assert source.read(section, np.array([key], np.uint64)).content(0)[1] == body


@pytest.mark.parametrize(("kind", "linked"), [("streamline", {"lines"}), ("skeleton", {"edges", "nodes"})])
def test_layers_of_annotations_are_linked_to_that_of_their_objects(tmp_path: Path, kind: str, linked: set[str]) -> None:
    store = make_store(tmp_path / "s.zarrvectors", kind, size=500, n_objects=10, seed=3)
    exhibit = Exhibit("s", store, open_sources(store), "http://h/{}".format)
    layers = {layer["name"]: layer for layer in layers_of(exhibit).layers}
    told = {name: layer.get("linkedSegmentationLayer") for name, layer in layers.items()}
    assert layers["s skeletons"]["type"] == "segmentation"
    assert told == {f"s {name}": {"object": "s skeletons"} for name in linked} | {"s skeletons": None}


def test_points_are_linked_to_nothing_where_no_layer_has_their_objects(tmp_path: Path) -> None:
    store = make_points(tmp_path / "p.zarrvectors", objects=30, levels=False)
    (layer,) = layers_of(Exhibit("p", store, open_sources(store), "http://h/{}".format)).layers
    assert "linkedSegmentationLayer" not in layer


@pytest.mark.parametrize("first", [0, 1 << 40])
@pytest.mark.parametrize("spread", [1, 0])
def test_lists_go_by_object_then_by_rank_then_by_id(monkeypatch: pytest.MonkeyPatch, first: int, spread: int) -> None:
    rng = np.random.default_rng(3)
    owners, ids = first + rng.integers(0, 9, 500), rng.permutation(500).astype(np.uint64)
    ranks = rng.integers(0, 1 + 2**31 * spread, 500).astype(np.uint32)  # all of one rank, or of many
    monkeypatch.setattr(related, "rank_names", lambda names: ranks[np.argsort(np.argsort(names))])
    own = ranks[np.argsort(np.argsort(ids))]
    assert np.array_equal(related._fair(owners, ids), np.lexsort((ids, own, owners)))
