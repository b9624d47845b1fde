"""The private names that are used, and whether this napari and this vispy have them."""

from __future__ import annotations

import functools
import importlib
from typing import Final

import numpy as np

__all__ = ["MARKER_RECORD", "POINTS_MEMBERS", "PRIVATE_MODULES", "find_missing", "is_supported"]

PRIVATE_MODULES: Final = {
    "napari._vispy.utils.visual": ("layer_to_visual",),
    "napari._vispy.layers.base": ("VispyBaseLayer",),
    "napari._vispy.layers.points": ("VispyPointsLayer",),
    "napari._vispy.layers.surface": ("VispySurfaceLayer",),
    "napari._vispy.visuals.markers": ("Markers",),
    "napari._vispy.visuals.surface": ("SurfaceVisual",),
    "napari._qt.layer_controls.qt_layer_controls_container": ("layer_to_controls",),
    "napari._qt.layer_controls.qt_layer_controls_base": ("QtLayerControls",),
    "napari._qt.layer_controls.widgets.qt_widget_controls_base": ("QtWidgetControlsBase", "QtWrappedLabel"),
    "napari.layers.base.base": ("_LayerSlicingState",),
    "napari.layers.base._base_constants": ("Mode",),
    "napari.layers.points.points": ("_PointsSlicingState",),
    "napari.layers.points._points_constants": ("Symbol",),
    "napari.layers.points._points_utils": ("_create_box_from_corners_3d", "create_box"),
    "napari.layers.points._slice": ("_PointSliceRequest", "_PointSliceResponse"),
    "napari.layers.surface.surface": ("_SurfaceSlicingState",),
    "napari.layers.surface._slice": ("_SurfaceSliceRequest", "_SurfaceSliceResponse"),
}
"""Modules outside the public API, and what is imported from each."""

POINTS_MEMBERS: Final = (
    *("_data", "_size", "_symbol", "_shown", "_border_width", "_face", "_border", "_feature_table", "_text"),
    *("_extent_data", "_extent_data_augmented", "_view_data", "_view_indices", "_view_selected", "_get_value"),
    *("_slicing_state", "_slice_input", "_get_layer_slicing_state", "_update_thumbnail", "_thumbnail_shape"),
    *("_type_string", "_selected_data", "_value", "_get_base_state", "_clipboard", "_data_slice", "_paste_data"),
    *("_current_symbol", "_view_size", "_get_value_3d", "_display_bounding_box_augmented"),
    *("_move", "_drag_start", "_set_drag_start", "_set_highlight", "_highlight_index", "_highlight_box"),
    *("_highlight_visible", "_is_selecting", "_drag_box", "_drag_box_stored", "_drag_normal", "_drag_up"),
    *("_selected_data_stored", "_value_stored"),
)
"""Members of a ``Points`` layer that are read, replaced or overridden."""

SELECTION_MEMBERS: Final = ("_data", "_emit_change", "replace_selection")
"""Of psygnal's selection, which is that of a ``Points`` layer."""

SURFACE_MEMBERS: Final = (
    *("_vertices", "_faces", "_vertex_values", "_vertex_colors", "_feature_table", "_slice_input", "_slicing_state"),
    *("_extent_data", "_extent_data_augmented", "_get_value", "_get_layer_slicing_state", "_update_thumbnail"),
    *("_thumbnail_shape", "_type_string"),
)
"""As of points, of a ``Surface`` layer."""

MESH_MEMBERS: Final = ("_meshdata", "_vertices", "_shading", "_data_changed", "_update_data", "_ensure_vec4_func")
"""Of napari's visual of surfaces."""

MARKERS_MEMBERS: Final = ("_vbo", "_data", "_method")

MARKER_RECORD: Final = np.dtype(
    [
        ("a_position", "f4", 3),
        ("a_fg_color", "f4", 4),
        ("a_bg_color", "f4", 4),
        ("a_size", "f4"),
        ("a_edgewidth", "f4"),
        ("a_symbol", "f4"),
    ]
)
"""A vertex of vispy's markers as it lies in the vertex buffer, 56 bytes."""


def find_missing() -> list[str]:
    """Private names that this installation does not have, as dotted names; empty where all is well."""
    missing = []
    for module, members in PRIVATE_MODULES.items():
        try:
            found = importlib.import_module(module)
        except ImportError:
            missing.append(module)
            continue
        missing += [f"{module}.{name}" for name in members if not hasattr(found, name)]
    return missing or [*_missing_of_points(), *_missing_of_markers(), *_missing_of_meshes()]


def _missing_of_points() -> list[str]:
    from napari.layers import Points

    layer = Points(np.zeros((1, 2)))
    missing = [f"Points.{name}" for name in POINTS_MEMBERS if not hasattr(layer, name)]
    if not missing:
        missing = [f"ColorManager.colors of {n}" for n in ("_face", "_border") if "colors" not in vars(vars(layer)[n])]
        missing += [] if hasattr(layer._feature_table, "_values") else ["_FeatureTable._values"]
        missing += [f"Selection.{name}" for name in SELECTION_MEMBERS if not hasattr(layer.selected_data, name)]
    return missing


def _missing_of_markers() -> list[str]:
    from napari._vispy.visuals.markers import Markers

    markers = Markers()
    missing = [f"Markers.{name}" for name in MARKERS_MEMBERS if not hasattr(markers, name)]
    if not missing:
        markers.set_data(np.zeros((1, 3), np.float32))
        missing = [] if getattr(markers._data, "dtype", None) == MARKER_RECORD else ["Markers' record layout"]
    return missing


def _missing_of_meshes() -> list[str]:
    from napari._vispy.visuals.surface import SurfaceVisual
    from napari.layers import Surface
    from vispy.visuals.filters import ShadingFilter, WireframeFilter

    layer = Surface((np.zeros((3, 2), np.float32), np.array([[0, 1, 2]]), np.ones(3)))
    parts: list[tuple[object, tuple[str, ...]]] = [
        (layer, SURFACE_MEMBERS),
        (SurfaceVisual(font_info=None), MESH_MEMBERS),
        (ShadingFilter(), ("_normals", "_update_data")),
        (WireframeFilter(), ("_bc", "_update_data")),
    ]
    return [f"{type(part).__name__}.{name}" for part, members in parts for name in members if not hasattr(part, name)]


@functools.cache
def is_supported() -> bool:
    """Whether the fast layers work here."""
    return not find_missing()
