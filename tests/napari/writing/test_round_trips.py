"""Layers saved and opened again in a real window: positions, axes, features, colours, extent and pixels stay."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from napari.layers import Layer, Points, Shapes, Surface, Tracks, Vectors

import zvview

RNG = np.random.default_rng(5)
WORDS = np.array(["red", "green", None], object)


def reopen(window: Any, layer: Layer, place: Path) -> Any:
    """Save a layer from the viewer, put it out, and drop what was saved."""
    window.viewer.layers.save(str(place), plugin="zvview")
    assert zvview.check(place).ok
    window.viewer.layers.clear()
    window.drop(place)
    window.settle()
    (opened,) = [found for found in window.viewer.layers if hasattr(found, "stream")]
    return opened


def world(layer: Any, positions: np.ndarray) -> np.ndarray:
    return np.array([layer.data_to_world(p) for p in positions])


def in_order(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort(rows.T)]


def colours_at(positions: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Colours in an order that only positions decide."""
    return colours[np.lexsort(np.round(positions, 3).T)]


def assert_alike(before: np.ndarray, after: np.ndarray) -> None:
    """Pictures of canvases that may differ in height by a pixel: alike in squares of ten pixels."""
    height, width = (min(a, b) // 10 * 10 for a, b in zip(before.shape[:2], after.shape[:2], strict=True))
    squares = [p[:height, :width].reshape(height // 10, 10, -1, 10, 3).mean(axis=(1, 3)) for p in (before, after)]
    assert (squares[0].max(axis=-1) > 60).sum() > 30
    assert (squares[1].max(axis=-1) > 60).sum() == pytest.approx((squares[0].max(axis=-1) > 60).sum(), rel=0.1)
    assert np.abs(squares[0] - squares[1]).max() < 60
    assert np.abs(squares[0] - squares[1]).mean() < 2


def points(**kwargs: Any) -> Points:
    data = RNG.uniform(0, 100, (300, 3)).astype(np.float32)
    features = pd.DataFrame({"score": np.arange(300.0), "type": WORDS[np.arange(300) % 3], "flag": data[:, 0] > 50})
    return Points(data, features=features, size=3, border_width=0, name="cells", **kwargs)


def test_points_keep_place_features_colours_and_looks(window: Any, tmp_path: Path) -> None:
    colours = RNG.random((300, 4)).astype(np.float32)
    colours[:, 3] = 1
    layer = points(
        face_color=colours, scale=(2, 1, 0.5), translate=(5, -7, 100), units="um", opacity=0.8, symbol="square"
    )
    window.viewer.add_layer(layer)
    expected, extent = world(layer, layer.data), layer.extent.world
    opened = reopen(window, layer, tmp_path / "cells.zarrvectors")
    np.testing.assert_allclose(in_order(world(opened, opened.data)), in_order(expected), atol=1e-4)
    np.testing.assert_allclose(opened.extent.world, extent, atol=1e-4)
    np.testing.assert_allclose(colours_at(opened.data, opened.face_color), colours_at(expected, colours), atol=1e-6)
    assert (opened.opacity, str(opened.current_symbol)) == (0.8, "square")
    assert opened.current_size == 1.5  # in world units, of the last axis
    store = opened.stream.store
    assert [(a.name, a.type, a.unit) for a in store.axes] == [(n, "space", "micrometer") for n in "xyz"]
    assert [str(unit) for unit in opened.units] == ["micrometer"] * 3
    batch = store.level(0).read()
    order = np.argsort(batch.attributes["score"])
    np.testing.assert_allclose(batch.positions[order], expected[:, ::-1], atol=1e-4)
    assert batch.labels("type")[order].tolist() == WORDS[np.arange(300) % 3].tolist()
    assert (batch.attributes["flag"][order] == (layer.data[:, 0] > 50)).all()


def test_points_in_one_colour_need_no_attribute(window: Any, tmp_path: Path) -> None:
    layer = points(face_color="magenta")
    window.viewer.add_layer(layer)
    opened = reopen(window, layer, tmp_path / "cells.zv")
    assert opened.stream.colouring.mode == "constant"
    assert set(opened.stream.store.attributes) == {"score", "type", "flag"}
    np.testing.assert_allclose(opened.face_color, np.tile([1, 0, 1, 1], (300, 1)))


@pytest.mark.parametrize("is_3d", [False, True])
def test_points_look_the_same_on_screen(window: Any, tmp_path: Path, is_3d: bool) -> None:
    apart = np.column_stack(
        ([10.0] * 40, *np.mgrid[0:40:8, 0:64:8].reshape(2, -1))
    )  # which of two is above is not kept
    data = (apart if is_3d else apart[:, 1:]).astype(np.float32)
    colours = np.ones((40, 4), np.float32)
    colours[:, :3] = np.eye(3)[np.arange(40) % 3]
    layer = Points(data, size=6, face_color=colours, border_width=0, antialiasing=0.5, name="p")
    window.viewer.dims.ndisplay = 3 if is_3d else 2
    window.viewer.add_layer(layer)
    window.viewer.reset_view()
    before = window.look(f"points_before_{is_3d}")
    camera = window.viewer.scene.camera
    zoom, centre = camera.zoom, camera.center
    reopen(window, layer, tmp_path / "p.zarrvectors")
    camera.zoom, camera.center = zoom, centre
    window.settle()
    after = window.look(f"points_after_{is_3d}")
    assert_alike(before, after)


def test_points_over_time_step_by_their_moments(window: Any, tmp_path: Path) -> None:
    data = np.column_stack((np.repeat(np.arange(20) * 0.5, 30), RNG.uniform(0, 50, (600, 3))))
    layer = Points(data, size=2, name="p", axis_labels=("t", "z", "y", "x"), units=("s", "um", "um", "um"))
    window.viewer.add_layer(layer)
    opened = reopen(window, layer, tmp_path / "p.zarrvectors")
    assert [(a.name, a.type, a.unit) for a in opened.stream.store.axes][-1] == ("t", "time", "second")
    assert opened.axis_labels == ("t", "z", "y", "x")
    assert window.viewer.dims.range[0].step == pytest.approx(0.5)
    window.viewer.dims.set_point(0, 3.5)
    window.settle()
    assert set(opened.data[:, 0]) == {3.5}


def test_other_axes_keep_their_order_and_names(window: Any, tmp_path: Path) -> None:
    layer = Points(RNG.random((50, 2)), name="p", axis_labels=("row", "column"))
    window.viewer.add_layer(layer)
    opened = reopen(window, layer, tmp_path / "p.zarrvectors")
    assert opened.axis_labels == ("row", "column")
    np.testing.assert_allclose(in_order(opened.data), in_order(layer.data), atol=1e-6)


def test_vectors_are_lines_to_where_they_are_drawn(window: Any, tmp_path: Path) -> None:
    data = RNG.uniform(0, 50, (200, 2, 3)).astype(np.float32)
    colours = RNG.random((200, 4)).astype(np.float32)
    layer = Vectors(data, length=2, edge_color=colours, features={"speed": np.arange(200.0)}, name="v")
    window.viewer.add_layer(layer)
    window.viewer.dims.ndisplay = 3
    opened = reopen(window, layer, tmp_path / "v.zarrvectors")
    assert opened.stream.store.kind == "line"
    order = np.argsort(opened.features["speed"])
    np.testing.assert_allclose(opened.data[order, 0], data[:, 0], atol=1e-4)
    np.testing.assert_allclose(opened.data[order, 1], 2 * data[:, 1], atol=1e-4)
    np.testing.assert_allclose(opened.colours[opened.segments[:, 0]][order], colours, atol=1e-6)


def tracks() -> Tracks:
    mother = [[1, t, 5.0, 10, 10 + 2 * t] for t in range(11)]
    daughters = [[k, t, 5.0, 10 + s * (t - 10), 30] for k, s in ((2, 1), (3, -1)) for t in range(11, 21)]
    table = np.array(mother + daughters, np.float64)
    return Tracks(table, graph={2: [1], 3: [1]}, features={"age": table[:, 1] * 2}, name="lineage", color_by="age")


def test_tracks_keep_ids_time_features_and_parents(window: Any, tmp_path: Path) -> None:
    layer = tracks()
    window.viewer.add_layer(layer)
    window.viewer.dims.set_point(0, 18)
    window.look("tracks_before")
    table, colours = layer.data.copy(), layer.track_colors.copy()
    opened = reopen(window, layer, tmp_path / "lineage.zarrvectors")
    window.viewer.dims.set_point(0, 18)
    window.settle()
    window.look("tracks_after")
    store = opened.stream.store
    assert store.kind == "streamline"
    assert [(a.name, a.type) for a in store.axes] == [("x", "space"), ("y", "space"), ("z", "space"), ("t", "time")]
    level = store.level(0)
    assert dict(zip(level.object_ids.tolist(), level.object_attribute("parent").tolist(), strict=True)) == {
        1: -1, 2: 1, 3: 1,
    }  # fmt: skip
    batch = level.read_objects([1, 2, 3])
    np.testing.assert_array_equal(batch.vertex_object_ids, table[:, 0])
    np.testing.assert_allclose(batch.positions[:, [3, 2, 1, 0]], table[:, 1:])
    np.testing.assert_array_equal(batch.attributes["age"], table[:, 1] * 2)
    assert opened.axis_labels == ("t", "z", "y", "x")
    assert window.viewer.dims.range[0].step == 1
    by = opened.stream.colouring
    assert (by.mode, by.name, by.colourmap, by.limits) == ("attribute", "age", "turbo", (0, 40))
    assert (opened.stream.tail, opened.stream.head, opened.edge_width) == (30, 0, 2)
    assert colours.shape == (31, 4)


def test_merges_of_tracks_are_kept_as_well(window: Any, tmp_path: Path) -> None:
    table = [[k, t, k, 1.0] for k, begin in ((0, 0), (1, 0), (2, 3)) for t in range(begin, begin + 3)]
    layer = Tracks(np.array(table), graph={2: [0, 1]}, name="m")
    window.viewer.add_layer(layer)
    opened = reopen(window, layer, tmp_path / "m.zarrvectors")
    store = opened.stream.store
    assert store.user_metadata["napari_tracks_graph"] == {"2": [0, 1]}
    assert store.level(0).object_attribute("parent").tolist() == [-1, -1, 0]
    assert opened.stream.colouring.mode == "rgba"  # by track id, which is no attribute


def test_surfaces_keep_faces_values_and_their_colours(window: Any, tmp_path: Path) -> None:
    vertices, faces = grid_mesh()
    values = vertices[:, 2].astype(np.float32)
    layer = Surface((vertices, faces, values), colormap="viridis", contrast_limits=(2, 15), name="s", shading="none")
    window.viewer.add_layer(layer)
    window.viewer.dims.ndisplay = 3
    window.viewer.reset_view()
    before = window.look("surface_before")
    camera = window.viewer.scene.camera
    zoom, centre = camera.zoom, camera.center
    opened = reopen(window, layer, tmp_path / "s.zarrvectors")
    camera.zoom, camera.center = zoom, centre
    window.settle()
    after = window.look("surface_after")
    by = opened.stream.colouring
    assert (by.name, by.colourmap, by.limits) == ("value", "viridis", (2, 15))
    assert str(opened.shading) == "none"
    batch = opened.stream.store.level(0).read()
    assert len(batch.faces) == len(faces)
    np.testing.assert_allclose(in_order(batch.positions), in_order(vertices[:, ::-1]), atol=1e-5)
    np.testing.assert_allclose(batch.attributes["value"], batch.positions[:, 0], atol=1e-5)
    assert_alike(before, after)


def grid_mesh() -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[0:20, 0:20].reshape(2, -1)
    vertices = np.column_stack((np.sin(rows / 4) * 3, rows, columns)).astype(np.float32)
    corner = (np.arange(19)[:, None] * 20 + np.arange(19)).ravel()
    faces = np.concatenate([corner[:, None] + [0, 1, 21], corner[:, None] + [0, 21, 20]])
    return vertices, faces


def test_colours_of_surfaces_that_no_map_of_ours_gives(window: Any, tmp_path: Path) -> None:
    vertices, faces = grid_mesh()
    layer = Surface((vertices, faces, vertices[:, 1]), colormap="magma", name="s")
    window.viewer.add_layer(layer)
    opened = reopen(window, layer, tmp_path / "s.zarrvectors")
    assert opened.stream.colouring.mode == "rgba"
    assert set(opened.stream.store.attributes) == {"value", "vertex_color"}
    window.viewer.layers.clear()
    plain = Surface((vertices, faces), name="s")
    window.viewer.add_layer(plain)
    again = reopen(window, plain, tmp_path / "plain.zarrvectors")
    assert again.stream.colouring.mode == "constant" and not again.stream.store.attributes


def test_faces_turn_round_with_a_mirrored_layer(window: Any, tmp_path: Path) -> None:
    triangle = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    for name, scale in (("a", (1, 1, 1)), ("b", (1, 1, -1))):
        layer = Surface((triangle, np.array([[0, 1, 2]])), scale=scale, name=name)
        window.viewer.add_layer(layer)
        opened = reopen(window, layer, tmp_path / f"{name}.zarrvectors")
        batch = opened.stream.store.level(0).read()
        a, b, c = batch.positions[batch.faces[0]]
        assert np.sign(np.cross(b - a, c - a)[2]) == -1  # turns as it did in the data, seen along z
        window.viewer.layers.clear()


def shapes() -> Shapes:
    square = np.array([[10, 10], [10, 30], [30, 30], [30, 10.0]])
    path = np.array([[0, 0], [5, 40], [20, 45.0]])
    line = np.array([[40, 0], [45, 45.0]])
    return Shapes(
        [square, path, line, square + 35, square[:3]],
        shape_type=["rectangle", "path", "line", "ellipse", "polygon"],
        features={"n": [1, 2, 3, 4, 5], "kind": ["a", "b", "a", None, "c"]},
        edge_color=["red", "lime", "blue", "yellow", "cyan"],
        face_color=[0, 0, 0, 0],
        name="drawing",
    )


def test_shapes_are_outlines_with_features_of_objects(window: Any, tmp_path: Path) -> None:
    layer = shapes()
    window.viewer.add_layer(layer)
    opened = reopen(window, layer, tmp_path / "drawing.zarrvectors")
    window.look("shapes_after")
    store = opened.stream.store
    level = store.level(0)
    assert store.kind == "polyline"
    assert level.object_ids.tolist() == list(range(5))
    assert level.object_attribute("n").tolist() == [1, 2, 3, 4, 5]
    assert level.object_attribute("kind").tolist() == ["a", "b", "a", None, "c"]
    assert level.object_attribute("shape_type").tolist() == ["rectangle", "path", "line", "ellipse", "polygon"]
    batch = level.read_objects(range(5))
    lines = [batch.positions[a:b, ::-1] for a, b in zip(batch.offsets[:-1], batch.offsets[1:], strict=True)]
    assert [len(line) for line in lines] == [5, 3, 2, 101, 4]
    assert [bool((line[0] == line[-1]).all()) for line in lines] == [True, False, False, True, True]
    np.testing.assert_allclose(lines[1], layer.data[1])
    np.testing.assert_allclose(np.linalg.norm(lines[3] - [55, 55], axis=1), 10, atol=1e-4)
    assert opened.stream.colouring.mode == "rgba"
    for shown in (batch.attributes["color"][batch.offsets[:-1]], level.object_attribute("edge_color")):
        np.testing.assert_allclose(shown, layer.edge_color)


def test_areas_of_shapes_are_filled_as_they_were(window: Any, tmp_path: Path) -> None:
    squares = [np.array([[0, y], [0, y + 20], [20, y + 20], [20, y]], float) for y in (0, 25, 50)]
    layer = Shapes(squares, shape_type="polygon", face_color=["red", "lime", "blue"], edge_width=0, name="d")
    window.viewer.add_layer(layer)
    window.viewer.reset_view()
    before = window.look("areas_before")
    camera = window.viewer.scene.camera
    zoom, centre = camera.zoom, camera.center
    opened = reopen(window, layer, tmp_path / "d.zarrvectors")
    camera.zoom, camera.center = zoom, centre
    window.settle()
    assert (opened.fill, opened.opacity) == (1, layer.opacity)
    window.wait(lambda: len(opened.triangles) == 6)
    assert_alike(before, window.look("areas_after"))


def test_shapes_that_are_all_lines_become_lines(window: Any, tmp_path: Path) -> None:
    layer = Shapes(RNG.uniform(0, 9, (7, 2, 2)), shape_type="line", edge_color="red", face_color="red", name="l")
    window.viewer.add_layer(layer)
    opened = reopen(window, layer, tmp_path / "l.zarrvectors")
    assert opened.stream.store.kind == "line"
    assert opened.stream.colouring.colour == (1, 0, 0, 1)


@pytest.mark.parametrize(
    "empty",
    [Points(np.empty((0, 3)), name="e"), Shapes(ndim=2, name="e"), Vectors(np.empty((0, 2, 3)), name="e")],
    ids=["points", "shapes", "vectors"],
)
def test_empty_layers_are_saved_too(window: Any, tmp_path: Path, empty: Layer) -> None:
    window.viewer.add_layer(empty)
    window.viewer.layers.save(str(tmp_path / "e.zarrvectors"))
    with zvview.open(tmp_path / "e.zarrvectors") as store:
        assert store.level(0).vertex_count == 0


def test_several_layers_become_a_collection(window: Any, tmp_path: Path) -> None:
    layers = [points(units="um"), tracks(), shapes()]
    for layer in layers:
        window.viewer.add_layer(layer)
    for place in (tmp_path / "all.zarrvectors", tmp_path / "all.zarrvectors.zip"):
        assert window.viewer.layers.save(str(place)) == [str(place)]
        with zvview.open(place) as made:
            assert {name: store.kind for name, store in made.items()} == {
                "cells": "point_cloud", "lineage": "streamline", "drawing": "polyline",
            }  # fmt: skip
            assert made["cells"].level(0).vertex_count == 300
    window.viewer.layers.clear()
    window.drop(tmp_path / "all.zarrvectors")
    window.settle()
    assert [layer.name for layer in window.viewer.layers] == ["all cells", "all lineage", "all drawing"]


def test_large_layers_get_levels(window: Any, tmp_path: Path) -> None:
    window.viewer.add_points(RNG.uniform(0, 1000, (120_000, 3)).astype(np.float32), name="p", size=2)
    window.viewer.layers.save(str(tmp_path / "p.zv.zip"))
    with zvview.open(tmp_path / "p.zv.zip") as store:
        assert len(store.levels) > 1
        assert store.level(0).vertex_count == 120_000 > 3 * store.level(1).vertex_count


def test_the_reference_library_validates_what_is_saved(window: Any, tmp_path: Path) -> None:
    vertices, faces = grid_mesh()
    layers = [
        points(face_color=RNG.random((300, 4))),
        Vectors(RNG.random((20, 2, 2)), features={"a": list("ab") * 10}, name="vectors"),
        tracks(),
        shapes(),
        Surface((vertices, faces, vertices[:, 1]), name="surface"),
    ]
    for layer in layers:
        window.viewer.add_layer(layer)
        layer.save(str(tmp_path / f"{layer.name}.zarrvectors"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import zarr_vectors

        for layer in layers:
            found = zarr_vectors.open(str(tmp_path / f"{layer.name}.zarrvectors")).validate(level=5)
            assert found.errors == [], layer.name
