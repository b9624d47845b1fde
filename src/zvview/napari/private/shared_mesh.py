"""Vispy's mesh, drawn from vertices that faces share: a sixth of the bytes, and nothing is computed to draw it.

Vispy repeats positions, colours and normals for the three corners of each face, and computes normals for flat shading
too, whose shader does without.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from napari._vispy.visuals.surface import SurfaceVisual
from numpy.typing import NDArray
from vispy.geometry import MeshData
from vispy.gloo import IndexBuffer, VertexBuffer
from vispy.visuals.filters import ShadingFilter, WireframeFilter
from vispy.visuals.shaders import Function

from zvview.napari.normals import vertex_normals

__all__ = ["SharedMesh", "StreamMesh"]

_NO_CORNERS = np.empty((0, 3), np.float32)


class SharedMesh(MeshData):
    """Arrays as they go into the buffers; in the place of vispy's data of a mesh.

    Parameters
    ----------
    positions : (N, 3) float32 array
    colours : (N, 4) float32 array
    triangles : (F, 3) uint32 array
        Rows of these; at least one.
    """

    def __init__(
        self, positions: NDArray[np.float32], colours: NDArray[np.float32], triangles: NDArray[np.uint32]
    ) -> None:
        super().__init__()
        self.colours, self.triangles = colours, triangles
        self._vertices = positions
        self.normals: NDArray[np.float32] | None = None

    @property
    def positions(self) -> NDArray[np.float32]:
        """Positions of the vertices, (N, 3)."""
        positions: NDArray[np.float32] = self._vertices
        return positions

    def find_normals(self) -> None:
        """Compute the normals of the vertices, which smooth shading needs; on any thread."""
        self.normals = vertex_normals(self.positions, self.triangles)

    def is_empty(self) -> bool:
        """It never is."""
        return False

    def get_bounds(self) -> None:
        """None: the layer has a constant extent, and nobody asks."""

    def get_faces(self) -> NDArray[np.float32]:
        """None of those with corners of their own, which a wireframe needs."""
        return _NO_CORNERS

    def get_vertex_normals(self, indexed: str | None = None) -> NDArray[np.float32]:
        """Normals of the vertices, as far as they were computed."""
        return _NO_CORNERS if self.normals is None else self.normals


class _Shading(ShadingFilter):
    """With a constant in the place of normals where there are none: all attributes must have the same length."""

    def _update_data(self) -> None:
        super()._update_data()
        self.vshader["normal"] = self._normals if self._normals.size else (0.0, 0.0, 1.0)


class _Wireframe(WireframeFilter):
    """With a constant in the place of corners where there are none, which is the middle of a face."""

    def _update_data(self) -> None:
        super()._update_data()
        self.vshader["bc"] = self._bc if self._bc.size else (1.0, 1.0, 1.0)


class StreamMesh(SurfaceVisual):
    """Napari's visual of surfaces, which takes a :class:`SharedMesh` too."""

    wireframe_filter: Any
    shading_filter: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._colours, self._triangles = VertexBuffer(), IndexBuffer()
        self._as_is = Function("vec4 as_is(vec4 color) { return color; }")
        super().__init__(*args, **kwargs)
        self.detach(self.wireframe_filter)
        self.wireframe_filter = _Wireframe(enabled=self.wireframe_filter.enabled)
        self.attach(self.wireframe_filter)

    @property
    def shading(self) -> str | None:
        """``flat``, ``smooth`` or None."""
        shading: str | None = self._shading
        return shading

    @shading.setter
    def shading(self, shading: str | None) -> None:
        if shading is not None and self.shading_filter is None:
            self.shading_filter = _Shading(shading=shading)
            self.attach(self.shading_filter)
        SurfaceVisual.shading.fset(self, shading)

    def _update_data(self) -> bool | None:
        mesh = self._meshdata
        if not isinstance(mesh, SharedMesh):
            self._index_buffer = None
            drawn: bool | None = super()._update_data()
            return drawn
        self._vertices.set_data(mesh.positions)
        self._colours.set_data(mesh.colours)
        self._triangles.set_data(mesh.triangles)
        self._index_buffer = self._triangles
        vertex_shader = self.shared_program.vert
        vertex_shader["position"] = self._vertices
        vertex_shader["to_vec4"] = self._ensure_vec4_func(3)
        vertex_shader["base_color"] = self._colours
        vertex_shader["color_transform"] = self._as_is
        self._data_changed = False
        self.events.data_updated()
        return None
