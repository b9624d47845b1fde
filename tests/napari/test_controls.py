"""The controls of lines, in the panel that napari shows: what is dragged there is drawn, and the other way round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from zvview.format.metadata import Axis
from zvview.geometry.batches import Polylines
from zvview.testing import make_store

AXES = (Axis("x", "space", "um"), Axis("y", "space", "um"), Axis("t", "time", "min"))


def sliders_of(window: Any, layer: Any) -> dict[str, Any]:
    panel = window.viewer.window._qt_viewer.controls.widgets[layer]
    return panel.sliders


def test_lines_have_width_and_nodes(window: Any, tmp_path: Path, pixels_lit: Any) -> None:
    make_store(str(tmp_path / "a.zv"), "skeleton", size=2000).close()
    window.drop(tmp_path / "a.zv")
    (layer,) = window.viewer.layers
    sliders = sliders_of(window, layer)
    assert set(sliders) == {"edge_width", "node_size"}
    window.viewer.dims.ndisplay = 3
    window.settle()
    thin = pixels_lit(window.look())
    sliders["edge_width"].slider.setValue(4)
    window.wait(lambda: layer.edge_width == 4)
    assert pixels_lit(window.look("controls_wide")) > 1.5 * thin
    sliders["node_size"].slider.setValue(8)
    window.wait(lambda: layer.node_size == 8)
    layer.edge_width = 2.5
    assert sliders["edge_width"].slider.value() == pytest.approx(2.5)


def test_tracks_and_outlines_have_theirs(window: Any, tmp_path: Path) -> None:
    ring = np.array([[0, 0, 3], [9, 0, 3], [9, 9, 3], [0, 0, 3]], np.float32)
    store = zvview.create(
        str(tmp_path / "t.zv"), kind="polyline", axes=AXES, chunk_shape=(50, 50, 10), bin_shape=(1, 1, 1)
    )
    store.write(Polylines.from_list([ring, ring + 10]))
    store.close()
    window.drop(tmp_path / "t.zv")
    (layer,) = window.viewer.layers
    window.settle()
    sliders = sliders_of(window, layer)
    assert set(sliders) == {"edge_width", "node_size", "fill", "tail", "head"}
    assert "min" in sliders["tail"].slider.toolTip() and sliders["tail"].slider.maximum() == pytest.approx(10)
    assert sliders["tail"].slider.value() == pytest.approx(2.5)
    sliders["tail"].slider.setValue(6)
    sliders["head"].slider.setValue(1.5)
    window.wait(lambda: (layer.stream.tail, layer.stream.head) == (6, 1.5))
    layer.stream.tail = 4
    assert sliders["tail"].slider.value() == pytest.approx(4)
    sliders["fill"].slider.setValue(0.5)
    window.wait(lambda: layer.fill == 0.5)
    window.viewer.window._qt_window.grab().save(str(tmp_path / "panel.png"))
    assert (tmp_path / "panel.png").stat().st_size > 1000
    window.viewer.layers.clear()
    window.live(0.1)
    layer.stream.tail = 3  # nobody listens any more
