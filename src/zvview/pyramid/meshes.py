"""Coarser levels of meshes: quadric decimation block by block, then once more on a grid moved by half a block.

In the first pass triangles that cross blocks stay as they are, and hold their corners: nothing can crack, but the seams
stay dense. The second pass finds most of each seam inside its blocks. What is between the passes, the level itself and
its seams, is held in memory by the driver; of the finer level each task reads one block at a time. Blocks and what is
done to each are the design's: neither the number of workers nor the size of parts changes a byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from zvview.pyramid.design import LevelDesign, PyramidOptions
from zvview.pyramid.kind import Coarsened, Job
from zvview.pyramid.mesh_design import design_level
from zvview.pyramid.mesh_passes import is_one_block, thin_pieces, thin_seams
from zvview.pyramid.mesh_pieces import drop_unowned, join_pieces
from zvview.pyramid.quadrics import load_library
from zvview.store.level import Level
from zvview.store.writing.intake import Intake
from zvview.store.writing.partition import partition

__all__ = ["METHOD", "PART_BYTES", "MeshesKind"]

METHOD = "quadrics"

PART_BYTES = 2 << 20
"""Of vertices of the finer level, that a task reads; their faces take four times as much."""


class MeshesKind:
    """See :class:`zvview.pyramid.kind.Kind`.

    Parameters
    ----------
    part_bytes : int
        About how many bytes of vertices a task reads; a block at least.
    """

    methods: ClassVar[Sequence[str]] = (METHOD,)

    def __init__(self, part_bytes: int = PART_BYTES) -> None:
        self._part_bytes = part_bytes

    def design(self, fine: Level, previous: LevelDesign | None, options: PyramidOptions) -> LevelDesign:
        """The level that follows `fine`.

        Raises
        ------
        InvalidInputError
            Wished shapes that are no multiples, or do not divide each other.
        UnsupportedError
            Meshes of more than three space axes; fast-simplification is not installed.
        """
        load_library()
        return design_level(fine, previous, options, METHOD)

    def coarsen(self, job: Job) -> Coarsened:
        """Decimate the finer level; the faces of the new one are triangles, whatever they were before."""
        pieces = thin_pieces(job, self._part_bytes)
        if not pieces:
            return Coarsened([])
        surface = join_pieces(pieces).with_faces_once()
        del pieces
        if not is_one_block(job.fine.chunks, job.fine, job.design):
            surface = thin_seams(job, self._part_bytes, surface)
        if surface.objects is not None:
            surface = drop_unowned(surface, job.fine.object_ids)
        intake = Intake(
            np.ascontiguousarray(surface.positions, surface.positions.dtype.newbyteorder("<")),
            surface.columns,
            surface.objects,
            links=surface.faces,
            link_columns=surface.face_columns,
        )
        run = job.scratch.save(f"mesh-run-{job.design.level}", partition(intake, job.tiling))
        return Coarsened([run], None if surface.objects is None else np.unique(surface.objects))
