"""Decimating one piece: nothing cracks, flips, strays or vanishes, and what is held stays bit for bit."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import UnsupportedError
from zvview.pyramid.decimation import Decimated, decimate
from zvview.pyramid.quadrics import load_library
from zvview.pyramid.surfaces import Edges, Frame, Stars, Surface, face_areas, find_doubles, nearest_points
from zvview.testing.meshes import make_icosphere, make_torus


def surface_of(positions: np.ndarray, faces: np.ndarray, dtype: str = "<f4", **columns: np.ndarray) -> Surface:
    return Surface(positions.astype(dtype), columns, None, faces, {"number": np.arange(len(faces))})


def frame_of(surface: Surface) -> Frame:
    return Frame(tuple(range(surface.positions.shape[1])))


def run(surface: Surface, factor: float, tolerance: float, held: np.ndarray | None = None) -> Decimated:
    is_held = np.zeros(len(surface.positions), bool) if held is None else held
    done = decimate(surface, is_held, int(len(surface.faces) / factor), tolerance, frame_of(surface))
    if len(done.rows):
        assert (done.surface.positions.min(axis=0) >= surface.positions.min(axis=0)).all()
        assert (done.surface.positions.max(axis=0) <= surface.positions.max(axis=0)).all()
    return done


def volume(surface: Surface) -> float:
    corners = surface.positions.astype(np.float64)[surface.faces]
    return float(np.einsum("nd,nd->n", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6)


def grid(rows: int, columns: int, height: Any = None) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    at = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]
    faces = np.concatenate([np.stack(t, axis=-1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    flat = [x.ravel().astype(float), y.ravel().astype(float)]
    return np.stack(flat if height is None else [*flat, height(*flat)], axis=1), faces


def farthest(points: np.ndarray, surface: Surface) -> float:
    """Greatest distance of any of the points from a surface."""
    positions = surface.positions.astype(np.float64)
    all_faces = Stars(np.array([0, len(surface.faces)]), np.arange(len(surface.faces)))
    owners = np.zeros(len(points), np.int64)
    return float(nearest_points(points, owners, all_faces, positions, surface.faces).distances.max())


def spots(surface: Surface, count: int) -> np.ndarray:
    """Places all over a surface."""
    rng = np.random.default_rng(0)
    positions = surface.positions.astype(np.float64)
    areas = face_areas(positions, surface.faces)
    which = rng.choice(len(areas), count, p=areas / areas.sum())
    return np.einsum("nk,nkd->nd", rng.dirichlet((1, 1, 1), count), positions[surface.faces[which]])


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
@pytest.mark.parametrize("factor", [2, 6, 30])
def test_a_closed_surface_stays_closed_near_and_as_large(dtype: str, factor: float) -> None:
    positions, faces, _, _ = make_torus(2500)
    before = surface_of(positions * 100 + 1000, faces, dtype)
    after = run(before, factor, 1.5).surface
    edges = Edges.of(after.faces, len(after.positions))
    assert (edges.counts == 2).all()
    assert len(after.faces) <= max(len(faces) / factor + 2, 800)
    assert abs(volume(after) / volume(before) - 1) < 0.05
    assert farthest(spots(before, 150), after) < 1.5
    assert farthest(spots(after, 150), before) < 1.5
    assert after.positions.dtype == dtype


@given(st.integers(0, 2**32), st.floats(0, 0.3), st.sampled_from([2.0, 5.0, 20.0]))
@settings(max_examples=12, deadline=None)
def test_rough_surfaces_with_held_vertices(seed: int, share: float, factor: float) -> None:
    rng = np.random.default_rng(seed)
    positions, faces = grid(15, 17, lambda x, y: np.sin(x / 3) * 2 + rng.normal(size=len(x)) * 0.2)
    before = surface_of(positions, faces[rng.random(len(faces)) > 0.02], steps=np.arange(len(positions)))
    held = rng.random(len(positions)) < share
    held[np.setdiff1d(np.arange(len(positions)), before.faces)] = True
    done = run(before, factor, 0.5, held)
    after, place = done.surface, np.full(len(positions), -1)
    place[done.rows] = np.arange(len(done.rows))
    assert (place[held] >= 0).all()
    assert np.array_equal(after.positions[place[held]], before.positions[held])
    assert np.array_equal(after.columns["steps"][place[held]], np.flatnonzero(held))
    edges, old = Edges.of(after.faces, len(after.positions)), Edges.of(before.faces, len(positions))
    assert edges.open_count == old.open_count
    rim = old.touched(old.counts == 1, len(positions))
    assert np.array_equal(after.positions[place[rim]], before.positions[rim])
    assert edges.crowded_count == 0
    assert farthest(before.positions[np.unique(before.faces)].astype(float), after) <= 0.5 + 1e-5
    is_face = np.zeros(len(after.positions), bool)
    is_face[after.faces] = True
    assert farthest(after.positions[is_face].astype(float), before) <= 0.5 + 1e-5
    assert np.isfinite(after.positions).all()


def test_attributes_are_those_of_the_old_surface_at_the_new_vertices() -> None:
    positions, faces = make_icosphere(2000)
    wide = np.stack((positions[:, 0], 2 * positions[:, 1]), axis=1)
    label = np.array([7, 200, 31], np.uint8)[np.digitize(positions[:, 2], (-0.3, 0.4))]
    hollow = np.where(np.arange(len(positions)) == 5, np.nan, 1.0)
    before = surface_of(positions, faces, x=positions[:, 0].astype("<f4"), wide=wide, label=label, hollow=hollow)
    after = run(before, 8, 0.05).surface
    assert len(after.faces) < len(faces) / 7
    assert np.abs(after.columns["x"] - after.positions[:, 0]).max() < 0.02
    assert np.abs(after.columns["wide"] - after.positions[:, :2] * (1, 2)).max() < 0.04
    assert set(after.columns["label"].tolist()) == {7, 31, 200}
    assert after.columns["label"].dtype == np.uint8
    sure = np.abs(after.positions[:, 2, None] - (-0.3, 0.4)).min(axis=1) > 0.05
    expected = np.array([7, 200, 31])[np.digitize(after.positions[:, 2], (-0.3, 0.4))]
    assert np.array_equal(after.columns["label"][sure], expected[sure])
    assert np.isnan(after.columns["hollow"]).sum() <= 3
    old_middles = before.positions[faces].mean(axis=1)[after.face_columns["number"]]
    new_middles = after.positions[after.faces].mean(axis=1)
    assert np.linalg.norm(old_middles - new_middles, axis=1).max() < 0.4


def test_small_bodies_stay_bodies_and_are_never_joined() -> None:
    ball, faces = make_icosphere(100)
    count = 40
    middles = np.stack(np.unravel_index(np.arange(count), (4, 5, 2)), axis=1) * 1.5
    positions = (ball[None] * 0.5 + middles[:, None]).reshape(-1, 3)
    objects = np.repeat(np.arange(count) * 3 - 50, len(ball))
    all_faces = (faces[None] + np.arange(count)[:, None, None] * len(ball)).reshape(-1, 3)
    before = Surface(positions.astype("<f4"), {}, objects, all_faces, {})
    after = decimate(before, np.zeros(len(positions), bool), 4, 5.0, frame_of(before)).surface
    assert after.objects is not None
    owners = after.objects[after.faces]
    assert (owners == owners[:, :1]).all()
    found, sizes = np.unique(owners[:, 0], return_counts=True)
    assert np.array_equal(found, np.arange(count) * 3 - 50)
    assert sizes.min() >= 2 and sizes.mean() < 30
    assert (Edges.of(after.faces, len(after.positions)).counts == 2).all()


def test_triangles_between_objects_or_times_stay_as_they_are() -> None:
    positions, faces = grid(20, 20, lambda x, y: x * 0)
    objects = (positions[:, 0] >= 10).astype(np.int64)
    for surface, frame in (
        (Surface(positions.astype("<f4"), {}, objects, faces, {"f": np.arange(len(faces))}), (0, 1, 2)),
        (
            Surface(
                np.column_stack((positions[:, :2], objects)).astype("<f4"),
                {},
                None,
                faces,
                {"f": np.arange(len(faces))},
            ),
            (0, 1),
        ),
    ):
        done = decimate(surface, np.zeros(len(positions), bool), 50, 1.0, Frame(frame))
        crossing = np.ptp(objects[faces], axis=1) > 0
        assert set(np.flatnonzero(crossing)) <= set(done.surface.face_columns["f"].tolist())
        assert len(done.surface.faces) < len(faces) / 2
        group = objects[done.rows]
        assert (np.ptp(group[done.surface.faces], axis=1) > 0).sum() == crossing.sum()


def test_a_plane_stays_plane_with_triangles_of_even_size() -> None:
    positions, faces = grid(60, 60)
    before = surface_of(positions, faces)
    after = run(before, 8, 1.0).surface
    assert after.positions.shape[1] == 2
    ends = after.positions.astype(float)[Edges.of(after.faces, len(after.positions)).ends]
    lengths = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)
    assert lengths.max() < 4 * np.sqrt(8)
    corners = after.positions.astype(float)[after.faces]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2
    assert (areas > 0).all() and abs(areas.sum() - 59**2) < 0.01


def test_large_coordinates_cost_no_shape() -> None:
    positions, faces = make_icosphere(1000)
    near = run(surface_of(positions, faces, "<f8"), 6, 0.05)
    far = run(surface_of(positions + np.array([3e6, -7e6, 1e6]), faces, "<f8"), 6, 0.05)
    assert len(near.surface.faces) == len(far.surface.faces)
    assert np.abs(np.linalg.norm(far.surface.positions - (3e6, -7e6, 1e6), axis=1) - 1).max() < 0.05


@pytest.mark.parametrize("tolerance", [0.0, -1.0, float("nan")])
def test_without_tolerance_nothing_is_changed(tolerance: float) -> None:
    positions, faces = make_icosphere(300)
    done = run(surface_of(positions, faces), 6, tolerance)
    assert np.array_equal(done.surface.faces, faces)
    assert np.array_equal(done.rows, np.arange(len(positions)))


def test_crowded_edges_and_flat_triangles_do_no_harm() -> None:
    positions, faces = make_icosphere(600)
    fins = np.array([[f[0], f[1], len(positions)] for f in faces[::40]])  # third triangles at some edges
    needles = np.array([[len(positions) + 1, len(positions) + 2, len(positions) + 3]])
    points = np.concatenate((positions, [[2.0, 0, 0]], np.array([[3.0, 0, 0], [4, 0, 0], [5, 0, 0]])))
    before = surface_of(points, np.concatenate((faces, fins, needles)))
    after = run(before, 6, 0.1).surface
    old, new = Edges.of(before.faces, len(points)), Edges.of(after.faces, len(after.positions))
    assert new.open_count <= old.open_count and new.crowded_count <= old.crowded_count
    assert len(after.faces) < len(faces) * 0.7
    assert np.isfinite(after.positions).all()


def tube(rings: int, around: int, seed: int, roughness: float) -> tuple[np.ndarray, np.ndarray]:
    """A closed thin tube along a curve, hardly wider than its triangles."""
    rng = np.random.default_rng(seed)
    turns = np.arange(around) * 2 * np.pi / around
    along = np.arange(rings, dtype=float)
    middles = np.stack((along, np.sin(along / 9) * 4, np.cos(along / 7) * 4), axis=1)
    ring = np.stack((0 * turns, np.cos(turns), np.sin(turns)), axis=1)
    positions = (middles[:, None] + ring + rng.normal(size=(rings, around, 3)) * roughness).reshape(-1, 3)
    at = np.arange(rings * around).reshape(rings, around)
    a, b = at[:-1], at[1:]
    c, d = np.roll(b, -1, axis=1), np.roll(a, -1, axis=1)
    sides = [np.stack(t, axis=-1).reshape(-1, 3) for t in ((a, c, b), (a, d, c))]
    tips = [len(positions), len(positions) + 1]
    first = [[at[0, i - 1], tips[0], at[0, i]] for i in range(around)]
    last = [[at[-1, i], tips[1], at[-1, i - 1]] for i in range(around)]
    faces = np.concatenate((*sides, np.array(first), np.array(last)))
    return np.concatenate((positions, middles[[0, -1]] + [[-0.5, 0, 0], [0.5, 0, 0]])), faces


@given(st.integers(0, 2**32), st.sampled_from([3, 4, 6]), st.sampled_from([0.0, 0.2, 0.4]), st.floats(0.3, 2))
@settings(max_examples=15, deadline=None)
def test_thin_surfaces_are_never_folded_flat(seed: int, around: int, roughness: float, tolerance: float) -> None:
    rng = np.random.default_rng(seed)
    positions, faces = tube(60, around, seed, roughness)
    again = faces[rng.random(len(faces)) < 0.1]
    again = np.where(rng.random((len(again), 1)) < 0.5, again, again[:, ::-1])
    fins = np.array([[f[0], f[1], len(positions)] for f in faces[::50]])
    points = np.concatenate((positions, [[0.0, 0, 9]]))
    before = surface_of(points, np.concatenate((faces, again, fins)))
    after = run(before, 8, tolerance).surface
    once = Edges.of(np.concatenate((faces, fins)), len(points))
    edges = Edges.of(after.faces, len(after.positions))
    assert len(find_doubles(after.faces)[0]) == 0
    assert edges.open_count <= once.open_count and edges.crowded_count <= once.crowded_count
    assert len(after.faces) < len(faces)
    assert farthest(points, after) <= tolerance + 1e-5
    assert farthest(after.positions.astype(float), before) <= tolerance + 1e-5


def test_repeated_faces_and_crowded_edges_cost_only_themselves() -> None:
    positions, faces = tube(400, 8, 0, 0.05)
    fins = np.array([[f[0], f[1], len(positions)] for f in faces[::400]])
    points = np.concatenate((positions, [[0.0, 0, 9]]))
    before = surface_of(points, np.concatenate((faces, faces[::11], faces[::13, ::-1], fins)))
    after = run(before, 6, 1.0).surface
    assert len(after.faces) < len(faces) / 5


def test_tiny_bodies_keep_a_volume() -> None:
    corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    sides = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    at = np.arange(30)
    positions = (corners[None] + at[:, None, None] * 3.0).reshape(-1, 3)
    before = surface_of(positions, (sides[None] + at[:, None, None] * 4).reshape(-1, 3))
    after = run(before, 20, 9.0).surface
    assert len(after.faces) == 120 and abs(volume(after) - 5) < 1e-3


def test_the_library_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "fast_simplification":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UnsupportedError, match="fast-simplification"):
        load_library()
