"""The one read of a level: the whole of it, a box, or some groups, in the way that was asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import chunks_in_box
from zvview.geometry.arguments import Box
from zvview.geometry.batches import Batch
from zvview.geometry.select import keep_objects
from zvview.store.reading.boxes import find_objects_in_box, read_box
from zvview.store.reading.chunks import read_chunks
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
    chunks = reader.layout.vertices.chunks
    options = replace(options, members=members, object_ids=options.object_ids or members is not None)
    if clip == "chunks":
        if box is not None:
            chunks = chunks[chunks_in_box(chunks, reader.layout.metadata.chunk_shape, *box)]
        return _keep(read_chunks(reader, chunks, options), members)
    if box is not None and clip == "exact":
        return _keep(read_box(reader, box, options), members)
    if box is None and members is None and not reader.is_sequence:
        return read_chunks(reader, chunks, options)
    objects = reader.objects
    if objects is None:
        batch = read_chunks(reader, chunks, options) if box is None else read_box(reader, box, options)
        return _keep(batch, members)
    if box is None:
        return read_objects(reader, _rows(objects.ids, members), options)
    touched = find_objects_in_box(reader, box, options)
    return read_objects(reader, np.intersect1d(_rows(objects.ids, members), touched, assume_unique=True), options)


def _keep(batch: Batch, members: NDArray[np.int64] | None) -> Batch:
    return batch if members is None else keep_objects(batch, members)


def _rows(ids: NDArray[np.int64], members: NDArray[np.int64] | None) -> NDArray[np.int64]:
    return np.arange(len(ids)) if members is None else np.flatnonzero(np.isin(ids, members))
