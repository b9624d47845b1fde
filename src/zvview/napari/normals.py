"""Normals of the vertices of a mesh. Pure, on any thread."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["vertex_normals"]


def vertex_normals(positions: NDArray[np.float32], faces: NDArray[np.integer]) -> NDArray[np.float32]:
    """Sums of the normals of the faces around each vertex, weighted by their areas, of length one.

    Parameters
    ----------
    positions : (N, 3) float32 array
    faces : (F, 3) int array
        Rows of `positions`.

    Returns
    -------
    (N, 3) float32 array
        Zero where a vertex has no face with an area.
    """
    first, second, third = (positions.take(faces[:, corner], axis=0) for corner in range(3))
    across = np.cross(second - first, third - first)
    rows = faces.ravel()
    sums = np.empty((len(positions), 3), np.float32)
    for axis in range(3):
        sums[:, axis] = np.bincount(rows, np.repeat(across[:, axis], 3), minlength=len(positions))
    lengths = np.sqrt(np.einsum("ij,ij->i", sums, sums))[:, None]
    return np.divide(sums, lengths, out=np.zeros_like(sums), where=lengths > 0)
