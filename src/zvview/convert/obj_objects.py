"""Objects of OBJ files: which faces and vertices belong to which name, and the ids of names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zvview.convert.obj_content import ObjContent

__all__ = ["Objects", "find_objects", "split_shared"]

_UNNAMED = frozenset({"", "default"})  # the group of what is in none


class Objects:
    """The names in a file, and the one of each face and vertex.

    Attributes
    ----------
    names : list of str or None
        In order of first appearance; None of faces that are in none.
    of_faces : (F,) int64
        Rows of `names`.
    of_vertices : (V,) int64
        What a vertex without faces belongs to.
    """

    def __init__(self, content: ObjContent, keyword: str) -> None:
        chosen = [s for s in content.statements if s.keyword == keyword]
        labels = [None, *(None if s.text in _UNNAMED else s.text for s in chosen)]
        faces, vertices = len(content.counts), len(content.positions)
        face_labels = _labels_at([s.faces for s in chosen], faces)
        found = {labels[i]: None for i in _in_order(face_labels)} or {None: None}
        self.names = list(found)
        rows = {name: row for row, name in enumerate(self.names)}
        table = np.array([rows.get(name, 0) for name in labels], np.int64)
        self.of_faces = table[face_labels]
        self.of_vertices = table[_labels_at([s.vertices for s in chosen], vertices)]


def find_objects(content: ObjContent) -> tuple[Objects, str]:
    """Objects of a file by ``o`` where these tell several apart, else by ``g``; and what is told of the choice."""
    by_object, by_group = Objects(content, "o"), Objects(content, "g")
    if len(by_object.names) > 1 or len(by_group.names) == 1:
        told = "its groups (g) are left out: objects (o) are kept" if len(by_group.names) > 1 else ""
        return (by_object if by_object.names != [None] else by_group), told
    return by_group, ""


def split_shared(
    faces: NDArray[np.int64], of_faces: NDArray[np.int64], of_vertices: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Vertices that several objects share become one for each of them.

    Parameters
    ----------
    faces : (F, L) int64
    of_faces : (F,) int64
        The object of each face.
    of_vertices : (V,) int64
        That of the vertices in no face.

    Returns
    -------
    rows : (W,) int64
        The vertex that each new vertex is a copy of; the first V are the vertices themselves.
    owners : (W,) int64
        Its object.
    faces : (F, L) int64
        Rows of new vertices.
    """
    owners = of_vertices.copy()
    wanted = np.broadcast_to(of_faces[:, None], faces.shape)
    owners[faces] = wanted
    rows = np.arange(len(owners))
    is_shared = owners[faces] != wanted
    if not is_shared.any():
        return rows, owners, faces
    pairs = np.stack((wanted[is_shared], faces[is_shared]), axis=1)
    copies, index = np.unique(pairs, axis=0, return_inverse=True)
    out = faces.copy()
    out[is_shared] = len(rows) + index.reshape(-1)
    return np.concatenate((rows, copies[:, 1])), np.concatenate((owners, copies[:, 0])), out


def _labels_at(starts: Sequence[int], count: int) -> NDArray[np.int64]:
    """For each of `count` rows how many statements stand before it."""
    return np.searchsorted(np.array(starts, np.int64), np.arange(count), side="right")


def _in_order(rows: NDArray[np.int64]) -> list[int]:
    """The different values of an ascending array."""
    return list(rows[np.diff(rows, prepend=-1) > 0].tolist())
