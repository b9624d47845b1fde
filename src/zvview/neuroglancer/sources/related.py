"""The annotations of each object, so that a segment that is selected in another layer tells which are its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import sort_chunks
from zvview.format.sequences import distinct, is_among, offsets_of
from zvview.neuroglancer.encoding.annotations import encode_by_id, encode_lists
from zvview.neuroglancer.encoding.records import EncodedRecords, join_records
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.contract import Block, Section
from zvview.neuroglancer.sources.segment_order import segments_by_place
from zvview.neuroglancer.sources.segments import Segments
from zvview.neuroglancer.sources.tiers import rank_names

__all__ = ["RELATIONSHIP", "Owned", "Related", "relate"]

RELATIONSHIP: Final = "object"
"""What annotations relate to."""

MOST_LISTED: Final = 1 << 19
"""Annotations that the list of an object has: the client draws all of a list at once."""

_NUMBERS: Final = 1 << 32


@dataclass(frozen=True, slots=True, eq=False)
class Owned:
    """Some annotations and the objects that they belong to.

    Attributes
    ----------
    owners : (n,) int64 array
        Objects; negative ones are none.
    ids : (n,) uint64 array
        Of the annotations.
    encode : callable
        Gives the records of some, by their rows.
    """

    owners: NDArray[np.int64]
    ids: NDArray[np.uint64]
    encode: Callable[[NDArray[np.int64]], EncodedRecords]


@dataclass(frozen=True, slots=True, eq=False)
class Related:
    """How the annotations of a store relate to its objects.

    Attributes
    ----------
    chunks : Chunks
    segments : Segments
    section : Section
        Where lists are.
    """

    chunks: Chunks
    segments: Segments
    section: Section = field(default_factory=lambda: Section("related_0", None, ("relationships", 0)))

    def keys(self) -> Iterator[NDArray[np.uint64]]:
        """Segments of all objects, those that begin near each other at once."""
        return segments_by_place(self.chunks.store, self.chunks.levels[0].number, self.segments)

    def rows_of(self, level: int, objects: NDArray[np.int64]) -> list[int]:
        """The chunks of a level, which counts from the finest, in which any of some objects is, ascending."""
        table = self.chunks.store.reader(self.chunks.levels[level].number).objects
        if table is None:
            return []
        rows = table.find_rows(objects)
        found = self.chunks.tables[level].find(sort_chunks(table.manifests(rows[rows >= 0]).chunks))
        chunks: list[int] = distinct(found[found >= 0]).tolist()
        return chunks

    def tell(self, records: EncodedRecords, owners: NDArray[np.int64]) -> EncodedRecords:
        """What is found by id: records and the segment of each; none of what belongs to no object."""
        is_owned = (owners >= 0) & self.segments.has(owners)
        return encode_by_id(records, [(offsets_of(is_owned), self.segments.of_objects(owners[is_owned]))])

    def list(self, segments: NDArray[np.uint64], found: Iterable[Owned]) -> Block:
        """The lists of some segments, (n,), from annotations among which all of theirs are."""
        objects = distinct(self.segments.objects(segments))
        owners, ids, records = np.empty(0, np.int64), np.empty(0, np.uint64), list[EncodedRecords]()
        for part in found:
            rows = np.flatnonzero(is_among(part.owners, objects))
            if not len(rows):
                continue
            owners, ids = np.append(owners, part.owners[rows]), np.append(ids, part.ids[rows])
            records.append(part.encode(rows))
            if len(ids) > 2 * MOST_LISTED:
                order = _fair(owners, ids)
                owners, ids, records = owners[order], ids[order], [join_records(records).take(order)]
        if not len(ids):
            return Block.of((), [])
        order = _fair(owners, ids)
        owners, ids, joined = owners[order], ids[order], join_records(records).take(order)
        starts = np.flatnonzero(np.append(True, owners[1:] != owners[:-1]))
        contents = encode_lists(joined, ids, np.append(starts, len(ids)))
        return Block(self.segments.of_objects(owners[starts]), contents)


def relate(chunks: Chunks) -> Related | None:
    """How the annotations of a store relate to its objects; None where there are no objects."""
    ids = chunks.store.level(chunks.levels[0].number).object_ids
    if ids is None:
        return None
    return Related(chunks, Segments.of(ids))


def _fair(owners: NDArray[np.int64], ids: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Rows by their object, and of each object by rank, no more than may be listed."""
    numbers = owners if owners.max() < _NUMBERS else np.searchsorted(distinct(owners), owners)
    keys = numbers.astype(np.uint64) << np.uint64(32) | rank_names(ids)
    order = np.argsort(keys)  # an eighth of what sorting by three keys takes
    keys_in_order = keys[order]
    if (keys_in_order[1:] == keys_in_order[:-1]).any():
        order = np.lexsort((ids, keys))
    ordered = owners[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    place = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    kept: NDArray[np.int64] = order[place < MOST_LISTED]
    return kept
