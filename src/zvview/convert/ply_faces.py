"""Faces of PLY files: polygons as rows of corners, and the meshes that they make."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.convert.ply_elements import ListRows
from zvview.convert.ply_header import Element
from zvview.errors import BadFileError
from zvview.geometry.batches import Mesh, Points

__all__ = ["CORNERS", "make_mesh", "read_polygons"]

CORNERS = ("vertex_indices", "vertex_index")
"""Names of the list of corners."""


def read_polygons(
    place: str, face: Element, lists: ListRows, vertices: int, *, triangulate: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Corners (F, L) and the row in the file of each face.

    A store holds faces of one width: polygons of one size stay as they are unless `triangulate` is set; where there are
    several sizes each becomes a fan of triangles around its first corner.

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
    width = int(counts[0]) if len(counts) else 3
    if (counts == width).all() and (width == 3 or not triangulate):
        return items.reshape(-1, width), np.arange(len(counts))
    triangles = counts - 2
    index = np.repeat(np.arange(len(counts)), triangles)
    first = np.cumsum(counts) - counts
    within = np.arange(len(index)) - np.repeat(np.cumsum(triangles) - triangles, triangles)
    second = first[index] + within + 1
    return np.stack((items[first[index]], items[second], items[second + 1]), axis=1), index


def make_mesh(
    points: Points, faces: NDArray[np.int64], link_attributes: dict[str, NDArray[Any]], number: int | None
) -> Mesh:
    """A mesh of the object `number`; without one, of the objects that the vertices tell of, else of object 0.

    Where a face joins vertices of two objects the mesh is one object.
    """
    ids = points.object_ids
    content: dict[str, Any] = {"link_attributes": link_attributes, "categories": points.categories}
    if number is not None or ids is None or not (ids[faces] == ids[faces[:, :1]]).all():
        return Mesh(
            points.positions,
            attributes=points.attributes,
            offsets=np.array([0, len(points)], np.int64),
            object_ids=np.array([number or 0], np.int64),
            faces=faces,
            **content,
        )
    order = np.argsort(ids, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    distinct, starts = np.unique(ids[order], return_index=True)
    return Mesh(
        points.positions[order],
        attributes={name: values[order] for name, values in points.attributes.items()},
        offsets=np.append(starts, len(order)),
        object_ids=distinct,
        faces=place[faces],
        **content,
    )
