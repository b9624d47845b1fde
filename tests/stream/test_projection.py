from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import InvalidInputError
from zvview.stream import Projection

angles = st.floats(-np.pi, np.pi)


def camera(turn: float, tilt: float, fov: float, zoom: float = 2.0) -> Projection:
    forward = np.array([np.cos(turn) * np.cos(tilt), np.sin(turn) * np.cos(tilt), np.sin(tilt)])
    up = np.array([-np.cos(turn) * np.sin(tilt), -np.sin(turn) * np.sin(tilt), np.cos(tilt)])
    return Projection.from_camera((0, 1, 2), (50.0, 40.0, 30.0), forward, up, zoom, (300.0, 400.0), fov)


@settings(max_examples=60)
@given(angles, angles, st.sampled_from([0.0, 30.0, 75.0]), st.integers(0, 2**32 - 1))
def test_no_box_that_shows_is_missed_and_its_scale_is_the_most_of_all_its_points(
    turn: float, tilt: float, fov: float, seed: int
) -> None:
    projection = camera(turn, tilt, fov)
    rng = np.random.default_rng(seed)
    lo = rng.uniform(-300, 300, (40, 3))
    hi = lo + rng.uniform(0, 80, (40, 3))
    seen, scale = projection.see_boxes(lo, hi)
    for row in range(len(lo)):
        inside = rng.uniform(lo[row], hi[row], (200, 3))
        pixels, sizes = projection.project(inside)
        height, width = projection.canvas_px
        shows = (pixels >= 0).all(axis=1) & (pixels[:, 0] <= width) & (pixels[:, 1] <= height)
        assert seen[row] or not shows.any()
        assert not shows.any() or sizes[shows].max() <= scale[row] * (1 + 1e-9) or scale[row] == 2.0 * 64


@given(angles, angles, st.sampled_from([0.0, 45.0]))
def test_the_centre_is_in_the_middle_and_has_the_zoom(turn: float, tilt: float, fov: float) -> None:
    projection = camera(turn, tilt, fov)
    pixels, scale = projection.project(np.array([projection.center]))
    assert pixels[0] == pytest.approx((200, 150)) and scale[0] == pytest.approx(2.0)
    right, up = np.add(projection.center, projection.right), np.add(projection.center, projection.up)
    pixels, _ = projection.project(np.array([right, up]))
    assert pixels == pytest.approx(np.array([[202, 150], [200, 148]]))


def test_what_lies_behind_the_eye_has_no_pixel_and_boxes_there_are_not_seen() -> None:
    projection = Projection.from_camera((0, 1, 2), (0, 0, 0), (0, 0, 1), (0, 1, 0), 1.0, (100, 100), 90)
    assert projection.distance == pytest.approx(50)
    pixels, scale = projection.project(np.array([[0, 0, -60.0], [0, 0, 50.0]]))
    assert np.isnan(pixels[0]).all() and np.isnan(scale[0]) and scale[1] == pytest.approx(0.5)
    seen, _ = projection.see_boxes(np.array([[-1, -1, -80.0], [-1, -1, 10.0]]), np.array([[1, 1, -60.0], [1, 1, 20.0]]))
    assert seen.tolist() == [False, True]


def test_a_left_handed_camera_mirrors() -> None:
    options = ((0, 1, 2), (0, 0, 0), (0, 0, 1), (0, 1, 0), 1.0, (100, 100))
    right = Projection.from_camera(*options).right
    left = Projection.from_camera(*options, is_right_handed=False).right
    assert np.allclose(np.add(right, left), 0)


@pytest.mark.parametrize(
    "change", [{"right": (1, 1, 0)}, {"axes": (0, 0, 1)}, {"zoom_px_per_unit": 0.0}, {"center": (np.nan, 0, 0)}]
)
def test_nonsense_is_refused(change: dict[str, object]) -> None:
    good = {"axes": (0, 1, 2), "center": (0, 0, 0), "right": (1, 0, 0), "up": (0, 1, 0), "forward": (0, 0, 1)}
    with pytest.raises(InvalidInputError):
        Projection(**{**good, "zoom_px_per_unit": 1.0, "canvas_px": (10, 10), **change})  # type: ignore[arg-type]
