"""Points as annotations, however their levels come about: names, records, what tells one state from another.

An annotation is named by level, chunk and row: ``level << 58 | chunk << 32 | row``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError, UnsupportedError
from zvview.neuroglancer.encoding.annotations import AnnotationSchema, encode_records
from zvview.neuroglancer.encoding.records import EncodedRecords, join_records
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.contract import Block
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.properties import Properties
from zvview.neuroglancer.sources.related import RELATIONSHIP, Owned, relate
from zvview.store.reading.counts import count_rows
from zvview.stream.parts import ChunkPart

__all__ = ["CHUNK_SHIFT", "LEVEL_SHIFT", "MOST_CHUNKS", "PointRecords", "name_points", "split_names"]

LEVEL_SHIFT, CHUNK_SHIFT = 58, 32
_MOST_TOLD = 1 << 22  # points of a chunk; of more, or where that is damaged, reading tells
_MOST_LEVELS, MOST_CHUNKS = 1 << (64 - LEVEL_SHIFT), 1 << (LEVEL_SHIFT - CHUNK_SHIFT)


class PointRecords:
    """The annotations of the points of a store.

    Parameters
    ----------
    chunks : Chunks
    frame : SourceFrame
    properties : Properties

    Raises
    ------
    UnsupportedError
        More chunks or levels than annotations can be named by.
    """

    def __init__(self, chunks: Chunks, frame: SourceFrame, properties: Properties) -> None:
        levels = chunks.levels
        if len(levels) > _MOST_LEVELS or max(len(level.chunks) for level in levels) > MOST_CHUNKS:
            raise UnsupportedError(f"{chunks.store.place} has more than {MOST_CHUNKS} chunks or {_MOST_LEVELS} levels")
        self._chunks, self._frame, self._properties = chunks, frame, properties
        self.related = relate(chunks)
        relationships = () if self.related is None else (RELATIONSHIP,)
        self.schema = AnnotationSchema("point", frame.space.rank, properties.specs, relationships)

    def encode(self, part: ChunkPart, rows: NDArray[np.int64]) -> EncodedRecords:
        """Records of some points of a chunk, as lists hold them."""
        told = self._properties.encode({name: values[rows] for name, values in part.attributes.items()}, len(rows))
        return encode_records(self.schema, self._frame.place(part.positions[rows]), told)

    def owned(self, part: ChunkPart, rows: NDArray[np.int64], ids: NDArray[np.uint64]) -> Owned:
        """Some points of a chunk, and the objects that they belong to."""
        owners = np.full(len(rows), -1) if part.object_ids is None else part.object_ids[rows].astype(np.int64)
        return Owned(owners, ids, lambda some: self.encode(part, rows[some]))

    def read_single(
        self, ids: NDArray[np.uint64], find: Callable[[int, int], tuple[ChunkPart, NDArray[np.int64]] | None]
    ) -> Block:
        """Points by their names, and what they relate to.

        Parameters
        ----------
        ids : (n,) uint64 array
        find : callable
            Gives the part of a level and a chunk, and those of its rows that are annotations of that level.
        """
        levels, chunks, rows = split_names(ids)
        found, contents = [], []
        for level, chunk in sorted(set(zip(levels.tolist(), chunks.tolist(), strict=True))):
            if level >= len(self._chunks.levels) or chunk >= len(self._chunks.levels[level].chunks):
                continue
            held = find(level, chunk)
            if held is None:
                continue
            part, own = held
            wanted = rows[(levels == level) & (chunks == chunk)]
            wanted = wanted[np.isin(wanted, own)]
            records = self.encode(part, wanted)
            if self.related is not None:
                records = self.related.tell(records, self.owned(part, wanted, wanted.astype(np.uint64)).owners)
            found.append(name_points(level, chunk, wanted))
            contents.append(records)
        return Block(np.concatenate(found), join_records(contents)) if found else Block.of((), [])

    def keys(self, level: int) -> Iterator[NDArray[np.uint64]]:
        """Names of all points of a level, which counts from the finest, chunk by chunk.

        As the chunks have them: another program may have left an index that tells otherwise.
        """
        facts = self._chunks.levels[level]
        try:
            counts = count_rows(self._chunks.store.reader(facts.number))
        except DamagedError:
            counts = np.full(len(facts.chunks), _MOST_TOLD + 1)
        for row, told in enumerate(counts.tolist()):
            count = told if told <= _MOST_TOLD else len(self._chunks.read(level, [row])[0])
            yield name_points(level, row, np.arange(count))

    def basis(self, arrays: Iterable[NDArray[Any]]) -> str:
        """See :class:`~zvview.neuroglancer.exporting.stamps.Traced`; objects may change without their points.

        Parameters
        ----------
        arrays : iterable of array
            What else decides which cell a point is in.
        """
        levels = self._chunks.levels
        if any(self._chunks.store.reader(level.number).objects is not None for level in levels):
            return ""
        told = blake2b(repr((self.schema, self._properties.plans)).encode(), digest_size=16)
        for array in (self._frame.origin, *arrays):
            told.update(array.tobytes())
        for level in levels:  # annotations are named by the rows of chunks
            told.update(level.chunks.tobytes())
        return told.hexdigest()


def name_points(level: int, chunk: int, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Ids of the annotations of some rows, (n,), of a chunk."""
    return rows.astype(np.uint64) | np.uint64(level << LEVEL_SHIFT | chunk << CHUNK_SHIFT)


def split_names(ids: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Levels, chunks and rows, (n,) each, of annotations."""
    levels = (ids >> np.uint64(LEVEL_SHIFT)).astype(np.int64)
    chunks = ((ids >> np.uint64(CHUNK_SHIFT)) & np.uint64(MOST_CHUNKS - 1)).astype(np.int64)
    return levels, chunks, (ids & np.uint64(0xFFFFFFFF)).astype(np.int64)
