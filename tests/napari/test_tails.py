"""Lines along time: what is drawn around a moment, how it fades, and where tracks divide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from zvview.errors import InvalidInputError
from zvview.format.metadata import Axis
from zvview.geometry.batches import Graph, Polylines
from zvview.napari.camera import LayerPlacement, ViewerState
from zvview.napari.frame import Frame
from zvview.napari.sight import find_view, find_window
from zvview.napari.tails import Tail, TimeWindow
from zvview.stream import Filter
from zvview.style import Colouring

AXES = (Axis("x", "space", "um"), Axis("y", "space", "um"), Axis("t", "time", "min"))
DIVISION = 20.0
FINITE = st.floats(-1e6, 1e6)


@given(FINITE, st.floats(0, 1e5), st.floats(0, 1e5), st.lists(FINITE, min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_nothing_outside_of_the_window_is_seen_and_all_inside_is(
    now: float, past: float, future: float, times: list[float]
) -> None:
    window = TimeWindow(0, now - past, now, now + future)
    at = np.array(times)
    opacity = window.opacity_at(at)
    inside = (at >= window.first) & (at <= window.last)
    np.testing.assert_array_equal(opacity > 0, inside)
    assert opacity.max(initial=0) <= 1
    assert window.opacity_at(np.array([now]))[0] == 1
    before = np.sort(at[inside & (at <= now)])
    assert (np.diff(window.opacity_at(before)) >= 0).all()


@given(st.floats(1e-3, 1e4), st.floats(1e-3, 10))
@settings(max_examples=50, deadline=None)
def test_first_tail_can_be_seen_whatever_the_step(duration: float, step: float) -> None:
    tail = Tail.of(AXES, ((0, 0, 5), (1, 1, 5 + duration)), np.array([1, 1, step]))
    assert tail is not None and tail.axis == 2 and tail.head == 0
    assert duration / 20 * 0.999 <= tail.length <= duration / 4 * 1.001


def test_store_without_time_has_no_tail() -> None:
    assert Tail.of(AXES[:2], ((0, 0), (1, 1)), np.ones(2)) is None


def track(points: list[tuple[float, float, float]]) -> np.ndarray:
    return np.array(points, np.float32)


@pytest.fixture
def lineage(tmp_path: Path) -> Path:
    """A mother that goes right until it divides, and two daughters that begin where it ends, up and down.

    x is 2 t + 10, so that what is lit tells the time.
    """
    times = np.arange(41.0)
    x = 2 * times + 10
    apart = np.maximum(times - DIVISION, 0)
    mother = times <= DIVISION
    lines = [
        np.column_stack((x[mother], np.full(mother.sum(), 50.0), times[mother])),
        *(np.column_stack((x, 50 + side * apart, times))[times >= DIVISION] for side in (-1, 1)),
    ]
    place = tmp_path / "lineage.zv"
    store = zvview.create(str(place), kind="polyline", axes=AXES, chunk_shape=(50, 50, 10), bin_shape=(1, 1, 1))
    store.write(Polylines.from_list([line.astype(np.float32) for line in lines], object_ids=[1, 2, 3]))
    store.close()
    return place


def lit_places(window: Any, name: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """World x and y of all pixels that are lit."""
    image = window.look(name)
    camera = window.viewer.scene.camera
    height, width = window.viewer.canvas.size
    rows, columns = np.nonzero(image.max(axis=-1) > 12)
    _, y, x = camera.center
    return (columns - width / 2) / camera.zoom + x, (rows - height / 2) / camera.zoom + y


def go_to(window: Any, moment: float) -> None:
    window.viewer.dims.set_point(0, moment)
    window.settle()


def test_tail_and_head_end_where_their_time_does(window: Any, lineage: Path) -> None:
    window.drop(lineage)
    (layer,) = window.viewer.layers
    layer.stream.colouring = Colouring()
    assert (layer.stream.tail, layer.stream.head) == (10, 0)  # a quarter of the forty minutes
    assert window.viewer.dims.range[0].step == 1
    go_to(window, 15)
    x, _ = lit_places(window, "tail")
    assert (x.min(), x.max()) == pytest.approx((2 * 5 + 10, 2 * 15 + 10), abs=1)
    layer.stream.tail, layer.stream.head = 4.0, 2.5
    window.settle()
    x, _ = lit_places(window)
    assert (x.min(), x.max()) == pytest.approx((2 * 11 + 10, 2 * 17.5 + 10), abs=1)
    assert layer.stream.update.status.vertices_shown < 15
    window.viewer.dims.margin_left = (2.0, 0, 0)
    window.settle()
    x, _ = lit_places(window)
    assert (x.min(), x.max()) == pytest.approx((2 * 13 + 10, 2 * 15 + 10), abs=1)


def test_tail_fades_with_time(window: Any, lineage: Path) -> None:
    window.drop(lineage)
    (layer,) = window.viewer.layers
    layer.stream.colouring = Colouring()
    layer.edge_width = 4
    go_to(window, 18)
    image = window.look("tail_fades").max(axis=-1)
    bright = image.max(axis=0)[image.max(axis=0) > 12].astype(float)
    assert bright[-3:].mean() > 220 and bright[:3].mean() < 60
    assert (np.diff(bright) > -12).all()


def test_daughters_begin_where_the_mother_ends(window: Any, lineage: Path) -> None:
    window.drop(lineage)
    (layer,) = window.viewer.layers
    go_to(window, 26)
    assert set(layer.features["id"]) == {1, 2, 3}
    x, y = lit_places(window, "division")
    for moment, spread in ((17, 0), (20, 0), (23, 3), (25.8, 5.8)):
        column = y[np.abs(x - (2 * moment + 10)) < 0.3]
        assert len(column) and (column.min(), column.max()) == pytest.approx((50 - spread, 50 + spread), abs=0.8)


def test_divisions_of_graphs_are_their_links(window: Any, tmp_path: Path) -> None:
    nodes = track([(10, 50, 0), (20, 50, 1), (30, 40, 2), (30, 60, 2)])
    store = zvview.create(str(tmp_path / "g.zv"), kind="graph", axes=AXES, chunk_shape=(50, 50, 1), bin_shape=(1, 1, 1))
    store.write(Graph(nodes, edges=np.array([[0, 1], [1, 2], [1, 3]])))
    store.close()
    window.drop(tmp_path / "g.zv")
    (layer,) = window.viewer.layers
    layer.stream.colouring, layer.stream.tail = Colouring(), 5
    go_to(window, 2)
    assert len(layer.segments) == 3
    x, y = lit_places(window)
    assert np.ptp(y[np.abs(x - 15) < 1]) < 1 and np.ptp(y[np.abs(x - 25) < 0.4]) == pytest.approx(10, abs=1.5)


def test_moving_in_time_never_shows_an_empty_picture(window: Any, lineage: Path) -> None:
    window.drop(lineage)
    (layer,) = window.viewer.layers
    go_to(window, 12)
    for moment in range(13, 32):
        window.viewer.dims.set_point(0, moment)
        window.live(0.03)
        x, _ = lit_places(window)
        assert len(x) > 10
        assert x.max() <= 2 * moment + 11
    window.settle()
    x, _ = lit_places(window)
    assert x.max() == pytest.approx(2 * 31 + 10, abs=1)
    assert layer.time_window.now == pytest.approx(31)


def test_nodes_follow_the_time_as_well(window: Any, lineage: Path) -> None:
    window.drop(lineage)
    (layer,) = window.viewer.layers
    layer.node_size = 7
    layer.stream.tail = 3
    go_to(window, 10)
    x, _ = lit_places(window, "tail_nodes")
    assert (x.min(), x.max()) == pytest.approx((24, 30), abs=1.5)
    window.viewer.dims.set_point(0, 11)
    layer.stream.look()
    x, _ = lit_places(window)
    assert x.max() <= 33.5


def test_with_time_on_screen_all_of_it_is_drawn(window: Any, lineage: Path) -> None:
    window.drop(lineage)
    (layer,) = window.viewer.layers
    go_to(window, 20)
    window.viewer.dims.ndisplay = 3
    window.settle()
    assert layer.time_window is None and len(layer.positions) == 63
    whole = window.look("tail_3d").max(axis=-1)
    assert (whole > 60).sum() > 100
    window.viewer.dims.ndisplay = 2
    window.settle()
    assert layer.time_window is not None and len(layer.positions) < 40


def test_steps_of_the_slider_are_the_bins_of_time(window: Any, tmp_path: Path) -> None:
    times = np.arange(0, 4, 0.25)
    lines = [
        np.column_stack((times * 10 + i, np.full(len(times), i * 5.0), times)).astype(np.float32) for i in range(4)
    ]
    place = str(tmp_path / "fast.zv")
    store = zvview.create(place, kind="polyline", axes=AXES, chunk_shape=(50, 50, 2), bin_shape=(1, 1, 0.25))
    store.write(Polylines.from_list(lines))
    store.close()
    window.drop(place)
    (layer,) = window.viewer.layers
    assert window.viewer.dims.range[0].step == pytest.approx(0.25)
    go_to(window, 1.75)
    assert window.viewer.dims.point[0] == pytest.approx(1.75)
    assert layer.stream.tail == pytest.approx(3.75 / 4)


def test_other_layers_have_no_tail(window: Any, tmp_path: Path) -> None:
    store = zvview.create(str(tmp_path / "p.zv"), kind="polyline", axes=AXES[:2], chunk_shape=(50, 50))
    store.write(Polylines.from_list([[[0, 0], [50, 50.0]]]))
    store.close()
    window.drop(tmp_path / "p.zv")
    (layer,) = window.viewer.layers
    assert layer.stream.tail is None and layer.stream.head is None and layer.time_window is None
    with pytest.raises(InvalidInputError, match="axis of time"):
        layer.stream.tail = 3


@given(st.sampled_from([1.0, -2.0, 0.5]), st.floats(0, 40), st.floats(0, 20), st.floats(0, 15), st.booleans())
@settings(max_examples=40, deadline=None)
def test_view_asks_for_the_tail_and_the_window_is_that_of_the_view(
    stretch: float, moment: float, length: float, head: float, has_margins: bool
) -> None:
    """Also where the layer of time runs backwards or at another pace than the world."""
    frame = Frame.of(AXES, ((0, 0, 0), (100, 100, 40)), np.ones(3))
    placement = LayerPlacement(np.diag([stretch, 1, 1]), np.array([7.0, 0, 0]), 0)
    margin = np.array([3.0 if has_margins else 0, 0, 0])
    state = ViewerState(
        (1, 2), np.array([stretch * moment + 7, 50, 50]), margin, margin, np.array([50.0, 50]), 4.0, (400.0, 400.0),
        *[np.zeros(3)] * 3, 0.0,
    )  # fmt: skip
    tail = Tail(2, length, head)
    options = {"filter": Filter(), "budget_vertices": 10, "target_error_px": 4.0}
    view = find_view(state, placement, frame, np.full(3, 9.0), tail=tail, **options)
    window = find_window(state, placement, frame, np.full(3, 9.0), tail)
    assert window is not None and window.axis == 0 and window.now == pytest.approx(moment, abs=1e-6)
    assert (window.first, window.last) == pytest.approx((view.lo[2], view.hi[2]), abs=1e-6)
    past, future = (3 / abs(stretch),) * 2 if has_margins else (length, head)
    assert (view.lo[2], view.hi[2]) == pytest.approx((moment - past, moment + future), abs=1e-6)
    wide = find_view(state, placement, frame, np.full(3, 9.0), tail=tail, ring=np.array([5.0, 6, 7]), **options)
    np.testing.assert_allclose(np.subtract(wide.hi, view.hi), [5, 6, 0], atol=1e-9)
    np.testing.assert_allclose(np.subtract(view.lo, wide.lo), [5, 6, 0], atol=1e-9)
