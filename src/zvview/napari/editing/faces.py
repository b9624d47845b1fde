"""Faces over corners that were chosen in no order: which way round they go, and how four become triangles. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError

__all__ = ["faces_over"]


def faces_over(
    corners: NDArray[np.int64], positions: NDArray[np.float64], faces: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Faces over a few corners, (k, L) rows, wound as the faces beside them are.

    Parameters
    ----------
    corners : (c,) int64 array
        Rows of the positions, distinct; four become two triangles, cut along the shorter way, where L is 3.
    positions : (n, D) float64 array
    faces : (m, L) int64 array
        Those that there are, as rows of the positions.

    Raises
    ------
    InvalidInputError
        They are too few or too many corners, lie on one line, or have a face already.
    """
    width = faces.shape[1]
    if len(corners) not in {width, 4} or len(corners) < 3:
        raise InvalidInputError(f"select the {'three or four' if width == 3 else width} corners of the new face")
    ring = _in_a_ring(corners, positions)
    if _agreement(ring, positions, faces) < 0:
        ring = ring[::-1]
    if len(ring) == width:
        fresh = ring[None]
    else:
        across = np.linalg.norm(positions[ring[:2]] - positions[ring[2:]], axis=1)
        ring = ring if across[0] <= across[1] else np.roll(ring, -1)
        fresh = ring[[[0, 1, 2], [0, 2, 3]]]
    known = {tuple(face) for face in np.sort(faces, axis=1).tolist()}
    if any(tuple(face) in known for face in np.sort(fresh, axis=1).tolist()):
        raise InvalidInputError("there is a face over these corners already")
    return fresh


def _in_a_ring(corners: NDArray[np.int64], positions: NDArray[np.float64]) -> NDArray[np.int64]:
    """The corners in the order of their angles around their middle, in the plane that fits them best."""
    relative = positions[corners] - positions[corners].mean(axis=0)
    _, sizes, axes = np.linalg.svd(relative, full_matrices=False)
    if sizes[1] <= 1e-9 * sizes[0]:
        raise InvalidInputError("the corners lie on one line: there is no face over them")
    across, along = (relative @ axes[:2].T).T
    return corners[np.argsort(np.arctan2(along, across), kind="stable")]


def _agreement(ring: NDArray[np.int64], positions: NDArray[np.float64], faces: NDArray[np.int64]) -> float:
    """Below zero where the faces around say that a ring goes the wrong way.

    Two faces at an edge run along it in opposite ways. Where none shares an edge, the normals of those that share a
    corner tell.
    """
    near = faces[np.isin(faces, ring).any(axis=1)]
    mine = {(int(a), int(b)) for a, b in zip(ring, np.roll(ring, -1), strict=True)}
    theirs = [tuple(edge) for edge in np.stack((near, np.roll(near, -1, axis=1)), axis=2).reshape(-1, 2).tolist()]
    opposite = sum((b, a) in mine for a, b in theirs)
    alike = sum(edge in mine for edge in theirs)
    if opposite or alike or not len(near) or positions.shape[1] != 3:
        return opposite - alike
    return float(_normals(positions[near]).sum(axis=0) @ _normals(positions[ring][None])[0])


def _normals(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normals of polygons, (k, c, 3), as long as twice their areas."""
    relative = corners - corners[:, :1]
    return np.asarray(np.cross(relative[:, 1:-1], relative[:, 2:]).sum(axis=1))
