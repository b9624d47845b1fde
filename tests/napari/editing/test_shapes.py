"""Lines of a plane edited as Shapes: drawn, moved, pasted and deleted there, they are so in the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Shapes

import zvview
from zvview.format.metadata import Axis
from zvview.geometry.batches import Polylines
from zvview.napari.editing.attaching import editing_of
from zvview.napari.editing.editing import Phase
from zvview.napari.editing.handles import HandleEditing
from zvview.napari.shapes import open_as_shapes

XY = (Axis("x", "space", "um"), Axis("y", "space", "um"))
SIDE = np.array([[0, 0], [8, 0], [8, 6], [0, 6], [0, 0]], np.float32)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Four closed outlines and an open one."""
    place = tmp_path / "tissue.zv"
    lines = [np.add(SIDE, (20 * i + 1, 20)) for i in range(4)] + [np.add(SIDE[:3], (1, 60))]
    with zvview.create(str(place), kind="polyline", axes=XY, chunk_shape=(50, 50), bin_shape=(1, 1)) as store:
        store.write(Polylines.from_list(lines, object_ids=np.arange(5) + 10))
    return place


def test_what_is_done_to_shapes_is_done_to_the_lines_of_the_store(window: Any, place: Path) -> None:
    window.drop(place)
    (layer,) = window.viewer.layers
    window.viewer.reset_view()
    window.settle()
    open_as_shapes(layer, window.viewer)
    window.wait(lambda: len(window.viewer.layers) == 2)
    shapes = window.viewer.layers[1]
    editing = editing_of(layer)
    assert isinstance(shapes, Shapes) and isinstance(editing, HandleEditing)
    window.wait(lambda: editing.phase is Phase.ON)

    shapes.add_polygons(np.array([[70.0, 70], [70, 78], [78, 78]]))
    assert editing.review == "1 lines changed" and shapes.features["id"].iloc[-1] == 15
    moved = [np.array(data) for data in shapes.data]
    moved[0] = moved[0] + 2
    shapes.data = moved
    row = int(np.flatnonzero(shapes.features["id"] == 12)[0])
    shapes.selected_data = {row}
    shapes.remove_selected()
    assert editing.review == "2 lines changed, 1 lines deleted"
    shapes.selected_data = {0}
    shapes._copy_data()
    shapes._paste_data()  # tells nobody
    editing.save()
    window.wait(lambda: editing.phase is Phase.ON and not editing.is_changed)
    level = zvview.open(str(place)).level(0)
    found = level.read_objects([10, 11, 13, 14, 15, 16])
    assert np.diff(found.offsets).tolist() == [5, 5, 5, 3, 4, 5]
    first = found.positions[:5]
    np.testing.assert_allclose(first[:4][:, ::-1], moved[0], atol=1e-5)
    assert (first[0] == first[-1]).all()
    assert 12 not in level.present_object_ids.tolist()

    shapes.selected_data = {1}
    shapes.remove_selected()
    editing.undo()
    shapes.selected_data = {1}
    shapes.remove_selected()  # a drawing of its own now
    window.wait(lambda: not editing.is_busy)
    assert editing.review == "no edits"
    editing.stop()
