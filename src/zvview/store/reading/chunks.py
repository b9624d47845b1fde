"""Reading chunks as they are: pieces of objects, and the links that touch them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format import names
from zvview.format.grid import ChunkTable, sort_chunks
from zvview.format.sequences import distinct
from zvview.geometry.arguments import Box
from zvview.geometry.batches import Batch, Pieces, Points
from zvview.geometry.select import keep_rows
from zvview.store.reading.batches import connect, make_batch
from zvview.store.reading.joints import ManifestJoints
from zvview.store.reading.links import EndpointTest, LinkSelection, decode_sound, select_links
from zvview.store.reading.object_table import ObjectTable
from zvview.store.reading.piece_buffer import PieceBuffer, Surroundings
from zvview.store.reading.piece_wave import FragmentTest
from zvview.store.reading.pieces import decode_pieces, read_pieces
from zvview.store.reading.reader import LevelReader, ReadOptions

__all__ = ["chunks_beyond", "read_chunks", "read_points", "touches_chunks"]

"""Least and greatest corner, each (D,), in stored coordinates."""


def read_chunks(
    reader: LevelReader, coords: NDArray[np.int64], options: ReadOptions, *, box: Box | None = None
) -> Batch:
    """The pieces of the chunks at `coords` with all links that touch them; given a box, also those that may cross it.

    Parameters
    ----------
    reader : LevelReader
    coords : (C, sid) int64 array
    options : ReadOptions
    box : pair of (D,) arrays, optional
        In stored coordinates.
    """
    wanted = ChunkTable.of(coords)
    if reader.kind == names.POINT_CLOUD:
        return read_points(reader, wanted, options)
    test = touches_chunks(wanted, reader, box)
    family = reader.links() if reader.is_linked or reader.has_true_bridges else None
    selection = None if family is None else select_links(family, test, reader.link_attributes(options.attributes))
    joints = None
    if reader.is_sequence and family is None and reader.objects is not None:
        joints = ManifestJoints.of(reader.objects, test)
    families, others = reader.families(options), chunks_beyond(wanted, selection, joints)
    # of neighbours the vertices do, unless their pieces matter or their rows may be dead
    are_rows_enough = box is None and joints is None and reader.layout.metadata.fragments_tile
    further = families.without_fragments() if are_rows_enough else families
    asks = [] if selection is None else selection.asks
    buffer, payloads = read_pieces(
        reader.hierarchy,
        families,
        wanted.coords,
        extra=[*further.asks(others), *asks] if len(others) else asks,
        skip_damage=options.skip_damage,
        cancel=options.cancel,
    )
    around = Surroundings(buffer)
    if len(others):
        count = len(further.asks(others))
        around = Surroundings(buffer, decode_pieces(further, others, payloads[:count], skip_damage=options.skip_damage))
        payloads = payloads[count:]
    notes: list[str] | None = [] if options.skip_damage else None
    table = None if selection is None else decode_sound(selection, payloads, notes)
    links, attributes = connect(reader, around, family, table, joints, notes)
    batch = _pieces_of(reader, around, links, attributes, options, are_ends_pieces=box is not None)
    batch = replace(batch, notes=(*batch.notes, *(notes or ())))
    return batch if joints is None or reader.objects is None else _without_dead_pieces(batch, buffer, reader.objects)


def _without_dead_pieces(batch: Pieces, buffer: PieceBuffer, objects: ObjectTable) -> Pieces:
    """`batch` without the pieces that no manifest names, which edits leave behind; with all where none names any."""
    if not len(objects.manifests().fragments):
        return batch
    owned = objects.are_owned(buffer.chunks, buffer.first)
    rows = np.ones(len(batch), bool)
    rows[: len(buffer.positions)] = np.repeat(owned, np.diff(buffer.offsets))
    return batch if rows.all() else keep_rows(batch, rows)


def chunks_beyond(
    wanted: ChunkTable, selection: LinkSelection | None, joints: ManifestJoints | None
) -> NDArray[np.int64]:
    """Chunks that hold an end of a link but are not wanted themselves."""
    parts = [x.endpoint_chunks() for x in (selection, joints) if x is not None]
    parts = [p for p in parts if p.shape[1] == wanted.coords.shape[1]]
    if not parts:
        return wanted.coords[:0]
    chunks = sort_chunks(np.concatenate(parts))
    return chunks[wanted.find(chunks) < 0]


def touches_chunks(wanted: ChunkTable, reader: LevelReader, box: Box | None) -> EndpointTest:
    """Links with an end in the wanted chunks; given a box, also those between chunks whose common hull meets it."""
    edges = reader.layout.metadata.chunk_shape

    def test(chunks: NDArray[np.int64]) -> NDArray[np.bool_]:
        count, width, sid = chunks.shape
        out = np.asarray((wanted.find(chunks.reshape(-1, sid)) >= 0).reshape(count, width).any(axis=1))
        if box is not None:
            spatial = chunks[:, :, sid - len(edges) :]
            first, last = np.floor(box[0] / edges), np.floor(box[1] / edges)
            out |= ((spatial.min(axis=1) <= last) & (spatial.max(axis=1) >= first)).all(axis=1)
        return out

    return test


def read_points(
    reader: LevelReader, wanted: ChunkTable, options: ReadOptions, test: FragmentTest | None = None
) -> Points:
    """The points of the wanted chunks, in fragments that pass `test` where given; those then carry no objects."""
    families = reader.families(options)
    is_local = reader.hierarchy.source.is_local  # elsewhere the look at the first chunk is a round trip of its own
    has_objects = options.object_ids and reader.objects is not None
    if is_local and test is None and not has_objects and reader.are_buffers_whole:
        families = families.without_fragments()
    buffer, _ = read_pieces(
        reader.hierarchy,
        families,
        wanted.coords,
        test=test,
        skip_damage=options.skip_damage,
        cancel=options.cancel,
    )
    owners = None if test is not None else reader.owners(buffer, options)
    ids = None if owners is None else np.repeat(owners, np.diff(buffer.offsets))
    return Points(
        buffer.positions,
        attributes=buffer.attributes,
        categories=buffer.categories,
        object_ids=ids,
        notes=(*reader.layout.notes, *buffer.notes),
    )


def _pieces_of(
    reader: LevelReader,
    around: Surroundings,
    links: NDArray[np.int64],
    link_attributes: dict[str, NDArray[Any]],
    options: ReadOptions,
    *,
    are_ends_pieces: bool,
) -> Pieces:
    """All pieces read for themselves, then the far ends of links, as pieces of one vertex where asked."""
    buffer, others = around.own, around.others
    ids = reader.owners(buffer, options)
    if others is None:
        values = buffer.attributes
        return make_batch(reader, buffer, buffer.positions, values, buffer.offsets, ids, links, link_attributes)
    inner = len(buffer.positions)
    ends = distinct(links[links >= inner]) - inner
    place = np.arange(inner + len(others.positions))
    place[inner + ends] = inner + np.arange(len(ends))
    offsets = buffer.offsets
    if are_ends_pieces:
        offsets = np.concatenate((offsets, np.arange(inner + 1, inner + len(ends) + 1)))
        if ids is not None:
            further = reader.owners(others, options)
            of_row = np.searchsorted(others.offsets, ends, side="right") - 1
            more = np.full(len(ends), names.OWNER_NONE) if further is None else further[of_row]
            ids = np.concatenate((ids, more))
    positions = np.concatenate((buffer.positions, others.positions[ends]))
    attributes = {n: _append_rows(n, v, others.attributes[n][ends]) for n, v in buffer.attributes.items()}
    buffer = replace(buffer, notes=(*buffer.notes, *others.notes))
    return make_batch(reader, buffer, positions, attributes, offsets, ids, place[links], link_attributes)


def _append_rows(name: str, values: NDArray[Any], more: NDArray[Any]) -> NDArray[Any]:
    """`more` behind `values`; either may be of another width only where it has no rows to tell its own."""
    if values.shape[1:] == more.shape[1:]:
        return np.concatenate((values, more))
    if len(values) and len(more):
        raise DamagedError("attribute", found=f"several widths of {name!r}", expected="one width in all cells")
    return more if len(more) else values
