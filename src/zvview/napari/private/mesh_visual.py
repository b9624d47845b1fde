"""Drawing a layer of meshes: what was swapped in goes to the buffers as it is, with napari's shading and blending."""

from __future__ import annotations

from typing import Any
from weakref import finalize

import numpy as np
from napari._vispy.layers.base import VispyBaseLayer
from napari._vispy.layers.surface import VispySurfaceLayer

from zvview.napari.courier import Courier
from zvview.napari.latest import LatestWorker
from zvview.napari.private.contexts import keep_contexts_apart
from zvview.napari.private.meshes import StreamSurface
from zvview.napari.private.shared_mesh import SharedMesh, StreamMesh
from zvview.napari.private.vertices import as_drawn

__all__ = ["VispyStreamSurface"]


class _WithStreamMesh(VispyBaseLayer[StreamSurface]):
    """Stands between napari's layers in the order of classes: puts our visual into the place of the one they made."""

    def __init__(self, layer: StreamSurface, node: Any, font_info: Any, **kwargs: Any) -> None:
        super().__init__(layer, StreamMesh(font_info=font_info), font_info=font_info, **kwargs)


class VispyStreamSurface(VispySurfaceLayer, _WithStreamMesh):
    """Draws them from vertices that faces share; textures, wireframes and drawn normals go napari's slower way.

    Flat shading needs no normals. Those of smooth shading are computed on a thread of their own; what was shown before
    stays until they are there.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._mesh: SharedMesh | None = None  # the latest; None where napari's way is gone
        self._worker, self._courier = LatestWorker("zvview-normals"), Courier(self._take_normals)
        finalize(self, self._worker.close, 0.0)
        super().__init__(*args, **kwargs)
        keep_contexts_apart()

    def _on_data_change(self) -> None:
        layer = self.layer
        colours = layer._vertex_colors
        is_whole = colours is not None and len(colours) == len(layer._vertices) and len(layer._faces) > 0
        if not is_whole or self._needs_corners:  # set by hand, or more is drawn than faces
            self._mesh = None
            super()._on_data_change()
            return
        self._mesh = SharedMesh(
            as_drawn(layer._vertices, layer._slice_input.displayed),
            np.ascontiguousarray(colours, np.float32),
            np.ascontiguousarray(layer._faces, np.uint32),
        )
        self._on_shading_change()
        self._on_matrix_change()  # what is on screen may have changed

    @property
    def _needs_corners(self) -> bool:
        """Whether something is drawn that needs corners of each face, or napari's own data of the mesh."""
        layer = self.layer
        drawn = (layer.wireframe, layer.normals.face, layer.normals.vertex)
        return any(part.visible for part in drawn) or (layer.texture is not None and layer.texcoords is not None)

    def _on_shading_change(self) -> None:
        mesh = self._mesh
        if mesh is not None:
            is_smooth = self.layer.shading == "smooth" and self.layer._slice_input.ndisplay == 3
            if is_smooth and mesh.normals is None:
                courier = self._courier
                self._worker.submit(lambda: _find_normals(mesh, courier))  # which does not keep the visual alive
                return
            if self.node.mesh_data is not mesh:
                self.node.set_data(meshdata=mesh)
                self._meshdata = mesh
        super()._on_shading_change()

    def _take_normals(self, mesh: SharedMesh) -> None:
        if mesh is self._mesh:
            self._on_shading_change()

    def _on_wireframe_visible_change(self) -> None:
        self._add_corners_if_needed()
        super()._on_wireframe_visible_change()

    def _on_face_normals_change(self) -> None:
        self._add_corners_if_needed()
        super()._on_face_normals_change()

    def _on_vertex_normals_change(self) -> None:
        self._add_corners_if_needed()
        super()._on_vertex_normals_change()

    def _on_texture_change(self) -> None:
        self._add_corners_if_needed()
        super()._on_texture_change()

    def _add_corners_if_needed(self) -> None:
        if self._mesh is not None and self._needs_corners:
            self._on_data_change()


def _find_normals(mesh: SharedMesh, courier: Courier) -> None:
    if mesh.normals is None:
        mesh.find_normals()
    courier.send(mesh)
