"""The one read of a level: the whole of it, a box, or some groups, in the way that was asked for."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import chunks_in_box
from zvview.geometry.batches import Batch
from zvview.geometry.select import keep_objects
from zvview.store.reading.boxes import are_owners_known, find_objects_in_box, read_box, read_objects_in_box
from zvview.store.reading.chunks import Box, read_chunks
from zvview.store.reading.objects import read_objects
from zvview.store.reading.reader import LevelReader, ReadOptions

__all__ = ["Clip", "read_level"]

Clip: TypeAlias = Literal["exact", "objects", "chunks"]


def read_level(
    reader: LevelReader, box: Box | None, members: NDArray[np.int64] | None, clip: Clip, options: ReadOptions
) -> Batch:
    """A read of a whole level, or of what of it touches a box or belongs to some objects.

    Parameters
    ----------
    reader : LevelReader
    box : pair of (D,) arrays, optional
        In stored coordinates.
    members : (n,) int64 array, optional
        Ids of the objects that are wanted; those that the level does not have are passed over.
    clip : "exact", "objects" or "chunks"
    options : ReadOptions
    """
    chunks, objects = reader.layout.vertices.chunks, reader.objects
    if clip == "chunks" and box is not None:
        chunks = chunks[chunks_in_box(chunks, reader.layout.metadata.chunk_shape, *box)]
    if objects is None or clip == "chunks" or (box is None and members is None and not reader.is_sequence):
        if box is None or clip == "chunks":
            batch = read_chunks(reader, chunks, options)
        else:
            batch = read_box(reader, box, options)
        return batch if members is None else keep_objects(batch, members)
    rows = np.arange(len(objects.ids)) if members is None else np.flatnonzero(np.isin(objects.ids, members))
    if box is None:
        return read_objects(reader, rows, options)
    if clip == "objects":
        return read_objects(reader, np.intersect1d(rows, find_objects_in_box(reader, box, options)), options)
    batch = read_box(reader, box, options)
    if members is None:
        return batch
    if not are_owners_known(batch):  # vertices of several objects would be lost
        return read_objects_in_box(reader, box, rows, options)
    return keep_objects(batch, members)
