"""Golden stores of every kind and age, in a window: something is lit, and the status is true."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from zvview.napari import layers as layers_module
from zvview.napari.layers import family_of

FOLDER = Path(__file__).parents[1] / "data" / "golden"
NAMES = sorted(p.name.removesuffix(".zip") for p in FOLDER.glob("*.zip"))
EMPTY = {"old07_parametric"}  # it has no vertices, only parametric objects
NOTED = {"old07_graph"}  # its links across chunks lack an attribute
TYPES = {"points": "points", "lines": "vectors", "surface": "surface"}

Lit = Callable[[np.ndarray], int]


def open_golden(window: Any, name: str) -> tuple[zvview.Store, Any]:
    layer = window.viewer.open(str(FOLDER / f"{name}.zip"), plugin="zvview")[0]
    store = layer.stream.store
    if store.metadata.ndim > 2:
        window.viewer.dims.ndisplay = 3
    window.settle(layer)
    window.viewer.reset_view()
    window.settle(layer)
    return store, layer


@pytest.mark.parametrize("name", NAMES)
def test_golden_stores_open(window: Any, pixels_lit: Lit, name: str) -> None:
    store, layer = open_golden(window, name)
    assert layer.as_layer_data_tuple()[2] == TYPES[family_of(store.kind)]
    update, view = layer.stream.update, layer.stream.view
    status = update.status
    assert status.problem is None and (status.notes == ()) == (name not in NOTED)
    assert (
        status.vertices_shown
        == len(update.batch)
        == len(layer.positions if hasattr(layer, "positions") else _rows(layer))
    )
    assert status.level_count == len(store.levels) and set(status.levels) <= set(store.levels)
    finest = store.level(store.levels[0])
    assert status.vertices_total in (None, finest.vertex_count, finest.declared_vertex_count)
    assert status.vertices_total is None or status.vertices_total >= status.vertices_shown
    assert status.chunks_ready == status.chunks_wanted
    assert str(status) in layer.streaming_status
    if name in EMPTY:
        assert status.vertices_shown == 0
    else:
        assert status.vertices_shown > 0
        assert pixels_lit(window.look(f"golden_{name}")) > 20
    inside = (update.batch.positions >= np.array(view.lo)) & (update.batch.positions <= np.array(view.hi))
    hidden = [axis for axis in range(store.metadata.ndim) if axis not in view.displayed]
    assert inside[:, hidden].all()
    window.viewer.layers.clear()


@pytest.mark.parametrize(
    "name",
    ["points_xyzt", "points_2d_bins", "lines", "polylines_2d_sharded", "streamlines", "graph", "skeleton", "mesh"],
)
def test_golden_stores_open_with_plain_layers(
    window: Any, monkeypatch: pytest.MonkeyPatch, pixels_lit: Lit, name: str
) -> None:
    monkeypatch.setattr(layers_module, "is_supported", lambda: False)
    store, layer = open_golden(window, name)
    assert type(layer).__module__.startswith("napari.")
    assert layer.as_layer_data_tuple()[2] == TYPES[family_of(store.kind)]
    status = layer.stream.update.status
    assert 0 < status.vertices_shown == len(layer.stream.update.batch)
    assert pixels_lit(window.look(f"plain_{name}")) > 20
    window.viewer.layers.clear()


def _rows(layer: Any) -> np.ndarray:
    """Vertices of a layer of points or faces."""
    data = layer.data
    if isinstance(data, tuple):  # an empty surface holds one face that is not seen
        return data[0] if layer.stream.update.status.vertices_shown else data[0][:0]
    return data
