"""Levels of meshes, made of stores block by block: what they promise, and that how the work is cut changes nothing."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from zvview.errors import UnsupportedError
from zvview.geometry.batches import Mesh
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.pyramid.design import LevelDesign
from zvview.pyramid.kind import Coarsened, Job, TaskContext
from zvview.pyramid.mesh_design import _spread
from zvview.pyramid.meshes import MeshesKind
from zvview.pyramid.scratch import Scratch
from zvview.pyramid.surfaces import Edges, Stars, Surface, face_areas, find_doubles, nearest_points
from zvview.store.level import Level
from zvview.store.writing.partition import Tiling
from zvview.store.writing.runs import Run
from zvview.testing.meshes import make_icosphere, make_torus


def torus(vertices: int, **kwargs: Any) -> Mesh:
    positions, faces, normals, _ = make_torus(vertices)
    attributes = {"up": normals[:, 2].astype(np.float32), "side": (positions[:, 0] > 0).astype(np.uint8)}
    return Mesh(
        (positions * 100).astype(np.float32),
        faces=faces,
        attributes=attributes,
        link_attributes={"number": np.arange(len(faces), dtype=np.int32)},
        **kwargs,
    )


def store_of(mesh: Mesh, edge: float, **kwargs: Any) -> zvview.Store:
    place: dict[str, bytes] = {}
    store = zvview.create(place, kind="mesh", chunk_shape=(edge,) * mesh.ndim, **kwargs)
    store.write(mesh)
    store.close()
    return zvview.open(place)


def coarsen(fine: Level, design: LevelDesign, folder: Path, part_bytes: int) -> tuple[Coarsened, list[Run]]:
    scratch, tiling = Scratch(str(folder)), Tiling("mesh", design.chunk_shape)

    def run_all(task: Callable[[TaskContext, Any], Any], parts: Sequence[Any]) -> list[Any]:
        context = TaskContext(fine, design, tiling, scratch)
        return [task(context, pickle.loads(pickle.dumps(part))) for part in parts]

    done = MeshesKind(part_bytes).coarsen(Job(fine, design, tiling, scratch, run_all))
    return done, [scratch.load(name) for name in done.runs]


def farthest(points: np.ndarray, mesh: Mesh) -> float:
    """Greatest distance of any of the points from a mesh."""
    positions = np.zeros((len(mesh), 3))
    positions[:, : mesh.ndim] = mesh.positions
    all_faces = Stars(np.array([0, len(mesh.faces)]), np.arange(len(mesh.faces)))
    return float(
        nearest_points(points, np.zeros(len(points), np.int64), all_faces, positions, mesh.faces).distances.max()
    )


def spots(mesh: Mesh, count: int) -> np.ndarray:
    """Places all over a mesh."""
    rng = np.random.default_rng(0)
    positions = mesh.positions.astype(np.float64)
    areas = face_areas(positions, mesh.faces)
    which = rng.choice(len(areas), count, p=areas / areas.sum())
    return np.einsum("nk,nkd->nd", rng.dirichlet((1, 1, 1), count), positions[mesh.faces[which]])


def volume(mesh: Mesh) -> float:
    corners = mesh.positions.astype(np.float64)[mesh.faces]
    return float(np.einsum("nd,nd->n", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6)


@pytest.mark.parametrize("edge", [40.0, 500.0])
def test_every_level_is_closed_near_level_0_and_as_large(edge: float) -> None:
    place: dict[str, bytes] = {}
    mesh = torus(5000)
    with zvview.create(place, kind="mesh", chunk_shape=(edge,) * 3) as store:
        store.write(mesh)
    built = build_pyramid(place, PyramidOptions(levels=2))
    assert len(built) == 2
    store = zvview.open(place)
    counts = [len(mesh)]
    for level in (1, 2):
        coarse = store.level(level).read()
        assert isinstance(coarse, Mesh)
        counts.append(len(coarse))
        assert (Edges.of(coarse.faces, len(coarse)).counts == 2).all()
        assert abs(volume(coarse) / volume(mesh) - 1) < 0.06
        bin_edge = float(store.level(level).resolution.min())
        assert farthest(spots(mesh, 20), coarse) <= bin_edge
        assert farthest(spots(coarse, 20), mesh) <= bin_edge
        assert np.abs(coarse.attributes["up"] - coarse.positions[:, 2] / (100 * 0.35 / 1.35)).max() < 0.3
        assert coarse.attributes["side"].dtype == np.uint8
        assert len(np.unique(coarse.link_attributes["number"])) == len(coarse.faces)
    assert all(2 <= a / b <= 9 for a, b in pairwise(counts)), counts


@given(st.integers(0, 2**16), st.sampled_from([1, 3000, 20_000]))
@settings(max_examples=3, deadline=None)
def test_the_size_of_parts_changes_nothing(tmp_path_factory: pytest.TempPathFactory, seed: int, size: int) -> None:
    mesh = torus(1500)
    mesh = Mesh(mesh.positions + seed % 100, faces=mesh.faces, attributes=mesh.attributes)
    fine = store_of(mesh, 40.0).level(0)
    design = MeshesKind().design(fine, None, PyramidOptions())
    small = LevelDesign(
        1, design.chunk_shape, design.bin_shape, design.method, {**design.parameters, "block_shape": [80.0] * 3}
    )
    for used in (design, small):
        (_, one), (_, other) = (coarsen(fine, used, tmp_path_factory.mktemp("s"), b) for b in (1 << 30, size))
        for a, b in zip(one, other, strict=True):
            assert np.array_equal(a.positions, b.positions)
            assert np.array_equal(a.columns["up"], b.columns["up"])
            assert a.links is not None and b.links is not None
            assert np.array_equal(a.links.records, b.links.records)


def test_seams_are_thinned(tmp_path: Path) -> None:
    fine = store_of(torus(12_000), 40.0).level(0)
    design = MeshesKind().design(fine, None, PyramidOptions())
    blocks = LevelDesign(1, design.chunk_shape, design.bin_shape, "q", {**design.parameters, "block_shape": [40.0] * 3})
    _, runs = coarsen(fine, blocks, tmp_path, 1 << 20)
    assert sum(len(run.positions) for run in runs) < 1.35 * 12_000 / 6


def test_objects_stay_apart_and_keep_their_ids(tmp_path: Path) -> None:
    ball, corners = make_icosphere(300)
    ids = np.array([-7, 0, 3, 10**12, 12, 15, 2**62])
    at = np.arange(len(ids))
    positions = (ball[None] * np.array([20, 20, 20, 20, 20, 3, 0.5])[:, None, None] + at[:, None, None] * 41.0).reshape(
        -1, 3
    )
    mesh = Mesh(
        positions.astype(np.float64),
        faces=(corners[None] + at[:, None, None] * len(ball)).reshape(-1, 3),
        offsets=np.arange(len(ids) + 1) * len(ball),
        object_ids=ids,
        attributes={"owner": np.repeat(at, len(ball)).astype(np.int16)},
    )
    place: dict[str, bytes] = {}
    with zvview.create(place, kind="mesh", chunk_shape=(60.0,) * 3, dtype="float64") as store:
        store.write(mesh)
    assert len(build_pyramid(place, PyramidOptions(levels=2))) == 2
    store = zvview.open(place)
    for level in (1, 2):
        coarse = store.level(level).read()
        assert isinstance(coarse, Mesh) and coarse.positions.dtype == np.float64
        assert set(coarse.vertex_object_ids.tolist()) == set(ids.tolist())
        owners = coarse.vertex_object_ids[coarse.faces]
        assert (owners == owners[:, :1]).all()
        assert np.array_equal(ids[coarse.attributes["owner"]], coarse.vertex_object_ids)
        alone = store.level(level).read_objects([10**12])
        assert isinstance(alone, Mesh) and len(alone.faces) >= 4


@pytest.mark.parametrize("edge", [30.0, 1000.0])
def test_no_level_holds_a_face_twice(edge: float) -> None:
    mesh = torus(4000, object_ids=np.array([5]))
    flat = np.concatenate((mesh.positions * [1, 1, 0.15], mesh.positions * [1, 1, 0.02] + [0, 0, 60])).astype("<f4")
    faces = np.concatenate((mesh.faces, mesh.faces + len(mesh)))
    twice = np.concatenate((faces, faces[::9], faces[::31, ::-1]))
    place: dict[str, bytes] = {}
    with zvview.create(place, kind="mesh", chunk_shape=(edge,) * 3) as store:
        store.write(Mesh(flat, faces=twice, offsets=[0, len(mesh), len(flat)], object_ids=[5, 9]))
    assert len(build_pyramid(place, PyramidOptions(levels=2))) == 2
    for level in (1, 2):
        coarse = zvview.open(place).level(level).read()
        assert isinstance(coarse, Mesh) and set(coarse.vertex_object_ids.tolist()) == {5, 9}
        assert len(find_doubles(coarse.faces)[0]) == 0
        assert (Edges.of(coarse.faces, len(coarse)).counts == 2).all()


def test_an_open_surface_keeps_its_rim() -> None:
    n = 60
    x, y = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    at = np.arange(n * n).reshape(n, n)
    faces = np.stack((at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]), axis=-1).reshape(-1, 4)
    height = np.sin(x / 5) * np.cos(y / 7) * 3
    mesh = Mesh(
        np.stack((x, y, height), axis=-1).reshape(-1, 3).astype(np.float32),
        faces=faces,
        link_attributes={"row": np.arange(len(faces))},
    )
    place: dict[str, bytes] = {}
    with zvview.create(place, kind="mesh", chunk_shape=(16.0,) * 3) as store:
        store.write(mesh)
    build_pyramid(place, PyramidOptions(levels=1))
    fine, coarse = (zvview.open(place).level(k).read() for k in (0, 1))
    assert isinstance(fine, Mesh) and isinstance(coarse, Mesh)
    assert fine.faces.shape[1] == 4 and coarse.faces.shape[1] == 3
    edges = Edges.of(coarse.faces, len(coarse))
    assert edges.open_count == 4 * (n - 1) and edges.crowded_count == 0
    rim = coarse.positions[edges.touched(edges.counts == 1, len(coarse))]
    assert (np.isin(rim[:, 0], (0, n - 1)) | np.isin(rim[:, 1], (0, n - 1))).all()
    assert len(coarse) < len(mesh) / 3
    assert coarse.link_attributes["row"].dtype == fine.link_attributes["row"].dtype


@pytest.mark.parametrize("ndim", [2, 4])
def test_other_numbers_of_axes(ndim: int) -> None:
    n = 50
    x, y = np.meshgrid(np.arange(n) - 20.0, np.arange(n) - 20.0, indexing="ij")
    at = np.arange(n * n).reshape(n, n)
    quads = np.stack((at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]), axis=-1).reshape(-1, 4)
    faces = np.concatenate((quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]))
    plane = np.stack((x.ravel(), y.ravel()), axis=1)
    if ndim == 2:
        mesh, axes = Mesh(plane, faces=faces, attributes={"x": plane[:, 0]}), "xy"
    else:
        frames = [np.column_stack((plane, np.sin(x / 5).ravel(), np.full(n * n, t))) for t in (0.0, 1.5, 40.0)]
        positions = np.concatenate(frames)
        all_faces = np.concatenate([faces + k * n * n for k in range(3)])
        mesh, axes = Mesh(positions, faces=all_faces, attributes={"x": positions[:, 0]}), "xyzt"
    place: dict[str, bytes] = {}
    with zvview.create(place, kind="mesh", chunk_shape=(12.0,) * ndim, axes=list(axes)) as store:
        store.write(mesh)
    assert len(build_pyramid(place, PyramidOptions(levels=1))) == 1
    coarse = zvview.open(place).level(1).read()
    assert isinstance(coarse, Mesh) and len(coarse) < len(mesh) / 2
    assert np.abs(coarse.attributes["x"] - coarse.positions[:, 0]).max() < 0.6
    if ndim == 4:
        assert set(coarse.positions[:, 3].tolist()) == {0.0, 1.5, 40.0}
        times = coarse.positions[coarse.faces, 3]
        assert (times == times[:, :1]).all()
        assert zvview.open(place).level(1).chunk_shape[3] == 12.0


def test_meshes_of_four_space_axes_are_refused() -> None:
    mesh = Mesh(np.random.default_rng(0).normal(size=(9, 4)), faces=np.arange(9).reshape(3, 3))
    fine = store_of(mesh, 5.0, axes=["x", "y", "z", "w"]).level(0)
    with pytest.raises(UnsupportedError, match="4 space axes"):
        MeshesKind().design(fine, None, PyramidOptions())


@given(st.lists(st.tuples(st.integers(1, 1000), st.floats(1e-3, 1e3)), min_size=1, max_size=12), st.floats(1.5, 60))
@settings(max_examples=100, deadline=None)
def test_the_density_gives_the_share_that_is_wanted(blocks: list[tuple[int, float]], factor: float) -> None:
    faces, areas = (np.array(column, np.float64) for column in zip(*blocks, strict=True))
    density = _spread(faces, areas, factor)
    assert np.isclose(np.minimum(faces, density * areas).sum(), faces.sum() / factor)


def test_wished_shapes_are_kept(tmp_path: Path) -> None:
    fine = store_of(torus(2000), 30.0).level(0)
    wishes = PyramidOptions(chunk_shapes=[(60.0, 30.0, 90.0)], bin_shapes=[(10.0, 10.0, 15.0)])
    design = MeshesKind().design(fine, None, wishes)
    assert (design.chunk_shape, design.bin_shape) == ((60.0, 30.0, 90.0), (10.0, 10.0, 15.0))
    assert design.parameters["tolerance"] == 2.5
    _, runs = coarsen(fine, design, tmp_path, 1 << 20)
    run = runs[0]
    surface = Surface(run.positions, {}, None, np.empty((0, 3), np.int64), {})
    assert len(surface.positions) < 700
