"""The reference library opens what zvview writes, reads it equal, and validates it as it does stores of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr_vectors as zv
from numpy.typing import NDArray
from zarr_vectors.core import arrays
from zarr_vectors.core.store import get_resolution_level, open_store
from zarr_vectors.types.graphs import read_graph
from zarr_vectors.types.lines import read_lines
from zarr_vectors.types.meshes import read_mesh
from zarr_vectors.types.parametric import read_parametric_objects
from zarr_vectors.types.points import read_points
from zarr_vectors.types.polylines import read_polylines
from zarr_vectors.validate import validate

from zvview.geometry.batches import Batch, Graph, Lines, Mesh, Points, Polylines, Skeletons, Streamlines
from zvview.geometry.parametric import ParametricObjects
from zvview.store.writing.options import AttributeSpec, WriteOptions
from zvview.store.writing.store_writer import StoreWriter, write_store

# What the reference says of every point store, its own as well.
ACCEPTED = {"Point cloud but links array exists"}

WAYS: dict[str, dict[str, Any]] = {
    "raw": {},
    "zstd": {"codec": "zstd"},
    "blosc": {"codec": "blosc"},
    "shards": {"shards": True},
    "zstd in shards": {"codec": "zstd", "shards": 2},
}


def written(path: Path, batch: Batch, edge: float = 12.0, **kwargs: Any) -> str:
    keys = ("codec", "shards", "axes", "dtype", "bin_shape", "vertex_attributes", "memory_bytes")
    options = {k: kwargs.pop(k) for k in keys if k in kwargs}
    place = str(path / "s.zarrvectors")
    write_store(place, batch, WriteOptions(kind=batch.kind, chunk_shape=[edge] * batch.ndim, **options), **kwargs)
    check(place)
    return place


def check(place: str) -> None:
    result = validate(place, level=5)
    assert result.errors == []
    assert set(result.warnings) <= ACCEPTED


def level_of(place: str) -> Any:
    return get_resolution_level(open_store(place), 0)


def sorted_rows(*columns: NDArray[Any]) -> NDArray[Any]:
    table = np.column_stack([np.asarray(c, np.float64) for c in columns])
    return table[np.lexsort(table.T[::-1])]


def rows_of(found: NDArray[Any], given: NDArray[Any]) -> NDArray[np.int64]:
    """Row of `given` of each found position; all are different."""
    at = {tuple(p): i for i, p in enumerate(given.tolist())}
    return np.array([at[tuple(p)] for p in np.asarray(found).tolist()])


@pytest.mark.parametrize(("ndim", "way"), [*((2, way) for way in WAYS), (3, "raw"), (3, "zstd in shards"), (4, "raw")])
def test_points_without_objects(tmp_path: Path, way: str, ndim: int) -> None:
    rng = np.random.default_rng(ndim)
    where = rng.uniform(-30, 30, (300, ndim)).astype(np.float32)
    values = {"v": rng.random(300), "rgb": rng.integers(0, 255, (300, 3)).astype(np.uint8)}
    place = written(tmp_path, Points(where, attributes=values), edge=20.0, **WAYS[way])
    found = zv.open(place).select().read()
    assert np.array_equal(
        sorted_rows(found.positions, found.attributes["v"], found.attributes["rgb"]),
        sorted_rows(where, values["v"], values["rgb"]),
    )
    box = ([-9.0] * ndim, [11.0] * ndim)
    inside = ((where >= box[0]) & (where <= box[1])).all(axis=1)
    assert np.array_equal(sorted_rows(zv.open(place).select(bbox=box).read().positions), sorted_rows(where[inside]))


def test_points_with_objects_categories_groups_and_attributes(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    labels = np.array([-(2**62), -4, 7, 720575940621675174])
    ids = labels[rng.integers(0, 4, 500)]
    where = rng.uniform(-50, 40, (500, 3))
    kinds = np.array(["axon", "soma", None], object)[rng.integers(0, 3, 500)]
    place = str(tmp_path / "s")
    options = WriteOptions(
        kind="point_cloud",
        chunk_shape=(20, 25, 30),
        dtype="float64",
        axes=["z", {"name": "y", "unit": "micrometer"}, "t"],
        vertex_attributes={"tag": AttributeSpec(unit="second", description="order of rows")},
    )
    with StoreWriter(place, options) as writer:
        for part in np.array_split(np.arange(500), 3):
            first = [int(i) for i in dict.fromkeys(ids[part].tolist())]
            writer.append(
                Points(where[part], ids[part], attributes={"tag": part, "kind": kinds[part]}),
                {
                    "rank": np.searchsorted(labels, first),
                    "name": [None if i == 7 else str(i) for i in first],
                    "traced": np.array(first) > 0,
                    "checked": [None if i == -4 else i > 7 for i in first],
                },
            )
        writer.close(groups={"low": [-4, 7], "run": range(7, 8)}, group_attributes={"hue": [0.5, 0.25]})
    check(place)
    found = read_points(place, attribute_names=["tag", "kind"])
    order = np.argsort(found["vertex_attributes"]["tag"])
    assert found["positions"].dtype == np.float64
    assert np.array_equal(found["positions"][order], where)
    assert found["vertex_attributes"]["kind"][order].tolist() == kinds.tolist()
    level = level_of(place)
    assert arrays.object_ids_for_rows(level).tolist() == labels.tolist()
    for label in labels.tolist():
        one = read_points(place, object_ids=[label], attribute_names=["tag"])
        assert sorted(one["vertex_attributes"]["tag"].tolist()) == np.flatnonzero(ids == label).tolist()
    assert arrays.read_object_attributes(level, "rank").tolist() == [0, 1, 2, 3]
    assert arrays.read_object_attribute_present_mask(level, "name").tolist() == [1, 1, 0, 1]
    assert arrays.read_object_attributes(level, "traced").tolist() == [0, 0, 1, 1]
    assert arrays.read_object_attribute_present_mask(level, "traced") is None  # none is absent
    assert arrays.read_object_attributes(level, "checked")[[0, 2, 3]].tolist() == [0, 0, 1]
    assert arrays.read_object_attribute_present_mask(level, "checked").tolist() == [1, 0, 1, 1]
    assert [list(map(int, g)) for g in arrays.read_all_groupings(level)] == [[-4, 7], [7]]
    assert arrays.read_groupings_attributes(level, "hue").tolist() == [0.5, 0.25]
    assert level.read_array_meta("vertex_attributes/tag")["unit"] == "second"
    assert [axis["name"] for axis in open_store(place).attrs["multiscales"][0]["axes"]] == ["z", "y", "t"]


@pytest.mark.parametrize(("kind", "way"), [(Polylines, "zstd in shards"), (Streamlines, "raw")])
def test_lines_of_many_vertices(tmp_path: Path, way: str, kind: type[Polylines]) -> None:
    rng = np.random.default_rng(3)
    lines = [np.cumsum(rng.normal(0, 4, (n, 3)), axis=0).astype(np.float32) for n in rng.integers(1, 40, 25)]
    tags = np.arange(sum(map(len, lines)))
    batch = kind.from_list(lines, attributes={"tag": tags, "pair": np.stack((tags, -tags), axis=1)})
    place = written(tmp_path, batch, object_attributes={"length": np.arange(25.0)}, groups={0: [3, 4]}, **WAYS[way])
    found = read_polylines(place)
    assert list(found["object_ids"]) == list(range(25))
    assert all(np.array_equal(np.concatenate(a), b) for a, b in zip(found["polylines"], lines, strict=True))
    assert np.concatenate([np.ravel(a) for a in found["vertex_attributes"]["tag"]]).tolist() == tags.tolist()
    assert level_of(place).read_array_meta("vertex_attributes/pair")["row_shape"] == [2]
    assert arrays.read_object_attributes(level_of(place), "length").tolist() == list(range(25))


def test_lines_of_sparse_ids_one_by_one(tmp_path: Path) -> None:
    lines = [np.array([[0, 0], [30, 0], [1, 1]], np.float32), np.array([[-5, 2], [-6, 2]], np.float32)]
    place = written(tmp_path, Polylines.from_list(lines, object_ids=[900, -7]))
    for label, line in zip([900, -7], lines, strict=True):
        found = read_polylines(place, object_ids=[label])
        assert np.array_equal(np.concatenate(found["polylines"][0]), line)


def test_single_lines(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    ends = rng.normal(0, 20, (60, 2, 3)).astype(np.float32)
    place = written(tmp_path, Lines.from_endpoints(ends, attributes={"w": np.arange(120)}))
    found = read_lines(place)
    assert np.array_equal(found["endpoints"], ends)
    assert np.ravel(found["vertex_attributes"]["w"]).tolist() == list(range(120))


@pytest.mark.parametrize("way", ["raw", "zstd in shards"])
def test_graphs_with_link_attributes(tmp_path: Path, way: str) -> None:
    rng = np.random.default_rng(5)
    where = rng.uniform(-12, 12, (300, 3)).astype(np.float32)
    edges = rng.integers(0, 300, (500, 2))
    weights = rng.random(500).astype(np.float32)
    batch = Graph(
        where, offsets=[0, 120, 300], object_ids=[4, -1], edges=edges, link_attributes={"w": weights, "e": edges}
    )
    place = written(tmp_path, batch, **WAYS[way])
    found = read_graph(place)
    back = rows_of(found["positions"], where)[found["edges"]]
    assert sorted(map(tuple, back.tolist())) == sorted(map(tuple, edges.tolist()))
    level = level_of(place)
    pairs = arrays.read_link_attributes(level, "e", delta=0)
    assert np.array_equal(np.asarray(pairs), back)  # attributes stand beside their records
    by_pair = {(*e, w) for e, w in zip(edges.tolist(), weights.tolist(), strict=True)}
    loaded = np.asarray(arrays.read_link_attributes(level, "w", delta=0)).ravel()
    assert {(*e, w) for e, w in zip(back.tolist(), loaded.tolist(), strict=True)} == by_pair


@pytest.mark.parametrize("way", ["raw", "zstd in shards"])
def test_skeletons(tmp_path: Path, way: str) -> None:
    rng = np.random.default_rng(6)
    n = 400
    where = rng.uniform(-12, 12, (n, 3)).astype(np.float32)
    # several trees in each of three objects, some with roots in the middle of a chunk
    parents = np.array(
        [-1 if rng.random() < 0.03 or i % 150 == 0 else rng.integers(i // 150 * 150, i) for i in range(n)]
    )
    shuffle = np.concatenate([150 * k + rng.permutation(min(150, n - 150 * k)) for k in range(3)])
    up = np.full(n, -1)
    has = parents >= 0
    up[shuffle[has]] = shuffle[parents[has]]
    batch = Skeletons.from_parents(where, up, offsets=[0, 150, 300, n], attributes={"tag": np.arange(n)})
    place = written(tmp_path, batch, **WAYS[way])
    found = read_graph(place)
    back = rows_of(found["positions"], where)[found["edges"]]
    assert {tuple(sorted(e)) for e in back.tolist()} == {tuple(sorted((i, int(p)))) for i, p in enumerate(up) if p >= 0}
    assert len(back) == int((up >= 0).sum())


@pytest.mark.parametrize(("corners", "way"), [(3, "zstd in shards"), (4, "raw")])
def test_meshes(tmp_path: Path, way: str, corners: int) -> None:
    rng = np.random.default_rng(7)
    where = rng.uniform(-12, 12, (200, 3)).astype(np.float32)
    faces = np.stack([rng.permutation(200)[:corners] for _ in range(150)])
    batch = Mesh(where, faces=faces, offsets=[0, 80, 200], attributes={"tag": np.arange(200)})
    place = written(tmp_path, batch, **WAYS[way])
    found = read_mesh(place)
    back = rows_of(found["vertices"], where)[found["faces"]]
    assert sorted(map(tuple, back.tolist())) == sorted(map(tuple, faces.tolist()))  # winding is kept


def test_intra_links_are_grouped_by_vertex_fragment(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    where = rng.uniform(0, 12, (90, 3)).astype(np.float32)
    faces = np.concatenate([30 * k + rng.integers(0, 30, (40, 3)) for k in range(3)] + [rng.integers(0, 90, (10, 3))])
    place = written(tmp_path, Mesh(where, faces=faces, offsets=[0, 30, 60, 90]), edge=12.0)
    level = level_of(place)
    (groups,) = (arrays.read_chunk_links(level, (0, 0, 0)),)
    fragments = arrays.read_chunk_vertices(level, (0, 0, 0), ndim=3)
    assert len(fragments) == 3
    assert len(groups) == 4
    starts = np.cumsum([0] + [len(f) for f in fragments])
    for k, group in enumerate(groups[:3]):
        assert ((group >= starts[k]) & (group < starts[k + 1])).all()
    owner = np.searchsorted(starts, groups[3], side="right")
    assert (owner != owner[:, :1]).any(axis=1).all()


def test_empty_objects_and_an_empty_store(tmp_path: Path) -> None:
    lines = [np.empty((0, 3), np.float32), np.array([[1, 2, 3], [4, 5, 6]], np.float32)]
    place = written(tmp_path, Polylines.from_list(lines))
    assert arrays.object_present_mask(level_of(place)).tolist() == [False, True]
    empty = str(tmp_path / "empty")
    write_store(empty, Points(np.empty((0, 3), np.float32), attributes={"v": np.empty(0)}))
    assert validate(empty, level=5).errors == []
    assert len(read_points(empty)["positions"]) == 0


def test_parametric_objects_and_headers(tmp_path: Path) -> None:
    nan = np.nan
    table = np.array([[0, 0, 1, -12.5, nan, nan], [25, 25, 25, 9.5, nan, nan], [1, 2, 3, 0, 1, 0]])
    parametric = ParametricObjects(
        np.array([0, 2, 1]),
        table,
        ("cut", "boule-é", ""),
        object_attributes={"opacity": np.array([0.25, 1.0, 0.5], np.float32)},
        groups=(np.array([0, 2]), np.array([1])),
        group_attributes={"g": np.array([1.0, 2.0])},
    )
    place = written(
        tmp_path, Points(np.ones((3, 3), np.float32)), parametric=parametric, headers={"trk": {"voxel_order": "RAS"}}
    )
    found = read_parametric_objects(place)
    assert [o["type"] for o in found] == ["plane", "sphere", "line"]
    assert [o["name"] for o in found] == ["cut", "boule-é", ""]
    assert [list(o["coefficients"]) for o in found] == [[0, 0, 1, -12.5], [25, 25, 25, 9.5], [1, 2, 3, 0, 1, 0]]
    assert open_store(place)["headers/trk"].attrs["voxel_order"] == "RAS"
