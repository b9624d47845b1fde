"""Point stores of any size, grown from filaments in part after part: 90 % along them, 10 % a thin background."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import zvview

__all__ = ["EDGE", "grow_store", "grown_parts"]

EDGE = 65_536.0
"""Edge of the cube that holds all points."""

_FILAMENTS, _NODES = 400, 200
_PART = 2_000_000
_KINDS = np.array(["pre", "post", "dense", "unknown"])


def grown_parts(total: int, seed: int = 7) -> Iterator[zvview.Points]:
    """`total` points with a float and a categorical attribute, two million at a time."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 1, (_FILAMENTS, _NODES, 3)).cumsum(axis=1)
    nodes = rng.uniform(0.1, 0.9, (_FILAMENTS, 1, 3)) * EDGE + steps * EDGE / 600
    nodes = np.clip(nodes, 0, EDGE).astype(np.float32)
    width = (EDGE / 2000 * rng.lognormal(0, 0.6, _FILAMENTS)).astype(np.float32)
    left = total
    while left:
        n = min(left, _PART)
        left -= n
        yield _part(rng, nodes, width, n)


def _part(rng: np.random.Generator, nodes: np.ndarray, width: np.ndarray, n: int) -> zvview.Points:
    filament = rng.integers(0, len(nodes), n)
    at = rng.integers(0, nodes.shape[1] - 1, n)
    t = rng.random((n, 1), np.float32)
    positions = nodes[filament, at] * (1 - t) + nodes[filament, at + 1] * t
    positions += rng.standard_normal((n, 3), np.float32) * width[filament, None]
    thin = rng.random(n, np.float32) < 0.1
    positions[thin] = rng.random((int(thin.sum()), 3), np.float32) * np.float32(EDGE)
    np.clip(positions, 0, EDGE, out=positions)
    kind = np.minimum(rng.integers(0, 6, n, np.int8), 3)
    codes, labels = kind.astype(np.uint8), zvview.Categories(tuple(_KINDS.tolist()))
    attributes = {"confidence": rng.random(n, np.float32), "kind": codes}
    return zvview.Points(positions, attributes=attributes, categories={"kind": labels})


def grow_store(place: str, total: int) -> None:
    """Write a store of `total` points in parts."""
    store = zvview.create(place, kind="point_cloud", axes="xyz", bounds=((0,) * 3, (EDGE,) * 3))
    with store.writer() as writer:
        for part in grown_parts(total):
            writer.append(part)
    store.close()
