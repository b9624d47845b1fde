"""What the benchmarks read and write, and the stores that the peer, zarr-vectors, makes of it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview import Mesh, Points, Streamlines

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import zarr_vectors

__all__ = ["SIDE", "clustered_points", "mesh", "peer_open", "peer_write", "same_rows", "streamlines", "uniform_points"]

SIDE = 1000.0


def uniform_points(count: int = 1_000_000) -> Points:
    """Points all over the cube, with one attribute."""
    rng = np.random.default_rng(11)
    positions = rng.uniform(0, 999.9, (count, 3)).astype(np.float32)
    return Points(positions, attributes={"intensity": rng.random(count, np.float32)})


def clustered_points(count: int = 1_000_000) -> Points:
    """A Gaussian in the middle of the cube, with one attribute."""
    rng = np.random.default_rng(11)
    positions = rng.normal(500, 140, (count, 3)).clip(0, 999.9).astype(np.float32)
    return Points(positions, attributes={"intensity": rng.random(count, np.float32)})


def streamlines(count: int = 20_000) -> Streamlines:
    """Smooth random walks of 20 to 39 vertices."""
    rng = np.random.default_rng(3)
    counts = rng.integers(20, 40, count)
    offsets = np.concatenate(([0], np.cumsum(counts)))
    steps = rng.normal(0, 6, (offsets[-1], 3))
    steps[1:] += steps[:-1] * 0.7
    walk = np.cumsum(steps, axis=0)
    starts = rng.uniform(150, 850, (count, 3))
    positions = walk + np.repeat(starts - walk[offsets[:-1]], counts, axis=0)
    return Streamlines(positions.clip(0, 999.9).astype(np.float32), offsets=offsets, object_ids=np.arange(count))


def mesh(around: int = 500) -> Mesh:
    """A wavy torus of ``2 * around ** 2`` faces."""
    u, v = np.meshgrid(*[np.linspace(0, 2 * np.pi, around, False)] * 2, indexing="ij")
    tube = 100 + 10 * np.sin(9 * u)
    ring = 300 + tube * np.cos(v)
    positions = np.stack((ring * np.cos(u), ring * np.sin(u), tube * np.sin(v)), axis=-1).reshape(-1, 3) + 500
    a = np.arange(around**2).reshape(around, around)
    b, d = np.roll(a, -1, axis=0), np.roll(a, -1, axis=1)
    c = np.roll(b, -1, axis=1)
    faces = np.concatenate([np.stack(t, axis=-1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    return Mesh(positions.astype(np.float32), faces=faces, object_ids=np.zeros(1, np.int64))


def peer_write(path: str, batch: Points | Streamlines | Mesh, *, is_compressed: bool = True) -> None:
    """Write a batch with the peer in 8 x 8 x 8 chunks; zstd is its default."""
    layout = zarr_vectors.Layout(cells=8) if is_compressed else zarr_vectors.Layout(cells=8, compression=None)
    schema = zarr_vectors.Schema(bounds=([0.0] * 3, [SIDE] * 3), kind=batch.kind, layout=layout)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = zarr_vectors.create(path, schema=schema)
        if isinstance(batch, Points):
            made.add_points(batch.positions, attributes=dict(batch.attributes), layout=layout)
        elif isinstance(batch, Mesh):
            made.add_mesh(batch.positions, batch.faces, layout=layout)
        else:
            lines = np.split(batch.positions, batch.offsets[1:-1])
            made.add_polylines(lines, streamlines=True, layout=layout)


def peer_open(path: str) -> Any:
    """The peer's view of a store."""
    return zarr_vectors.open(path)


def same_rows(ours: tuple[NDArray[Any], ...], theirs: tuple[NDArray[Any], ...]) -> bool:
    """Whether two sets of columns hold the same rows, in whatever order, bit for bit."""
    return bool(np.array_equal(_sorted_rows(ours), _sorted_rows(theirs)))


def _sorted_rows(columns: tuple[NDArray[Any], ...]) -> NDArray[np.void]:
    parts = [np.ascontiguousarray(c).view(np.uint8).reshape(len(c), -1) for c in columns]
    rows = np.ascontiguousarray(np.concatenate(parts, axis=1))
    return np.sort(rows.view(f"S{rows.shape[1]}").ravel()) if rows.size else np.empty(0, "V1")
