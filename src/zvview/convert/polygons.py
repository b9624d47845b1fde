"""Polygons of foreign meshes: faces of one width, as stores hold them, and the meshes that they make."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.geometry.batches import Mesh, Points

__all__ = ["FANS_TOLD", "fan_polygons", "make_mesh"]

FANS_TOLD = "polygons were cut into triangles, as fans around their first corners"
"""What a report says where :func:`fan_polygons` gave more faces than it was given."""

_WIDEST = 8  # corners of the faces that stores hold


def fan_polygons(
    counts: NDArray[np.int64], corners: NDArray[np.int64], *, triangulate: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Faces of one width, (F, L), and the polygon that each is of, (F,).

    Polygons of one size stay as they are unless `triangulate` is set or a store cannot hold them; where there are
    several sizes each becomes a fan of triangles around its first corner.

    Parameters
    ----------
    counts : (P,) int64
        Corners of each polygon, at least 3.
    corners : (sum of counts,) int64
    triangulate : bool
    """
    width = int(counts[0]) if len(counts) else 3
    if (counts == width).all() and (width == 3 or (width <= _WIDEST and not triangulate)):
        return corners.reshape(-1, width), np.arange(len(counts))
    triangles = counts - 2
    index = np.repeat(np.arange(len(counts)), triangles)
    first = np.cumsum(counts) - counts
    within = np.arange(len(index)) - np.repeat(np.cumsum(triangles) - triangles, triangles)
    second = first[index] + within + 1
    return np.stack((corners[first[index]], corners[second], corners[second + 1]), axis=1), index


def make_mesh(
    points: Points, faces: NDArray[np.int64], link_attributes: dict[str, NDArray[Any]], number: int | None
) -> Mesh:
    """A mesh of the object `number`; without one, of the objects that the vertices tell of, else of object 0.

    Several objects come in the order of their ids. Where a face joins vertices of two the mesh is one object.
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
