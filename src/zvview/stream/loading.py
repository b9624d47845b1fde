"""Reading some chunks of a level in one wave, and taking them apart into what each of them holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import ConflictError
from zvview.format import names
from zvview.format.grid import ChunkTable
from zvview.store.reading.batches import connect
from zvview.store.reading.chunks import chunks_beyond, touches_chunks
from zvview.store.reading.joints import ManifestJoints
from zvview.store.reading.links import decode_sound, select_links
from zvview.store.reading.piece_buffer import Surroundings
from zvview.store.reading.pieces import decode_apart, read_pieces
from zvview.store.reading.reader import LevelReader, ReadOptions
from zvview.store.store import Store
from zvview.stream.apart import LevelFrame, LinkedRead, split_chunks
from zvview.stream.facts import LevelFacts, StoreFacts
from zvview.stream.parts import ChunkPart

__all__ = ["LoadedChunks", "load_chunks"]


@dataclass(frozen=True, slots=True, eq=False)
class LoadedChunks:
    """What one read gave.

    Attributes
    ----------
    parts : tuple of ChunkPart
        One for each chunk that was asked for; empty ones for those that are damaged.
    notes : tuple of str
        Cells that were left out.
    """

    parts: tuple[ChunkPart, ...]
    notes: tuple[str, ...]


def load_chunks(
    store: Store,
    facts: StoreFacts,
    level: LevelFacts,
    rows: NDArray[np.int64],
    attributes: tuple[str, ...] | None = None,
    cancel: CancelToken | None = None,
) -> LoadedChunks:
    """The chunks of a level at `rows` of its table, distinct and ascending.

    Raises
    ------
    ConflictError
        The store is another one, or has other chunks, than when the facts were gathered.
    DamagedError
        What all chunks need cannot be read.
    UnreachableError
    Cancelled
    """

    def read() -> LoadedChunks:
        reader = store.reader(level.number)
        wanted = None
        if attributes is not None:
            known = {*reader.attributes, *reader.layout.attribute_names(names.LINK_ATTRIBUTES)}
            wanted = tuple(n for n in attributes if n in known)
        options = ReadOptions(wanted, skip_damage=True, cancel=cancel)
        chunks = reader.layout.vertices.chunks
        if reader.hierarchy is not facts.origin or not np.array_equal(chunks, level.chunks):
            raise ConflictError(f"{store.place}: level {level.number} is not what it was")
        coords = chunks[rows]
        is_points = reader.kind == names.POINT_CLOUD
        read_parts = _read_points if is_points else _read_pieces
        return read_parts(reader, coords, options, LevelFrame(facts, ChunkTable.of(chunks)))

    return store.retry(read)


def _read_points(
    reader: LevelReader, coords: NDArray[np.int64], options: ReadOptions, frame: LevelFrame
) -> LoadedChunks:
    families = reader.families(options)
    is_local = reader.hierarchy.source.is_local  # elsewhere the look at the first chunk is a round trip of its own
    if is_local and reader.objects is None and reader.are_buffers_whole:
        families = families.without_fragments()
    buffer, _ = read_pieces(reader.hierarchy, families, coords, skip_damage=True, cancel=options.cancel)
    owners = reader.owners(buffer, options)
    ids = None if owners is None else np.repeat(owners, np.diff(buffer.offsets))
    values = frame.values_of(buffer.attributes, buffer.categories)
    bounds = buffer.offsets[buffer.first]
    parts = []
    for at in buffer.chunks.find(coords).tolist():
        if options.cancel is not None:
            options.cancel.raise_if_cancelled()
        span = slice(int(bounds[at]), int(bounds[at + 1])) if at >= 0 else slice(0, 0)
        own = {n: v[span].copy() for n, v in values.items()}
        own_ids = None if ids is None else ids[span].copy()
        rows = None if buffer.stored_rows is None else buffer.stored_rows[span] - buffer.stored_first[at]
        parts.append(ChunkPart(frame.to_world(buffer.positions[span]), own, own_ids, rows=rows))
    return LoadedChunks(tuple(parts), buffer.notes)


def _read_pieces(
    reader: LevelReader, coords: NDArray[np.int64], options: ReadOptions, frame: LevelFrame
) -> LoadedChunks:
    wanted = ChunkTable.of(coords)
    test = touches_chunks(wanted, reader, None)
    family = reader.links() if reader.is_linked or reader.has_true_bridges else None
    selection = None if family is None else select_links(family, test, reader.link_attributes(options.attributes))
    joints = None
    if reader.is_sequence and family is None and reader.objects is not None:
        joints = ManifestJoints.of(reader.objects, test, options.cancel)
    families, beyond = reader.families(options), chunks_beyond(wanted, selection, joints)
    # of neighbours the vertices do, unless their pieces matter or their rows may be dead
    are_rows_enough = joints is None and reader.layout.metadata.fragments_tile
    further = families.without_fragments() if are_rows_enough else families
    extra = further.asks(beyond) if len(beyond) else []
    asks = [] if selection is None else selection.asks
    own, payloads = read_pieces(
        reader.hierarchy, families, wanted.coords, extra=[*extra, *asks], skip_damage=True, cancel=options.cancel
    )
    others = None
    if len(beyond):
        others = decode_apart(further, beyond, payloads[: len(extra)], skip_damage=True, cancel=options.cancel)
    around = Surroundings(own, None if others is None else others[0])
    notes: list[str] = []
    table = None if selection is None else decode_sound(selection, payloads[len(extra) :], notes, options.cancel)
    links, values = connect(reader, around, family, table, joints, notes, options.cancel)
    ids = reader.owners(own, options)
    live = _live_pieces(reader, around, options.cancel) if joints is not None else None
    notes = [*own.notes, *(around.others.notes if around.others is not None else ()), *notes]
    read = LinkedRead(own, others, links, values, ids, live)
    return LoadedChunks(split_chunks(frame, read, coords, options.cancel), tuple(notes))


def _live_pieces(reader: LevelReader, around: Surroundings, cancel: CancelToken | None) -> NDArray[np.bool_] | None:
    """Pieces, of neighbours too, that a manifest names; None where all do, or none does. Edits leave others behind."""
    objects = reader.objects
    if objects is None or not len(objects.manifests(cancel=cancel).fragments):
        return None
    buffers = [b for b in (around.own, around.others) if b is not None]
    live = np.concatenate([objects.are_owned(b.chunks, b.first, cancel) for b in buffers])
    return None if live.all() else live
