"""Images of a window that were opened from Zarr lie in the client where and as they do in the window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr

import zvview
from tests.handover.opening import opened
from tests.neuroglancer.browser.pages import Page
from zvview.handover.twins import Twin


def test_an_array_lies_where_the_window_has_it_in_its_colours(
    window: Any, twin: Twin, page: Page, tmp_path: Path
) -> None:
    store, image = tmp_path / "cells.zarrvectors", tmp_path / "em.zarr"
    axes = [zvview.Axis(name, "space", "micrometer") for name in "xyz"]
    corners = [[0.0, 0.0, 0.0], [80.0, 80.0, 80.0]]
    with zvview.create(store, kind="point_cloud", axes=axes, chunk_shape=(80.0,) * 3) as made:
        made.write(zvview.Points(np.array(corners)))
    voxels = np.zeros((20, 40, 40), np.uint8)
    voxels[:, 10:30, 4:12] = 200  # z, y, x
    array = zarr.create_array(image, shape=voxels.shape, chunks=(10, 20, 20), dtype="u1")
    array[:] = voxels
    window.drop(store)
    (shown,) = window.viewer.open(str(image), plugin="napari")
    shown.scale, shown.translate = (4, 2, 2), (2, 10, 0)
    shown.colormap, shown.contrast_limits, shown.name = "green", (0, 200), "em"
    window.viewer.add_image(np.zeros((4, 4, 4)), name="in memory")
    window.viewer.dims.ndisplay = 2
    window.viewer.dims.set_point(0, 40.0)
    window.settle()
    view = opened(window, twin)
    assert any("in memory" in note and "opened from Zarr" in note for note in twin.notes)
    assert view.state()["layers"][0]["name"] == "em"
    page.show(view.viewer, position=[30.0, 50.0, 40.0], crossSectionScale=0.25)
    picture = page.look(view.viewer, "handover_image")
    inner = np.stack(np.meshgrid(np.arange(8.5, 22, 2), np.arange(31, 68, 2), [40.0]), axis=-1).reshape(-1, 3)
    edges = np.array([[6.0, 50, 40], [24.0, 50, 40], [15.0, 28, 40], [15.0, 70, 40]])
    at, _ = picture.find(inner, "xyz")
    assert len(at) and picture.share_found(at, np.tile([0, 255, 0], (len(at), 1)), reach=0) > 0.95
    dark, _ = picture.find(edges, "xyz")
    assert len(dark) == 4 and not picture.is_lit[tuple(dark.T)].any()
    shown.contrast_limits = (0, 100)
    again = opened(window, twin)
    assert again is view, "the client stays the same, and so does what it serves"
    assert "range=[0, 100]" in again.state()["layers"][0]["shader"]
