"""Closed lines as areas: which they are, and the triangles that fill them. Pure, on any thread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.metadata import Axis
from zvview.geometry.batches import Batch, Polylines
from zvview.geometry.select import stitch

__all__ = ["Filler", "find_rings", "plane_of"]

_LEAST = 4  # vertices of a triangle whose last one is its first


def plane_of(kind: str, axes: Sequence[Axis]) -> tuple[int, int] | None:
    """The axes of the plane in which closed lines of a store bound areas; None for other kinds, and in space."""
    space = [i for i, axis in enumerate(axes) if axis.type == "space"]
    return (space[0], space[1]) if kind in (names.POLYLINE, names.STREAMLINE) and len(space) == 2 else None


def find_rings(batch: Polylines) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The closed lines of a batch: lines of three and more vertices that end where they begin.

    Pieces that chunk borders cut are joined first; a line of which a part was not read is not closed.

    Returns
    -------
    rows : (R,) int64 array
        Rows of the batch along each ring after the other; the last vertex of a ring, which is its first, is left out.
    offsets : (K + 1,) int64 array
        Bounds of the rings in `rows`.
    """
    plain = Polylines(
        batch.positions,
        attributes={"row": np.arange(len(batch))},
        offsets=batch.offsets,
        object_ids=batch.object_ids,
        bridges=batch.bridges,
    )
    joined = stitch(plain) if len(batch.bridges) else plain
    first, last = joined.offsets[:-1], joined.offsets[1:] - 1
    is_long = last - first + 1 >= _LEAST
    first, last = first[is_long], last[is_long]
    is_closed = (joined.positions[first] == joined.positions[last]).all(axis=1)
    first, counts = first[is_closed], (last - first)[is_closed]
    offsets = np.append(0, np.cumsum(counts))
    rows = np.arange(offsets[-1]) + np.repeat(first - offsets[:-1], counts)
    return joined.attributes["row"][rows].astype(np.int64), offsets


class Filler:
    """Cuts closed lines into triangles; what it cut for one picture it knows for the next.

    Parameters
    ----------
    axes : two ints
        The store's axes of the plane.
    """

    def __init__(self, axes: Sequence[int]) -> None:
        first, second = axes
        self._axes = (first, second)
        self._known: dict[bytes, NDArray[np.uint32]] = {}

    def fill(self, batch: Batch) -> NDArray[np.uint32]:
        """Triangles that fill the closed lines of a batch, (T, 3) rows of it.

        Of a line that crosses itself some area may be left out.
        """
        if not isinstance(batch, Polylines) or not len(batch.offsets) > 1:
            return np.empty((0, 3), np.uint32)
        rows, offsets = find_rings(batch)
        plane = np.asarray(batch.positions[:, self._axes][rows], np.float64)
        known: dict[bytes, NDArray[np.uint32]] = {}
        found = []
        for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
            ring = plane[start:end]
            key = ring.tobytes()
            triangles = self._known.get(key)
            if triangles is None:
                triangles = _triangulate(ring)
            known[key] = triangles
            found.append(rows[start + triangles.astype(np.intp)])
        self._known = known
        return np.concatenate(found).astype(np.uint32) if found else np.empty((0, 3), np.uint32)


def _triangulate(ring: NDArray[np.float64]) -> NDArray[np.uint32]:
    """Triangles of one ring (n, 2), as rows of it."""
    from mapbox_earcut import triangulate_float64  # only those who fill need it

    if not np.isfinite(ring).all():
        return np.empty((0, 3), np.uint32)
    triangles: NDArray[np.uint32] = triangulate_float64(ring, np.array([len(ring)], np.uint32))
    return triangles.reshape(-1, 3)
