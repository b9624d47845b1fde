"""Edits of a store that answers slowly: hands never wait for it, and what they did is done when it can be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

import zvview
from tests.napari.editing.acting import CONTROL, begin, press, told, wait_for_edits
from tests.napari.hands import click, drag, pixel_of
from tests.store.places.conftest import Serving, serve
from zvview.geometry.batches import Graph, Mesh, Skeletons

DELAY_S = 0.15
GRID = {"chunk_shape": (50.0,) * 3, "bin_shape": (1.0,) * 3}


def positions() -> np.ndarray:
    """Three rows of five."""
    x, y = np.meshgrid(np.linspace(10, 90, 5), [20.0, 50.0, 80.0])
    return np.column_stack((x.ravel(), y.ravel(), np.full(15, 50.0))).astype(np.float32)


def graph() -> Graph:
    edges = np.array([[i, i + 1] for i in range(14) if i % 5 < 4])
    return Graph(positions(), edges=edges, offsets=[0, 15], object_ids=[1])


def skeletons() -> Skeletons:
    parents = np.array([i - 1 if i % 5 else -1 for i in range(15)])
    return Skeletons.from_parents(positions(), parents, offsets=[0, 5, 10, 15], object_ids=[0, 1, 2])


def mesh() -> Mesh:
    first = np.array([i for i in range(9) if i % 5 < 4])
    faces = np.concatenate([np.stack((first, first + 1, first + 6), 1), np.stack((first, first + 6, first + 5), 1)])
    return Mesh(positions(), faces=faces, offsets=[0, 15], object_ids=[1])


@pytest.fixture(params=[graph, skeletons, mesh])
def slow(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serving]:
    batch = request.param()
    with zvview.create(str(tmp_path / "far.zarrvectors"), kind=batch.kind, **GRID) as store:
        store.write(batch)
    content = {str(f.relative_to(tmp_path)): f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()}
    with serve(Serving(content, delay=DELAY_S)) as serving:
        yield serving


def in_no_time(action: Callable[[], object]) -> None:
    """Less than one answer of the source takes; of a busy machine the best of what it says counts."""
    begun = time.perf_counter()
    action()
    assert time.perf_counter() - begun < DELAY_S


def test_hands_do_not_wait_for_the_source(window: Any, slow: Serving) -> None:
    editing = begin(window, f"{slow.address}/far.zarrvectors")
    (layer,), viewer = tuple(window.viewer.layers), window.viewer
    in_no_time(lambda: editing.choose((1,)))
    window.wait(lambda: editing.handles is not None)
    wait_for_edits(window, layer)
    handles, count = editing.handles, len(editing.handles.data)
    viewer.layers.selection.active = handles

    def is_waiting(asked: int) -> bool:
        return editing.is_busy and "waits" in editing.status and editing.is_changed and len(slow.asked) >= asked

    before = len(slow.asked)
    handles.selected_data = {3}
    in_no_time(handles.remove_selected)
    assert len(handles.data) == count - 1 and is_waiting(before)
    in_no_time(editing.undo)  # it is done when its turn has come
    in_no_time(editing.redo)
    told(window, editing, "1 deleted" if editing.session.schema.kind != "skeleton" else "1 deleted, 1 linked")
    assert len(slow.asked) > before and len(handles.data) == count - 1

    handles.mode = "add"
    in_no_time(lambda: handles.add(handles.data[:1] + 5))
    assert len(handles.data) == count and is_waiting(before)  # it is seen before it is made
    handles.mode = "select"
    handles.selected_data = {count - 1}
    in_no_time(handles.remove_selected)  # refused: what it is called is not known yet
    window.wait(lambda: not editing.is_busy)
    assert len(handles.data) == count
    moved = handles.data[0].copy()
    at = pixel_of(viewer, handles, moved)
    drag(viewer, at, (at[0] + 9, at[1] + 9))
    press(window, Qt.Key.Key_Z, CONTROL)
    window.wait(lambda: not editing.is_busy)
    np.testing.assert_array_equal(handles.data[0], moved)
    wait_for_edits(window, layer)
    begun = time.perf_counter()
    click(viewer, (3, 3))
    editing.discard()
    viewer.layers.remove(layer)
    assert time.perf_counter() - begun < 5, "closing waits for the source, but not for long"
