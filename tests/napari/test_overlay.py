"""Vectors over an image of the same place: bright voxels and the points at them coincide, at any offset and unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from zvview.format.metadata import Axis
from zvview.geometry.batches import Lines, Points, Polylines
from zvview.style import Colouring

SCALE = np.array([8.0, 4.0, 4.0])  # z, y, x, in nanometres as of electron microscopes
SHAPE = (16, 60, 80)
VOXELS = np.array([[4, 10, 12], [4, 40, 60], [10, 20, 66], [10, 50, 20]])
SIZE = 5.0  # of points: patches large enough to have a middle
NEAR, FAR = np.zeros(3), np.array([1e6, 2e6, 3e6])
AWAY = {"near": NEAR, "far": FAR}


def image_of(window: Any, origin: np.ndarray, unit: str = "nanometer") -> Any:
    """An image as readers of OME-Zarr open it: z, y, x with scale, translation and unit; four cubes are lit."""
    data = np.zeros(SHAPE, np.uint8)
    for z, y, x in VOXELS:
        data[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = 255
    return window.viewer.add_image(
        data,
        scale=SCALE,
        translate=origin,
        units=[unit] * 3,
        axis_labels=("z", "y", "x"),
        rendering="mip",
        interpolation3d="nearest",
        colormap="red",
        name="image",
    )


def store_of(place: Path, origin: np.ndarray, unit: str = "nm", factor: float = 1.0) -> str:
    """Points in the middle of the lit cubes, with axes x, y, z, in a unit that is `factor` times finer."""
    lo, hi = origin[::-1], (origin + SCALE * SHAPE)[::-1]
    at = (origin + SCALE * VOXELS)[:, ::-1] * factor
    axes = tuple(Axis(name, "space", unit) for name in "xyz")
    store = zvview.create(
        str(place),
        kind="point_cloud",
        axes=axes,
        chunk_shape=tuple((hi - lo) * factor),
        bin_shape=(4 * factor,) * 3,
        bounds=(lo * factor, hi * factor),
        dtype=np.float64,
    )
    store.write(Points(at))
    store.close()
    return str(place)


def centroids(image: np.ndarray, channel: int) -> np.ndarray:
    """Middles of the patches of a colour, (n, 2) rows and columns in pixels, in order."""
    from scipy import ndimage

    labels, _ = ndimage.label(image[..., channel].astype(int) > 100)
    large = 1 + np.flatnonzero(np.bincount(labels.ravel())[1:] >= 24)  # volumes leave single pixels at edges
    middles = ndimage.center_of_mass(labels > 0, labels, large)
    return np.array(sorted(map(tuple, middles))).reshape(-1, 2)


def places_of(window: Any, shown: Any, others: list[Any], channel: int, name: str) -> np.ndarray:
    for layer in window.viewer.layers:
        layer.visible = layer is shown
    window.live(0.1)
    if hasattr(shown, "stream"):
        window.settle(shown)
    return centroids(window.look(name), channel)


def compare(window: Any, image: Any, points: Any, expected: int, name: str) -> None:
    ours = places_of(window, points, [image], 1, f"overlay_{name}_points")
    theirs = places_of(window, image, [points], 0, f"overlay_{name}_image")
    assert len(ours) == len(theirs) == expected
    away = np.linalg.norm(ours[:, None] - theirs[None], axis=2)
    assert away.min(axis=1).max() < 1.0
    image.visible = points.visible = True


def open_both(window: Any, tmp_path: Path, origin: np.ndarray) -> tuple[Any, Any]:
    image = image_of(window, origin)
    (points,) = window.viewer.open(store_of(tmp_path / "spots.zv", origin), plugin="zvview")
    points.stream.colouring = Colouring(colour=(0.0, 1.0, 0.0, 1.0))
    points.current_size = SIZE
    return image, points


@pytest.mark.parametrize("where", ["near", "far"])
def test_points_lie_on_their_voxels_in_2d(window: Any, tmp_path: Path, where: str) -> None:
    origin = AWAY[where]
    image, points = open_both(window, tmp_path, origin)
    window.viewer.reset_view()
    for plane in (4, 10):
        window.viewer.dims.set_point(0, origin[0] + SCALE[0] * plane)
        points.stream.slab = 3.0
        window.settle(points)
        compare(window, image, points, 2, f"2d_{where}_{plane}")
    window.viewer.scene.camera.zoom *= 3
    window.settle(points)
    ours = places_of(window, points, [image], 1, f"overlay_2d_{where}_zoomed_points")
    theirs = places_of(window, image, [points], 0, f"overlay_2d_{where}_zoomed_image")
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(ours, theirs, atol=1.0)


@pytest.mark.parametrize("where", ["near", "far"])
def test_points_lie_on_their_voxels_in_3d(window: Any, tmp_path: Path, where: str) -> None:
    image, points = open_both(window, tmp_path, AWAY[where])
    window.viewer.dims.ndisplay = 3
    window.viewer.reset_view()
    for angles in ((0, 0, 90), (0, 0, 20), (15, 30, 60)):
        window.viewer.scene.camera.angles = angles
        window.settle(points)
        compare(window, image, points, 4, f"3d_{where}_{angles[2]}")


@pytest.mark.parametrize("where", ["near", "far"])
def test_lines_lie_on_their_voxels_in_2d_and_3d(window: Any, tmp_path: Path, where: str) -> None:
    """Crosses in the middle of the cubes."""
    origin = AWAY[where]
    image = image_of(window, origin)
    middles = (origin + SCALE * VOXELS)[:, ::-1]
    arm = np.array([6.0, 0, 0])
    crosses = [[m - np.roll(arm, k), m + np.roll(arm, k)] for m in middles for k in range(3)]
    axes = tuple(Axis(name, "space", "nm") for name in "xyz")
    lo, hi = origin[::-1], (origin + SCALE * SHAPE)[::-1]
    store = zvview.create(
        str(tmp_path / "crosses.zv"),
        kind="line",
        axes=axes,
        chunk_shape=tuple(hi - lo),
        bounds=(lo, hi),
        dtype=np.float64,
    )
    store.write(Lines.from_endpoints(crosses))
    store.close()
    (lines,) = window.viewer.open(str(tmp_path / "crosses.zv"), plugin="zvview")
    lines.stream.colouring, lines.edge_width = Colouring(colour=(0.0, 1.0, 0.0, 1.0)), 3
    window.viewer.reset_view()
    window.viewer.dims.set_point(0, origin[0] + SCALE[0] * 4)
    lines.stream.slab = 3.0
    window.settle(lines)
    compare(window, image, lines, 2, f"lines_2d_{where}")
    window.viewer.dims.ndisplay = 3
    window.viewer.scene.camera.angles = (15, 30, 60)
    window.settle(lines)
    compare(window, image, lines, 4, f"lines_3d_{where}")


def test_nanometres_over_micrometres(window: Any, tmp_path: Path) -> None:
    origin = np.array([20.0, 300.0, 400.0])
    image = image_of(window, origin, "micrometer")
    (points,) = window.viewer.open(store_of(tmp_path / "nm.zv", origin, "nm", 1000), plugin="zvview")
    points.stream.colouring = Colouring(colour=(0.0, 1.0, 0.0, 1.0))
    points.current_size = 1000 * SIZE
    assert [str(unit) for unit in points.units] == ["nanometer"] * 3
    window.viewer.reset_view()
    for plane in (4, 10):  # napari's volumes of mixed units are cut off in 3-D
        window.viewer.dims.set_point(0, 1000 * (origin[0] + SCALE[0] * plane))
        points.stream.slab = 3000.0
        window.settle(points)
        compare(window, image, points, 2, f"units_{plane}")


def test_stores_of_different_units_lie_side_by_side_and_the_scale_bar_is_right(window: Any, tmp_path: Path) -> None:
    """Lines of a millimetre, one from 0 to 1 mm, one from 1,000 to 2,000 um; the bar is as long as it says."""
    for name, unit, start, end in (("mm", "mm", 0.0, 1.0), ("um", "um", 1000.0, 2000.0)):
        axes = (Axis("x", "space", unit), Axis("y", "space", unit))
        store = zvview.create(
            str(tmp_path / f"{name}.zv"),
            kind="polyline",
            axes=axes,
            chunk_shape=(end * 2, end * 2),
            bin_shape=(end / 100,) * 2,
        )
        store.write(Polylines.from_list([[[start, end / 2], [end, end / 2]], [[end, 0.0], [end, end / 2]]]))
        store.close()
        (layer,) = window.viewer.open(str(tmp_path / f"{name}.zv"), plugin="zvview")
        layer.stream.colouring = Colouring(colour=(0.0, 1.0, 0.0, 1.0) if name == "mm" else (1.0, 0.0, 0.0, 1.0))
    window.settle()
    window.viewer.reset_view()
    window.settle()
    image = window.look("units_side_by_side").astype(int)
    green, red = ((image[..., channel] > 100).nonzero() for channel in (1, 0))
    camera, (_, width) = window.viewer.scene.camera, window.viewer.canvas.size

    def world(columns: np.ndarray) -> np.ndarray:
        return (columns - width / 2) / camera.zoom + camera.center[2]

    px = 1.5 / camera.zoom
    assert str(window.viewer.layers.extent.units[0]) == "micrometer"
    assert (world(green[1]).min(), world(green[1]).max()) == pytest.approx((0, 1000), abs=px)
    assert (world(red[1]).min(), world(red[1]).max()) == pytest.approx((1000, 2000), abs=px)
    bar = window.viewer.canvas.overlays.scale_bar
    for layer in window.viewer.layers:
        layer.visible = False
    bar.visible, bar.colored, bar.color = True, True, (0, 0, 1, 1)
    window.live(0.1)
    blue = window.look("units_scale_bar").astype(int)
    rows, columns = np.nonzero((blue[..., 2] > 100) & (blue[..., 0] < 60))
    longest = max(np.ptp(columns[rows == row]) + 1 for row in np.unique(rows))
    assert longest / camera.zoom == pytest.approx(200, rel=0.05)  # as it says
