"""Stores to be edited, of any size and equally dense: points that belong to 1,000 objects, streamlines in bundles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import zvview
from zvview.pyramid import build_pyramid

__all__ = ["CHUNK_LINES", "CHUNK_POINTS", "GROUPS", "LINE_VERTICES", "line_store", "object_store"]

GROUPS = 50
LINE_VERTICES = 20
CHUNK_POINTS, CHUNK_LINES = 2000, 200  # about as many in each

_OBJECTS = 1000
_EDGE = 40.0  # of a chunk
_PART = 200_000


def object_store(place: str, total: int) -> None:
    """`total` points with one attribute; an object is what lies in a tenth of each axis, with blurred borders."""
    rng = np.random.default_rng(7)
    side = _side(total, CHUNK_POINTS)
    positions = rng.uniform(0, side, (total, 3)).astype(np.float32)
    blurred = positions + rng.normal(0, _EDGE / 10, (total, 3))
    ids = np.clip(blurred * 10 / side, 0, 9).astype(np.int64) @ np.array([100, 10, 1])
    points = zvview.Points(positions, attributes={"score": rng.random(total, np.float32)}, object_ids=ids)
    weights = {"weight": rng.random(_OBJECTS, np.float32)}
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(_EDGE,) * 3, **_bounds(side, 0)) as store:
        store.write(points, object_attributes=weights)
    build_pyramid(place)


def line_store(place: str, total: int) -> None:
    """`total` streamlines about as long as the edge of a chunk, neighbours in the same of 50 bundles.

    Ids go from bundle to bundle and from block to block of 4 x 4 x 4 chunks, in no order within a block.
    """
    rng = np.random.default_rng(7)
    side = _side(total, CHUNK_LINES)
    seeds = rng.uniform(0, side, (total, 3)).astype(np.float32)
    seeds = seeds[np.lexsort(np.floor(seeds / (4 * _EDGE)).T[::-1])]
    positions = np.concatenate([_walks(rng, seeds[start : start + _PART]) for start in range(0, total, _PART)])
    ids = np.arange(total)
    lines = zvview.Streamlines(positions, offsets=np.arange(total + 1) * LINE_VERTICES, object_ids=ids)
    weights = {"weight": rng.random(total, np.float32)}
    bundles = {f"bundle {k}": ids[ids * GROUPS // total == k] for k in range(GROUPS)}
    options = _bounds(side, 2 * _EDGE)
    with zvview.create(place, kind="streamline", axes="xyz", chunk_shape=(_EDGE,) * 3, **options) as store:
        store.write(lines, object_attributes=weights, groups=bundles)
    build_pyramid(place)


def _side(total: int, per_chunk: int) -> float:
    """Of a cube of whole chunks."""
    return round((total / per_chunk) ** (1 / 3)) * _EDGE


def _bounds(side: float, margin: float) -> dict[str, tuple[tuple[float, ...], tuple[float, ...]]]:
    return {"bounds": ((-margin,) * 3, (side + margin,) * 3)}


def _walks(rng: np.random.Generator, seeds: NDArray[np.float32]) -> NDArray[np.float32]:
    """From each seed a line of 20 vertices, two apart, nearly straight."""
    ahead = rng.standard_normal((len(seeds), 1, 3), np.float32)
    ahead *= 2 / np.linalg.norm(ahead, axis=2, keepdims=True)
    steps = ahead + rng.standard_normal((len(seeds), LINE_VERTICES, 3), np.float32) / 2
    steps[:, 0] = seeds
    return np.asarray(steps.cumsum(axis=1).reshape(-1, 3), np.float32)
