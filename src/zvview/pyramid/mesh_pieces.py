"""A surface cut into pieces that are worked on apart, and put together again without cracks.

A piece is the vertices of a block and the triangles between them. Triangles that cross blocks stay as they are; they
hold their corners. When the store is read block by block such a triangle comes once with each block, which knows its
own corners only: all that tell of one triangle are brought together by where its three corners are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format import names
from zvview.geometry.batches import Mesh
from zvview.pyramid.decimation import Decimated
from zvview.pyramid.hashing import hash_points
from zvview.pyramid.surfaces import Surface
from zvview.store.writing.sorting import rank_rows, run_starts, stable_order

__all__ = [
    "Cut",
    "Piece",
    "corner_keys",
    "cut",
    "drop_unowned",
    "join_cut",
    "join_pieces",
    "join_some_pieces",
    "piece_of",
]

_LOOSE_RATIO = 0.75  # vertices a triangle; about a half where triangles share them, 3 where they share none


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A block as it was read, or after it was decimated.

    Attributes
    ----------
    surface : Surface
        The block's vertices and the triangles that lie in it.
    crossing : (K, 3) int64
        Triangles that leave it: own corners by row, -1 for the others.
    keys : (K,) uint64
        Hash of where the corners are.
    crossing_columns : mapping of str to (K,) or (K, C)
    """

    surface: Surface
    crossing: NDArray[np.int64]
    keys: NDArray[np.uint64]
    crossing_columns: Mapping[str, NDArray[Any]]

    @property
    def is_held(self) -> NDArray[np.bool_]:
        """Vertices of triangles that leave the block, (N,)."""
        out = np.zeros(len(self.surface.positions), bool)
        out[self.crossing[self.crossing >= 0]] = True
        return out

    def with_surface(self, done: Decimated) -> Piece:
        """The piece after it was decimated."""
        place = np.full(len(self.surface.positions) + 1, -1, np.int64)
        place[done.rows] = np.arange(len(done.rows))
        return Piece(done.surface, place[self.crossing], self.keys, self.crossing_columns)


def piece_of(batch: Mesh, has_objects: bool) -> Piece:
    """A block of a store as a piece: faces as triangles, vertices that no triangle needs left out.

    Wider faces become fans around their first corner; triangles with fewer than three different corners go. Where
    hardly any triangles share vertices, those that are alike in all they have become one.

    Raises
    ------
    DamagedError
        A position is not finite.
    """
    inner = int(batch.offsets[-1])
    if not np.isfinite(batch.positions).all():
        raise DamagedError("vertices", found="a position that is not finite", expected="finite positions")
    faces, origins = _triangles(batch.faces)
    if inner > _LOOSE_RATIO * len(faces):
        faces = np.concatenate((_first_alike(batch, inner), np.arange(inner, len(batch))))[faces]
    is_own = faces < inner
    inside, inside_of = _proper(faces[is_own.all(axis=1)], origins[is_own.all(axis=1)])
    # What leaves the block is not dropped even where two corners became one here: other blocks could not know.
    crosses = is_own.any(axis=1) & ~is_own.all(axis=1)
    leaving, leaving_of = faces[crosses], origins[crosses]
    is_needed = np.zeros(len(batch) + 1, bool)
    is_needed[inside] = True
    is_needed[leaving] = True
    rows = np.flatnonzero(is_needed[:inner])
    place = np.full(len(batch), -1, np.int64)
    place[rows] = np.arange(len(rows))
    surface = Surface(
        batch.positions[rows],
        {name: values[rows] for name, values in batch.attributes.items()},
        batch.vertex_object_ids[rows] if has_objects else None,
        place[inside],
        {name: values[inside_of] for name, values in batch.link_attributes.items()},
    )
    keys = corner_keys(batch.positions[leaving])
    columns = {name: values[leaving_of] for name, values in batch.link_attributes.items()}
    return Piece(surface, place[leaving], keys, columns)


def corner_keys(corners: NDArray[np.floating]) -> NDArray[np.uint64]:
    """A hash of where the corners, (n, L, D), of each triangle (or of anything else) are."""
    flat = corners.reshape(len(corners), corners.shape[1] * corners.shape[2])
    return hash_points(flat, None, 0).astype(np.uint64) << np.uint64(32) | hash_points(flat, None, 1)


