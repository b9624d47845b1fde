"""Parametric objects: what is drawn lies on them and in the bounds, all of it, in a window too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Surface, Vectors

from zvview.format.metadata import Axis
from zvview.geometry.parametric import ParametricObjects, ParametricType
from zvview.napari.frame import Frame
from zvview.napari.parametric import draw_objects
from zvview.napari.parametric_layers import make_parametric_layers

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
LO, HI = np.array([10.0, -20.0, 0.0]), np.array([60.0, 30.0, 40.0])
NUMBER = st.floats(-80, 80).map(lambda v: round(v, 3))
AXES = tuple(Axis(name, "space", "um") for name in "xyz")


def area(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


@given(st.tuples(NUMBER, NUMBER, NUMBER, st.floats(-2000, 2000)))
@settings(max_examples=80, deadline=None)
def test_planes_are_cut_to_the_bounds(plane: tuple[float, float, float, float]) -> None:
    drawn = draw_objects(ParametricObjects.of([("plane", plane)]), LO, HI)
    normal = np.array(plane[:3])
    assert (drawn.vertices >= LO - 1e-6).all() and (drawn.vertices <= HI + 1e-6).all()
    np.testing.assert_allclose(drawn.vertices @ normal + plane[3], 0, atol=1e-6 * (1 + np.abs(plane).max()) * 100)
    corners = np.array([[(LO, HI)[i >> axis & 1][axis] for axis in range(3)] for i in range(8)])
    sides = corners @ normal + plane[3]
    if normal.any() and sides.min() < -1e-3 and sides.max() > 1e-3:
        assert len(drawn.faces) and not drawn.notes
    if not normal.any():
        assert not len(drawn.faces) and drawn.notes


def test_a_plane_is_drawn_whole() -> None:
    drawn = draw_objects(ParametricObjects.of([("plane", (0, 0, 2, -20))]), LO, HI)
    assert area(drawn.vertices, drawn.faces) == pytest.approx(50 * 50)
    tilted = draw_objects(ParametricObjects.of([("plane", (1, 0, 1, -50))]), LO, HI)
    assert area(tilted.vertices, tilted.faces) == pytest.approx(40 * np.sqrt(2) * 50)  # z from 40 at x = 10 to 0 at 50


@given(st.tuples(NUMBER, NUMBER, NUMBER), st.floats(0.1, 90))
@settings(max_examples=40, deadline=None)
def test_spheres_are_cut_to_the_bounds(centre: tuple[float, float, float], radius: float) -> None:
    drawn = draw_objects(ParametricObjects.of([("sphere", (*centre, radius))]), LO, HI)
    away = np.linalg.norm(drawn.vertices - centre, axis=1)
    assert (away <= radius * 1.001).all() and (away >= radius * 0.98).all()
    assert (drawn.vertices >= LO - 1e-6).all() and (drawn.vertices <= HI + 1e-6).all()
    if (np.array(centre) - radius > LO).all() and (np.array(centre) + radius < HI).all():
        assert area(drawn.vertices, drawn.faces) == pytest.approx(4 * np.pi * radius**2, rel=0.01)
        assert len(drawn.vertices) == 23 * 48 + 2  # closed: corners that meet are one vertex


@given(st.tuples(NUMBER, NUMBER, NUMBER), st.tuples(NUMBER, NUMBER, NUMBER))
@settings(max_examples=60, deadline=None)
def test_lines_are_cut_to_the_bounds(origin: tuple[float, ...], step: tuple[float, ...]) -> None:
    drawn = draw_objects(ParametricObjects.of([("line", (*origin, *step))]), LO, HI)
    assert (drawn.ends >= LO - 1e-6).all() and (drawn.ends <= HI + 1e-6).all()
    for end in drawn.ends.reshape(-1, 3):
        np.testing.assert_allclose(np.cross(end - origin, step), 0, atol=1e-6 * (1 + np.abs(step).max()) * 200)
        assert np.isclose(end, LO, atol=1e-6).any() or np.isclose(end, HI, atol=1e-6).any()
    inside = (np.array(origin) > LO).all() and (np.array(origin) < HI).all() and np.any(step)
    assert len(drawn.ends) or not inside


@pytest.mark.parametrize(
    "bad", [("sphere", (0, 0, 0, np.nan)), ("plane", (np.inf, 0, 0, 1)), ("sphere", (0, 0, 0, -1))]
)
def test_what_is_no_object_is_left_out_and_told(bad: tuple[str, tuple[float, ...]]) -> None:
    drawn = draw_objects(ParametricObjects.of([bad, ("line", (20, 0, 5, np.nan, 0, 1))]), LO, HI)
    assert not len(drawn.faces) and not len(drawn.ends) and "(2)" in drawn.notes[0]


def test_types_that_the_format_does_not_explain_are_told() -> None:
    types = {7: ParametricType("torus", ("a", "b"))}
    drawn = draw_objects(ParametricObjects.of([("torus", (1, 2))], types=types), LO, HI)
    assert drawn.notes == ("parametric objects of type torus are not drawn (1)",)


def test_axes_are_permuted_as_those_of_the_store() -> None:
    objects = ParametricObjects.of([("sphere", (30, 0, 20, 5)), ("line", (30, 0, 20, 1, 0, 0))])
    for axes, lo, hi in ((AXES, LO, HI), (AXES[::-1], LO[::-1], HI[::-1])):
        frame = Frame.of(axes, (lo, hi), np.ones(3))
        (surface, lines), notes = make_parametric_layers(objects, axes, frame, "a")
        assert isinstance(surface, Surface) and isinstance(lines, Vectors) and not notes
        assert surface.axis_labels == ("z", "y", "x") and surface.name == "a parametric"
        np.testing.assert_allclose(surface.extent.world.mean(axis=0), (20, 0, 30), atol=0.1)
        np.testing.assert_allclose(np.sort(lines.data[0, :, 2]), [10, 50])
    far = Frame.of(AXES, (LO + 5e7, HI + 5e7), np.ones(3))
    ((surface,), _) = make_parametric_layers(
        ParametricObjects.of([("sphere", (5e7 + 30, 5e7, 5e7 + 20, 5))]), AXES, far, "a"
    )
    np.testing.assert_allclose(surface.extent.world.mean(axis=0), (5e7 + 20, 5e7, 5e7 + 30), atol=0.1)


def test_stores_of_other_axes_say_that_they_draw_none() -> None:
    objects = ParametricObjects.of([("sphere", (30, 0, 20, 5))])
    frame = Frame.of(AXES[:2], (LO[:2], HI[:2]), np.ones(2))
    layers, notes = make_parametric_layers(objects, AXES[:2], frame, "a")
    assert layers == [] and "three axes" in notes[0]


def test_they_are_opened_with_their_store(window: Any, pixels_lit: Callable[[np.ndarray], int]) -> None:
    window.viewer.open(str(GOLDEN / "parametric.zip"), plugin="zvview")
    points, surface, lines = window.viewer.layers
    assert (surface.name, lines.name) == ("parametric parametric", "parametric parametric lines")
    assert set(surface.features["name"]) == {"cut", "boule-é"} and set(lines.features["type"]) == {"line"}
    np.testing.assert_allclose(lines.extent.world[:, 1:], [[0, 1], [50, 1]])
    window.viewer.dims.ndisplay = 3
    window.settle(points)
    window.viewer.reset_view()
    window.viewer.scene.camera.angles = (10, 25, 60)
    window.settle(points)
    assert pixels_lit(window.look("parametric")) > 20_000
    points.visible = False
    assert pixels_lit(window.look()) > 20_000
