"""A visual of segments over shared vertices: what it is given goes into its buffers as it is, without a copy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from vispy.gloo import IndexBuffer, VertexBuffer
from vispy.scene.visuals import create_visual_node
from vispy.visuals import Visual

from zvview.napari.private.shaders import COLOURED_VERTICES

__all__ = ["Segments"]

_FRAGMENT = """
    varying vec4 v_color;
    void main() {
        gl_FragColor = v_color;
    }
"""


class _SegmentsVisual(Visual):
    """Lines of GL, as vispy's ``Line`` draws them; that one checks and copies colours and indices in the paint event.

    It must be given something before it is drawn.
    """

    def __init__(self) -> None:
        super().__init__(COLOURED_VERTICES, _FRAGMENT)
        self._draw_mode = "lines"
        self._width = 1.0
        self._positions, self._colours, self._index_buffer = VertexBuffer(), VertexBuffer(), IndexBuffer()
        self.set_gl_state("translucent")
        self.freeze()

    def set_data(
        self,
        positions: NDArray[np.float32],
        colours: NDArray[np.float32],
        width: float,
        segments: NDArray[np.uint32],
    ) -> None:
        """Replace all: positions (N, 3), colours (N, 4), segments (M, 2) as rows of these, M > 0; width in pixels.

        The arrays are read in the next paint event.
        """
        self._width = width
        self._positions.set_data(positions)
        self._colours.set_data(np.ascontiguousarray(colours, np.float32))
        self._index_buffer.set_data(np.ascontiguousarray(segments, np.uint32))
        self.shared_program["a_position"] = self._positions
        self.shared_program["a_color"] = self._colours
        self.update()

    def set_width(self, width: float) -> None:
        """Draw lines of so many pixels from now on; 0 draws none."""
        self._width = width
        self.update()

    def _prepare_transforms(self, view: Any) -> None:
        view.view_program.vert["transform"] = view.transforms.get_transform()

    def _prepare_draw(self, view: Any) -> bool:
        self.update_gl_state(line_smooth=False, line_width=max(self.transforms.pixel_scale * self._width, 1.0))
        return self._width > 0

    def _compute_bounds(self, axis: int, view: Any) -> None:
        return None


Segments = create_visual_node(_SegmentsVisual)
