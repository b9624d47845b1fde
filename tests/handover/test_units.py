"""Stores with and without a unit in one window, and together in Neuroglancer, which shows no two units of one axis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import zvview
from tests.handover.opening import opened
from tests.neuroglancer.browser.pages import Page
from zvview.handover.twins import Twin
from zvview.napari.camera import read_viewer


@pytest.mark.parametrize("units", [(None, "micrometer"), ("micrometer", None)], ids=["first", "second"])
def test_stores_without_a_unit_lie_beside_the_others(
    window: Any, twin: Twin, page: Page, tmp_path: Path, units: tuple[str | None, str | None]
) -> None:
    rng, written = np.random.default_rng(0), []
    for number, unit in enumerate(units):
        place = tmp_path / f"{number}.zarrvectors"
        written.append(rng.uniform(100 * number, 100 * number + 90, (60, 3)))
        axes = [zvview.Axis(name, "space", unit) for name in "xyz"]
        with zvview.create(place, kind="point_cloud", axes=axes, chunk_shape=(50.0,) * 3) as store:
            store.write(zvview.Points(written[-1]))
        window.drop(place)
    zarr.create_array(tmp_path / "em.zarr", shape=(8, 8, 8), chunks=(8, 8, 8), dtype="u1")[:] = 0
    window.viewer.open(str(tmp_path / "em.zarr"), plugin="napari")
    window.viewer.dims.ndisplay = 3
    window.viewer.reset_view()
    window.settle()
    asked = read_viewer(window.viewer)
    view = opened(window, twin)
    image = next(layer for layer in view.state()["layers"] if layer["type"] == "image")
    assert image["source"]["transform"]["outputDimensions"] == view.state()["dimensions"]
    page.show(view.viewer)
    picture = page.look(view.viewer, f"handover_units_{units[0]}")
    for positions in written:
        at, rows = picture.find(positions, ["x", "y", "z"])
        assert len(rows) == len(positions)
        assert picture.share_found(at, np.full((len(rows), 3), 255)) > 0.9
    camera = window.viewer.scene.camera
    camera.center, camera.zoom = (1.0, 2.0, 3.0), 0.1
    twin.take_back()
    found = read_viewer(window.viewer)
    np.testing.assert_allclose(found.centre, asked.centre, rtol=1e-4)
    assert found.zoom == pytest.approx(asked.zoom, rel=1e-4)
