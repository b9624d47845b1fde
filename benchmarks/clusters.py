"""Neighbouring chunks of a store, and the bytes of the cells that an edit of them touches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import zvview

__all__ = ["Cluster", "cell_bytes", "find_cluster", "row_bytes"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """A box of chunks of level 0 of which just so many hold anything.

    Attributes
    ----------
    chunks : (n, 3) int64
    box : (lo, hi)
        Corners in world coordinates, a little less than the whole and within the store's bounds.
    vertices : int
        In these chunks.
    around : int
        In all chunks of level 0 below the coarser chunks that lie over them.
    """

    chunks: Ints
    box: tuple[Floats, Floats]
    vertices: int
    around: int


def find_cluster(store: zvview.Store, count: int, vertices: float, around: float | None = None) -> Cluster:
    """The box with `count` chunks that hold anything, of which the numbers of vertices are nearest to those asked."""
    level = store.level(0)
    chunks, counts = level.chunks, store.count_vertices(0)
    factor = np.rint(store.level(1).chunk_shape / level.chunk_shape).astype(int)
    first = chunks.min(axis=0) // factor * factor
    shape = -(-(chunks.max(axis=0) + 1 - first) // factor) * factor
    filled, held = (_sums(chunks - first, values, shape) for values in (np.ones_like(counts), counts))
    best: tuple[float, Ints, Ints, int, int] | None = None
    side = round(count ** (1 / 3))
    for edges in product(range(max(1, side - 1), side + 4), repeat=3):
        size = np.array(edges)
        if (size > shape).any():
            continue
        starts = np.indices(shape + 1 - size).reshape(3, -1).T
        starts = starts[_inside(filled, starts, starts + size) == count]
        if not len(starts):
            continue
        own = _inside(held, starts, starts + size)
        over = _inside(held, starts // factor * factor, -(-(starts + size) // factor) * factor)
        cost = abs(own / vertices - 1) + (0 if around is None else abs(over / around - 1))
        at = int(cost.argmin())
        if best is None or cost[at] < best[0]:
            best = float(cost[at]), starts[at] + first, size, int(own[at]), int(over[at])
    if best is None:
        raise SystemExit(f"{store.place} has no box of chunks of which {count} hold anything")
    _, start, size, own_count, over_count = best
    least, greatest = store.bounds
    lo = np.maximum(start * level.chunk_shape, least)
    hi = np.minimum((start + size - 1e-4) * level.chunk_shape, greatest)
    inside = ((chunks >= start) & (chunks < start + size)).all(axis=1)
    return Cluster(chunks[inside], (lo, hi), own_count, over_count)


def _sums(at: Ints, values: Ints, shape: Ints) -> Ints:
    """Sums of `values` over all boxes from the origin."""
    grid = np.zeros(shape + 1, np.int64)
    grid[tuple((at + 1).T)] = values
    for axis in range(3):
        grid.cumsum(axis=axis, out=grid)
    return grid


def _inside(sums: Ints, lo: Ints, hi: Ints) -> Ints:
    """The sum over each box."""
    total = np.zeros(len(lo), np.int64)
    for corner in product((0, 1), repeat=3):
        at = np.where(np.array(corner, bool), hi, lo)
        total += (-1) ** (3 - sum(corner)) * sums[tuple(at.T)]
    return total


def cell_bytes(place: Path, chunks: Ints, edge: Floats, only: str = "") -> int:
    """Bytes of all cells of level 0 at `chunks`, and of coarser levels above them; whole shards where there are any.

    Parameters
    ----------
    place : Path
        A folder.
    chunks : (n, D) int64 array
        Of level 0.
    edge : (D,) array
        Of these chunks.
    only : str
        What the paths of the arrays hold in a level, if not all count.
    """
    total = 0
    for level in _levels(place):
        shape = _level_edge(place, level.name, edge)
        above = np.unique(np.floor((chunks + 0.5) * edge / shape).astype(np.int64), axis=0)
        for path, document in _arrays(level):
            grid = document["attributes"].get("chunk_grid_origin")
            if grid is None or not str(path.relative_to(level)).startswith(only):
                continue
            inner = (above - np.array(grid)) // np.array(document["chunk_grid"]["configuration"]["chunk_shape"])
            total += _sizes(path, np.unique(inner, axis=0))
    return total


def row_bytes(place: Path, rows: Mapping[str, Ints]) -> int:
    """Bytes of the cells of tables of objects that hold some rows, at all levels.

    Parameters
    ----------
    place : Path
    rows : mapping of str to (n,) int64 array
        By the beginning of the paths of the tables in a level.
    """
    total = 0
    for level in _levels(place):
        for path, document in _arrays(level):
            for start, wanted in rows.items():
                if str(path.relative_to(level)).startswith(start):
                    (length,) = document["chunk_grid"]["configuration"]["chunk_shape"][:1]
                    total += _sizes(path, np.unique(wanted // length)[:, None])
    return total


def _levels(place: Path) -> Iterator[Path]:
    yield from (path for path in sorted(place.iterdir()) if path.name.isdigit())


def _level_edge(place: Path, name: str, edge: Floats) -> Floats:
    attributes = json.loads((place / name / "zarr.json").read_text())["attributes"]
    found = attributes.get("zarr_vectors_level", {}).get("chunk_shape")
    return edge if found is None else np.array(found, float)


def _arrays(level: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(level.rglob("zarr.json")):
        document = json.loads(path.read_text())
        if document["node_type"] == "array":
            yield path.parent, document


def _sizes(path: Path, cells: Iterable[Ints]) -> int:
    files = (path.joinpath("c", *map(str, cell)) for cell in cells)
    return sum(file.stat().st_size for file in files if file.exists())
