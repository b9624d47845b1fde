"""Telling napari which visuals and controls belong to our layers."""

from __future__ import annotations

from napari._qt.layer_controls.qt_layer_controls_container import layer_to_controls
from napari._vispy.utils.visual import layer_to_visual

from zvview.napari.private.line_controls import StreamLinesControls
from zvview.napari.private.line_visual import VispyStreamLines
from zvview.napari.private.lines import StreamLines
from zvview.napari.private.mesh_visual import VispyStreamSurface
from zvview.napari.private.meshes import StreamSurface
from zvview.napari.private.points import StreamPoints, VispyStreamPoints

__all__ = ["register_layers"]


def register_layers() -> None:
    """Register them; may be called again."""
    layer_to_visual[StreamPoints] = VispyStreamPoints
    layer_to_visual[StreamLines] = VispyStreamLines
    layer_to_visual[StreamSurface] = VispyStreamSurface
    layer_to_controls[StreamLines] = StreamLinesControls
