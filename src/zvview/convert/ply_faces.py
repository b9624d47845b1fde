"""Faces of PLY files: polygons as rows of corners."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zvview.convert.ply_elements import ListRows
from zvview.convert.ply_header import Element
from zvview.convert.polygons import fan_polygons
from zvview.errors import BadFileError

__all__ = ["CORNERS", "read_polygons"]

CORNERS = ("vertex_indices", "vertex_index")
"""Names of the list of corners."""


def read_polygons(
    place: str, face: Element, lists: ListRows, vertices: int, *, triangulate: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Corners (F, L) and the row in the file of each face; see :func:`~zvview.convert.polygons.fan_polygons`.

    Raises
    ------
    BadFileError
        Fewer than three corners, or corners that are no vertices; names the face.
    """
    name = next(p.name for p in face.properties if p.name in CORNERS and p.count_type is not None)
    counts, items = lists.counts[name], lists.items[name].astype(np.int64)
    if len(few := np.flatnonzero(counts < 3)):
        raise BadFileError(place, f"a face of {counts[few[0]]} corners", f"face {few[0]}")
    if len(bad := np.flatnonzero((items < 0) | (items >= vertices))):
        row = int(np.searchsorted(np.cumsum(counts), bad[0], side="right"))
        raise BadFileError(place, f"its corner {items[bad[0]]} is none of {vertices} vertices", f"face {row}")
    return fan_polygons(counts, items, triangulate=triangulate)