def join_pieces(pieces: Sequence[Piece]) -> Surface:
    """The pieces of all blocks as one surface; triangles that cross blocks come last.

    Raises
    ------
    DamagedError
        Blocks differ in what triangles there are between them.
    """
    crossing, told, first = _bring_together(pieces)
    if (told != 1).any():
        raise DamagedError(
            "links",
            found=f"{int((told != 1).any(axis=1).sum())} faces between chunks whose ends do not agree",
            expected="the same faces from the chunks of all their corners",
        )
    return _join_all(pieces, crossing, first)


def join_some_pieces(pieces: Sequence[Piece]) -> tuple[Surface, NDArray[np.int64]]:
    """The pieces of some blocks, as :func:`join_pieces`, without the triangles that lead to others.

    Returns
    -------
    surface : Surface
    ends : (n,) int64
        Vertices at triangles that were left out.
    """
    crossing, told, first = _bring_together(pieces)
    is_whole = (told == 1).all(axis=1)
    ends = crossing[~is_whole]
    return _join_all(pieces, crossing[is_whole], first[is_whole]), np.unique(ends[ends >= 0])


def _bring_together(pieces: Sequence[Piece]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Triangles that cross blocks: their corners in the joined pieces, how often each was told, and one who told."""
    before = np.cumsum([0] + [len(p.surface.positions) for p in pieces])
    crossing = np.concatenate(
        [np.where(p.crossing < 0, -1, p.crossing + b) for p, b in zip(pieces, before, strict=False)]
    )
    keys = np.concatenate([p.keys for p in pieces])
    number = np.repeat(np.arange(len(pieces)), [len(p.keys) for p in pieces])
    # Equal keys are told apart by their order in a block, which is that of the records in the store.
    rank = _rank_in(keys, number)
    order = np.lexsort((rank, keys))
    keys, rank = keys[order].view(np.int64), rank[order]
    starts = run_starts(keys, rank)
    if not len(starts):
        return crossing, crossing, starts
    whole = np.maximum.reduceat(crossing[order], starts)
    told = np.add.reduceat((crossing[order] >= 0).astype(np.int64), starts)
    return whole, told, order[starts]


def _join_all(pieces: Sequence[Piece], crossing: NDArray[np.int64], first: NDArray[np.int64]) -> Surface:
    before = np.cumsum([0] + [len(p.surface.positions) for p in pieces])
    is_proper = _are_proper(crossing)
    crossing, first = crossing[is_proper], first[is_proper]
    inside = [p.surface.faces + b for p, b in zip(pieces, before, strict=False)]
    surface = _join([p.surface for p in pieces], np.concatenate([*inside, crossing]))
    columns = {
        name: np.concatenate([values, np.concatenate([p.crossing_columns[name] for p in pieces])[first]])
        for name, values in surface.face_columns.items()
    }
    return Surface(surface.positions, surface.columns, surface.objects, surface.faces, columns)


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A surface in memory, sorted by the blocks of some grid.

    Attributes
    ----------
    surface : Surface
        Faces that cross blocks come last.
    vertices, faces : (B + 1,) int64
        Where the blocks begin; ``faces[-1]`` is where the faces that cross begin.
    is_held : (N,) bool
        Corners of faces that cross.
    """

    surface: Surface
    vertices: NDArray[np.int64]
    faces: NDArray[np.int64]
    is_held: NDArray[np.bool_]

    def block(self, number: int) -> tuple[Surface, NDArray[np.bool_]]:
        """One block, and which of its vertices are held."""
        a, b = self.vertices[number : number + 2].tolist()
        c, d = self.faces[number : number + 2].tolist()
        whole = self.surface
        surface = Surface(
            np.array(whole.positions[a:b]),
            {name: np.array(values[a:b]) for name, values in whole.columns.items()},
            None if whole.objects is None else np.array(whole.objects[a:b]),
            whole.faces[c:d] - a,
            {name: np.array(values[c:d]) for name, values in whole.face_columns.items()},
        )
        return surface, np.array(self.is_held[a:b])


def cut(surface: Surface, blocks: NDArray[np.int64]) -> Cut:
    """Sort a surface by the block, (N, D), in which each vertex lies."""
    keys, limit = rank_rows(blocks)
    order = stable_order(keys, limit)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    ordered = keys[order]
    starts = run_starts(ordered)
    number = np.zeros(len(order), np.int64)
    number[starts[1:]] = 1
    number = np.cumsum(number)
    faces = place[surface.faces]
    of_face = number[faces]
    crosses = (of_face != of_face[:, :1]).any(axis=1)
    of_face = np.where(crosses, len(starts), of_face[:, 0])
    by_block = stable_order(of_face, len(starts) + 1)
    is_held = np.zeros(len(order), bool)
    is_held[faces[crosses]] = True
    sorted_surface = surface.take_vertices(order, faces).take_faces(by_block)
    bounds = np.searchsorted(of_face[by_block], np.arange(len(starts) + 1))
    return Cut(sorted_surface, np.append(starts, len(order)), bounds, is_held)


def join_cut(whole: Cut, parts: Sequence[Decimated]) -> Surface:
    """The blocks of a cut surface after they were decimated, as one.

    The faces that cross are those of the cut. They come last, in an order that depends on where they are alone: what an
    edit leaves as it was stays in the order that it had.
    """
    place = np.full(len(whole.is_held), -1, np.int64)
    rows = np.concatenate([d.rows + start for d, start in zip(parts, whole.vertices.tolist(), strict=False)])
    place[rows] = np.arange(len(rows))
    before = np.cumsum([0] + [len(d.rows) for d in parts])
    last = np.arange(whole.faces[-1], len(whole.surface.faces))
    keys = corner_keys(whole.surface.positions[whole.surface.faces[last]])
    crossing = whole.surface.take_faces(last[np.argsort(keys, kind="stable")])
    inside = [d.surface.faces + b for d, b in zip(parts, before, strict=False)]
    surface = _join([d.surface for d in parts], np.concatenate([*inside, place[crossing.faces]]))
    columns = {n: np.concatenate((values, crossing.face_columns[n])) for n, values in surface.face_columns.items()}
    return Surface(surface.positions, surface.columns, surface.objects, surface.faces, columns)


def drop_unowned(surface: Surface, ids: NDArray[np.int64] | None) -> Surface:
    """The surface without vertices, and triangles at them, that belong to none of the objects, or to several."""
    objects = surface.objects
    if objects is None or ids is None or (ids == names.OWNER_NONE).any():
        return surface
    is_owned = objects != names.OWNER_NONE
    if is_owned.all():
        return surface
    kept = surface.take_faces(np.flatnonzero(is_owned[surface.faces].all(axis=1)))
    rows = np.flatnonzero(is_owned)
    place = np.full(len(objects), -1, np.int64)
    place[rows] = np.arange(len(rows))
    return kept.take_vertices(rows, place[kept.faces])


def _join(parts: Sequence[Surface], faces: NDArray[np.int64]) -> Surface:
    """Vertices of all parts, one behind the other, with faces that count in them; face columns as they come."""
    first = parts[0]
    return Surface(
        np.concatenate([p.positions for p in parts]),
        {name: np.concatenate([p.columns[name] for p in parts]) for name in first.columns},
        None if first.objects is None else np.concatenate([p.objects for p in parts if p.objects is not None]),
        faces,
        {name: np.concatenate([p.face_columns[name] for p in parts]) for name in first.face_columns},
    )


def _triangles(faces: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Faces (F, L) as triangles with three different corners, and the face that each is of."""
    fans = faces.shape[1] - 2
    if fans == 1:
        return _proper(faces, np.arange(len(faces)))
    first = np.broadcast_to(faces[:, :1], (len(faces), fans))
    corners = np.stack((first, faces[:, 1:-1], faces[:, 2:]), axis=2)
    return _proper(corners.reshape(-1, 3), np.repeat(np.arange(len(faces)), fans))


def _proper(faces: NDArray[np.int64], origins: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    is_proper = _are_proper(faces)
    return (faces, origins) if is_proper.all() else (faces[is_proper], origins[is_proper])


def _are_proper(faces: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Triangles with three different corners."""
    a, b, c = faces.T
    return np.asarray((a != b) & (b != c) & (c != a))


def _first_alike(batch: Mesh, count: int) -> NDArray[np.int64]:
    """For each of the first `count` vertices the first one that has its position, object and attributes, bit by bit."""
    columns = [batch.positions, batch.vertex_object_ids, *batch.attributes.values()]
    words = [np.ascontiguousarray(c[:count]).reshape(count, -1).view(np.uint8).reshape(count, -1) for c in columns]
    rows = np.ascontiguousarray(np.concatenate(words, axis=1))
    _, first, group = np.unique(rows.view(f"V{rows.shape[1]}").ravel(), return_index=True, return_inverse=True)
    return np.asarray(first[group.ravel()], np.int64)


def _rank_in(keys: NDArray[np.uint64], number: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many before it have the same key and number, (n,)."""
    order = np.lexsort((number, keys))
    starts = run_starts(keys[order].view(np.int64), number[order])
    out = np.empty(len(order), np.int64)
    out[order] = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return out
