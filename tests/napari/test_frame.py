"""One function permutes: there and back is the identity, and bounds, units and labels go along."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.format.metadata import Axis
from zvview.napari.frame import Frame, image_order, known_unit

SPACE = {name: Axis(name, "space", "micrometer") for name in "xyz"}
TIME, CHANNEL = Axis("t", "time", "second"), Axis("c", "channel")
ANY_AXES = st.permutations([SPACE["x"], SPACE["y"], SPACE["z"], TIME, CHANNEL]).flatmap(
    lambda axes: st.integers(1, 5).map(lambda n: axes[:n])
)


@pytest.mark.parametrize(
    ("names", "expected"),
    [("xyz", "zyx"), ("zyx", "zyx"), ("xy", "yx"), ("xyzt", "tzyx"), ("txyz", "tzyx"), ("y", "y")],
)
def test_axes_named_as_in_space_are_shown_as_images_are(names: str, expected: str) -> None:
    axes = [SPACE.get(name, TIME) for name in names]
    assert "".join(axes[i].name for i in image_order(axes)) == expected


def test_axes_with_other_names_keep_their_order() -> None:
    assert image_order([Axis("right"), Axis("anterior"), Axis("superior")]) == (0, 1, 2)
    assert image_order([TIME]) == (0,)


@settings(max_examples=50)
@given(ANY_AXES, st.booleans(), st.integers(0, 2**31), st.floats(0, 1e9))
def test_there_and_back_is_the_identity(axes: list[Axis], keep: bool, seed: int, offset: float) -> None:
    rng = np.random.default_rng(seed)
    lo, hi = np.full(len(axes), offset), offset + rng.uniform(1, 1000, len(axes))
    frame = Frame.of(axes, (lo, hi), np.ones(len(axes)), keep_order=keep)
    positions = rng.uniform(lo, hi, (20, len(axes)))
    shown = frame.to_layer(positions)
    assert shown.dtype == np.float32
    np.testing.assert_allclose(frame.to_store(shown), positions, atol=max(0.01, 1e-5 * (hi - lo).max()))
    assert frame.labels == tuple(axes[i].name for i in frame.order)
    low, high = frame.extent
    assert (shown >= low - 0.01).all() and (shown <= high + 0.01).all()
    assert frame.axes_of(range(len(axes))) == frame.order
    if keep:
        assert frame.order == tuple(range(len(axes)))


def test_large_coordinates_are_told_relative_to_an_origin_of_their_own() -> None:
    axes = [SPACE[name] for name in "xyz"]
    frame = Frame.of(axes, ((5e6, 0, 0), (5e6 + 100, 100, 100)), (1, 1, 1))
    np.testing.assert_array_equal(frame.origin, [0, 0, 5e6 + 50])
    near = np.array([[5e6 + 0.125, 1, 2], [5e6 + 0.25, 1, 2]])
    shown = frame.to_layer(near)
    assert shown[1, 2] - shown[0, 2] == 0.125  # float32 at five million steps by a half
    small = Frame.of(axes, ((0, 0, 0), (1000, 1000, 1000)), (1, 1, 1))
    assert not small.origin.any()


@pytest.mark.parametrize(("unit", "expected"), [(None, "pixel"), ("", "pixel"), ("no such thing(", "pixel")])
def test_units_that_napari_does_not_know_are_pixels(unit: str | None, expected: str) -> None:
    assert known_unit(unit) == expected


def test_units_that_it_knows_stay() -> None:
    assert [known_unit(unit) for unit in ("nm", "micrometer", "second")] == ["nanometer", "micrometer", "second"]
