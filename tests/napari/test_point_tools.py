"""The quick tools of points that stream, against those of napari."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Points

from zvview.napari.private.points import StreamPoints

EXTENT = np.array([[0, 0, 0], [100, 100, 100.0]])


def make_layers(count: int) -> tuple[StreamPoints, Points]:
    rng = np.random.default_rng(count)
    positions = (rng.random((count, 3)) * 100).astype(np.float32)
    features = {"id": np.arange(count), "score": rng.random(count, np.float32), "kind": np.zeros(count, np.uint8)}
    ours = StreamPoints(EXTENT)
    ours.swap(positions.copy(), np.ones((count, 4), np.float32), features)
    theirs = Points(positions.copy(), features=features, size=1)
    for layer in (ours, theirs):
        layer.feature_defaults = {
            "id": np.array([-1]),
            "score": np.array([0.5], np.float32),
            "kind": np.array([2], "u1"),
        }
    return ours, theirs


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 100)),
        st.tuples(st.just("remove"), st.lists(st.integers(0, 200), max_size=5)),
        st.tuples(st.just("select"), st.lists(st.integers(0, 200), max_size=5)),
        st.tuples(st.just("delete"), st.none()),
    ),
    max_size=6,
)


@given(st.integers(1, 30), steps)
@settings(max_examples=40, deadline=None)
def test_points_are_added_and_deleted_as_by_napari(count: int, operations: list[tuple[str, Any]]) -> None:
    ours, theirs = make_layers(count)
    for name, value in operations:
        for layer in (ours, theirs):
            here = len(layer.data)
            if name == "add":
                layer.add([value, value / 2, 3])
            elif name == "remove":
                layer.remove(sorted({row % here for row in value}) if here else [])
            elif name == "select":
                layer.selected_data = {row % here for row in value} if here else set()
            else:
                layer.remove_selected()
        np.testing.assert_array_equal(ours.data, theirs.data)
        assert set(ours.selected_data) == set(theirs.selected_data)
    assert ours.features.shape == theirs.features.shape
    for column in ("id", "score", "kind"):
        np.testing.assert_array_equal(ours.features[column], theirs.features[column])
    assert ours.features["kind"].dtype == np.uint8
    for layer in (ours, theirs):
        lengths = {len(layer.size), len(layer.symbol), len(layer.shown), len(layer.border_width)}
        assert lengths | {len(layer.face_color), len(layer.border_color)} == {len(layer.data)}


def test_a_paste_is_told_of_and_copies_what_the_points_carry() -> None:
    layer, _ = make_layers(10)
    told: list[tuple[str, tuple[int, ...]]] = []
    layer.events.data.connect(lambda event: told.append((str(event.action), tuple(event.data_indices))))
    layer.selected_data = {2, 5}
    layer._copy_data()
    layer.selected_data = {1}
    layer._paste_data()
    assert told == [("adding", (-2, -1)), ("added", (-2, -1))]
    assert layer.selected_data == {10, 11}
    assert sorted(layer.features["id"][10:]) == [2, 5] and len(layer.face_color) == 12
    assert sorted(map(tuple, layer.data[10:].tolist())) == sorted(map(tuple, layer.data[[2, 5]].tolist()))


def test_a_point_is_found_where_it_is_drawn_however_small_it_is() -> None:
    layer = StreamPoints(EXTENT, size=0.01, canvas_size_limits=(4, 100))
    layer.swap(np.array([[50, 50, 50]], np.float32), np.ones((1, 4), np.float32), {})
    assert layer.scale_factor == 1
    assert layer.get_value((50, 51, 51)) == 0 and layer.get_value((50, 53, 50)) is None
