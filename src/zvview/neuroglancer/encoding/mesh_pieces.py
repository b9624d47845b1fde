"""A surface on a lattice of integers, cut by the planes of a grid into pieces that fit each other exactly.

Everything happens in whole steps of the lattice that pieces are stored in: what is cut, and where, is the same from
both sides, so that neighbouring pieces share their border to the last bit and a closed surface stays closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.format.sequences import distinct, offsets_of
from zvview.neuroglancer.encoding.morton import encode_morton

__all__ = ["Pieces", "cut_pieces", "merge_vertices", "split_at"]

COORDINATE_BITS: Final = 21
"""Three coordinates make one number of 63 bits, by which vertices are told apart."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """The pieces of a surface in the nodes of a grid, in Z-order.

    Attributes
    ----------
    nodes : (k, 3) int64 array
    vertices : (n, 3) int64 array
        Of all pieces, in steps from the corner of the node.
    vertex_offsets : (k + 1,) int64 array
    faces : (m, 3) int64 array
        Rows of the vertices of the piece.
    face_offsets : (k + 1,) int64 array
    """

    nodes: Ints
    vertices: Ints
    vertex_offsets: Ints
    faces: Ints
    face_offsets: Ints


def cut_pieces(vertices: Ints, faces: Ints, steps: int, nodes: int, *, is_halved: bool) -> Pieces:
    """Cut a surface by the planes between nodes.

    Parameters
    ----------
    vertices : (V, 3) int64 array
        In steps, from 0 to ``steps * nodes``.
    faces : (F, 3) int64 array
    steps : int
        Of the edge of a node; a vertex between two nodes is at `steps` of the one and at 0 of the other.
    nodes : int
        Along each axis.
    is_halved : bool
        Whether no triangle may lie on both sides of the middle of a node, as the client asks of all levels but the
        finest; the middle is where it looks for it, at ``(steps + 1) / 2``.
    """
    starts = np.arange(nodes + 1, dtype=np.int64) * steps
    planes = np.sort(np.concatenate((starts, starts[:-1] + (steps + 1) // 2))) if is_halved else starts
    vertices, faces = merge_vertices(vertices, faces)
    for axis in range(3):
        vertices, faces = split_at(vertices, faces, axis, planes)
    vertices, faces = merge_vertices(vertices, faces)
    if not len(faces):
        none = np.empty((0, 3), np.int64)
        return Pieces(none, none, np.zeros(1, np.int64), none, np.zeros(1, np.int64))
    corners = vertices[faces]
    low = np.minimum(np.minimum(corners[:, 0], corners[:, 1]), corners[:, 2])
    codes = encode_morton(np.minimum(low // steps, nodes - 1), (1 << (nodes - 1).bit_length(),) * 3)
    order = np.argsort(codes, kind="stable")
    codes, faces = codes[order], faces[order]
    is_first = np.append(True, codes[1:] != codes[:-1])
    bounds = np.append(np.flatnonzero(is_first), len(faces))
    found = np.minimum(low[order[bounds[:-1]]] // steps, nodes - 1)
    return _gather(vertices, faces, found, bounds, steps)


def merge_vertices(vertices: Ints, faces: Ints) -> tuple[Ints, Ints]:
    """Equal vertices made one, and triangles dropped that have a corner twice."""
    x, y, z = vertices.T
    keys = (((z << COORDINATE_BITS) | y) << COORDINATE_BITS) | x
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    is_first = np.ones(len(keys), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    place = np.empty(len(keys), np.int64)
    place[order] = np.cumsum(is_first) - 1
    merged = place[faces]
    a, b, c = merged.T
    return vertices[order[is_first]], merged[(a != b) & (b != c) & (c != a)]


def split_at(vertices: Ints, faces: Ints, axis: int, planes: Ints) -> tuple[Ints, Ints]:
    """Triangles cut so that none crosses a plane, ascending `planes` along `axis`; winding stays.

    Each triangle is cut by the lowest plane that it crosses, then what is above it again. An edge is met by the same
    planes in the same order from both of its triangles, and is cut at a place that its two ends alone decide.
    """
    done, buffer, count = [], [vertices], len(vertices)
    column = vertices[:, axis].copy()
    while len(faces):
        heights = column[faces]
        first, second, third = heights.T
        low = np.minimum(np.minimum(first, second), third)
        high = np.maximum(np.maximum(first, second), third)
        above = np.searchsorted(planes, low, side="right")
        plane = planes[np.minimum(above, len(planes) - 1)]
        crosses = (above < len(planes)) & (high > plane)
        done.append(faces[~crosses])
        if not crosses.any():
            break
        if len(buffer) > 1:
            buffer = [np.concatenate(buffer)]
        faces, added = _cut(buffer[0], faces[crosses], heights[crosses], axis, plane[crosses], count)
        buffer.append(added)
        column = np.concatenate((column, added[:, axis]))
        count += len(added)
    return np.concatenate(buffer), np.concatenate([np.empty((0, 3), np.int64), *done])


def _cut(vertices: Ints, faces: Ints, heights: Ints, axis: int, plane: Ints, first: int) -> tuple[Ints, Ints]:
    """Triangles that all cross their plane, in two or three parts each; and the vertices that are new."""
    side = np.sign(heights - plane[:, None])
    touches = (side == 0).any(axis=1)
    # the corner on the plane, or the one that is alone on its side, goes first
    lone = np.where(touches, 0, -np.sign(side.sum(axis=1)))
    turn = np.argmax(side == lone[:, None], axis=1)
    a, b, c = np.take_along_axis(faces, (turn[:, None] + np.arange(3)) % 3, axis=1).T
    through, beside = np.flatnonzero(touches), np.flatnonzero(~touches)
    ends = np.concatenate(
        (
            np.stack((b[through], c[through]), axis=1),
            np.stack((a[beside], b[beside]), axis=1),
            np.stack((a[beside], c[beside]), axis=1),
        )
    )
    at = np.concatenate((plane[through], plane[beside], plane[beside]))
    names, added = _new_vertices(vertices, ends, axis, at)
    m, p, q = np.split(names + first, [len(through), len(through) + len(beside)])
    at_through, at_beside = (a[through], b[through], c[through]), (a[beside], b[beside], c[beside])
    parts = [
        (at_through[0], at_through[1], m),
        (at_through[0], m, at_through[2]),
        (at_beside[0], p, q),
        (p, at_beside[1], at_beside[2]),
        (p, at_beside[2], q),
    ]
    return np.concatenate([np.stack(part, axis=1) for part in parts]), added


def _new_vertices(vertices: Ints, ends: Ints, axis: int, plane: Ints) -> tuple[Ints, Ints]:
    """Where edges meet planes, one vertex for each edge: its number for each of `ends`, (n,), and the vertices."""
    low = np.where(vertices[ends[:, 0], axis] < vertices[ends[:, 1], axis], ends[:, 0], ends[:, 1])
    high = ends.sum(axis=1) - low
    keys = low * len(vertices) + high
    order = np.argsort(keys, kind="stable")
    is_first = np.append(True, keys[order][1:] != keys[order][:-1])
    names = np.empty(len(keys), np.int64)
    names[order] = np.cumsum(is_first) - 1
    rows = order[is_first]
    start, end = vertices[low[rows]], vertices[high[rows]]
    share = (plane[rows] - start[:, axis]) / (end[:, axis] - start[:, axis])
    added = start + np.rint(share[:, None] * (end - start)).astype(np.int64)
    added[:, axis] = plane[rows]
    return names, added


def _gather(vertices: Ints, faces: Ints, nodes: Ints, bounds: Ints, steps: int) -> Pieces:
    """Faces that are in the order of their pieces, with vertices of each piece's own."""
    owner = np.repeat(np.arange(len(nodes)), np.diff(bounds))
    keys = owner[:, None] * len(vertices) + faces
    held = distinct(keys)
    piece, rows = np.divmod(held, len(vertices))
    offsets = offsets_of(np.bincount(piece, minlength=len(nodes)))
    local = np.searchsorted(held, keys) - offsets[owner][:, None]
    return Pieces(nodes, vertices[rows] - nodes[piece] * steps, offsets, local, bounds)
