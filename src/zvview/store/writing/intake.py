"""Batches of any kind, checked and brought to one form: vertices with columns, their objects, links between rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.format import names
from zvview.format.sequences import offsets_of
from zvview.geometry.batches import Batch, Graph, Mesh, Pieces, Points, Polylines, Skeletons
from zvview.geometry.trees import depth_first_order, parents_from_links
from zvview.store.writing.object_ids import ObjectIds
from zvview.store.writing.schema import Schema
from zvview.store.writing.sorting import invert

__all__ = ["ELSEWHERE", "NO_PARENT", "Intake", "in_depth_first_order", "join_intakes", "take_in"]

NO_PARENT: Final = -1
ELSEWHERE: Final = -2
"""Stands for a parent that is not among the rows; whoever makes such an intake files the link to it."""


@dataclass(frozen=True, slots=True, eq=False)
class Intake:
    """Vertices and links of one or several batches.

    Attributes
    ----------
    positions : (N, D) little-endian float32 or float64
    columns : mapping of str to (N,) or (N, C)
        Vertex attributes.
    objects : (N,) int64 or None
        The object of each vertex. The vertices of a line are consecutive, and neighbours are joined.
    parents : (N,) int64 or None
        Skeletons: the parent row of each vertex, :data:`NO_PARENT` for roots, :data:`ELSEWHERE` where it is not among
        them; rows are in depth-first order.
    links : (M, L) int64 or None
        Graphs and meshes: rows of vertices.
    link_columns : mapping of str to (M,) or (M, C)
    """

    positions: NDArray[np.floating]
    columns: Mapping[str, NDArray[Any]]
    objects: NDArray[np.int64] | None = None
    parents: NDArray[np.int64] | None = None
    links: NDArray[np.int64] | None = None
    link_columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def take_in(
    batch: Batch, *, dtype: np.dtype[Any], vertices: Schema, links: Schema, ids: ObjectIds, kind: str
) -> Intake:
    """Check a batch and bring it to the form that is written.

    Parameters
    ----------
    batch : Batch
        Of the store's kind; a polyline batch does for streamlines and the other way round.
    dtype : dtype
        Of the stored positions. Rounding to it comes first: it may move a vertex into the next chunk.
    vertices, links : Schema
        Columns of the store.
    ids : ObjectIds
        Objects of the store so far; those of the batch are added.
    kind : str

    Raises
    ------
    InvalidInputError
        A position that is not finite (names the row), rows that belong to no piece, lines that are cut or repeat an id,
        attributes that differ from those before.
    """
    if not _is_kind(batch, kind):
        raise InvalidInputError(f"a batch of kind {batch.kind!r} cannot go into a store of kind {kind!r}")
    positions = np.ascontiguousarray(batch.positions, dtype.newbyteorder("<"))
    _check_finite(positions)
    columns = vertices.conform(batch.attributes, batch.categories)
    if isinstance(batch, Points):
        return Intake(positions, columns, ids.add_points(batch.object_ids))
    assert isinstance(batch, Pieces)
    _check_pieces(batch)
    objects = np.repeat(ids.add_pieces(batch, is_line=isinstance(batch, Polylines)), np.diff(batch.offsets))
    if isinstance(batch, Skeletons):
        if batch.link_attributes:
            raise InvalidInputError(
                "edges of skeletons have no attributes, since most are not stored; give them to the child vertices"
            )
        return in_depth_first_order(positions, columns, objects, batch.edges)
    if isinstance(batch, Graph | Mesh):
        rows = batch.faces if isinstance(batch, Mesh) else batch.edges
        return Intake(positions, columns, objects, None, rows, links.conform(batch.link_attributes, {}))
    return Intake(positions, columns, objects)


def join_intakes(parts: Sequence[Intake]) -> Intake:
    """The parts as one, rows of links and parents counted on."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    before = offsets_of([len(p.positions) for p in parts]).tolist()

    def joined(name: str) -> NDArray[Any] | None:
        values = [getattr(p, name) for p in parts]
        return None if values[0] is None else np.concatenate(values)

    parents = links = None
    if first.parents is not None:
        counted = [(p.parents, b) for p, b in zip(parts, before, strict=False) if p.parents is not None]
        parents = np.concatenate([np.where(up < 0, up, up + b) for up, b in counted])
    if first.links is not None:
        links = np.concatenate([p.links + b for p, b in zip(parts, before, strict=False)])
    positions, objects = joined("positions"), joined("objects")
    assert positions is not None
    return Intake(
        positions,
        {name: np.concatenate([p.columns[name] for p in parts]) for name in first.columns},
        objects,
        parents,
        links,
        {name: np.concatenate([p.link_columns[name] for p in parts]) for name in first.link_columns},
    )


def _is_kind(batch: Batch, kind: str) -> bool:
    alike = (names.POLYLINE, names.STREAMLINE)
    return batch.kind == kind or (batch.kind in alike and kind in alike)


def _check_finite(positions: NDArray[np.floating]) -> None:
    if not np.isfinite(positions).all():
        row = int(np.flatnonzero(~np.isfinite(positions).all(axis=1))[0])
        raise InvalidInputError(f"vertex {row} of the batch is at {positions[row].tolist()}: positions must be finite")


def _check_pieces(batch: Pieces) -> None:
    if batch.offsets[-1] != len(batch):
        raise InvalidInputError(f"vertices from row {batch.offsets[-1]} on belong to no piece, and so to no object")
    if isinstance(batch, Polylines):
        if len(batch.bridges):
            raise InvalidInputError("the lines of the batch are cut into pieces; give whole lines, without bridges")
        if batch.kind == names.LINE and (bad := np.flatnonzero(np.diff(batch.offsets) != 2)).size:
            count = int(np.diff(batch.offsets)[bad[0]])
            raise InvalidInputError(f"line {bad[0]} of the batch has {count} vertices, expected 2")


def in_depth_first_order(
    positions: NDArray[np.floating],
    columns: Mapping[str, NDArray[Any]],
    objects: NDArray[np.int64],
    edges: NDArray[np.int64],
) -> Intake:
    """Trees whose links are (child, parent) rows, in the order in which they are written.

    Raises
    ------
    InvalidInputError
        The links are no forest.
    """
    parents = parents_from_links(len(positions), edges)
    order = depth_first_order(parents)
    if np.array_equal(order, np.arange(len(order))):
        return Intake(positions, columns, objects, parents)
    place = invert(order)
    above = parents[order]
    above[above >= 0] = place[above[above >= 0]]
    return Intake(positions[order], {name: v[order] for name, v in columns.items()}, objects[order], above)
