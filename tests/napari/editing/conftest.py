"""A store of points in a real window, being edited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.napari.editing.acting import begin_points, told
from zvview.napari.editing.points import PointEditing
from zvview.pyramid import build_pyramid
from zvview.testing import make_store


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Few enough points to be edited wherever one looks."""
    place = tmp_path / "cells.zarrvectors"
    make_store(str(place), "point_cloud", size=4000, seed=3, chunk_shape=(250,) * 3).close()
    build_pyramid(str(place))
    return place


@pytest.fixture
def editing(window: Any, place: Path) -> PointEditing:
    """The store in the window, being edited in a 3-D view."""
    return begin_points(window, place)


@pytest.fixture
def changed(window: Any, editing: PointEditing) -> PointEditing:
    """Five points deleted and not saved."""
    (layer,) = window.viewer.layers
    layer.selected_data = set(range(5))
    layer.remove_selected()
    told(window, editing, "5 deleted")
    return editing
