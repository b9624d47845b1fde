"""Stores of 64-bit positions far from the origin: only what hands moved is another one, all else stays bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import zvview
from tests.napari.editing.acting import begin, choose, open_store, save, told, wait_for_edits
from tests.napari.hands import click, drag, pixel_of
from zvview.geometry.batches import Points, Skeletons
from zvview.napari.editing.attaching import editing_of
from zvview.napari.editing.editing import Phase

FAR = 1e7
GRID = {"chunk_shape": (50.0,) * 3, "bin_shape": (1.0,) * 3, "dtype": "float64"}


def check_moved(before: np.ndarray, after: np.ndarray) -> None:
    """Of all positions one is another one, and of that only x and y; `before` and `after` are in the same order."""
    assert before.dtype == after.dtype == np.float64 and (before != before.astype(np.float32)).all()
    is_other = before.view(np.uint64) != after.view(np.uint64)
    assert is_other.any(axis=1).sum() == 1 and not is_other[:, 2].any()
    (distance,) = np.linalg.norm(after - before, axis=1)[is_other.any(axis=1)]
    assert 1 < distance < 50


def in_order(positions: np.ndarray) -> np.ndarray:
    """By what no drag in a plane changes."""
    return positions[np.argsort(positions[:, 2])]


def test_a_point_that_was_dragged(window: Any, tmp_path: Path) -> None:
    place = tmp_path / "far.zarrvectors"
    along = np.linspace(10, 90, 5) + 1 / 3
    positions = FAR + np.column_stack((along, along, 50 + np.arange(1, 6) / 7))
    with zvview.create(str(place), kind="point_cloud", axes="xyz", **GRID) as store:
        store.write(Points(positions))
    window.drop(place)
    (layer,) = window.viewer.layers
    window.viewer.dims.ndisplay = 3
    window.viewer.reset_view()
    window.settle()
    editing = editing_of(layer)
    assert editing is not None
    editing.start()
    window.wait(lambda: editing.phase is Phase.ON and len(layer.data) == 5)
    before = in_order(open_store(place).level(0).read().positions)
    layer.mode = "select"
    at = pixel_of(window.viewer, layer, layer.data[2])
    click(window.viewer, at)
    assert layer.selected_data == {2}
    drag(window.viewer, at, (at[0] + 40, at[1] - 30))
    told(window, editing, "1 moved")
    save(window, editing)
    check_moved(before, in_order(open_store(place).level(0).read().positions))


def test_a_point_is_clicked_on_where_it_is_drawn(window: Any, tmp_path: Path) -> None:
    place = tmp_path / "far.zarrvectors"
    along = np.linspace(10, 90, 5) + 1 / 3
    with zvview.create(str(place), kind="point_cloud", axes="xyz", **GRID) as store:
        store.write(Points(FAR + np.column_stack((along, along, np.full(5, 50.3)))))
    window.drop(place)
    (layer,) = window.viewer.layers
    window.viewer.dims.ndisplay = 2
    window.viewer.dims.set_point(0, FAR + 50.3)
    window.viewer.reset_view()
    window.settle()
    editing = editing_of(layer)
    assert editing is not None
    editing.start()
    window.wait(lambda: editing.phase is Phase.ON and len(layer.data) == 5)
    layer.mode = "select"
    for row in range(5):
        click(window.viewer, pixel_of(window.viewer, layer, layer.data[row]))
        assert layer.selected_data == {row}
    editing.stop()


def test_a_node_that_was_dragged(window: Any, tmp_path: Path) -> None:
    place = tmp_path / "far.zarrvectors"
    along = np.linspace(10, 90, 5) + 1 / 3
    positions = FAR + np.column_stack((along, along, 50 + np.arange(1, 6) / 7))
    made = Skeletons.from_parents(positions, np.array([-1, 0, 1, 2, 3]), offsets=[0, 5], object_ids=[1])
    with zvview.create(str(place), kind="skeleton", axes="xyz", **GRID) as store:
        store.write(made)
    editing = begin(window, place)
    before = in_order(open_store(place).level(0).read().positions)
    layer = window.viewer.layers[0]
    handles = choose(window, editing, layer.positions[:2].mean(axis=0), 1)
    window.viewer.dims.ndisplay = 2
    window.viewer.dims.set_point(0, FAR + 50.3)
    window.settle(layer)
    at = pixel_of(window.viewer, handles, handles.data[2])
    drag(window.viewer, at, (at[0] + 40, at[1] - 30))
    told(window, editing, "1 moved")
    wait_for_edits(window, layer)
    save(window, editing)
    check_moved(before, in_order(open_store(place).level(0).read().positions))
