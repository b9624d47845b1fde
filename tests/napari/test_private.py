"""Every private name that is used is there, is listed, and lives in one package; without them plain layers do."""

from __future__ import annotations

import ast
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview.napari
from zvview.format.metadata import Axis
from zvview.napari import layers as layers_module
from zvview.napari.frame import Frame
from zvview.napari.layers import make_layer, show
from zvview.napari.plain import PLAIN_BUDGET
from zvview.napari.preparing import prepare
from zvview.napari.private import names
from zvview.napari.private.closing import on_closed
from zvview.style import Colouring
from zvview.testing import make_batch, make_store

SOURCE = Path(zvview.napari.__file__).parent
AXES = tuple(Axis(name, "space", "um") for name in "xyz")
FRAME = Frame.of(AXES, (np.zeros(3), np.full(3, 1000.0)), np.ones(3))


def is_private(module: str) -> bool:
    return any(part.startswith("_") for part in module.split("."))


def foreign_imports(path: Path) -> set[tuple[str, str]]:
    """Private things that a source imports from other packages: (module, name)."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ("napari", "vispy"):
            found |= {(node.module, a.name) for a in node.names if is_private(f"{node.module}.{a.name}")}
    return found


def test_this_napari_has_all_of_them() -> None:
    assert names.find_missing() == []
    assert names.is_supported()


def test_all_that_is_imported_is_listed_and_imported_in_one_package() -> None:
    listed = {(module, name) for module, members in names.PRIVATE_MODULES.items() for name in members}
    inside = {pair for path in (SOURCE / "private").glob("*.py") for pair in foreign_imports(path)}
    outside = {pair for path in SOURCE.glob("*.py") for pair in foreign_imports(path)}
    public = {pair for pair in listed if not is_private(".".join(pair))}
    assert outside == set()
    assert inside == listed - public


def test_a_name_that_is_gone_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    import napari._vispy.utils.visual as visual

    monkeypatch.delattr(visual, "layer_to_visual")
    assert names.find_missing() == ["napari._vispy.utils.visual.layer_to_visual"]
    monkeypatch.undo()
    monkeypatch.setitem(names.PRIVATE_MODULES, "napari._no_such_module", ("thing",))
    assert names.find_missing() == ["napari._no_such_module"]
    monkeypatch.undo()
    monkeypatch.setattr(names, "POINTS_MEMBERS", ("_data", "_no_such_member"))
    assert names.find_missing() == ["Points._no_such_member"]
    monkeypatch.undo()
    monkeypatch.setattr(names, "SELECTION_MEMBERS", ("_data", "_no_such_member"))
    assert names.find_missing() == ["Selection._no_such_member"]
    monkeypatch.undo()
    monkeypatch.setattr(names, "MARKER_RECORD", np.dtype([("a_position", "f4", 2)]))
    assert names.find_missing() == ["Markers' record layout"]
    monkeypatch.undo()
    monkeypatch.setattr(names, "MESH_MEMBERS", ("_meshdata", "_no_such_member"))
    assert names.find_missing() == ["SurfaceVisual._no_such_member"]


def test_a_window_tells_when_it_is_gone_and_one_that_cannot_is_let_be(window: Any) -> None:
    assert hasattr(window.viewer.window._qt_window, "destroyed")
    on_closed(object(), lambda: None)


@pytest.mark.parametrize("kind", ["point_cloud", "streamline", "skeleton", "mesh"])
def test_without_them_plain_layers_show_the_same(
    window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels_lit: Callable[[np.ndarray], int], kind: str
) -> None:
    monkeypatch.setattr(layers_module, "is_supported", lambda: False)
    place = tmp_path / "a.zarrvectors"
    make_store(str(place), kind, size=3000, seed=1).close()
    (layer,) = window.viewer.open(str(place), plugin="zvview")
    assert type(layer).__module__.startswith("napari.")
    window.viewer.dims.ndisplay = 3
    window.settle()
    window.viewer.reset_view()
    assert pixels_lit(window.look(f"plain_{kind}")) > 200
    assert layer.stream.update.status.vertices_shown <= PLAIN_BUDGET


@pytest.mark.parametrize("kind", ["point_cloud", "line", "graph", "mesh"])
def test_layers_give_napari_what_it_expects_of_their_type(window: Any, kind: str) -> None:
    from napari.layers import Layer

    layer = window.viewer.add_layer(make_layer(kind, FRAME, name="a"))
    show(layer, prepare(make_batch(kind, 900), FRAME, Colouring("object")))
    window.live(0.05)
    data, meta, type_name = layer.as_layer_data_tuple()
    copied = Layer.create(data, {**meta, "metadata": {}}, type_name)
    assert type_name in ("points", "vectors", "surface")
    assert copied.name == "a" and copied.units == layer.units and copied.axis_labels == ("z", "y", "x")
    for empty in (make_batch(kind, 40), make_batch(kind, 900)):
        show(layer, prepare(empty, FRAME, Colouring()))
        window.look()
    window.wait(lambda: layer.thumbnail[..., :3].any())


def test_a_swap_of_a_hundred_thousand_points_takes_milliseconds(window: Any) -> None:
    layer = window.viewer.add_layer(make_layer("point_cloud", FRAME))
    window.viewer.dims.ndisplay = 3
    batch = make_batch("point_cloud", 100_000)
    times = []
    for _ in range(7):
        prepared = prepare(batch, FRAME, Colouring("category", "type"))
        begun = time.perf_counter()
        show(layer, prepared)
        times.append(time.perf_counter() - begun)
    assert np.median(times) < 0.03  # setting the data, features and colours takes 0.14
    assert len(layer.data) == 100_000 and threading.current_thread() is threading.main_thread()


def shown_mesh(window: Any, layer: Any) -> Any:
    """What napari draws of a surface layer."""
    return window.viewer.window._qt_viewer.canvas.layer_to_visual[layer].node.mesh_data


def test_a_swap_of_meshes_computes_nothing_on_the_thread_of_the_window(
    window: Any, monkeypatch: pytest.MonkeyPatch, pixels_lit: Callable[[np.ndarray], int]
) -> None:
    from vispy.geometry import MeshData

    from zvview.napari.private import shared_mesh

    layer = window.viewer.add_layer(make_layer("mesh", FRAME))
    window.viewer.dims.ndisplay = 3
    window.look()
    computed: list[bool] = []  # whether on the thread of the window
    normals = shared_mesh.vertex_normals

    def note(*args: Any, **kwargs: Any) -> Any:
        computed.append(threading.current_thread() is threading.main_thread())
        return normals(*args, **kwargs)

    def never(*args: Any, **kwargs: Any) -> Any:
        computed.append(True)
        raise AssertionError

    monkeypatch.setattr(shared_mesh, "vertex_normals", note)
    monkeypatch.setattr(MeshData, "get_vertex_normals", never)
    monkeypatch.setattr(MeshData, "get_vertices", never)
    monkeypatch.setattr(MeshData, "get_vertex_colors", never)
    prepared = prepare(make_batch("mesh", 20_000), FRAME, Colouring("object"))
    show(layer, prepared)
    window.viewer.reset_view()
    flat = window.look()
    assert pixels_lit(flat) > 200 and computed == []
    mesh = shown_mesh(window, layer)
    assert np.shares_memory(mesh.positions, prepared.positions)  # nor is anything copied
    assert np.shares_memory(mesh.colours, prepared.colours)
    assert np.shares_memory(mesh.triangles, prepared.elements)

    layer.shading = "smooth"
    window.wait(lambda: mesh.normals is not None)
    window.live(0.05)
    assert True not in computed
    assert np.abs(window.look().astype(int) - flat).max() > 10
    show(layer, prepared)
    window.wait(lambda: shown_mesh(window, layer) is not mesh)  # what was shown stays until then
    assert shown_mesh(window, layer).normals is not None and True not in computed


def test_wireframes_and_drawn_normals_of_meshes_are_drawn_as_napari_does(
    window: Any, pixels_lit: Callable[[np.ndarray], int]
) -> None:
    from vispy.geometry import MeshData

    layer = window.viewer.add_layer(make_layer("mesh", FRAME))
    window.viewer.dims.ndisplay = 3
    prepared = prepare(make_batch("mesh", 900), FRAME, Colouring("object"))
    show(layer, prepared)
    window.viewer.reset_view()
    before = window.look()
    for part in (layer.wireframe, layer.normals.face, layer.normals.vertex):
        part.visible = True
        assert type(shown_mesh(window, layer)) is MeshData
        assert np.abs(window.look().astype(int) - before).max() > 10
        part.visible = False
        show(layer, prepared)
        assert type(shown_mesh(window, layer)) is not MeshData
        np.testing.assert_array_equal(window.look(), before)
    window.viewer.dims.ndisplay = 2
    window.viewer.reset_view()
    assert pixels_lit(window.look()) > 200
    layer.vertex_colors = None  # by hand: napari's colours of values
    assert type(shown_mesh(window, layer)) is MeshData and pixels_lit(window.look()) > 200


def test_a_swap_of_lines_copies_nothing(window: Any, pixels_lit: Callable[[np.ndarray], int]) -> None:
    from zvview.napari.private.vertices import as_drawn

    layer = window.viewer.add_layer(make_layer("streamline", FRAME))
    window.viewer.dims.ndisplay = 3
    prepared = prepare(make_batch("streamline", 5000), FRAME, Colouring("object"))
    show(layer, prepared)
    assert np.shares_memory(as_drawn(layer.positions, (0, 1, 2)), prepared.positions)
    window.viewer.reset_view()
    assert pixels_lit(window.look()) > 200
    layer.edge_width = 0
    assert pixels_lit(window.look()) < 200


@pytest.mark.parametrize("kind", ["point_cloud", "streamline", "mesh"])
def test_a_thumbnail_is_drawn_once_at_rest(window: Any, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    layer = window.viewer.add_layer(make_layer(kind, FRAME))
    window.live(0.3)
    drawn: list[object] = []
    monkeypatch.setattr(layer, "draw_thumbnail", lambda *args: drawn.append(args))
    prepared = prepare(make_batch(kind, 900), FRAME, Colouring("object"))
    for _ in range(4):
        show(layer, prepared)
    assert drawn == []
    window.wait(lambda: drawn)
    window.live(0.3)
    assert len(drawn) == 1


@pytest.mark.parametrize("displayed", [(0, 1, 2), (2, 0, 1), (1, 2), (2, 0), (0, 1, 3), (3, 2)])
def test_three_columns_are_drawn_x_first(displayed: tuple[int, ...]) -> None:
    from zvview.napari.private.vertices import as_drawn

    positions = np.arange(20, dtype=np.float32).reshape(5, 4)[:, : max(3, *(axis + 1 for axis in displayed))]
    drawn = as_drawn(positions, displayed)
    assert drawn.shape == (5, 3) and drawn.flags.c_contiguous and drawn.dtype == np.float32
    np.testing.assert_array_equal(drawn[:, : len(displayed)], positions[:, list(displayed)[::-1]])
    np.testing.assert_array_equal(drawn[:, len(displayed) :], 0)
