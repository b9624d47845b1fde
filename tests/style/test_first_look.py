"""Colours that a store begins with, and limits that come from the store and not from what is in view."""

from __future__ import annotations

import numpy as np
import pytest

import zvview
from zvview.format.metadata import Axis
from zvview.geometry.batches import Points
from zvview.style import Colouring, choose_colouring, colour_axes, with_limits
from zvview.testing import make_store


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("point_cloud", "category"), ("streamline", "direction"), ("skeleton", "object"), ("mesh", "object")],
)
def test_each_kind_begins_with_colours_that_tell_something(kind: str, mode: str) -> None:
    store = make_store({}, kind, size=500)
    assert choose_colouring(store.kind, store.attributes).mode == mode


def test_points_without_labels_begin_with_a_number_and_bare_ones_are_white() -> None:
    place: dict[str, bytes] = {}
    store = zvview.create(place, kind="point_cloud", chunk_shape=(1, 1, 1))
    store.write(Points(np.random.default_rng(0).random((50, 3)), attributes={"size": np.arange(50.0)}))
    assert choose_colouring("point_cloud", store.attributes) == Colouring("attribute", "size")
    assert choose_colouring("point_cloud", {}) == Colouring()


@pytest.mark.parametrize("has_index", [True, False])
def test_limits_are_those_of_the_whole_store(has_index: bool) -> None:
    place: dict[str, bytes] = {}
    store = zvview.create(place, kind="point_cloud", chunk_shape=(10, 10, 10))
    values = np.random.default_rng(0).normal(50, 10, 5000)
    store.write(Points(np.random.default_rng(1).random((5000, 3)) * 10, attributes={"size": values}))
    if not has_index:
        for key in [key for key in place if key.startswith("zvview/")]:
            del place[key]
    store = zvview.open(place)
    assert bool(store.statistics) is has_index
    by = with_limits(store, Colouring("attribute", "size"))
    assert by.limits is not None
    np.testing.assert_allclose(by.limits, np.quantile(values, (0.01, 0.99)), rtol=0.02)
    assert with_limits(store, by) is by
    for other in (Colouring(), Colouring("attribute", "none"), Colouring("object")):
        assert with_limits(store, other) is other


def test_red_green_and_blue_are_x_y_and_z() -> None:
    assert colour_axes(tuple(Axis(n, "time" if n == "t" else "space") for n in "tzyx")) == (3, 2, 1)
    assert colour_axes((Axis("right"), Axis("up"))) == (0, 1)
