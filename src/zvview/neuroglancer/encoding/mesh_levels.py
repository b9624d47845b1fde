"""Coarser levels of a surface that has none: each a quarter of the triangles of the finer one."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.pyramid.quadrics import collapse_edges, load_library

__all__ = ["coarser_surfaces"]

_TOLERANCE: Final = 2.0  # median edges: less takes longer, and 16 gives thrice the error
_LEAST_FACES: Final = 1_000  # below, one piece is downloaded as fast as a coarser one
_WORTH: Final = 0.7  # of the triangles of the finer level, else there is no further one

Surface = tuple[NDArray[np.float64], NDArray[np.int64]]


def coarser_surfaces(
    vertices: NDArray[Any], faces: NDArray[np.integer[Any]], *, most: int = 3, ratio: int = 4
) -> list[Surface]:
    """Decimated surfaces, the finest first, without the given one; fewer than `most` where it is small or ragged.

    Parameters
    ----------
    vertices : (V, 3) array
    faces : (F, 3) integer array
    most : int
        Number of surfaces.
    ratio : int
        Triangles of each over those of the next.

    Raises
    ------
    UnsupportedError
        fast-simplification is not installed.
    """
    found: list[Surface] = []
    if most < 1 or len(faces) < _LEAST_FACES:
        return found
    library = load_library()
    centre = np.asarray(vertices[faces[:, 0]], np.float64).mean(axis=0)
    places, rows = np.asarray(vertices, np.float64) - centre, np.asarray(faces, np.int64)
    while len(found) < most and len(rows) >= _LEAST_FACES:
        ends = places[rows[:: max(1, len(rows) // 5_000)]]
        edge = float(np.median(np.linalg.norm(ends - np.roll(ends, 1, axis=1), axis=2)))
        if not np.isfinite(edge) or edge <= 0:
            break
        is_fixed = np.zeros(len(places), bool)
        collapsed = collapse_edges(library, places, rows, is_fixed, len(rows) // ratio, _TOLERANCE * edge)
        if collapsed is None or len(collapsed.faces) > _WORTH * len(rows) or not len(collapsed.faces):
            break
        is_used = np.zeros(len(places), bool)
        is_used[collapsed.faces] = True
        places, rows = collapsed.places[is_used], (np.cumsum(is_used) - 1)[collapsed.faces]
        found.append((places + centre, rows))
    return found
