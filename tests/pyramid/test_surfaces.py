"""Edges, stars and nearest points of triangles, against the plainest way to get them."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.pyramid.surfaces import Edges, Frame, Stars, Surface, face_areas, find_doubles, nearest_points


@st.composite
def triangles(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    vertices = draw(st.integers(3, 30))
    faces = np.array([rng.choice(vertices, 3, replace=False) for _ in range(draw(st.integers(0, 40)))], np.int64)
    positions = rng.normal(size=(vertices, 3)) * draw(st.sampled_from([1e-3, 1.0, 1e6]))
    if draw(st.booleans()):
        positions[:, 2] = 0
    return positions, faces.reshape(-1, 3)


@given(triangles())
@settings(max_examples=40, deadline=None)
def test_edges_are_counted(case: tuple[np.ndarray, np.ndarray]) -> None:
    positions, faces = case
    expected = Counter(tuple(sorted((int(f[i]), int(f[i - 1])))) for f in faces for i in range(3))
    edges = Edges.of(faces, len(positions))
    assert dict(zip(map(tuple, edges.ends.tolist()), edges.counts.tolist(), strict=True)) == expected
    assert edges.open_count == sum(n == 1 for n in expected.values())
    assert edges.crowded_count == sum(n > 2 for n in expected.values())
    is_open = edges.counts == 1
    assert set(np.flatnonzero(edges.touched(is_open, len(positions)))) == {
        v for e, n in expected.items() if n == 1 for v in e
    }
    at_open = edges.faces_at(is_open, faces, len(positions))
    for face, found in zip(faces.tolist(), at_open.tolist(), strict=True):
        assert found == any(expected[tuple(sorted((face[i], face[i - 1])))] == 1 for i in range(3))


@given(triangles(), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_the_nearest_place_is_on_a_triangle_and_none_is_nearer(case: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    positions, faces = case
    rng = np.random.default_rng(seed)
    size = np.abs(positions).max()
    points = rng.normal(size=(20, 3)) * size
    owners = rng.integers(0, len(positions), 20)
    stars = Stars.of(faces, np.ones(len(positions), bool))
    nearest = nearest_points(points, owners, stars, positions, faces)
    shares = rng.dirichlet((0.4, 0.4, 0.4), 300)
    for i, owner in enumerate(owners.tolist()):
        around = faces[(faces == owner).any(axis=1)]
        if not len(around):
            assert nearest.faces[i] == -1 and np.isinf(nearest.distances[i])
            continue
        assert owner in faces[nearest.faces[i]]
        weights = nearest.weights[i]
        assert (weights >= -1e-9).all() and abs(weights.sum() - 1) < 1e-9
        place = weights @ positions[faces[nearest.faces[i]]]
        assert abs(np.linalg.norm(place - points[i]) - nearest.distances[i]) < 1e-6 * size
        tried = np.einsum("sk,fkd->fsd", shares, positions[around])
        assert nearest.distances[i] <= np.linalg.norm(tried - points[i], axis=2).min() + 1e-6 * size


def test_stars_hold_the_triangles_around_the_wanted_vertices() -> None:
    faces = np.array([[0, 1, 2], [2, 1, 3], [3, 4, 0]])
    stars = Stars.of(faces, np.array([True, False, True, False, True]))
    assert [stars.members[a:b].tolist() for a, b in zip(stars.first, stars.first[1:], strict=False)] == [
        [0, 2],
        [],
        [0, 1],
        [],
        [2],
    ]


def test_areas() -> None:
    positions = np.array([[0.0, 0, 0], [3, 0, 0], [0, 4, 0], [0, 0, 2]])
    assert face_areas(positions, np.array([[0, 1, 2], [0, 2, 3], [0, 0, 1]])).tolist() == [6, 4, 0]


@given(st.sampled_from(["<f4", "<f8"]), st.floats(-1e9, 1e9), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_what_is_placed_and_stored_again_is_the_same_and_inside(dtype: str, offset: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    positions = (rng.normal(size=(9, 4)) + offset).astype(dtype)
    lo, hi = positions.astype(np.float64).min(axis=0), positions.astype(np.float64).max(axis=0)
    frame = Frame((0, 1, 3))
    places, middle = frame.place(positions)
    again = frame.store(places, middle, positions, positions)
    assert np.abs(again - positions).max() <= 4 * np.finfo(dtype).eps * (1 + abs(offset))
    moved = frame.store(places * 3, middle, positions, positions)
    assert (moved >= lo).all() and (moved <= hi).all()
    assert np.array_equal(moved[:, 2], positions[:, 2])


@given(st.integers(1, 8), st.integers(0, 60), st.sampled_from([1, 2**31, 2**60]), st.integers(0, 2**32))
@settings(max_examples=80, deadline=None)
def test_each_set_of_corners_is_found_once(vertices: int, count: int, factor: int, seed: int) -> None:
    faces = np.random.default_rng(seed).integers(0, vertices, (count, 3)) * factor
    keys = [tuple(sorted(face)) for face in faces.tolist()]
    rows, starts = find_doubles(faces)
    sets = np.split(rows, starts[1:]) if len(starts) else []
    expected = {key: [i for i, other in enumerate(keys) if other == key] for key in keys if keys.count(key) > 1}
    assert {keys[found[0]]: found.tolist() for found in sets} == expected
    surface = Surface(np.zeros((vertices, 3), "<f4"), {}, None, faces, {"row": np.arange(count)})
    once = surface.with_faces_once().face_columns["row"].tolist()
    assert once == [i for i, key in enumerate(keys) if key not in keys[:i]]
