"""How points of a real window look in a real browser: the slab that is seen, opacity, sizes and borders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from tests.handover.opening import opened
from tests.neuroglancer.browser.pages import Page, Picture
from zvview.handover.looks import find_look, find_spacing
from zvview.handover.twins import Twin
from zvview.napari.camera import read_placement, read_viewer
from zvview.napari.private.point_columns import PointColumns
from zvview.stream import Status

AT = np.array([[20.0, 20, 4], [20, 60, 8], [60, 20, 12], [60, 60, 16], [40, 40, 60]])
"""The last one lies elsewhere along z."""
SIZES = np.array([4.0, 8, 12, 16, 8])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rim = rng.uniform(0.3, 1, (5, 4)).astype("f4")
    rim[:, 3] = 1
    columns = {"width": SIZES.astype("f4"), "rim": rim, "share": np.full(5, 0.5, "f4")}
    axes = [zvview.Axis(name, "space", "micrometer") for name in "xyz"]
    bounds = ([0] * 3, [80] * 3)
    with zvview.create(
        tmp_path / "few.zarrvectors", kind="point_cloud", axes=axes, chunk_shape=(40.0,) * 3, bounds=bounds
    ) as made:
        made.write(zvview.Points(AT, attributes=columns))
    return tmp_path / "few.zarrvectors"


def seen(window: Any, twin: Twin, page: Page, name: str) -> Picture:
    window.settle()
    view = opened(window, twin)
    page.show(view.viewer)
    return page.look(view.viewer, name)


def shown_from_above(window: Any, place: Path) -> Any:
    window.drop(place)
    window.viewer.dims.ndisplay = 2
    window.settle()
    window.viewer.scene.camera.center, window.viewer.scene.camera.zoom = (0.0, 40.0, 40.0), 4.0
    window.viewer.dims.set_point(0, 10.0)
    return window.viewer.layers[0]


def test_a_plane_shows_the_slab_of_the_window_and_nothing_else(
    window: Any, twin: Twin, page: Page, place: Path
) -> None:
    layer = shown_from_above(window, place)
    layer.stream.slab = (8.0,) * 3
    layer.face_color, layer.current_size = "#40ff80", 5.0
    layer.size = 5.0
    picture = seen(window, twin, page, "points_slab")
    assert picture.state["crossSectionDepth"] == pytest.approx(8)
    inside = AT[np.abs(AT[:, 2] - 10) < 8]
    at, _ = picture.find(inside, "xyz")
    assert len(at) == 4
    assert picture.share_found(at, np.tile([64, 255, 128], (4, 1)), reach=0) == 1  # as bright far off as near
    assert picture.share_stray(at, reach=14) == 0
    layer.stream.slab = (4.0,) * 3
    at, _ = picture.find(AT[1:3], "xyz")
    assert seen(window, twin, page, "points_thin").share_stray(at, reach=14) == 0


def test_as_much_is_drawn_as_in_the_window() -> None:
    whole = Status(vertices_shown=500, levels=(0,), chunks_ready=4, chunks_wanted=4)
    assert find_spacing(whole, 0, 400_000, 6.0) == 1.0
    for part in (replace(whole, levels=(1,)), replace(whole, is_thinned=True), replace(whole, chunks_ready=3)):
        assert find_spacing(part, 0, 400_000, 6.0) == 6.0
        assert find_spacing(replace(part, vertices_shown=25_000), 0, 400_000, 6.0) == pytest.approx(4)
        assert find_spacing(replace(part, vertices_shown=10**7), 0, 400_000, 6.0) == 1.0


def test_detail_goes_over(window: Any, twin: Twin, place: Path) -> None:
    shown_from_above(window, place)
    window.viewer.dims.ndisplay = 3
    window.settle()
    assert opened(window, twin).state()["layers"][0]["projectionAnnotationSpacing"] == 1


def test_opacity_goes_over(window: Any, twin: Twin, page: Page, place: Path) -> None:
    layer = shown_from_above(window, place)
    window.viewer.dims.ndisplay = 3
    window.settle()
    layer.face_color, layer.size, layer.opacity = "#ffffff", 6.0, 0.5
    picture = seen(window, twin, page, "points_opacity")
    assert np.median(picture.pixels[picture.is_lit]) == pytest.approx(128, abs=3)


def test_sizes_and_borders_of_their_own_go_over(window: Any, twin: Twin, page: Page, place: Path) -> None:
    layer = shown_from_above(window, place)
    layer.face_color = "#00ff00"
    layer.columns = PointColumns(size="width", border_width="share", border_colour="rim")
    look, notes = find_look(layer, read_viewer(window.viewer), read_placement(layer, window.viewer))
    assert notes == () and look.markers.px_per_unit == pytest.approx(4)
    picture = seen(window, twin, page, "points_own")
    rims = np.rint(layer.stream.store.level(0).read().attributes["rim"][:4, :3] * 255)
    at, _ = picture.find(AT[:4], "xyz")
    assert picture.share_found(at, np.tile([0, 255, 0], (4, 1)), reach=0) == 1
    across = np.array(
        [(picture.is_lit[row, :250] if column < 250 else picture.is_lit[row, 250:]).sum() for row, column in at]
    )
    np.testing.assert_allclose(across, SIZES[:4] * 4 * 1.5, atol=3)  # half of a border lies within the diameter
    edge = at - np.stack((np.rint(SIZES[:4] * 4 * 0.5), np.zeros(4)), axis=1).astype(int)
    assert picture.share_found(edge, rims, reach=1) == 1


def test_a_border_of_all_goes_over_and_other_symbols_are_told(window: Any, twin: Twin, page: Page, place: Path) -> None:
    layer = shown_from_above(window, place)
    layer.face_color, layer.border_color, layer.border_width = "#00ff00", "#ff0000", 0.4
    layer.size, layer.current_symbol = 12.0, "square"
    picture = seen(window, twin, page, "points_border")
    at, _ = picture.find(AT[:4], "xyz")
    assert picture.share_found(at, np.tile([0, 255, 0], (4, 1)), reach=0) == 1
    assert picture.share_found(at - (24, 0), np.tile([255, 0, 0], (4, 1)), reach=1) == 1
    assert any("discs, not as square" in note for note in twin.notes)
