"""Edits laid over what streams: what they changed is hidden as it is stored, and shown as it is now. Pure.

At the finest level a vertex is known by its chunk and row. Coarser levels hold some of the same points, known by where
they stood, or whole objects, known by their ids; what is new is shown at every level.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.attributes import AttributeMetadata
from zvview.format.grid import ChunkTable
from zvview.geometry.batches import Batch, Graph, Mesh, Pieces, Points, Polylines
from zvview.geometry.concatenate import concatenate
from zvview.geometry.select import keep_rows
from zvview.store.editing.edits import VertexRefs
from zvview.stream.parts import ROW_BITS, ChunkPart

__all__ = ["UNNAMED", "VERTEX", "VERTEX_METADATA", "EditOverlay", "find_equal", "lay_over", "name_vertices", "refs_of"]

VERTEX: Final = "/vertex"
"""Attribute of batches of points that names each vertex in one number: chunk (its row in the table of the finest level)
and row, ``chunk << 32 | row``; ``-1 - k`` for new vertex k. No attribute of a store can have a slash in its name."""

UNNAMED: Final = int(np.iinfo(np.int64).min)
"""Stands there for vertices of coarser levels."""

VERTEX_METADATA: Final = AttributeMetadata(VERTEX, np.dtype(np.int64))

_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True, eq=False)
class EditOverlay:
    """What edits come to for those who look on.

    Attributes
    ----------
    hidden : VertexRefs
        Vertices of the finest level that are no longer as they are stored; of points only.
    hidden_positions : (n, D) array
        World coordinates of `hidden` as stored, where they are known: n may be less. Points of coarser levels that lie
        exactly there are hidden.
    objects : (m,) int64 array
        Ids of objects that are hidden as wholes, at every level.
    shown : Batch or None
        What is shown instead and what is new, at every level, in world coordinates, with all attributes of the store.
    refs : VertexRefs
        What the vertices of `shown` are called; for points only.
    edits : object
        What this was made of: tells whether it is the latest.
    """

    hidden: VertexRefs
    hidden_positions: NDArray[np.floating]
    objects: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    shown: Batch | None = None
    refs: VertexRefs | None = None
    edits: object = None


def name_vertices(part: ChunkPart, level: int, chunk: int) -> ChunkPart:
    """A chunk of points, by its row among those of a level, with the names of its vertices among their attributes."""
    if level != 0:
        column = np.full(len(part), UNNAMED)
    else:
        column = (np.arange(len(part)) if part.rows is None else part.rows) | (chunk << ROW_BITS)
    return replace(part, attributes={**part.attributes, VERTEX: column})


def refs_of(vertices: NDArray[np.int64], chunks: NDArray[np.int64]) -> VertexRefs:
    """Vertices named in one number each, none of them unnamed, as chunk and row; `chunks` are of the finest level."""
    is_new = vertices < 0
    places = np.zeros((len(vertices), chunks.shape[1]), np.int64)
    places[~is_new] = chunks[vertices[~is_new] >> ROW_BITS]
    return VertexRefs(places, np.where(is_new, vertices, vertices & ((1 << ROW_BITS) - 1)))


def _numbers_of(refs: VertexRefs, table: ChunkTable) -> NDArray[np.int64]:
    """The opposite of :func:`refs_of`; unnamed are those whose chunk the table lacks."""
    out = refs.rows.copy()
    stored = np.flatnonzero(out >= 0)
    at = table.find(refs.chunks[stored])
    out[stored] = np.where(at >= 0, (at << ROW_BITS) | out[stored], UNNAMED)
    return out


def lay_over(batch: Batch, overlay: EditOverlay, chunks: NDArray[np.int64]) -> Batch:
    """A batch that was joined of chunks, with the edits in it.

    Parameters
    ----------
    batch : Batch
        Points name their vertices in :data:`VERTEX`.
    overlay : EditOverlay
    chunks : (C, sid) int64 array
        Of the finest level; none where that is not known yet.
    """
    rows = np.ones(len(batch), bool)
    table = ChunkTable.of(chunks)
    if isinstance(batch, Points):
        vertices = batch.attributes[VERTEX]
        rows &= ~_are_among(vertices, _numbers_of(overlay.hidden, table))
        if (coarse := vertices == UNNAMED).any():
            rows[coarse] &= ~_stand_among(batch.positions[coarse], overlay.hidden_positions)
    elif isinstance(batch, Pieces) and len(overlay.objects):
        rows &= ~np.isin(batch.vertex_object_ids, overlay.objects)
        rows[batch.offsets[-1] :] = _are_joined(batch, rows)[batch.offsets[-1] :]  # far ends go with their links
    if not rows.all():
        batch = keep_rows(batch, rows)  # type: ignore[call-overload]
    return batch if overlay.shown is None or not len(overlay.shown) else _with_shown(batch, overlay, table)


def _are_joined(batch: Pieces, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which vertices a link leads to of which no end is hidden, (N,)."""
    links = batch.faces if isinstance(batch, Mesh) else batch.edges if isinstance(batch, Graph) else None
    if links is None:
        assert isinstance(batch, Polylines)
        links = batch.bridges
    out = np.zeros(len(batch), bool)
    out[links[rows[links].all(axis=1)].ravel()] = True
    return out


