"""Lines of a plane as Shapes: whole lines in view with their attributes, or a reason why not."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import npe2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Shapes

import zvview
from zvview.errors import InvalidInputError
from zvview.format.metadata import Axis
from zvview.geometry.batches import Polylines
from zvview.napari import shapes
from zvview.napari.frame import Frame
from zvview.napari.shapes import Drawing, open_as_shapes, read_drawing
from zvview.pyramid import build_pyramid
from zvview.stream import Filter
from zvview.style import Colouring
from zvview.testing import make_store

XY = (Axis("x", "space", "um"), Axis("y", "space", "um"))
SIDE = np.array([[0, 0], [8, 0], [8, 6], [0, 6], [0, 0]], np.float32)


def write(place: Path, lines: list[np.ndarray], **kwargs: Any) -> str:
    store = zvview.create(str(place), kind="polyline", axes=XY, chunk_shape=(50, 50), bin_shape=(1, 1))
    store.write(Polylines.from_list(lines, object_ids=np.arange(len(lines)) + 10), **kwargs)
    store.close()
    return str(place)


@pytest.fixture
def tissue(tmp_path: Path) -> str:
    """A hundred rectangles, each other one open, in rows of ten."""
    lines = [np.add(SIDE, (20 * (i % 10) + 1, 20 * (i // 10) + 1))[: 5 - i % 2] for i in range(100)]
    place = write(
        tmp_path / "tissue.zv",
        lines,
        object_attributes={"area": np.arange(100.0), "kind": np.arange(200).reshape(-1, 2)},
    )
    build_pyramid(place)
    return place


def drawing_of(place: str, lo: tuple[float, float], hi: tuple[float, float], **kwargs: Any) -> Drawing:
    store = zvview.open(place)
    frame = Frame.of(store.axes, store.bounds, np.ones(2))
    return read_drawing(store, frame, (np.array(lo, float), np.array(hi, float)), **kwargs)


@given(st.integers(0, 190), st.integers(0, 190), st.integers(1, 120))
@settings(max_examples=25, deadline=None)
def test_lines_in_view_are_whole_and_keep_their_ids(
    tmp_path_factory: pytest.TempPathFactory, x: int, y: int, edge: int
) -> None:
    place = tmp_path_factory.getbasetemp() / "rectangles.zv"
    if not place.exists():
        write(place, [np.add(SIDE, (20 * (i % 10) + 1, 20 * (i // 10) + 1)) for i in range(100)])
    drawing = drawing_of(str(place), (x, y), (x + edge, y + edge))
    corners = SIDE[:4] + np.array([[20 * (i % 10) + 1, 20 * (i // 10) + 1] for i in range(100)])[:, None]
    expected = set()
    for i, own in enumerate(corners):
        lo, hi = own.min(axis=0), own.max(axis=0)
        meets = (lo <= (x + edge, y + edge)).all() and (hi >= (x, y)).all()
        is_within = (lo < (x, y)).all() and (hi > (x + edge, y + edge)).all()  # the view lies inside of the line
        if meets and not is_within:
            expected.add(i + 10)
    assert set(drawing.features["id"].tolist()) == expected
    for i, path in zip(drawing.features["id"], drawing.paths, strict=True):
        np.testing.assert_array_equal(path[:, ::-1], corners[i - 10])
    assert set(drawing.types) <= {"polygon"}


def test_open_lines_are_paths_and_attributes_are_features(tissue: str) -> None:
    drawing = drawing_of(tissue, (0, 0), (60, 15))
    assert dict(zip(drawing.features["id"].tolist(), drawing.types, strict=True)) == {
        10: "polygon",
        11: "path",
        12: "polygon",
    }
    np.testing.assert_array_equal(drawing.features["area"], drawing.features["id"] - 10.0)
    np.testing.assert_array_equal(drawing.features["kind[1]"], 2 * (drawing.features["id"] - 10) + 1)


def test_objects_that_a_filter_hides_stay_out(tissue: str) -> None:
    drawing = drawing_of(tissue, (0, 0), (200, 200), filter=Filter(object_ids=[10, 57]))
    assert sorted(drawing.features["id"].tolist()) == [10, 57]


def test_too_many_are_refused_with_the_number(tissue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "MOST_PATHS", 99)
    with pytest.raises(InvalidInputError, match="100 lines in view: Shapes hang above 99"):
        drawing_of(tissue, (0, 0), (200, 200))
    monkeypatch.setattr(shapes, "MOST_VERTICES", 30)
    with pytest.raises(InvalidInputError, match=r"vertices in view.*Zoom in"):
        drawing_of(tissue, (0, 0), (200, 200))


@pytest.mark.parametrize(("kind", "reason"), [("graph", "only lines"), ("streamline", "3 axes")])
def test_other_stores_are_refused_with_the_reason(tmp_path: Path, kind: str, reason: str) -> None:
    make_store(str(tmp_path / "a.zv"), kind, size=300).close()
    store = zvview.open(str(tmp_path / "a.zv"))
    frame = Frame.of(store.axes, store.bounds, np.ones(3))
    with pytest.raises(InvalidInputError, match=reason):
        read_drawing(store, frame, (np.zeros(3), np.ones(3)))


def wait_for_shapes(window: Any) -> Shapes:
    window.wait(lambda: any(isinstance(layer, Shapes) for layer in window.viewer.layers))
    return next(layer for layer in window.viewer.layers if isinstance(layer, Shapes))


def test_the_command_opens_what_is_in_view(window: Any, tissue: str) -> None:
    window.drop(tissue)
    (layer,) = window.viewer.layers
    layer.stream.colouring = Colouring(colour=(1.0, 0.0, 0.0, 1.0))
    window.viewer.scene.camera.center = (0, 45, 45)
    window.viewer.scene.camera.zoom = window.viewer.canvas.size[0] / 100
    window.settle()
    npe2.PluginManager.instance().commands.execute("zvview.open_as_shapes")
    opened = wait_for_shapes(window)
    assert opened.name == "tissue shapes" and opened.units == layer.units and opened.axis_labels == ("y", "x")
    _, hi = layer.stream.view.box
    own = {i + 10 for i in range(100) if 20 * (i % 10) + 1 <= hi[0] and 20 * (i // 10) + 1 <= hi[1]}
    assert set(opened.features["id"]) <= own and len(opened.data) > 20
    assert set(opened.shape_type) == {"polygon", "path"}
    np.testing.assert_allclose(opened.edge_color, np.tile([1, 0, 0, 1], (len(opened.data), 1)))
    assert opened.metadata["zarr_vectors"]["level"] == 0
    layer.visible = False
    with_shapes = window.look("shapes")
    layer.visible, opened.visible = True, False
    window.settle()
    alone = window.look("shapes_lines")
    theirs, ours = with_shapes.max(axis=-1) > 100, alone.max(axis=-1) > 100
    near = np.zeros_like(ours)
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            near |= np.roll(theirs, (row, column), (0, 1))
    assert ours.sum() > 500 and near[ours].mean() > 0.98  # the same places, to a pixel
    window.wait(lambda: layer.stream.editing.is_on)
    opened.add([[0, 0], [5, 5]], shape_type="path")
    window.wait(lambda: opened.features["id"].iloc[-1] == 110)
    assert layer.stream.editing.review == "1 lines changed"
    window.wait(lambda: not any(t.name == "zvview-shapes" for t in threading.enumerate()))


def test_a_refusal_is_told_and_nothing_is_added(
    window: Any, tissue: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[str] = []
    monkeypatch.setattr(shapes, "show_error", told.append)
    shapes.open_active_as_shapes()
    assert "choose a layer" in told[-1]
    window.drop(tissue)
    (layer,) = window.viewer.layers
    window.settle()
    monkeypatch.setattr(shapes, "MOST_PATHS", 5)
    open_as_shapes(layer, window.viewer)
    window.wait(lambda: len(told) == 2)
    assert "Shapes hang above 5" in told[-1] and len(window.viewer.layers) == 1
    make_store(str(tmp_path / "m.zv"), "mesh", size=300).close()
    window.viewer.open(str(tmp_path / "m.zv"), plugin="zvview")
    shapes.open_active_as_shapes()
    assert "only lines" in told[-1]
