from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.neuroglancer.mesh_reading import read
from zvview.errors import InvalidInputError
from zvview.neuroglancer.encoding.mesh_pieces import cut_pieces, merge_vertices, split_at
from zvview.neuroglancer.encoding.meshes import encode_mesh, mesh_info

Surface = tuple[NDArray[np.float64], NDArray[np.int64]]


def torus(n: int) -> Surface:
    u, v = (a.ravel() for a in np.meshgrid(*[np.linspace(0, 2 * np.pi, n, endpoint=False)] * 2, indexing="ij"))
    ring = 30 + 10 * np.cos(v)
    i = np.arange(n * n).reshape(n, n)
    a, b, c, d = i, np.roll(i, -1, 0), np.roll(i, (-1, -1), (0, 1)), np.roll(i, -1, 1)
    faces = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    return np.stack((100 + ring * np.cos(u), 7 + ring * np.sin(u), 10 * np.sin(v) - 3), 1), faces


def volume(surface: Surface) -> float:
    a, b, c = (surface[0][surface[1]] - surface[0].mean(axis=0)).transpose(1, 0, 2)
    return float((np.cross(a, b) * c).sum() / 6)


def area(vertices: NDArray[Any], faces: NDArray[Any]) -> float:
    a, b, c = vertices[faces].astype(float).transpose(1, 0, 2)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def is_below(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Order on the Z curve: the axis whose coordinates differ in the highest bit decides, z before y before x."""
    axis = max(range(3), key=lambda i: ((a[i] ^ b[i]).bit_length(), i))
    return a[axis] < b[axis]


@pytest.mark.parametrize("bits", [10, 16])
def test_a_closed_surface_stays_closed_at_every_level(bits: int) -> None:
    surfaces = [torus(48), torus(24), torus(12)]
    levels = read(encode_mesh(surfaces, bits=bits), bits)
    middle = 1 << (bits - 1)
    assert [len(level) > 1 for level in levels] == [True, True, False]
    for lod, (level, surface) in enumerate(zip(levels, surfaces, strict=True)):
        assert all(is_below(a[0], b[0]) for a, b in pairwise(level))
        edges: Counter[Any] = Counter()
        total = 0.0
        for node, stored, faces, places in level:
            assert stored.min() >= 0 and stored.max() <= 2**bits - 1
            corners = stored[faces]
            if lod:
                crosses = (corners.min(axis=1) < middle) & (corners.max(axis=1) > middle)
                assert not crosses.any()
            lattice = stored + np.array(node) * (2**bits - 1)
            names = [tuple(p) for p in lattice.tolist()]
            for a, b, c in faces.tolist():
                edges.update([(names[a], names[b]), (names[b], names[c]), (names[c], names[a])])
            a, b, c = (places[faces] - surface[0].mean(axis=0)).transpose(1, 0, 2)
            total += float((np.cross(a, b) * c).sum() / 6)
        assert all(edges[b, a] == n for (a, b), n in edges.items())
        assert total == pytest.approx(volume(surface), rel=2e-2 if bits == 10 else 1e-3)


def test_cloud_volume_reads_the_finest_level() -> None:
    from cloudvolume.datasource.precomputed.mesh.multilod import (
        MultiLevelPrecomputedMeshManifest,
        from_stored_model_space,
    )
    from cloudvolume.mesh import Mesh

    mesh = encode_mesh([torus(30), torus(15)])
    manifest = MultiLevelPrecomputedMeshManifest.from_binary(mesh.manifest, segment_id=1)
    ours = read(mesh)
    assert manifest.num_lods == len(ours) == 2
    start = 0
    for lod in range(2):
        for piece, size in enumerate(manifest.fragment_offsets[lod].tolist()):
            found = Mesh.from_draco(mesh.fragments[start : start + size])
            start += size
            places = from_stored_model_space(found.vertices, manifest, lod, 16, piece)
            np.testing.assert_allclose(places, ours[lod][piece][3], rtol=1e-6, atol=1e-5)
    assert start == len(mesh.fragments)


lattices = st.integers(0, 2**32).map(np.random.default_rng)


@settings(max_examples=60, deadline=None)
@given(lattices, st.integers(1, 30), st.integers(1, 4), st.booleans())
def test_pieces_hold_all_of_any_triangles_and_cross_nothing(
    rng: np.random.Generator, count: int, log_nodes: int, is_halved: bool
) -> None:
    steps, nodes = 1023, 1 << (log_nodes - 1)
    vertices = rng.integers(0, steps * nodes + 1, (20, 3))
    vertices[::3] = vertices[::3] // 512 * 512  # some on planes, some equal
    faces = rng.integers(0, 20, (count, 3))
    pieces = cut_pieces(vertices, faces, steps, nodes, is_halved=is_halved)
    total = 0.0
    for i, node in enumerate(pieces.nodes):
        own = pieces.vertices[pieces.vertex_offsets[i] : pieces.vertex_offsets[i + 1]]
        found = pieces.faces[pieces.face_offsets[i] : pieces.face_offsets[i + 1]]
        assert ((node >= 0) & (node < nodes)).all() and own.min() >= 0 and own.max() <= steps
        assert len(np.unique(own, axis=0)) == len(own) == len(set(found.ravel().tolist())) == found.max() + 1
        if is_halved:
            corners = own[found]
            assert not ((corners.min(axis=1) < 512) & (corners.max(axis=1) > 512)).any()
        total += area(own, found)
    plain = merge_vertices(vertices, faces)
    assert total == pytest.approx(area(*plain), rel=1e-2, abs=4 * steps * len(pieces.faces))


def test_cutting_keeps_the_winding_and_cuts_both_sides_of_an_edge_alike() -> None:
    vertices = np.array([[0, 0, 0], [30, 7, 1], [3, 29, 2], [31, 31, 3]])
    faces = np.array([[0, 1, 2], [2, 1, 3]])
    found, parts = split_at(vertices, faces, 0, np.array([0, 10, 20, 40]))
    found, parts = merge_vertices(found, parts)
    a, b, c = found[parts].astype(float).transpose(1, 0, 2)
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()
    edges = Counter(tuple(e) for f in parts.tolist() for e in ((f[0], f[1]), (f[1], f[2]), (f[2], f[0])))
    outline = [e for e in edges if (e[1], e[0]) not in edges]
    assert len(outline) == 4 + 2 * 2  # the four sides, each plane meeting two of them
    assert max(edges.values()) == 1


def test_flat_small_and_empty_surfaces_are_meshes() -> None:
    square = np.array([[0, 0, 5], [1, 0, 5], [1, 1, 5], [0, 1, 5]], float), np.array([[0, 1, 2], [0, 2, 3]])
    for scale in (1e-3, 1, 1e7):
        levels = read(encode_mesh([(square[0] * scale, square[1])] * 3))
        for level in levels:
            places = np.concatenate([p[3] for p in level])
            np.testing.assert_allclose(places.max(axis=0), np.array([1, 1, 5]) * scale, rtol=1e-4)
    point = np.zeros((3, 3)), np.array([[0, 1, 2]])
    none = np.empty((0, 3)), np.empty((0, 3), np.int64)
    for nothing in ([], [none], [point]):
        empty = encode_mesh(nothing)
        assert empty.fragments == b"\0"
        assert np.frombuffer(empty.manifest, "<u4")[6] == 1
        assert np.frombuffer(empty.manifest, "<u4")[11:].tolist() == [1, 0, 0, 0, 0]  # one piece, of no bytes
    assert len(read(encode_mesh([torus(9), none]))) == 1
    assert len(read(encode_mesh([torus(9), point]))) == 1


def test_meshes_far_from_the_origin_keep_their_shape() -> None:
    vertices, faces = torus(20)
    (level,) = read(encode_mesh([(vertices + 1e6, faces)]))
    places = np.concatenate([p[3] for p in level]) - 1e6
    np.testing.assert_allclose(np.sort(places[:, 0]), np.sort(vertices[:, 0]), atol=0.1)


def test_what_is_no_mesh_is_refused() -> None:
    vertices, faces = torus(9)
    for bad in (
        [(vertices[:, :2], faces)], [(vertices, faces + 1)], [(vertices, faces - 1)], [(vertices * np.inf, faces)],
        [(vertices, faces[:, :2])], [(vertices, faces)] * 7,
    ):  # fmt: skip
        with pytest.raises(InvalidInputError), np.errstate(invalid="ignore"):
            encode_mesh(bad)
    assert len(read(encode_mesh([(np.vstack((vertices, [np.nan] * 3)), faces)]))) == 1  # not of any face
    assert len(read(encode_mesh([(vertices, faces)] * 6))) == 6
    with pytest.raises(InvalidInputError):
        mesh_info(bits=12)
    assert mesh_info(segment_properties="p")["vertex_quantization_bits"] == 16
