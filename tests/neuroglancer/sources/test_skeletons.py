"""Objects as skeletons: each once, whole, equal to the store, and read so by another library."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import zvview
from zvview.errors import ConflictError
from zvview.neuroglancer.encoding.space import model_frame
from zvview.neuroglancer.segmentation import hidden_sources, segmentation_layer
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.skeletons import SkeletonSource, open_skeletons
from zvview.style import Colouring, colour_axes, colour_vertices
from zvview.style.colourmaps import colour_ids

GOLDEN = Path(__file__).parents[2] / "data" / "golden"
NETWORKS = (
    "graph",
    "skeleton",
    "skeleton_chunked",
    "skeleton_tools",
    "duplicate_links",
    "old07_graph",
    "old07_skeleton",
)
LINES = ("streamlines", "polylines_2d_sharded", "explicit_fragments", "edited_streamlines", "old07_streamlines")


def source_of(store: zvview.Store) -> SkeletonSource:
    frame = SourceFrame.of(store.axes, store.bounds, store.level(0).resolution)
    return SkeletonSource(Chunks(store), frame)


def all_of(source: SkeletonSource) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    (section,) = source.sections
    for keys in source.keys(section):
        block = source.read(section, keys)
        assert set(block.keys.tolist()) <= set(keys.tolist())
        for row, key in enumerate(block.keys.tolist()):
            head, body = block.content(row)
            assert head == b"" and key not in found
            found[key] = body
    return found


def decode(source: SkeletonSource, data: bytes) -> tuple[NDArray[Any], NDArray[Any], dict[str, NDArray[Any]]]:
    """Positions, edges and values by name, by the letter of the specification."""
    vertices, edges = struct.unpack_from("<II", data)
    words = np.frombuffer(data, "<f4", offset=8)
    positions = words[: 3 * vertices].reshape(-1, 3)
    joined = words[3 * vertices : 3 * vertices + 2 * edges].view("<u4").reshape(-1, 2)
    at = 3 * vertices + 2 * edges
    values = {}
    for attribute in source.columns.attributes:
        width = attribute.num_components
        values[attribute.id] = words[at : at + width * vertices].reshape(vertices, width)
        at += width * vertices
    assert at == len(words)
    return positions, joined, values


def in_nanometres(source: SkeletonSource, positions: NDArray[Any]) -> NDArray[np.float64]:
    matrix = np.reshape(source.info["transform"], (3, 4))
    return np.asarray(positions @ matrix[:, :3].T + matrix[:, 3])


@pytest.mark.parametrize("name", NETWORKS + LINES)
def test_each_object_is_one_skeleton_equal_to_the_store(name: str) -> None:
    with zvview.open(GOLDEN / f"{name}.zip") as store:
        source = source_of(store)
        found = all_of(source)
        level = store.level(0)
        present = level.present_object_ids
        assert present is not None and source.segments is not None
        assert sorted(found) == source.segments.of_objects(present).tolist()
        world = model_frame(store.axes)
        for segment, data in found.items():
            (number,) = source.segments.objects(np.array([segment], np.uint64)).tolist()
            batch = level.read_objects(number)
            positions, edges, values = decode(source, data)
            expected = (
                np.column_stack((world.place(batch.positions), np.ones(len(batch))))
                @ np.reshape(world.transform, (3, 4)).T
            )
            assert np.allclose(in_nanometres(source, positions), expected, rtol=1e-6)
            joined = batch.edges if isinstance(batch, zvview.Graph) else batch.segments
            assert sorted(map(tuple, edges.tolist())) == sorted(map(tuple, joined.tolist()))
            for attribute, props in source.by_attribute.items():
                if attribute == "direction":
                    colours = colour_vertices(batch, Colouring("direction"), axes=colour_axes(store.axes))
                    assert np.allclose(values["orientation"], colours[:, :3])
                    continue
                given = batch.attributes[attribute].reshape(len(batch), -1)
                scale = 255 if props[0].type in ("rgb", "rgba") else 1
                told = np.concatenate([values[p.id] for p in props], axis=1)
                assert np.allclose(told * scale, given, equal_nan=True)


def test_a_skeleton_of_all_units_and_attributes_comes_back(tmp_path: Path) -> None:
    """Categories as codes, colours from 0 to 1, words of the shader language with other names; far from the origin."""
    place = tmp_path / "s.zarrvectors"
    far = 1e8
    positions = np.array([[0, 0, 0], [1, 2, 3], [5, 5, 5], [6, 5, 4]], np.float64) + far
    attributes = {
        "radius": np.array([1, np.nan, 3, 4], "f4"),
        "length": np.arange(4, dtype="i8"),
        "kind": np.array(["a", "b", "a", None], object),
        "rgb": np.array([[255, 0, 0]] * 4, np.uint8),
    }
    with zvview.create(
        place,
        kind="skeleton",
        axes=[zvview.Axis(n, "space", "micrometer") for n in "xyz"],
        chunk_shape=(4, 4, 4),
        dtype="float64",
    ) as store:
        store.write(
            zvview.Skeletons.from_parents(
                positions, [-1, 0, -1, 2], offsets=[0, 2, 4], object_ids=[7, 9], attributes=attributes
            )
        )
    with zvview.open(place) as store:
        source = source_of(store)
        found = all_of(source)
        assert sorted(found) == [7, 9]
        where, edges, values = decode(source, found[7])
        assert np.allclose(in_nanometres(source, where), positions[:2] * 1000, rtol=0, atol=1e-3)
        assert np.array_equal(np.sort(edges, axis=1), [[0, 1]])
        assert set(values) == {"radius", "length_attribute", "kind", "rgb_attribute"}
        assert np.array_equal(values["radius"].ravel(), [1, np.nan], equal_nan=True)
        assert np.array_equal(values["rgb_attribute"], [[1, 0, 0]] * 2)
        assert [p.labels for p in source.by_attribute["kind"]] != [None]


@pytest.mark.parametrize("name", ["skeleton_chunked", "skeleton_tools"])
def test_cloud_volume_reads_what_the_store_holds(name: str, tmp_path: Path) -> None:
    from cloudvolume.datasource.precomputed.skeleton import PrecomputedSkeletonMetadata
    from cloudvolume.skeleton import Skeleton

    with zvview.open(GOLDEN / f"{name}.zip") as store:
        source = source_of(store)
        assert source.segments is not None
        info = json.loads(json.dumps(source.info))
        assert PrecomputedSkeletonMetadata is not None
        for segment, data in all_of(source).items():
            skeleton = Skeleton.from_precomputed(data, segid=segment, vertex_attributes=info["vertex_attributes"])
            skeleton.transform = np.reshape(info["transform"], (3, 4)).astype("f4")
            batch = store.level(0).read_objects(source.segments.objects(np.array([segment], np.uint64)))
            assert isinstance(batch, zvview.Graph)
            assert np.allclose(skeleton.physical_space(copy=True).vertices, batch.positions, rtol=1e-6)
            assert np.array_equal(skeleton.edges, batch.edges)
            assert np.allclose(skeleton.radius, batch.attributes["radius"])


def test_numbers_that_are_no_segments_are_left_out() -> None:
    with zvview.open(GOLDEN / "skeleton.zip") as store:
        source = source_of(store)
        (section,) = source.sections
        block = source.read(section, np.array([0, 3, 2**64 - 1, 2**63, 99], np.uint64))
        assert block.keys.tolist() == [3]


def test_a_store_without_objects_is_one_segment(tmp_path: Path) -> None:
    place = tmp_path / "g.zarrvectors"
    rng = np.random.default_rng(3)
    positions, edges = rng.uniform(0, 40, (50, 3)).astype("f4"), rng.integers(0, 50, (80, 2))
    with zvview.create(place, kind="graph", axes="xyz", chunk_shape=(10, 10, 10)) as store:
        store.write(zvview.Graph(positions, edges=edges))
    shutil.rmtree(place / "0" / "object_index")  # as stores of other writers
    with zvview.open(place) as store:
        assert store.level(0).object_ids is None
        source = source_of(store)
        found = all_of(source)
        assert list(found) == [1] == source.first_shown().tolist()
        where, joined, _ = decode(source, found[1])
        told = np.sort(np.sort(where[joined].view("c8,f4").reshape(-1, 2), axis=1), axis=0)
        expected = np.sort(np.sort(positions[edges].view("c8,f4").reshape(-1, 2), axis=1), axis=0)
        assert len(where) == 50
        assert len(told) == len(expected)
        assert set(map(tuple, told.tolist())) == set(map(tuple, expected.tolist()))
        assert set(open_skeletons(Chunks(store), source.frame)) == {"skeletons"}


def test_a_source_of_another_state_of_the_store_says_so(tmp_path: Path) -> None:
    place = tmp_path / "s.zarrvectors"
    with zvview.create(place, kind="skeleton", axes="xyz", chunk_shape=(9, 9, 9)) as store:
        store.write(zvview.Skeletons.from_parents(np.eye(3), [-1, 0, 1], offsets=[0, 3], object_ids=[1]))
    with zvview.open(place) as store:
        source = source_of(store)
        session = store.edit(journal=False)
        session.move(session.vertices_of(1), np.ones((3, 3)))
        session.commit()
        (section,) = source.sections
        with pytest.raises(ConflictError):
            source.read(section, np.array([1], np.uint64))


def test_a_layer_shows_some_segments_in_the_colours_of_their_objects() -> None:
    with zvview.open(GOLDEN / "graph.zip") as store:
        source = source_of(store)
        layer = segmentation_layer("a", "http://h/a", source, Colouring("object"))
        assert layer["segments"] == ["1", "2", "3", "4"]
        colours = np.rint(colour_ids(np.arange(4))[:, :3] * 255).astype(int).tolist()
        assert layer["segmentColors"] == {str(i + 1): "#{:02x}{:02x}{:02x}".format(*c) for i, c in enumerate(colours)}
        assert layer["source"]["transform"]["outputDimensions"] == {name: [1.0, ""] for name in "xyz"}
        assert hidden_sources({"skeletons": source, "nodes": source, "edges": source}) == {"nodes", "edges"}
    with zvview.open(GOLDEN / "streamlines.zip") as store:
        assert segmentation_layer("a", "u", source_of(store), Colouring("direction"))["segments"] == []
    with zvview.open(GOLDEN / "skeleton_tools.zip") as store:
        assert "transform" not in segmentation_layer("a", "u", source_of(store), Colouring())["source"]
