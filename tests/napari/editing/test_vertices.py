"""Graphs, skeletons and meshes edited by handles, in a real window with real mouse and keyboard events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

import zvview
from tests.napari.editing.acting import (
    CONTROL,
    SHIFT,
    begin,
    choose,
    click_with,
    open_store,
    press,
    save,
    told,
    wait_for_edits,
)
from tests.napari.hands import click, drag, pixel_of
from zvview.geometry.batches import Graph, Mesh, Skeletons
from zvview.napari.editing.handles import HandleEditing

GRID = {"chunk_shape": (50.0,) * 3, "bin_shape": (1.0,) * 3}


def is_sound(place: Path) -> bool:
    return not [finding for finding in zvview.check(str(place)) if finding.severity == "error"]


def two_rows() -> np.ndarray:
    """Two rows of five nodes, 20 apart."""
    along = np.linspace(10, 90, 5)
    return np.concatenate([np.column_stack((along, np.full(5, y), np.full(5, 50.0))) for y in (30.0, 70.0)])


def row_at(handles: Any, y: float, x: float) -> int:
    """The handle at a place of the plane that is looked at."""
    (row,) = np.flatnonzero((handles.data[:, 1:] == (y, x)).all(axis=1))
    return int(row)


@pytest.fixture
def trees(tmp_path: Path) -> Path:
    """Two skeletons of five nodes in a row."""
    place = tmp_path / "trees.zarrvectors"
    parents = np.array([-1, 0, 1, 2, 3, -1, 5, 6, 7, 8])
    made = Skeletons.from_parents(two_rows().astype(np.float32), parents, offsets=[0, 5, 10], object_ids=[1, 2])
    with zvview.create(str(place), kind="skeleton", **GRID) as store:
        store.write(made)
    return place


def test_what_is_added_has_the_category_of_its_neighbour_where_none_means_unknown(window: Any, tmp_path: Path) -> None:
    place = tmp_path / "parts.zarrvectors"
    parts = {"part": np.array([0, 1, 2, 2, 1, 0, 0, 0, 0, 0], np.int8)}
    parents = np.array([-1, 0, 1, 2, 3, -1, 5, 6, 7, 8])
    categories = {"part": zvview.Categories(("a", "b", "c"))}
    made = Skeletons.from_parents(
        two_rows().astype(np.float32),
        parents,
        offsets=[0, 5, 10],
        object_ids=[1, 2],
        attributes=parts,
        categories=categories,
    )
    with zvview.create(str(place), kind="skeleton", **GRID) as store:
        store.write(made)
    editing = begin(window, place)
    handles = choose(window, editing, [50, 30, 60], 1)
    handles.mode = "add"
    handles.add([[50, 40, 88]])
    told(window, editing, "1 added, 1 linked")
    handles.selected_data = {row_at(handles, 30, 50)}
    handles.add([[50, 44, 12]])
    told(window, editing, "2 added, 2 linked")
    assert editing.session is not None
    found = editing.session.vertices_of(1)
    part = {float(y): int(code) for (_, y, _), code in zip(found.positions, found.attributes["part"], strict=True)}
    assert (part[40], part[44]) == (1, 2)
    editing.discard()


def test_nodes_of_a_skeleton_are_moved_added_cut_and_connected(window: Any, trees: Path) -> None:
    editing = begin(window, trees)
    viewer, (layer,) = window.viewer, tuple(window.viewer.layers)
    handles = choose(window, editing, [50, 30, 60], 1)
    at = pixel_of(viewer, handles, [50, 30, 50])
    drag(viewer, at, (at[0], at[1] - 30))
    told(window, editing, "1 moved")
    row = int(np.flatnonzero(handles.data[:, 2] == 50)[0])
    handles.selected_data = {row}
    handles.mode = "add"
    click(viewer, (at[0] + 20, at[1] - 60))
    told(window, editing, "1 moved, 1 added, 1 linked")
    assert len(handles.data) == 6
    wait_for_edits(window, layer)
    assert len(layer.segments) == 9

    handles.mode = "select"
    handles.selected_data = {row_at(handles, 30, 70)}
    press(window, Qt.Key.Key_X)
    window.wait(lambda: len(editing.chosen) == 2)
    wait_for_edits(window, layer)
    assert len(layer.segments) == 8
    new = editing.chosen[1]
    click_with(window, pixel_of(viewer, layer, [50, 70, 60]), SHIFT)
    window.wait(lambda: editing.chosen == (1, new, 2))
    window.wait(lambda: len(handles.data) == 11)
    handles.selected_data = {row_at(handles, 30, 70), row_at(handles, 70, 70)}
    press(window, Qt.Key.Key_J)  # what was cut off hangs on the other tree
    window.wait(lambda: editing.chosen == (1, 2))
    wait_for_edits(window, layer)
    assert len(layer.segments) == 9
    window.look("napari_edit_skeleton")
    press(window, Qt.Key.Key_Z, CONTROL)
    wait_for_edits(window, layer)
    assert len(layer.segments) == 8
    press(window, Qt.Key.Key_Z, CONTROL | SHIFT)
    wait_for_edits(window, layer)
    assert len(layer.segments) == 9

    save(window, editing)
    level = open_store(trees).level(0)
    batch = level.read()
    assert isinstance(batch, Skeletons) and len(batch) == 11 and len(batch.edges) == 9 and is_sound(trees)
    assert np.diff(level.read_objects([1, 2]).offsets).tolist() == [4, 7]
    shown = {point.tobytes() for point in layer.positions}
    editing.stop()
    viewer.layers.clear()
    window.drop(trees)
    window.settle()
    assert {point.tobytes() for point in viewer.layers[0].positions} == shown


def test_a_piece_of_a_skeleton_is_pasted_as_a_tree_of_its_own(window: Any, trees: Path) -> None:
    editing = begin(window, trees)
    handles = choose(window, editing, [50, 30, 60], 1)
    handles.selected_data = {row_at(handles, 30, x) for x in (30, 50, 70)}
    press(window, Qt.Key.Key_C, CONTROL)
    press(window, Qt.Key.Key_V, CONTROL)
    told(window, editing, "3 added, 2 linked")
    assert len(editing.chosen) == 2 and len(handles.data) == 8 and len(handles.selected_data) == 3
    at = pixel_of(window.viewer, handles, handles.data[min(handles.selected_data)])
    drag(window.viewer, at, (at[0], at[1] + 50))  # all of it moves
    told(window, editing, "3 added, 2 linked")
    save(window, editing)
    batch = open_store(trees).level(0).read_objects([editing.chosen[1]])
    assert isinstance(batch, Skeletons) and len(batch) == 3 and len(batch.edges) == 2 and is_sound(trees)
    assert (batch.positions[:, 1] > 32).all()


@pytest.fixture
def ladder(tmp_path: Path) -> Path:
    """A graph of one object: two rows of five nodes, each joined along, no rung between them."""
    place = tmp_path / "ladder.zarrvectors"
    edges = np.array([[i, i + 1] for i in (0, 1, 2, 3, 5, 6, 7, 8)])
    with zvview.create(str(place), kind="graph", **GRID) as store:
        store.write(Graph(two_rows().astype(np.float32), edges=edges, offsets=[0, 10], object_ids=[6]))
    return place


def test_nodes_of_a_graph_are_connected_cut_branched_and_pasted(window: Any, ladder: Path) -> None:
    editing = begin(window, ladder)
    viewer, (layer,) = window.viewer, tuple(window.viewer.layers)
    handles = choose(window, editing, [50, 30, 60], 6)
    at = [pixel_of(viewer, handles, [50, y, 50]) for y in (30, 70)]
    click(viewer, at[0])
    click_with(window, at[1], SHIFT)
    assert len(handles.selected_data) == 2
    press(window, Qt.Key.Key_J)
    told(window, editing, "1 linked")
    wait_for_edits(window, layer)
    assert len(layer.segments) == 9
    handles.selected_data = {row_at(handles, 30, x) for x in (70, 90)}
    press(window, Qt.Key.Key_X)
    told(window, editing, "1 linked, 1 links cut")
    handles.selected_data = {row_at(handles, 70, 90)}
    handles.mode = "add"
    click(viewer, ((at[0][0] + at[1][0]) // 2 + 60, (at[0][1] + at[1][1]) // 2))
    told(window, editing, "1 added, 2 linked, 1 links cut")
    (edge,) = [edge for edge in handle_edges(editing) if 10 in edge]
    assert row_at(handles, 70, 90) in edge  # not on the nearest: that one was selected
    handles.mode = "select"
    handles.selected_data = {row_at(handles, 70, x) for x in (10, 30)}
    press(window, Qt.Key.Key_C, CONTROL)
    press(window, Qt.Key.Key_V, CONTROL)
    told(window, editing, "3 added, 3 linked, 1 links cut")
    assert editing.chosen == (6,) and len(handles.selected_data) == 2
    wait_for_edits(window, layer)
    assert len(layer.segments) == 10
    window.look("napari_edit_graph")
    save(window, editing)
    batch = open_store(ladder).level(0).read()
    assert isinstance(batch, Graph) and len(batch) == 13 and len(batch.edges) == 10 and is_sound(ladder)
    editing.stop()


def handle_edges(editing: HandleEditing) -> list[list[int]]:
    """Edges of the object chosen, as rows of its handles."""
    assert editing.session is not None
    return editing.session.vertices_of(list(editing.chosen)).links.tolist()


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    """A flat sheet of 5 x 5 vertices as a mesh."""
    place = tmp_path / "sheet.zarrvectors"
    grid = np.stack(np.meshgrid(np.linspace(10, 90, 5), np.linspace(10, 90, 5), indexing="ij"), axis=-1).reshape(-1, 2)
    first = (np.arange(4)[:, None] * 5 + np.arange(4)).reshape(-1)
    faces = np.concatenate([np.stack((first, first + 1, first + 6), 1), np.stack((first, first + 6, first + 5), 1)])
    positions = np.column_stack((grid, np.full(25, 50.0))).astype(np.float32)
    with zvview.create(str(place), kind="mesh", **GRID) as store:
        store.write(Mesh(positions, faces=faces, offsets=[0, 25], object_ids=[4]))
    return place


def normals(mesh: Mesh) -> np.ndarray:
    corners = mesh.positions[mesh.faces]
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def test_vertices_of_a_mesh_are_moved_and_deleted_with_their_faces(window: Any, sheet: Path) -> None:
    editing = begin(window, sheet)
    viewer, (layer,) = window.viewer, tuple(window.viewer.layers)
    handles = choose(window, editing, [50, 55, 60], 4)
    at = pixel_of(viewer, handles, [50, 50, 50])
    drag(viewer, at, (at[0] + 15, at[1] + 15))
    told(window, editing, "1 moved")
    handles.selected_data = {row_at(handles, 10, 10)}
    press(window, Qt.Key.Key_Delete)
    told(window, editing, "1 moved, 1 deleted")
    wait_for_edits(window, layer)
    assert len(layer._faces) == 30
    window.look("napari_edit_mesh")
    save(window, editing)
    batch = open_store(sheet).level(0).read()
    assert isinstance(batch, Mesh) and len(batch) == 24 and len(batch.faces) == 30
    editing.stop()


def test_a_piece_of_a_mesh_is_pasted_moved_and_sewn_on_with_new_faces(
    window: Any, plugin: str, sheet: Path, tmp_path: Path
) -> None:
    editing = begin(window, sheet)
    viewer, (layer,) = window.viewer, tuple(window.viewer.layers)
    handles = choose(window, editing, [50, 55, 60], 4)
    corners = [(y, x) for y in (70, 90) for x in (70, 90)]
    handles.selected_data = {row_at(handles, *corner) for corner in corners}
    press(window, Qt.Key.Key_C, CONTROL)
    press(window, Qt.Key.Key_V, CONTROL)
    told(window, editing, "4 added, 2 linked")
    assert editing.chosen == (4,) and len(handles.data) == 29 and len(handles.selected_data) == 4
    at = pixel_of(viewer, handles, handles.data[min(handles.selected_data)])
    drag(viewer, at, (at[0] + 220, at[1]))
    viewer.scene.camera.zoom /= 1.6
    told(window, editing, "4 added, 2 linked")
    wait_for_edits(window, layer)
    assert len(layer._faces) == 34

    fresh = np.array(sorted(handles.selected_data))
    near = fresh[np.argsort(handles.data[fresh, 2])[:2]]  # those of the piece that are nearer to the sheet
    handles.selected_data = {*near.tolist(), row_at(handles, 90, 90)}
    press(window, Qt.Key.Key_F)
    told(window, editing, "4 added, 3 linked")
    wait_for_edits(window, layer)
    assert len(layer._faces) == 35
    press(window, Qt.Key.Key_F)  # refused: it is there
    told(window, editing, "4 added, 3 linked")
    press(window, Qt.Key.Key_Z, CONTROL)
    told(window, editing, "4 added, 2 linked")
    wait_for_edits(window, layer)
    assert len(layer._faces) == 34

    _, dock = viewer.window.add_plugin_dock_widget(plugin, "Zarr Vectors")
    window.wait(lambda: dock.edit.commands.count() == 6)
    handles.selected_data = {*near.tolist(), row_at(handles, 70, 90), row_at(handles, 90, 90)}
    buttons = {(b := dock.edit.commands.itemAt(i).widget()).text(): b for i in range(6)}
    buttons["Add face"].click()
    told(window, editing, "4 added, 4 linked")
    wait_for_edits(window, layer)
    assert len(layer._faces) == 36
    window.look("napari_edit_mesh_pasted")
    viewer.window.remove_dock_widget(dock)
    save(window, editing)
    batch = open_store(sheet).level(0).read()
    assert isinstance(batch, Mesh) and len(batch) == 29 and len(batch.faces) == 36 and is_sound(sheet)
    assert (normals(batch)[:, 2] > 0).all() or (normals(batch)[:, 2] < 0).all()
    editing.stop()


def test_a_corner_is_added_to_a_mesh_and_a_face_laid_over_it(window: Any, sheet: Path) -> None:
    editing = begin(window, sheet)
    handles = choose(window, editing, [50, 55, 60], 4)
    here, there = (pixel_of(window.viewer, handles, [50, 50, x]) for x in (70, 90))
    handles.mode = "add"
    click(window.viewer, (2 * there[0] - here[0], there[1]))
    told(window, editing, "1 added")
    handles.mode = "select"
    new = int(np.argmax(handles.data[:, 2]))
    handles.selected_data = {new, row_at(handles, 50, 90), row_at(handles, 70, 90)}
    press(window, Qt.Key.Key_F)
    told(window, editing, "1 added, 1 linked")
    handles.selected_data = {new, row_at(handles, 50, 90)}
    press(window, Qt.Key.Key_F)  # refused: two corners are no face
    told(window, editing, "1 added, 1 linked")
    save(window, editing)
    batch = open_store(sheet).level(0).read()
    assert isinstance(batch, Mesh) and len(batch) == 26 and len(batch.faces) == 33 and is_sound(sheet)
    assert (normals(batch)[:, 2] > 0).all() or (normals(batch)[:, 2] < 0).all()
