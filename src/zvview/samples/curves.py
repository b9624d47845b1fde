"""Curves that several samples are drawn with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ease", "smooth_curve", "unit_vectors"]


def ease(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """From 0 for what is 0 or less to 1 for what is 1 or more, without a corner."""
    clipped = np.clip(t, 0.0, 1.0)
    return clipped * clipped * (3 - 2 * clipped)


def smooth_curve(points: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Catmull-Rom curve through `points` (P, 3) at shares `t` (V,) of its way, (V, 3)."""
    padded = np.concatenate((2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]))
    at = t * (len(points) - 1)
    low = np.minimum(at.astype(np.intp), len(points) - 2)
    u = (at - low)[:, None]
    a, b, c, d = (padded[low + k] for k in range(4))
    out: NDArray[np.float64] = b + 0.5 * u * (c - a + u * (2 * a - 5 * b + 4 * c - d + u * (3 * b - a - 3 * c + d)))
    return out


def unit_vectors(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vectors (..., 3) at length 1; those without any length stay so."""
    out: NDArray[np.float64] = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return out
