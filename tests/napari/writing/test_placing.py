"""Where layers lie, as stores say it: axes, units, transforms and digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Points

from zvview.format.metadata import Axis
from zvview.napari.frame import Frame
from zvview.napari.writing.placing import World

NUMBERS = st.floats(-50, 50).map(lambda v: round(v, 3))
SCALES = st.sampled_from([-3.0, -1.0, 0.25, 1.0, 40.0])


def meta_of(ndim: int, **kwargs: Any) -> dict[str, Any]:
    return Points(np.zeros((1, ndim)), **kwargs).as_layer_data_tuple()[1]


@given(
    st.lists(SCALES, min_size=3, max_size=3),
    st.lists(NUMBERS, min_size=3, max_size=3),
    st.floats(-180, 180),
    st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=5),
)
@settings(max_examples=25, deadline=None)
def test_stores_hold_the_world_of_the_layer_and_show_it_at_the_same_place(
    scale: list[float], translate: list[float], angle: float, rows: list[tuple[float, ...]]
) -> None:
    data = np.array(rows)
    affine = np.eye(4)
    affine[:3, 3], affine[0, 1] = (1, 2, 3), 0.5
    layer = Points(data, scale=scale, translate=translate, rotate=(angle, 10, 0), affine=affine)
    world = World.of(layer.as_layer_data_tuple()[1], 3)
    expected = np.array([layer.data_to_world(row) for row in data])
    positions = world.to_store(data)
    np.testing.assert_allclose(positions, expected[:, ::-1], rtol=1e-5, atol=1e-2 if positions.dtype == "f4" else 1e-9)
    frame = Frame.of(world.axes, (positions.min(axis=0), positions.max(axis=0)), np.ones(3))
    np.testing.assert_allclose(frame.to_layer(positions), expected, rtol=1e-5, atol=1e-2)


@pytest.mark.parametrize(
    ("labels", "names", "order"),
    [
        (None, ["x", "y", "z"], (2, 1, 0)),
        (("z", "y", "x"), ["x", "y", "z"], (2, 1, 0)),
        (("x", "y", "z"), ["x", "y", "z"], (0, 1, 2)),
        (("z", "x", "y"), ["x", "y", "z"], (1, 2, 0)),
        (("ap", "dv", "lr"), ["ap", "dv", "lr"], (0, 1, 2)),
        (("t", "y", "x"), ["x", "y", "t"], (2, 1, 0)),
        (("same", "same", "x"), ["x", "y", "z"], (2, 1, 0)),
    ],
)
def test_axes_get_the_order_that_stores_have(labels: Any, names: list[str], order: tuple[int, ...]) -> None:
    meta = meta_of(3)
    if labels is not None:
        meta["axis_labels"] = labels
    world = World.of(meta, 3)
    assert ([axis.name for axis in world.axes], world.order) == (names, order)


@pytest.mark.parametrize(
    ("ndim", "names", "types"),
    [
        (2, "xy", ["space"] * 2),
        (4, "xyzt", ["space"] * 3 + ["time"]),
        (5, ["x", "y", "z", "axis0", "axis1"], ["space"] * 3 + ["other"] * 2),
    ],
)
def test_layers_without_labels_are_images(ndim: int, names: Any, types: list[str]) -> None:
    axes = World.of(meta_of(ndim), ndim).axes
    assert ([axis.name for axis in axes], [axis.type for axis in axes]) == (list(names), types)


def test_units_and_types_of_axes_go_along() -> None:
    meta = meta_of(4, axis_labels=("when", "c", "y", "x"), units=("ms", "pixel", "nm", "um"))
    assert World.of(meta, 4).axes == (
        Axis("x", "space", "micrometer"),
        Axis("y", "space", "nanometer"),
        Axis("when", "time", "millisecond"),
        Axis("c", "channel", None),
    )
    assert World.of(meta_of(3), 3, has_time=True).axes[-1].type == "time"


def test_digits_are_kept_where_they_count() -> None:
    plain = World.of(meta_of(3), 3)
    assert plain.to_store(np.random.default_rng(0).random((9, 3))).dtype == np.float32
    assert plain.to_store(np.array([[1e6, 0, 0], [1e6 + 1, 0, 1]])).dtype == np.float32  # exact
    assert plain.to_store(np.array([[1e6, 0, 0], [1e6 + 0.3, 0, 0.1]])).dtype == np.float64
    far = World.of(meta_of(3, translate=(1e7, 0, 0)), 3)
    assert far.to_store(np.random.default_rng(0).random((9, 3)).astype(np.float32)).dtype == np.float64
    assert plain.to_store(np.empty((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(("scale", "is_mirrored"), [((1, 1, 1), False), ((1, -1, 1), True), ((-1, -2, 1), False)])
def test_mirrored_layers_are_told_from_others(scale: tuple[int, ...], is_mirrored: bool) -> None:
    assert World.of(meta_of(3, scale=scale), 3).is_mirrored is is_mirrored
