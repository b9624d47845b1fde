"""Selecting many points: as napari's own, event for event, and fast enough for a hundred thousand."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Points
from psygnal.containers import Selection

from zvview.napari.private.point_selection import MANY, PointSelection
from zvview.napari.private.points import StreamPoints

COUNT = 2 * MANY
EXTENT = np.array([[0, 0, 0], [100, 100, 100.0]])

rows = st.lists(st.integers(0, 6), max_size=6, unique=True)
steps = st.lists(
    st.tuples(
        st.sampled_from(
            (
                *("update", "difference_update", "intersection_update", "symmetric_difference_update"),
                *("replace_selection", "select_only", "toggle", "add", "discard", "clear"),
            )
        ),
        rows,
        st.integers(0, 6),
    ),
    max_size=8,
)


@given(rows, steps)
@settings(max_examples=100, deadline=None)
def test_rows_are_selected_and_told_as_by_psygnal(
    first: list[int], operations: list[tuple[str, list[int], int]]
) -> None:
    ours, theirs = PointSelection(first), Selection(first)
    told: list[list[tuple[set[int], set[int]]]] = [[], []]
    for selection, heard in zip((ours, theirs), told, strict=True):
        selection.events.items_changed.connect(
            lambda added, removed, heard=heard: heard.append((set(added), set(removed))) if added or removed else None
        )
    for name, many, one in operations:
        for selection in (ours, theirs):
            argument = (
                () if name == "clear" else (one,) if name in ("select_only", "toggle", "add", "discard") else (many,)
            )
            getattr(selection, name)(*argument)
        assert set(ours) == set(theirs) and ours.active == theirs.active
        assert told[0] == told[1]
        assert ours.rows.tolist() == sorted(ours)
    assert ours | {9} == theirs | {9}
    assert isinstance(ours & theirs, PointSelection) and ours & theirs == ours


def make_layers() -> tuple[StreamPoints, Points]:
    rng = np.random.default_rng(1)
    positions = (rng.random((COUNT, 3)) * 100).astype(np.float32)
    features = {"id": np.arange(COUNT), "kind": np.full(COUNT, 3, np.uint8)}
    ours = StreamPoints(EXTENT)
    ours.swap(positions.copy(), np.ones((COUNT, 4), np.float32), features)
    theirs = Points(positions.copy(), features=features, face_color="white", border_width=0, size=ours.current_size)
    for layer in (ours, theirs):
        layer.mode = "select"
    return ours, theirs


@pytest.mark.parametrize("count", [MANY - 1, MANY, COUNT])
def test_many_points_are_selected_moved_and_highlighted_as_by_napari(count: int) -> None:
    ours, theirs = make_layers()
    chosen = list(range(COUNT - 1, COUNT - 1 - count, -1))
    told: list[list[Any]] = [[], []]
    for layer, heard in zip((ours, theirs), told, strict=True):
        layer.events.data.connect(lambda event, heard=heard: heard.append((str(event.action), set(event.data_indices))))
        layer.selected_data = chosen
        layer._drag_start = None
        layer._set_drag_start(layer.selected_data, np.array([1.0, 2, 3]))
        layer._move(layer.selected_data, np.array([2.0, 4, 6]))
    np.testing.assert_allclose(ours.data, theirs.data, atol=1e-3)
    assert told[0] == told[1] == [("changed", set(chosen))]
    assert ours.selected_data == theirs.selected_data
    assert ours.current_size == theirs.current_size and ours.current_symbol == theirs.current_symbol
    np.testing.assert_array_equal(ours.current_face_color, theirs.current_face_color)
    assert ours._highlight_index.tolist() == sorted(chosen)

    heard_of: list[Any] = []
    ours.events.highlight.connect(heard_of.append)
    ours._set_highlight()
    assert not heard_of
    ours.selected_data.discard(chosen[-1])
    ours._set_highlight()
    assert len(heard_of) == 1 and ours._highlight_index.tolist() == sorted(chosen[:-1])
    ours._is_selecting, ours._drag_box = True, np.array([[0.0, 0], [5, 6]])
    ours._set_highlight()
    assert ours._highlight_box.shape[0] == 5
    np.testing.assert_array_equal(ours._highlight_box[0], ours._highlight_box[-1])


def test_features_that_all_selected_points_share_are_those_of_the_next_one() -> None:
    ours, _ = make_layers()
    ours.features = {"kind": np.full(COUNT, 3, np.uint8)}
    ours.selected_data = range(COUNT)
    assert ours.current_properties["kind"].tolist() == [3]


def test_a_hundred_thousand_are_selected_in_the_time_of_a_frame() -> None:
    count = 100_000
    layer = StreamPoints(EXTENT)
    layer.swap(np.zeros((count, 3), np.float32), np.ones((count, 4), np.float32), {"id": np.arange(count)})
    layer.mode = "select"
    taken = []
    for selected in (range(count), np.arange(count), set(range(count))):
        layer.selected_data = ()
        begun = time.thread_time()
        layer.selected_data = selected
        taken.append(time.thread_time() - begun)
    assert min(taken) < 0.1, taken  # psygnal's takes a second