def _with_shown(batch: Batch, overlay: EditOverlay, table: ChunkTable) -> Batch:
    shown = overlay.shown
    assert shown is not None
    values: dict[str, NDArray[Any]] = dict(shown.attributes)
    if overlay.refs is not None:
        values[VERTEX] = _numbers_of(overlay.refs, table)
    shared = [name for name in batch.attributes if name in values]
    changes: dict[str, Any] = {
        "attributes": {n: values[n].astype(batch.attributes[n].dtype, copy=False) for n in shared},
        "categories": {n: c for n, c in batch.categories.items() if n in shared},
    }
    own = replace(batch, attributes={n: batch.attributes[n] for n in shared}, categories=changes["categories"])
    if own.object_ids is None and shown.object_ids is not None:  # type: ignore[attr-defined]
        count = len(own) if isinstance(own, Points) else len(own.offsets) - 1  # type: ignore[attr-defined]
        own = replace(own, object_ids=np.full(count, names.OWNER_NONE, np.int64))  # type: ignore[call-arg]
    if isinstance(own, Graph | Mesh) and isinstance(shown, Graph | Mesh):
        common = [name for name in own.link_attributes if name in shown.link_attributes]
        own = replace(own, link_attributes={n: own.link_attributes[n] for n in common})
        changes["link_attributes"] = {n: shown.link_attributes[n] for n in common}
    positions = shown.positions.astype(batch.positions.dtype, copy=False)
    return concatenate([own, replace(shown, positions=positions, **changes)])


def _are_among(values: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of `values` are among a few that are `wanted`, apart from those that are unnamed."""
    wanted = np.sort(wanted[wanted != UNNAMED])
    if not len(wanted):
        return np.zeros(len(values), bool)
    at = np.minimum(np.searchsorted(wanted, values), len(wanted) - 1)
    return np.asarray(wanted[at] == values)


def _stand_among(positions: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which of `positions` (N, D) are equal, on all axes, to one of `others` (n, D)."""
    out = np.zeros(len(positions), bool)
    out[find_equal(positions, others)[0]] = True
    return out


def find_equal(
    positions: NDArray[np.floating], others: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of `positions` (N, D) that are equal, on all axes, to a row of `others` (n, D), and which row that is."""
    if not len(others):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    numbers = _hash(others.astype(positions.dtype, copy=False))
    order = np.argsort(numbers)
    numbers = numbers[order]
    own = _hash(positions)
    at = np.minimum(np.searchsorted(numbers, own), len(numbers) - 1)
    hit = np.flatnonzero(numbers[at] == own)
    found = order[at[hit]]
    same = (positions[hit] == others[found].astype(positions.dtype, copy=False)).all(axis=1)
    return hit[same], found[same]


def _hash(positions: NDArray[np.floating]) -> NDArray[np.uint64]:
    """A number for each row, the same for equal rows."""
    bits = (positions.astype(np.float64) + 0.0).view(np.uint64)  # so that -0 is 0
    out = np.zeros(len(bits), np.uint64)
    with np.errstate(over="ignore"):
        for column in bits.T:
            out = (out ^ column ^ (column >> np.uint64(29))) * _FACTOR
    return out
