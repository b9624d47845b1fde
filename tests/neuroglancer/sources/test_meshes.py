"""Objects as meshes: each face once at the finest level, every level where the store is, and read so by others."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import DracoPy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial import cKDTree

import zvview
from tests.neuroglancer.mesh_reading import read
from tests.store.conftest import HandMade
from tests.store.test_damage import draco_mesh
from zvview.errors import ConflictError, UnsupportedError
from zvview.neuroglancer import export
from zvview.neuroglancer.encoding.meshes import EncodedMesh
from zvview.neuroglancer.segmentation import segmentation_layer
from zvview.neuroglancer.sources import mesh_parts, meshes
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.meshes import MeshSource, open_meshes
from zvview.neuroglancer.sources.opening import open_sources
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.style import Colouring
from zvview.style.colourmaps import colour_ids
from zvview.testing import make_batch, make_store
from zvview.testing.recipe import EXTENT

GOLDEN = Path(__file__).parents[2] / "data" / "golden"
STEP = 100 / 65535
MESHES = ("mesh", "mesh_tools", "mesh_zstd_sharded", "old07_mesh")


def source_of(store: zvview.Store) -> MeshSource:
    frame = SourceFrame.of(store.axes, store.bounds, store.level(0).resolution)
    return MeshSource(Chunks(store), frame)


def all_of(source: MeshSource) -> dict[int, EncodedMesh]:
    found: dict[int, EncodedMesh] = {}
    (section,) = source.sections
    for keys in source.keys(section):
        block = source.read(section, keys)
        assert set(block.keys.tolist()) == set(keys.tolist())
        for row, key in enumerate(block.keys.tolist()):
            head, body = block.content(row)
            assert head and key not in found
            found[key] = EncodedMesh(body, head, ())
    return found


def surfaces(count: int, size: int, form: str = "ellipsoids") -> zvview.Mesh:
    """Some closed surfaces in a space that is 100 wide."""
    batch = make_batch("mesh", size, form=form, n_objects=count, seed=count)
    assert isinstance(batch, zvview.Mesh)
    return zvview.Mesh(
        batch.positions * np.float32(100 / EXTENT),
        faces=batch.faces,
        offsets=batch.offsets,
        object_ids=batch.object_ids,
    )


def in_world(source: MeshSource, places: NDArray[Any]) -> NDArray[np.float64]:
    matrix = np.reshape(source.info["transform"], (3, 4))
    return np.asarray(places @ matrix[:, :3].T + matrix[:, 3]) / matrix[:, :3].max(axis=1)


def triangles_of(batch: zvview.Mesh) -> NDArray[np.float64]:
    """Corners (n, 3, 3) of all faces as fans."""
    fans = [batch.faces[:, [0, i, i + 1]] for i in range(1, batch.faces.shape[1] - 1)]
    found: NDArray[np.float64] = batch.positions[np.concatenate(fans)].astype(np.float64)
    return found


def corners_of(source: MeshSource, level: list[Any]) -> NDArray[np.float64]:
    return np.concatenate([np.empty((0, 3, 3)), *(in_world(source, p[3])[p[2]] for p in level)])


def named(corners: NDArray[np.float64], vertices: NDArray[np.float64], most: float) -> Counter[Any]:
    """Triangles as sets of the vertices that their corners are within `most` of; those that have three."""
    places = np.unique(vertices.reshape(-1, 3), axis=0)
    distance, row = cKDTree(places).query(corners)
    whole = (frozenset(triangle) for triangle in row[(distance <= most).all(axis=1)].tolist())
    return Counter(triangle for triangle in whole if len(triangle) == 3)


def assert_same_faces(told: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    """Each face once: as it is, or in two or more parts of the same area together."""
    given, whole = named(expected, expected, STEP), named(told, expected, STEP)
    assert not whole - given and max(whole.values()) == 1
    assert sum((given - whole).values()) <= (len(told) - sum(whole.values())) / 2
    assert area(told) == pytest.approx(area(expected), rel=1e-3)


def area(corners: NDArray[np.float64]) -> float:
    sides = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return float(np.linalg.norm(sides, axis=1).sum() / 2)


@pytest.mark.parametrize("name", MESHES)
def test_each_object_is_one_mesh_of_the_faces_of_the_store(name: str) -> None:
    with zvview.open(GOLDEN / f"{name}.zip") as store:
        assert isinstance(store, zvview.Store)
        source = source_of(store)
        found = all_of(source)
        present = store.level(0).present_object_ids
        assert present is not None and source.segments is not None
        assert sorted(found) == source.segments.of_objects(present).tolist()
        for segment, mesh in found.items():
            batch = store.level(0).read_objects(source.segments.objects(np.array([segment], np.uint64)))
            assert isinstance(batch, zvview.Mesh)
            (level,) = read(mesh)  # of so few faces there are no coarser ones
            expected = triangles_of(batch)
            step = float(np.ptp(expected, axis=(0, 1)).max()) / 65535
            assert named(corners_of(source, level), expected, step) == named(expected, expected, step)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 4), st.sampled_from(["ellipsoids", "tori"]), st.sampled_from([10.0, 30.0, 1000.0]), st.booleans())
def test_each_face_is_once_in_the_finest_level_and_all_levels_are_in_place(
    tmp_path_factory: pytest.TempPathFactory, count: int, form: str, chunk: float, has_objects: bool
) -> None:
    place = tmp_path_factory.mktemp("m") / "m.zarrvectors"
    batch = surfaces(count, 2500, form)
    with zvview.create(place, kind="mesh", axes="xyz", chunk_shape=(chunk,) * 3) as store:
        store.write(batch)
    if not has_objects:
        shutil.rmtree(place / "0" / "object_index")  # as stores of other writers
    with zvview.open(place) as store:
        assert isinstance(store, zvview.Store)
        source = source_of(store)
        assert (source.segments is None) == (not has_objects)
        found = all_of(source)
        shown = []
        for mesh in found.values():
            levels = read(mesh)
            for level in levels:
                corners = corners_of(source, level)
                edge = float(np.median(np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)))
                most = STEP if level is levels[0] else 2 * edge  # as far as vertices move when a level is made
                assert (corners >= batch.positions.min(axis=0) - most).all()
                assert (corners <= batch.positions.max(axis=0) + most).all()
                assert area(corners) == pytest.approx(area(corners_of(source, levels[0])), rel=0.1)
            shown.append(corners_of(source, levels[0]))
        expected = triangles_of(batch)
        told = np.concatenate(shown)
        assert_same_faces(told, expected)


def divided(place: Path, monkeypatch: pytest.MonkeyPatch, *, offset: float = 0.0, n_objects: int = 2) -> zvview.Store:
    monkeypatch.setattr(mesh_parts, "MOST_UNDIVIDED", 1500)
    monkeypatch.setattr(mesh_parts, "_PART", 800)
    monkeypatch.setattr(meshes, "_LEAST_SIMPLIFIED", 1)
    batch = surfaces(n_objects, 6000)
    small = batch.positions[batch.offsets[1] :] * (0.1 if n_objects > 1 else 1)
    positions = np.concatenate((batch.positions[: batch.offsets[1]], small)).astype(np.float64) + offset
    ids = np.arange(n_objects) + 7
    with zvview.create(place, kind="mesh", axes="xyz", chunk_shape=(20,) * 3) as store:
        store.write(zvview.Mesh(positions, faces=batch.faces, offsets=batch.offsets, object_ids=ids))
    build_pyramid(place, PyramidOptions(target=300))
    return zvview.open(place)  # type: ignore[return-value]


@pytest.mark.parametrize("offset", [0.0, -1e6])
def test_parts_of_a_large_object_hold_each_face_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset: float
) -> None:
    with divided(tmp_path / "m.zarrvectors", monkeypatch, offset=offset) as store:
        assert len(store.levels) > 1
        source = source_of(store)
        assert source.equivalences and {joined[0] for joined in source.equivalences} <= {7, 8}
        numbers = [number for joined in source.equivalences for number in joined]
        assert len(numbers) == len(set(numbers)) and min(set(numbers) - {7, 8}) == 9
        found = all_of(source)
        for joined in source.equivalences:
            assert len(joined) > 2
            for lod, number in ((0, 0), (1, 1)):
                batch = store.level(store.levels[number]).read_objects(joined[0])
                assert isinstance(batch, zvview.Mesh)
                expected = triangles_of(batch)
                levels = [read(found[segment]) for segment in joined]
                told = np.concatenate([corners_of(source, level[lod]) for level in levels if len(level) > lod])
                assert_same_faces(told, expected)
        layer = segmentation_layer("m", "http://x", source, Colouring("object"))
        assert layer["equivalences"] == [[str(number) for number in joined] for joined in source.equivalences]
        assert set(layer["segments"]) == {"7", "8"}
        assert any("several segments" in note for note in source.notes)


def test_a_large_store_without_objects_is_divided_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesh_parts, "MOST_UNDIVIDED", 1500)
    monkeypatch.setattr(mesh_parts, "_PART", 800)
    batch = surfaces(1, 6000)
    with zvview.create(tmp_path / "m.zarrvectors", kind="mesh", axes="xyz", chunk_shape=(20,) * 3) as store:
        store.write(batch)
    shutil.rmtree(tmp_path / "m.zarrvectors" / "0" / "object_index")
    with zvview.open(tmp_path / "m.zarrvectors") as store:
        assert isinstance(store, zvview.Store)
        source = source_of(store)
        (joined,) = source.equivalences
        assert joined == tuple(range(1, len(joined) + 1)) and len(joined) > 2
        assert source.first_shown().tolist() == [1]
        told = np.concatenate([corners_of(source, read(mesh)[0]) for mesh in all_of(source).values()])
        assert_same_faces(told, triangles_of(batch))


def test_of_objects_that_share_vertices_none_is_divided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with divided(tmp_path / "m.zarrvectors", monkeypatch, n_objects=1) as store:
        assert source_of(store).equivalences
        reader = store.reader(0)
        objects = reader.objects
        assert objects is not None
        owners = type(objects).owners_of
        monkeypatch.setattr(type(objects), "owners_of", lambda *a, **k: np.where(owners(*a, **k) == 7, -1, -1))
        assert source_of(store).equivalences == ()


@pytest.mark.parametrize("far", [0.0, 5e6])
def test_cloud_volume_reads_what_the_store_holds(tmp_path: Path, far: float) -> None:
    """Exported, far from the origin, in micrometres."""
    from cloudvolume.datasource.precomputed.mesh.multilod import MultiLevelPrecomputedMeshManifest, extract_lod_meshes

    batch = surfaces(2, 5000, "tori")
    place, out = tmp_path / "m.zarrvectors", tmp_path / "out"
    axes = [zvview.Axis(name, "space", "micrometer") for name in "xyz"]
    positions = batch.positions.astype(np.float64) + far
    with zvview.create(place, kind="mesh", axes=axes, chunk_shape=(30,) * 3) as store:
        store.write(zvview.Mesh(positions, faces=batch.faces, offsets=batch.offsets, object_ids=np.array([1, 5])))
    export(place, out)
    info = json.loads((out / "meshes" / "info").read_bytes())
    with zvview.open(place) as store:
        for number in (1, 5):
            manifest = MultiLevelPrecomputedMeshManifest.from_binary(
                (out / "meshes" / f"{number}.index").read_bytes(), segment_id=number
            )
            data = (out / "meshes" / str(number)).read_bytes()
            size = int(np.sum(manifest.fragment_offsets[0]))
            matrix = np.concatenate((np.reshape(info["transform"], (3, 4)), [[0, 0, 0, 1]]))
            found = extract_lod_meshes(manifest, 0, data[:size], 16, matrix)
            told = np.concatenate([mesh.vertices[mesh.faces] for mesh in found[number]])
            expected = triangles_of(store.level(0).read_objects(number))  # type: ignore[union-attr, arg-type]
            assert area(told / 1e3) == pytest.approx(area(expected), rel=2e-3)
            low, high = expected.min(axis=(0, 1)), expected.max(axis=(0, 1))
            tolerance = 2 * float((high - low).max()) / 65535 * 8 + 4 * np.spacing(np.float32(far))
            np.testing.assert_allclose(told.min(axis=(0, 1)) / 1e3, low, atol=tolerance)
            np.testing.assert_allclose(told.max(axis=(0, 1)) / 1e3, high, atol=tolerance)


def test_levels_of_the_store_are_used_and_made_ones_where_it_has_none(tmp_path: Path) -> None:
    place = tmp_path / "m.zarrvectors"
    make_store(place, "mesh", size=12_000, n_objects=1, seed=1, form="ellipsoids").close()
    counts = {}
    for name in ("made", "stored"):
        if name == "stored":
            build_pyramid(place, PyramidOptions(target=1500))
        with zvview.open(place) as store:
            assert isinstance(store, zvview.Store)
            source = source_of(store)
            (mesh,) = all_of(source).values()
            counts[name] = [sum(len(piece[2]) for piece in level) for level in read(mesh)]
            if name == "stored":
                assert len(store.levels) > 1
                batch = store.level(store.levels[1]).read_objects([0])
                assert isinstance(batch, zvview.Mesh)
                told = corners_of(source, read(mesh)[1])
                expected = triangles_of(batch)
                assert area(told) == pytest.approx(area(expected), rel=2e-3)
                for corner in expected.reshape(-1, 3)[::50]:  # not only a surface like it
                    assert np.abs(told.reshape(-1, 3) - corner).max(axis=1).min() < 5e-3
    for told_counts in counts.values():
        assert len(told_counts) >= 3
        assert all(b < 0.8 * a for a, b in pairwise(told_counts))


def test_quadrilaterals_are_two_triangles_and_planes_have_no_depth(tmp_path: Path) -> None:
    place = tmp_path / "m.zarrvectors"
    positions = np.array([[0, 0], [10, 0], [10, 10], [0, 10], [20, 0], [20, 10]], "f4")
    with zvview.create(place, kind="mesh", axes="xy", chunk_shape=(15, 15)) as store:
        store.write(zvview.Mesh(positions, faces=np.array([[0, 1, 2, 3], [1, 4, 5, 2]])))
    with zvview.open(place) as store:
        assert isinstance(store, zvview.Store)
        source = source_of(store)
        ((level,),) = (read(mesh) for mesh in all_of(source).values())
        corners = corners_of(source, level)
        assert len(corners) == 4 and area(corners) == pytest.approx(200, rel=1e-3)
        assert np.abs(corners[..., 2]).max() < 1e-3


def test_chunks_that_draco_compresses_are_meshes() -> None:
    with draco_mesh(HandMade, DracoPy.encode).open() as store:
        source = source_of(store)
        found = all_of(source)
        assert sorted(found) == [1, 2]
        for segment, mesh in found.items():
            batch = store.level(0).read_objects(segment - 1)
            assert isinstance(batch, zvview.Mesh)
            (level,) = read(mesh)
            assert_same_faces(corners_of(source, level), triangles_of(batch))
        assert any("across chunks" in note for note in source.notes)


def test_exports_of_divided_objects_join_their_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with divided(tmp_path / "m.zarrvectors", monkeypatch) as store:
        equivalences = [list(map(str, joined)) for joined in source_of(store).equivalences]
        export(store, tmp_path / "out")
        (layer,) = json.loads((tmp_path / "out" / "state.json").read_bytes())["layers"]
        assert layer["equivalences"] == equivalences
        held = {path.name for path in (tmp_path / "out" / "meshes").iterdir()}
        assert {name for joined in equivalences for name in joined} <= held


def test_objects_without_faces_are_empty_meshes(tmp_path: Path) -> None:
    place = tmp_path / "m.zarrvectors"
    positions = np.array([[0, 0, 0], [20, 0, 0], [0, 20, 0], [1, 1, 1], [2, 2, 2]], "f4")
    with zvview.create(place, kind="mesh", axes="xyz", chunk_shape=(30,) * 3) as store:
        ids = np.array([1, 2])
        store.write(zvview.Mesh(positions, faces=np.array([[0, 1, 2]]), offsets=np.array([0, 3, 5]), object_ids=ids))
    with zvview.open(place) as store:
        assert isinstance(store, zvview.Store)
        found = all_of(source_of(store))
        assert [sum(map(len, read(found[n]))) for n in (1, 2)] == [1, 0]


def test_numbers_that_are_no_segments_are_left_out() -> None:
    with zvview.open(GOLDEN / "mesh.zip") as store:
        assert isinstance(store, zvview.Store)
        source = source_of(store)
        (section,) = source.sections
        block = source.read(section, np.array([0, 2, 2**64 - 1, 2**63, 99], np.uint64))
        assert block.keys.tolist() == [2]


def test_layers_have_the_colours_of_objects_and_the_list_of_their_properties() -> None:
    with zvview.open(GOLDEN / "mesh_tools.zip") as store:
        assert isinstance(store, zvview.Store)
        sources = open_sources(store)
        source = sources["meshes"]
        assert isinstance(source, MeshSource) and source.segments is not None
        assert source.info["segment_properties"] == "segment_properties" and "meshes/segment_properties" in sources
        layer = segmentation_layer("m", "http://x", source, Colouring("object"), opacity=0.5)
        objects = source.segments.objects(np.array(layer["segments"], np.uint64))
        codes = np.rint(colour_ids(objects)[:, :3] * 255).astype(int).tolist()
        assert layer["segmentColors"] == {
            segment: "#{:02x}{:02x}{:02x}".format(*code) for segment, code in zip(layer["segments"], codes, strict=True)
        }
        assert layer["objectAlpha"] == 0.5 and "skeletonRendering" not in layer
        assert any("curv" in note for note in source.notes)


def test_another_store_in_its_place_is_a_conflict(tmp_path: Path) -> None:
    place = tmp_path / "m.zarrvectors"
    make_store(place, "mesh", size=500, n_objects=1).close()
    with zvview.open(place) as store:
        assert isinstance(store, zvview.Store)
        source = source_of(store)
        with zvview.open(place) as other:
            assert isinstance(other, zvview.Store)
            source._store = other
            (section,) = source.sections
            with pytest.raises(ConflictError):
                source.read(section, np.array([1], np.uint64))


def test_without_the_encoder_meshes_are_refused_and_without_the_simplifier_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = tmp_path / "m.zarrvectors"
    make_store(place, "mesh", size=3000, n_objects=1).close()
    with zvview.open(place) as store:
        assert isinstance(store, zvview.Store)

        def fail(*args: Any, **kwargs: Any) -> Any:
            raise UnsupportedError("not installed")

        monkeypatch.setattr(meshes, "coarser_surfaces", fail)
        source = source_of(store)
        assert [len(read(mesh)) for mesh in all_of(source).values()] == [1]
        assert any("not installed" in note for note in source.notes)
        monkeypatch.setitem(__import__("sys").modules, "DracoPy", None)
        frame = SourceFrame.of(store.axes, store.bounds, store.level(0).resolution)
        with pytest.raises(UnsupportedError, match="draco"):
            open_meshes(Chunks(store), frame)
