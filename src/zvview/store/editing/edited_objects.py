"""Which objects edits are about: owners of the vertices that are named, and what is named itself."""

from __future__ import annotations

from itertools import chain

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import sort_chunks
from zvview.format.sequences import distinct
from zvview.store.editing.edits import Edits, VertexRefs
from zvview.store.reading.pieces import read_pieces
from zvview.store.reading.reader import LevelReader, ReadOptions

__all__ = ["find_edited_objects"]

Ints = NDArray[np.int64]


def find_edited_objects(reader: LevelReader, edits: Edits) -> Ints | None:
    """Ids of all objects that edits of vertices change, make or take away, ascending; None where there are none.

    Parameters
    ----------
    reader : LevelReader
        Level 0 before the edits.
    edits : Edits
    """
    if reader.objects is None:
        return None
    entries = edits.chunks.values()
    named: list[int] = [*edits.new_objects, *chain.from_iterable(edits.object_attributes.values())]
    parts = [np.array(named, np.int64), *(entry.objects[entry.is_reassigned] for entry in entries)]
    parts += [ids for group in edits.groups.values() for ids in (group.added, group.removed)]
    if edits.added is not None and edits.added.objects is not None:
        parts.append(edits.added.objects)
    refs = [
        VertexRefs(np.repeat(np.array([k], np.int64), len(e.rows), axis=0), e.rows) for k, e in edits.chunks.items()
    ]
    refs += [] if edits.links is None else [edits.links.removed, edits.links.added]
    if refs:
        parts.append(
            _owners_of(reader, np.concatenate([r.chunks for r in refs]), np.concatenate([r.rows for r in refs]))
        )
    return distinct(np.concatenate(parts))


def _owners_of(reader: LevelReader, chunks: Ints, rows: Ints) -> Ints:
    """Owners of some stored vertices, (n, sid) and (n,); new ones, of negative rows, have none here."""
    chunks, rows = chunks[rows >= 0], rows[rows >= 0]
    options = ReadOptions(attributes=())
    buffer, _ = read_pieces(reader.hierarchy, reader.families(options), sort_chunks(chunks))
    owners = reader.owners(buffer, options)
    found = buffer.find_rows(chunks, np.arange(len(rows)), rows)
    found = found[found >= 0]
    if owners is None or not len(found):
        return np.empty(0, np.int64)
    return owners[np.searchsorted(buffer.offsets, found, side="right") - 1]
