"""Parts of a batch: some rows of it, the part that a box touches, lines joined across the cuts of chunks."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from zvview.format.sequences import offsets_of
from zvview.geometry.batches import Batch, Graph, Mesh, Pieces, Points, Polylines
from zvview.geometry.clip import faces_touch_box, points_in_box, segments_touch_box

__all__ = ["clip_to_box", "keep_objects", "keep_rows", "stitch"]

_FAR_END = np.iinfo(np.int64).min  # below every id: a far end takes that of the piece that it ends

AnyPolylines = TypeVar("AnyPolylines", bound=Polylines)
AnyPieces = TypeVar("AnyPieces", bound=Pieces)


def clip_to_box(batch: Batch, lo: NDArray[np.float64], hi: NDArray[np.float64]) -> Batch:
    """What of `batch` touches the inclusive box.

    Points are cut exactly. Of lines the segments, of graphs the edges and of meshes the faces that touch the box are
    kept with all their ends, also where no vertex lies inside; of lines that leave the box and come back each stay
    becomes a piece. Vertices without a link are kept where they lie inside.
    """
    inside = np.zeros(len(batch), bool)
    inside[points_in_box(batch.positions, lo, hi)] = True
    if isinstance(batch, Points):
        return _take_points(batch, np.flatnonzero(inside))
    if isinstance(batch, Polylines):
        return _clip_lines(batch, inside, lo, hi)
    if isinstance(batch, Mesh):
        touched = faces_touch_box(batch.positions[batch.faces], lo, hi)
        return keep_rows(batch, _with_ends(inside, batch.faces[touched]), touched)
    assert isinstance(batch, Graph)
    ends = batch.positions[batch.edges]
    touched = segments_touch_box(ends[:, 0], ends[:, 1], lo, hi)
    return keep_rows(batch, _with_ends(inside, batch.edges[touched]), touched)


def _take_points(batch: Points, rows: NDArray[np.int64]) -> Points:
    return replace(
        batch,
        positions=batch.positions.take(rows, axis=0),
        attributes={n: v.take(rows, axis=0) for n, v in batch.attributes.items()},
        object_ids=None if batch.object_ids is None else batch.object_ids[rows],
    )


def _with_ends(rows: NDArray[np.bool_], links: NDArray[np.int64]) -> NDArray[np.bool_]:
    out = rows.copy()
    out[links.ravel()] = True
    return out


@overload
def keep_rows(batch: Points, rows: NDArray[np.bool_], links: NDArray[np.bool_] | None = None) -> Points: ...
@overload
def keep_rows(batch: AnyPieces, rows: NDArray[np.bool_], links: NDArray[np.bool_] | None = None) -> AnyPieces: ...
def keep_rows(batch: Batch, rows: NDArray[np.bool_], links: NDArray[np.bool_] | None = None) -> Batch:
    """The vertices where `rows` (N,) is true, with the links where `links` is, whose ends must all be among them.

    Without `links` those whose ends are all kept stay. Pieces without a vertex left go. Lines are taken to be kept or
    left as whole pieces.
    """
    index = np.flatnonzero(rows)
    if isinstance(batch, Points):
        return _take_points(batch, index)
    assert isinstance(batch, Pieces)
    before = offsets_of(rows)
    offsets = before[batch.offsets]
    full = np.flatnonzero(np.diff(offsets) > 0)
    changes: dict[str, object] = {
        "positions": batch.positions.take(index, axis=0),
        "attributes": {n: v.take(index, axis=0) for n, v in batch.attributes.items()},
        "offsets": np.append(offsets[:-1][full], offsets[-1]),
        "object_ids": None if batch.object_ids is None else batch.object_ids[full],
    }
    name = _links_of(batch)
    ends: NDArray[np.int64] = getattr(batch, name)
    kept = rows[ends].all(axis=1) if links is None else links
    changes[name] = before[ends[kept]]
    if isinstance(batch, Graph | Mesh):
        changes["link_attributes"] = {n: v[kept] for n, v in batch.link_attributes.items()}
    return replace(batch, **changes)  # type: ignore[arg-type]


def _links_of(batch: Pieces) -> str:
    return "faces" if isinstance(batch, Mesh) else "edges" if isinstance(batch, Graph) else "bridges"


def keep_objects(batch: Batch, ids: NDArray[np.int64]) -> Batch:
    """The vertices of the objects in `ids`, and the links among them."""
    if isinstance(batch, Points):
        owned = np.zeros(len(batch), bool) if batch.object_ids is None else np.isin(batch.object_ids, ids)
        return keep_rows(batch, owned)
    assert isinstance(batch, Pieces)
    wanted = np.isin(batch.object_ids, ids) if batch.object_ids is not None else np.zeros(len(batch.offsets) - 1, bool)
    rows = np.zeros(len(batch), bool)
    rows[: batch.offsets[-1]] = np.repeat(wanted, np.diff(batch.offsets))
    links: NDArray[np.int64] = getattr(batch, _links_of(batch))
    inner = (links < batch.offsets[-1]) & rows[links]
    is_far = links >= batch.offsets[-1]  # far ends belong to whom they serve
    touched = inner.any(axis=1) & (inner | is_far).all(axis=1)
    return keep_rows(batch, _with_ends(rows, links[touched]), touched)


def _clip_lines(
    batch: AnyPolylines, inside: NDArray[np.bool_], lo: NDArray[np.float64], hi: NDArray[np.float64]
) -> AnyPolylines:
    """The segments of lines that touch the box, as pieces of consecutive ones, joined across bridges."""
    inner = int(batch.offsets[-1])
    is_joined = np.ones(max(inner, 1), bool)  # row i with row i + 1
    is_joined[batch.offsets[1:][np.diff(batch.offsets) > 0] - 1] = False
    starts = np.flatnonzero(is_joined[:inner])
    touched = np.zeros(inner, bool)
    touched[starts] = segments_touch_box(batch.positions[starts], batch.positions[starts + 1], lo, hi)
    ends = batch.positions[batch.bridges]
    bridged = segments_touch_box(ends[:, 0], ends[:, 1], lo, hi)
    rows = _with_ends(inside, batch.bridges[bridged])
    rows[:inner] |= touched
    rows[1:inner] |= touched[: max(inner - 1, 0)]
    begins = rows[:inner].copy()
    begins[1:] &= ~touched[: max(inner - 1, 0)]  # a kept row opens a piece unless the segment before it is kept
    begins[:1] = True
    at = np.flatnonzero(begins)
    owner = np.repeat(np.arange(len(batch.offsets) - 1), np.diff(batch.offsets))[at]
    split = replace(
        batch,
        offsets=np.append(at, inner),
        object_ids=None if batch.object_ids is None else batch.object_ids[owner],
    )
    return stitch(keep_rows(split, rows, bridged))


def stitch(batch: AnyPolylines) -> AnyPolylines:
    """Lines joined across their bridges: a piece whose last row is bridged to the first of another becomes one with it.

    Far ends of bridges become part of the piece that they end. Bridges that run otherwise, or of which several meet,
    stay.
    """
    total, inner = len(batch), int(batch.offsets[-1])
    offsets = np.concatenate((batch.offsets, np.arange(inner + 1, total + 1)))
    full = np.flatnonzero(np.diff(offsets) > 0)
    first, last = offsets[full], offsets[full + 1] - 1
    ids = np.full(len(offsets) - 1, _FAR_END, np.int64)
    if batch.object_ids is not None:
        ids[: len(batch.object_ids)] = batch.object_ids
    ids = ids[full]
    head, tail = np.full(total, -1, np.int64), np.full(total, -1, np.int64)
    head[first], tail[last] = np.arange(len(full)), np.arange(len(full))
    source, target = tail[batch.bridges[:, 0]], head[batch.bridges[:, 1]]
    fits = (source >= 0) & (target >= 0) & (source != target)
    for ends in (source, target):
        fits &= np.bincount(ends[fits], minlength=len(full))[ends] == 1
    before = np.full(len(full), -1, np.int64)
    before[target[fits]] = source[fits]
    opener, rank, is_open = _follow(before)
    broken = ~is_open[target] & fits  # rings of bridges stay as they are
    fits &= ~broken
    order = np.lexsort((rank, opener))
    counts = (last - first + 1)[order]
    shifts = np.cumsum(counts) - counts
    rows = np.arange(total) + np.repeat(first[order] - shifts, counts)
    new_row = np.empty(total, np.int64)
    new_row[rows] = np.arange(total)
    starts = np.flatnonzero(np.append(True, opener[order][1:] != opener[order][:-1])[: len(order)])
    owner = np.maximum.reduceat(ids[order], starts) if len(starts) else ids
    owner = np.where(owner == _FAR_END, -1, owner)
    return replace(
        batch,
        positions=batch.positions.take(rows, axis=0),
        attributes={n: v.take(rows, axis=0) for n, v in batch.attributes.items()},
        offsets=np.append(shifts[starts], total),
        object_ids=None if batch.object_ids is None else owner,
        bridges=new_row[batch.bridges[~fits]],
    )


def _follow(before: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """First member of the chain of each element, how far away it is, and whether there is one (no ring)."""
    n = len(before)
    jump, rank = before.copy(), (before >= 0).astype(np.int64)
    opener = np.where(before < 0, np.arange(n), before)
    for _ in range(n.bit_length() + 1):  # pointer doubling: each round sees twice as far
        far = np.flatnonzero(jump >= 0)
        if not len(far):
            break
        via = jump[far]
        rank[far] += rank[via]
        opener[far] = opener[via]
        jump[far] = jump[via]
    ring = jump >= 0
    opener[ring], rank[ring] = np.flatnonzero(ring), 0
    return opener, rank, ~ring
