"""Closed lines as areas: which lines are closed, and that their triangles cover what they enclose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from zvview.format.metadata import Axis
from zvview.geometry.batches import Polylines
from zvview.napari.polygons import Filler, find_rings, plane_of
from zvview.pyramid import build_pyramid
from zvview.style import Colouring

XY = (Axis("x", "space", "um"), Axis("y", "space", "um"))


def outline(centre: tuple[float, float], radius: float, seed: int, corners: int = 40) -> np.ndarray:
    """A cell: a closed line whose distance from the centre wanders; no two of its edges cross."""
    rng = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    waves = sum(rng.normal(0, 0.08) * np.cos(k * angles + rng.uniform(0, 6)) for k in range(2, 6))
    around = np.stack((np.cos(angles), np.sin(angles)), axis=1) * (radius * (1 + waves))[:, None] + centre
    return np.concatenate((around, around[:1])).astype(np.float32)


def area_of(ring: np.ndarray) -> float:
    x, y = ring[:, 0].astype(float), ring[:, 1].astype(float)
    return abs(float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1]))) / 2


def area_of_triangles(positions: np.ndarray, triangles: np.ndarray) -> float:
    a, b, c = (positions[triangles[:, i]].astype(float) for i in range(3))
    return float(np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]).sum() / 2)


CELLS = st.lists(st.tuples(st.integers(0, 2**31), st.integers(3, 60), st.booleans()), max_size=8)


@given(CELLS)
@settings(max_examples=60, deadline=None)
def test_triangles_cover_closed_lines_and_no_others(cells: list[tuple[int, int, bool]]) -> None:
    rings = [outline((100 * i, -50 * i), 20, seed, corners) for i, (seed, corners, _) in enumerate(cells)]
    lines = [r if is_closed else r[:-1] for r, (_, _, is_closed) in zip(rings, cells, strict=True)]
    batch = (
        Polylines.from_list(lines) if lines else Polylines(np.empty((0, 2), np.float32), offsets=np.zeros(1, np.int64))
    )
    triangles = Filler((0, 1)).fill(batch)
    expected = sum(area_of(r) for r, (_, _, is_closed) in zip(rings, cells, strict=True) if is_closed)
    assert area_of_triangles(batch.positions, triangles) == pytest.approx(expected, rel=1e-3, abs=1e-6)
    owner = np.repeat(np.arange(len(lines)), np.diff(batch.offsets))[triangles]
    assert (owner == owner[:, :1]).all()


@given(st.integers(0, 2**31), st.integers(4, 40), st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_lines_in_pieces_are_joined_before(seed: int, corners: int, cuts: int) -> None:
    ring = outline((0, 0), 10, seed, corners)
    at = np.unique(np.random.default_rng(seed).integers(1, len(ring), cuts))
    pieces = np.split(ring, at)
    order = np.random.default_rng(seed).permutation(len(pieces))
    positions = np.concatenate([pieces[i] for i in order])
    starts = np.append(0, np.cumsum([len(pieces[i]) for i in order]))
    place = {int(piece): rank for rank, piece in enumerate(order)}
    bridges = [(starts[place[i] + 1] - 1, starts[place[i + 1]]) for i in range(len(pieces) - 1)]
    ids = np.full(len(pieces), 7)
    batch = Polylines(positions, offsets=starts, object_ids=ids, bridges=np.array(bridges).reshape(-1, 2))
    rows, offsets = find_rings(batch)
    np.testing.assert_array_equal(offsets, [0, len(ring) - 1])
    np.testing.assert_array_equal(batch.positions[rows], ring[:-1])


@pytest.mark.parametrize(
    "line",
    [
        np.zeros((5, 2)),
        [[0, 0], [1, 1], [2, 2], [0, 0]],
        [[0, 0], [np.nan, 1], [2, 2], [0, 0]],
        [[0, 0], [1, 0], [0, 0]],
        [[0, 0], [4, 4], [4, 0], [0, 4], [0, 0]],
    ],
)
def test_degenerate_lines_do_no_harm(line: Any) -> None:
    triangles = Filler((0, 1)).fill(Polylines.from_list([np.array(line, np.float32)]))
    assert triangles.shape[1] == 3 and triangles.max(initial=0) < len(line)


def test_what_was_cut_once_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    from zvview.napari import polygons

    calls: list[int] = []
    cut = polygons._triangulate
    monkeypatch.setattr(polygons, "_triangulate", lambda ring: calls.append(len(ring)) or cut(ring))
    filler, batch = Filler((0, 1)), Polylines.from_list([outline((0, 0), 5, s) for s in range(5)])
    first = filler.fill(batch)
    np.testing.assert_array_equal(filler.fill(batch), first)
    assert calls == [40] * 5


def test_only_lines_in_a_plane_can_be_filled() -> None:
    time = Axis("t", "time")
    assert plane_of("polyline", XY) == (0, 1) and plane_of("polyline", (time, *XY)) == (1, 2)
    assert plane_of("graph", XY) is None and plane_of("polyline", (*XY, Axis("z", "space"))) is None


@pytest.fixture
def tissue(tmp_path: Path) -> Path:
    """Cells in rows of eight, some of them across borders of chunks."""
    cells = [outline((60 + 110 * (i % 8), 60 + 110 * (i // 8)), 45, i) for i in range(64)]
    place = tmp_path / "tissue.zv"
    store = zvview.create(str(place), kind="polyline", axes=XY, chunk_shape=(200, 200), bin_shape=(1, 1))
    store.write(Polylines.from_list(cells, object_ids=np.arange(64)))
    store.close()
    build_pyramid(str(place))
    return place


def test_outlines_are_filled_on_request(window: Any, tissue: Path, pixels_lit: Callable[[np.ndarray], int]) -> None:
    window.drop(tissue)
    (layer,) = window.viewer.layers
    layer.stream.colouring = Colouring(colour=(1.0, 0.5, 0.0, 1.0))
    window.settle()
    assert layer.stream.can_fill and not len(layer.triangles)
    outlines = pixels_lit(window.look("outlines"))
    layer.fill = 0.5
    window.wait(lambda: len(layer.triangles))
    image = window.look("outlines_filled")
    assert pixels_lit(image) > 6 * outlines
    camera, (height, width) = window.viewer.scene.camera, window.viewer.canvas.size
    for i in range(64):
        row = int((60 + 110 * (i // 8) - camera.center[1]) * camera.zoom + height / 2)
        column = int((60 + 110 * (i % 8) - camera.center[2]) * camera.zoom + width / 2)
        np.testing.assert_allclose(image[row, column], [127, 64, 0], atol=3)
    window.turn_wheel(6)
    window.settle()
    zoomed = window.look("outlines_zoomed")
    in_columns = np.abs(zoomed.astype(int) - [127, 64, 0]).max(axis=-1) <= 3
    assert in_columns[0].any() and in_columns[-1].any()  # cells that leave the canvas are whole
    assert in_columns.sum() > 100_000
    layer.opacity = 0.5
    filled = window.look()
    assert (np.abs(filled.astype(int) - [64, 32, 0]).max(axis=-1) <= 3).sum() > 20_000
    layer.opacity, layer.fill = 1.0, 0.0
    window.turn_wheel(-6)
    window.settle()
    assert pixels_lit(window.look()) == pytest.approx(outlines, rel=0.02)


def test_colours_of_areas_are_those_of_their_lines(window: Any, tissue: Path) -> None:
    window.drop(tissue)
    (layer,) = window.viewer.layers
    layer.stream.colouring = Colouring("object")
    layer.fill = 1.0
    window.settle()
    window.wait(lambda: len(layer.triangles))
    image = window.look("outlines_by_object")
    colours = {tuple(c) for c in (layer.colours[layer.triangles[:, 0]] * 255).round().astype(int)[:, :3].tolist()}
    assert len(colours) > 8
    camera, (height, width) = window.viewer.scene.camera, window.viewer.canvas.size
    row, column = (int((60 - camera.center[a]) * camera.zoom + size / 2) for a, size in ((1, height), (2, width)))
    assert min(np.abs(np.subtract(c, image[row, column].astype(int))).max() for c in colours) <= 2
