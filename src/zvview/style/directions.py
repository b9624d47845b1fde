"""Direction of lines at their vertices, for the colours that tractography uses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["colour_directions", "vertex_directions"]


@np.errstate(over="ignore", invalid="ignore")
def vertex_directions(
    positions: NDArray[np.floating], segments: NDArray[np.int64], axes: Sequence[int]
) -> NDArray[np.float32]:
    """Mean absolute direction of the segments that meet at each vertex.

    Parameters
    ----------
    positions : (N, D) array
    segments : (S, 2) int64 array
        Rows of `positions`.
    axes : sequence of int
        The A axes to look at.

    Returns
    -------
    (N, A) float32 array
        Of length 1; zero where a vertex has no segment of any length, or one beyond all numbers.
    """
    columns = list(axes)
    ends = positions[:, columns]
    steps = np.abs(ends[segments[:, 1]] - ends[segments[:, 0]])
    out = np.empty((len(positions), len(columns)), np.float32)
    for at in range(len(columns)):  # an axis at a time: bincount adds up scalars only, and ten times faster than add.at
        sums = np.bincount(segments[:, 0], steps[:, at], len(positions))
        out[:, at] = sums + np.bincount(segments[:, 1], steps[:, at], len(positions))
    lengths = np.linalg.norm(out, axis=1, keepdims=True)
    np.divide(out, lengths, out=out, where=lengths > 0)
    out[~np.isfinite(lengths[:, 0])] = 0
    return out


def colour_directions(directions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Red, green and blue for the first, second and third axis, (N, 4) float32; grey where there is no direction."""
    out = np.zeros((len(directions), 4), np.float32)
    out[:, : min(3, directions.shape[1])] = directions[:, :3]
    out[~directions.any(axis=1), :3] = 0.5
    out[:, 3] = 1
    return out
