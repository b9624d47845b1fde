"""Choosing a level of a mesh: how dense its triangles are, how far it may be from level 0, in which blocks it is made.

Triangles are spread evenly over the area, so that a level looks alike wherever one comes near it. Its bin is the edge
of such a triangle, about: that is what a level can show of colours; of the shape it shows more.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from zvview.errors import UnsupportedError
from zvview.format.metadata import space_axes
from zvview.geometry.batches import Mesh
from zvview.pyramid.chunk_choice import choose_multiples, count_parts
from zvview.pyramid.design import LevelDesign, PyramidOptions
from zvview.pyramid.hashing import hash_ids
from zvview.pyramid.mesh_pieces import piece_of
from zvview.pyramid.parts import row_bytes
from zvview.pyramid.surfaces import Frame, face_areas
from zvview.store.level import Level
from zvview.store.writing.choose import TARGET_BYTES

__all__ = ["KEEPS_BLOCKS", "design_level", "frame_of"]

KEEPS_BLOCKS = "keeps_blocks"
"""Parameter that tells that no vertex leaves its block; levels of early versions of zvview lack it."""

_SAMPLE_VERTICES = 100_000
_BLOCK_VERTICES = 10_000  # of the finer level, on average over its vertices; what an edit makes anew are whole blocks
_PASS_SHARE = 0.25  # of the bin that each of the two passes may move the surface
_WHOLE_BIN = 0.9  # that all levels together may: what is measured are vertices, not each point between them
_FACES_A_VERTEX = 2
_MOST_SPACE_AXES = 3


def design_level(fine: Level, previous: LevelDesign | None, options: PyramidOptions, method: str) -> LevelDesign:
    """Decide on the next coarser level; see :meth:`zvview.pyramid.kind.Kind.design`.

    Reads about 100,000 vertices, those of one chunk at least.

    Raises
    ------
    UnsupportedError
        More than three space axes.
    InvalidInputError
        Wished shapes that cannot be.
    """
    number, ndim = fine.number + 1, len(fine.chunk_shape)
    is_space = space_axes(fine.axes)
    if is_space.sum() > _MOST_SPACE_AXES:
        raise UnsupportedError(
            f"meshes of {int(is_space.sum())} space axes cannot be decimated, only those of 3 or fewer"
        )
    edges = fine.chunk_shape
    counts = fine.chunk_vertex_counts.astype(np.float64)
    coords = fine.chunks[:, fine.chunks.shape[1] - ndim :]
    merged = choose_multiples(coords, counts * (TARGET_BYTES / _BLOCK_VERTICES), edges.tolist(), is_space.tolist())
    block = edges * merged
    density, link_bytes = _choose_density(fine, is_space, block, options)
    edge = math.sqrt(4 / (math.sqrt(3) * density)) if density > 0 else float(edges[is_space].max())

    wished = options.shape_of("chunk_shapes", number, ndim)
    if wished is None:
        held = counts / options.factor * (row_bytes(fine) + _FACES_A_VERTEX * link_bytes)
        chunk = edges * choose_multiples(coords, held, edges.tolist(), is_space.tolist())
    else:
        what = f"the chunk shape of level {number}"
        chunk = edges * [count_parts(w, e, what) for w, e in zip(wished.tolist(), edges.tolist(), strict=True)]
    bins = options.shape_of("bin_shapes", number, ndim)
    if bins is None:
        least = 0.0 if previous is None else max(np.array(previous.bin_shape)[is_space].tolist())
        fitted = [_fit_bin(max(edge, least), e) for e in chunk.tolist()]
        bins = np.where(is_space, fitted, fine.resolution)
    else:
        for own, whole in zip(bins.tolist(), chunk.tolist(), strict=True):
            count_parts(max(own, whole), min(own, whole), f"the bin shape of level {number}, or its chunk shape,")

    spent = 0.0 if previous is None else float(previous.parameters.get("spent", max(previous.bin_shape)))
    narrowest = float(bins[is_space].min())
    tolerance = max(0.0, min(_PASS_SHARE * narrowest, (_WHOLE_BIN * narrowest - spent) / 2))
    parameters = {
        "density": density,
        "tolerance": tolerance,
        "spent": spent + 2 * tolerance,
        "block_shape": block.tolist(),
        "space_axes": np.flatnonzero(is_space).tolist(),
        KEEPS_BLOCKS: True,
    }
    return LevelDesign(number, tuple(chunk.tolist()), tuple(bins.tolist()), method, parameters)


def frame_of(design: LevelDesign) -> Frame:
    """How the positions of a level are taken for places in space."""
    return Frame(tuple(design.parameters["space_axes"]))


def _choose_density(
    fine: Level, is_space: NDArray[np.bool_], block: NDArray[np.float64], options: PyramidOptions
) -> tuple[float, float]:
    """Triangles for a unit of area so that their number falls by the factor, and the bytes of one as it is stored."""
    chunks, counts = fine.chunks, fine.chunk_vertex_counts
    if not len(chunks):
        return 0.0, 0.0
    order = np.argsort(hash_ids(np.arange(len(chunks)), options.seed), kind="stable")
    enough = int(np.searchsorted(np.cumsum(counts[order]), _SAMPLE_VERTICES)) + 1
    batch = fine.read_chunks(chunks[np.sort(order[:enough])], object_ids=False)
    assert isinstance(batch, Mesh)
    surface = piece_of(batch, has_objects=False).surface
    values = surface.face_columns.values()
    link_bytes = 24.0 + sum(v.dtype.itemsize * math.prod(v.shape[1:]) for v in values)
    if not len(surface.faces):
        return 0.0, link_bytes
    places, _ = Frame(tuple(np.flatnonzero(is_space).tolist())).place(surface.positions)
    areas = face_areas(places, surface.faces)
    blocks = np.floor(surface.positions[surface.faces[:, 0]].astype(np.float64) / block)
    _, number = np.unique(blocks, axis=0, return_inverse=True)
    number = number.ravel()
    counts_of = np.bincount(number).astype(np.float64)
    areas_of = np.bincount(number, areas).astype(np.float64)
    return _spread(counts_of, areas_of, options.factor), link_bytes


def _spread(faces: NDArray[np.float64], areas: NDArray[np.float64], factor: float) -> float:
    """The density with which ``min(faces, density * area)``, summed over blocks, is all faces divided by the factor.

    Blocks that are less dense than that already keep what they have, and the others must fall the deeper.
    """
    goal = faces.sum() / factor
    faces, areas = faces[areas > 0], areas[areas > 0]
    order = np.argsort(faces / areas, kind="stable")
    faces, areas = faces[order], areas[order]
    kept = np.cumsum(faces) - faces  # by the blocks before, which are less dense
    rest = areas.sum() - (np.cumsum(areas) - areas)
    reached = np.flatnonzero(kept + rest * faces / areas >= goal)
    return float(max(0.0, goal - kept[reached[0]]) / rest[reached[0]]) if len(reached) else 0.0


def _fit_bin(edge: float, chunk: float) -> float:
    """The least bin not below `edge` that divides a chunk, or is a multiple of it."""
    return chunk / math.floor(chunk / edge) if edge <= chunk else chunk * math.ceil(edge / chunk)
