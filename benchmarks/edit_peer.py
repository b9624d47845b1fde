"""The same edit by zvview and by the reference library, zarr-vectors: points moved within their chunks."""

from __future__ import annotations

import shutil
import statistics
import time
from pathlib import Path

import numpy as np
import zarr_vectors
from edit_cases import pick_evenly
from geometry import peer_write, uniform_points
from harness import Claim, versus
from numpy.typing import NDArray
from zarr_vectors.ops.edit import EditSession
from zarr_vectors.ops.refs import VertexRef

import zvview

__all__ = ["against_peer"]

_ROUNDS = 3
_MOVED = 1000
_BOX = ((0, 0, 0), (624.9, 624.9, 499.9))  # 5 x 5 x 4 chunks


def against_peer(top: Path) -> Claim:
    """On copies of one store that the reference library wrote, without coarse levels, which it does not make fit.

    Theirs is in place; without that (its own way) it leaves the old rows in the cells.
    """
    place = top / "original"
    peer_write(str(place), zvview.Points(uniform_points(100_000).positions))
    ours, theirs = [], []
    for _ in range(_ROUNDS + 1):
        one, other = (Path(shutil.copytree(place, top / name)) for name in ("ours", "theirs"))
        seconds, chunks, old, new = _move(one)
        ours.append(seconds)
        theirs.append(_move_by_peer(other, chunks, old, new))
        with zvview.open(one) as left, zvview.open(other) as right:
            rows = [np.sort(s.level(0).read().positions.view("V12").ravel()) for s in (left, right)]
        if not np.array_equal(*rows):
            raise SystemExit("the two come to other positions")
        for copy in (one, other):
            shutil.rmtree(copy)
    shutil.rmtree(place)
    name = f"{_MOVED:,} points of 100,000 moved in 100 chunks, without levels, against zarr-vectors 0.9.2"
    return versus(name, None, statistics.median(ours[1:]), statistics.median(theirs[1:]))


def _move(place: Path) -> tuple[float, NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Seconds; chunks, old and new positions of what was moved."""
    with zvview.open(place) as store, store.edit(journal=False) as session:
        found = session.find(_BOX)
        picked = pick_evenly(found, _MOVED)
        corner = picked.refs.chunks * store.level(0).chunk_shape
        new = (corner + np.clip((picked.positions - corner)[:, ::-1], 1, 124)).astype(np.float32)
        start = time.perf_counter()
        session.move(picked, new)
        session.commit()
        return time.perf_counter() - start, picked.refs.chunks, picked.positions.astype(np.float32), new


def _move_by_peer(place: Path, chunks: NDArray[np.int64], old: NDArray[np.float32], new: NDArray[np.float32]) -> float:
    """Seconds, finding the vertices not included."""
    from zarr_vectors.core.arrays import read_chunk_vertices
    from zarr_vectors.core.store import get_resolution_level

    root = zarr_vectors.open(str(place), mode="r+")._group
    level = get_resolution_level(root, 0)
    refs: list[VertexRef] = [VertexRef(0, (0, 0, 0), 0, 0)] * len(chunks)
    for chunk in np.unique(chunks, axis=0):
        cell = tuple(chunk.tolist())
        groups = read_chunk_vertices(level, cell, dtype=np.dtype(np.float32), ndim=3)
        group = np.repeat(np.arange(len(groups)), [len(g) for g in groups])
        local = np.concatenate([np.arange(len(g)) for g in groups])
        stored = np.concatenate(groups)
        for k in np.flatnonzero((chunks == chunk).all(axis=1)):
            at = int(np.flatnonzero((stored == old[k]).all(axis=1))[0])
            refs[k] = VertexRef(0, cell, int(group[at]), int(local[at]))
    start = time.perf_counter()
    with EditSession(root, atomic=False) as session:
        for ref, position in zip(refs, new, strict=True):
            session.edit_vertex(ref, new_pos=position)
    return time.perf_counter() - start
