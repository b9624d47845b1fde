"""Vertices of some chunks with their names and links: as stored, and as edits leave them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import ChunkTable, sort_chunks
from zvview.store.editing.edits import ChunkEdits, Edits, VertexRefs
from zvview.store.editing.identity import RefTable, join_refs, refs_of, take_refs
from zvview.store.editing.vertex_operations import rows_by_chunk
from zvview.store.reading.batches import connect
from zvview.store.reading.chunks import chunks_beyond, touches_chunks
from zvview.store.reading.links import decode_selection, select_links
from zvview.store.reading.piece_buffer import Surroundings
from zvview.store.reading.pieces import read_pieces
from zvview.store.reading.reader import LevelReader, ReadOptions

__all__ = ["Vertices", "apply_edits", "read_vertices", "take_vertices"]


@dataclass(frozen=True, slots=True, eq=False)
class Vertices:
    """Vertices and the links that touch them.

    Attributes
    ----------
    refs : VertexRefs
        Names of the n vertices.
    positions : (n, D) float64 array
        In stored coordinates.
    columns : mapping of str to (n,) or (n, C) array
    objects : (n,) int64 array or None
        -1 where a vertex belongs to none, or to several.
    links : (m, L) int64 array
        Rows here; (child, parent) of skeletons.
    link_columns : mapping of str to (m,) or (m, C) array
    """

    refs: VertexRefs
    positions: NDArray[np.float64]
    columns: Mapping[str, NDArray[Any]]
    objects: NDArray[np.int64] | None
    links: NDArray[np.int64]
    link_columns: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.positions)


def read_vertices(reader: LevelReader, coords: NDArray[np.int64]) -> Vertices:
    """The vertices of the chunks at `coords` (C, sid) as stored, with all links that touch them and their far ends.

    Of lines the links are not read: they follow from the objects.
    """
    options = ReadOptions()
    wanted = ChunkTable.of(coords)
    family = reader.links() if reader.is_linked else None
    selection = None
    if family is not None:
        selection = select_links(family, touches_chunks(wanted, reader, None), reader.link_attributes(None))
    families, others = reader.families(options), chunks_beyond(wanted, selection, None)
    asks = [] if selection is None else selection.asks
    own, payloads = read_pieces(reader.hierarchy, families, wanted.coords, extra=asks)
    around = Surroundings(own)
    parts, owners = [own], [reader.owners(own, options)]
    if len(others):
        further, _ = read_pieces(reader.hierarchy, families, others)
        around = Surroundings(own, further)
        parts.append(further)
        owners.append(reader.owners(further, options))
    table = None if selection is None else decode_selection(selection, payloads)
    links = np.empty((0, 2), np.int64)
    link_columns: dict[str, NDArray[Any]] = {}
    if reader.is_linked:
        links, link_columns = connect(reader, around, family, table, None, None)
    objects = [None if o is None else np.repeat(o, np.diff(b.offsets)) for o, b in zip(owners, parts, strict=True)]
    everything = Vertices(
        join_refs([refs_of(b) for b in parts]),
        np.concatenate([b.positions for b in parts]).astype(np.float64),
        {
            n: np.concatenate([b.attributes[n] for b in parts if len(b.positions)] or [v])
            for n, v in own.attributes.items()
        },
        None if any(o is None for o in objects) else np.concatenate([o for o in objects if o is not None]),
        links,
        link_columns,
    )
    kept = np.ones(len(everything), bool)
    kept[len(own.positions) :] = False
    kept[links.ravel()] = True
    return everything if kept.all() else take_vertices(everything, kept)


def take_vertices(vertices: Vertices, kept: NDArray[np.bool_]) -> Vertices:
    """Those where `kept` is true, with the links that have all their ends among them."""
    place = np.where(kept, np.cumsum(kept) - 1, -1)
    links = place[vertices.links]
    whole = (links >= 0).all(axis=1)
    return Vertices(
        take_refs(vertices.refs, kept),
        vertices.positions[kept],
        {name: values[kept] for name, values in vertices.columns.items()},
        None if vertices.objects is None else vertices.objects[kept],
        links[whole],
        {name: values[whole] for name, values in vertices.link_columns.items()},
    )


def apply_edits(vertices: Vertices, edits: Edits, *, with_added: bool = True) -> Vertices:
    """The vertices as edits leave them, the new ones behind them if asked for; links without an end that is here go."""
    positions, columns = vertices.positions, dict(vertices.columns)
    objects = vertices.objects
    alive = np.ones(len(vertices), bool)
    for entry, index in _edited_chunks(vertices.refs, edits):
        at = np.searchsorted(entry.rows, vertices.refs.rows[index])
        at[at == len(entry.rows)] = 0
        known = entry.rows[at] == vertices.refs.rows[index]
        index, at = index[known], at[known]
        alive[index[entry.is_deleted[at]]] = False
        positions = _put(positions, vertices.positions, index, at, entry.is_moved, entry.positions)
        if objects is not None and vertices.objects is not None:
            objects = _put(objects, vertices.objects, index, at, entry.is_reassigned, entry.objects)
        for name, (is_set, values) in entry.columns.items():
            columns[name] = _put(columns[name], vertices.columns[name], index, at, is_set, values)
    edited = replace(vertices, positions=positions, columns=columns, objects=objects)
    if not alive.all():
        edited = take_vertices(edited, alive)
    if with_added and edits.added is not None:
        edited = _with_added(edited, edits)
    return edited if edits.links is None else _with_links(edited, edits)


def _edited_chunks(refs: VertexRefs, edits: Edits) -> Iterator[tuple[ChunkEdits, NDArray[np.int64]]]:
    """The edits of each chunk of which vertices are among `refs`, and the indices of these."""
    if not edits.chunks:
        return
    table = ChunkTable.of(np.array(list(edits.chunks), np.int64))
    near = np.flatnonzero((table.find(refs.chunks) >= 0) & (refs.rows >= 0))
    for key, index in rows_by_chunk(take_refs(refs, near)):
        yield edits.chunks[key], near[index]


def _put(
    values: NDArray[Any],
    stored: NDArray[Any],
    index: NDArray[np.int64],
    at: NDArray[np.int64],
    is_set: NDArray[np.bool_],
    new: NDArray[Any],
) -> NDArray[Any]:
    """`values`, copied when they are still the `stored` ones, with the `new` ones where they are set."""
    chosen = is_set[at]
    if not chosen.any():
        return values
    out = values.copy() if values is stored else values
    out[index[chosen]] = new[at[chosen]]
    return out


def _with_added(vertices: Vertices, edits: Edits) -> Vertices:
    added = edits.added
    assert added is not None
    sid = vertices.refs.chunks.shape[1]
    refs = VertexRefs(np.zeros((len(added.numbers), sid), np.int64), -1 - added.numbers)
    objects = vertices.objects
    if objects is not None and added.objects is not None:
        objects = np.concatenate((objects, added.objects))
    return replace(
        vertices,
        refs=join_refs([vertices.refs, refs]),
        positions=np.concatenate((vertices.positions, added.positions)),
        # only rows tell how wide a column is: what is declared may be wrong
        columns={
            name: np.concatenate([*([values] if len(vertices) else []), added.columns[name]])
            for name, values in vertices.columns.items()
        },
        objects=objects,
    )


def _with_links(vertices: Vertices, edits: Edits) -> Vertices:
    changed = edits.links
    assert changed is not None
    table = RefTable.of(vertices.refs)
    gone = np.sort(table.find(changed.removed).reshape(-1, changed.width), axis=1)
    gone = sort_chunks(gone[(gone >= 0).all(axis=1)])
    is_kept = ChunkTable.of(gone).find(np.sort(vertices.links, axis=1)) < 0
    fresh = table.find(changed.added).reshape(-1, changed.width)
    is_here = (fresh >= 0).all(axis=1)
    return replace(
        vertices,
        links=np.concatenate((vertices.links[is_kept], fresh[is_here])),
        link_columns={
            name: np.concatenate((values[is_kept], changed.columns[name][is_here])) if len(fresh) else values[is_kept]
            for name, values in vertices.link_columns.items()
        },
    )
