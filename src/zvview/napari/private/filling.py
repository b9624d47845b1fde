"""A visual of triangles over the vertices of lines: one buffer of positions, one of colours, one of indices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from vispy.gloo import IndexBuffer, VertexBuffer
from vispy.scene.visuals import create_visual_node
from vispy.visuals import Visual

from zvview.napari.private.shaders import COLOURED_VERTICES

__all__ = ["Fill"]

_FRAGMENT = """
    uniform float u_opacity;
    varying vec4 v_color;
    void main() {
        gl_FragColor = vec4(v_color.rgb, v_color.a * u_opacity);
    }
"""


class _FillVisual(Visual):
    """Triangles in the colours of their corners; draws nothing until it is given some."""

    def __init__(self) -> None:
        super().__init__(COLOURED_VERTICES, _FRAGMENT)
        self._draw_mode = "triangles"
        self._index_buffer = IndexBuffer()
        self.shared_program["u_opacity"] = 1.0
        self.set_gl_state("translucent", depth_test=False, cull_face=False)

    def set_data(
        self,
        positions: NDArray[np.float32],
        colours: NDArray[np.float32],
        triangles: NDArray[np.uint32],
        opacity: float,
    ) -> None:
        """Replace all: positions (N, 3), colours (N, 4), triangles (T, 3) as rows of these, T > 0."""
        self.shared_program["a_position"] = VertexBuffer(positions)
        self.shared_program["a_color"] = VertexBuffer(colours)
        self.shared_program["u_opacity"] = float(opacity)
        self._index_buffer.set_data(np.ascontiguousarray(triangles, np.uint32))
        self.update()

    def _prepare_transforms(self, view: Any) -> None:
        view.view_program.vert["transform"] = view.transforms.get_transform()

    def _compute_bounds(self, axis: int, view: Any) -> None:
        return None


Fill = create_visual_node(_FillVisual)
