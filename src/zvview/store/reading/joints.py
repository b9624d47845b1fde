"""Connectivity of the vertices in a buffer of pieces: rows that are joined by segments, edges or faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError
from zvview.format import names
from zvview.format.grid import sort_chunks
from zvview.store.layout import LinkFamily, LinkTable
from zvview.store.reading.links import EndpointTest
from zvview.store.reading.object_table import ObjectTable
from zvview.store.reading.piece_buffer import BEYOND, PieceBuffer, Surroundings

_WINDOW = 1 << 16  # records that are looked up at once

__all__ = ["ManifestJoints", "joined_rows", "piece_rows", "skeleton_edges"]


def joined_rows(
    around: Surroundings,
    table: LinkTable,
    path: str,
    notes: list[str] | None = None,
    cancel: CancelToken | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that each record joins, and the index of the record.

    Returns
    -------
    rows : (m, L) int64 array
    index : (m,) int64 array
        Records of which an endpoint was not read, or is a row that no fragment names, are left out.

    Raises
    ------
    DamagedError
        A record names a row that its chunk does not have; given `notes` it is noted there and left out.
    Cancelled

    Notes
    -----
    The rows take the place of ``table.rows``, which nobody needs any more: a mesh has more of them than anything else.
    """
    rows = table.rows
    for start in range(0, len(rows), _WINDOW):
        if cancel is not None:
            cancel.raise_if_cancelled()
        window = slice(start, start + _WINDOW)
        found = around.find_rows(table.places, table.at[window], rows[window])
        if (beyond := found == BEYOND).any():
            record, end = np.argwhere(beyond)[0]
            chunk = ".".join(map(str, table.places[table.at[window][record, end]].tolist()))
            text = f"row {rows[window][record, end]} of chunk {chunk} ({beyond.any(axis=1).sum()} such records)"
            report(DamagedError("link", found=text, expected="a row of its vertices", array=path), notes)
        rows[window] = found
    if rows.min(initial=0) >= 0:
        return rows, np.arange(len(rows))
    index = np.flatnonzero((rows >= 0).all(axis=1))
    return rows[index], index


def report(error: DamagedError, notes: list[str] | None) -> None:
    """Raise `error`, or add it to the notes where damage is to be skipped."""
    if notes is None:
        raise error
    notes.append(str(error))


def skeleton_edges(
    around: Surroundings,
    family: LinkFamily | None,
    table: LinkTable | None,
    convention: str,
    notes: list[str] | None = None,
    cancel: CancelToken | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Edges of trees as (child, parent) rows, (E, 2) int64, and the record of each, -1 for implied ones (11.6).

    A row of a fragment hangs on the row before it. Records of an undirected family replace the parent of their first
    endpoint; those of a directed family add to what is implied, and run from parent to child where they cross chunks.
    """
    buffer = around.own
    follows = np.full(len(buffer.positions), convention != names.EXPLICIT)  # its parent is the row before it
    follows[buffer.offsets[:-1][np.diff(buffer.offsets) > 0]] = False
    implied = np.flatnonzero(follows)
    if family is None or table is None or not len(table):
        return np.stack((implied, implied - 1), axis=1), np.full(len(implied), -1, np.int64)
    records, index = joined_rows(around, table, family.path, notes, cancel)
    if family.is_directed:
        ends = table.places[table.at[index]]
        crossing = (ends[:, 0] != ends[:, 1]).any(axis=1)
        records[crossing] = records[crossing, ::-1]
    else:
        follows[records[records[:, 0] < len(follows), 0]] = False
        implied = np.flatnonzero(follows)
    edges = np.concatenate((np.stack((implied, implied - 1), axis=1), records))
    return edges, np.concatenate((np.full(len(implied), -1, np.int64), index))


def piece_rows(
    buffer: PieceBuffer,
    chunks: NDArray[np.int64],
    fragments: NDArray[np.int64],
    path: str,
    notes: list[str] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row and number of rows in `buffer` of pieces named by chunk (P, sid) and fragment (P,).

    Raises
    ------
    DamagedError
        A piece names a chunk without vertices, or a fragment that its chunk does not have; given `notes` it is noted
        there and has no rows.
    """
    at = buffer.chunks.find(chunks)
    limits = np.append(np.diff(buffer.first), 0)  # the last for chunks that are not there: -1
    bad = np.flatnonzero(fragments >= limits[at])
    if len(bad):
        i = int(bad[0])
        found = f"fragment {fragments[i]} of chunk {'.'.join(map(str, chunks[i].tolist()))}"
        expected = f"one of its {limits[at[i]]} fragments"
        report(DamagedError("manifest", found=found, expected=expected, array=path), notes)
    if not len(buffer.offsets[1:]):
        return np.zeros(len(at), np.int64), np.zeros(len(at), np.int64)
    index = buffer.first[at]
    index += fragments
    index[bad] = 0
    start = buffer.offsets[index]
    index += 1
    count = buffer.offsets[index]
    count -= start
    count[bad] = 0
    return start, count


@dataclass(frozen=True, slots=True, eq=False)
class ManifestJoints:
    """Segments between consecutive pieces of lines, as the manifests imply them.

    Attributes
    ----------
    chunks : (M, 2, sid) int64 array
    fragments : (M, 2) int64 array
    pieces : (M,) int64 array
        Number of the first piece of each joint among those of all manifests, ascending; the second is the next one.
    """

    chunks: NDArray[np.int64]
    fragments: NDArray[np.int64]
    pieces: NDArray[np.int64]

    @classmethod
    def of(cls, objects: ObjectTable, test: EndpointTest, cancel: CancelToken | None = None) -> ManifestJoints:
        """The joints of all objects whose two chunks pass `test`."""
        manifests = objects.manifests(cancel=cancel)
        count = len(manifests.fragments)
        joined = np.ones(max(count - 1, 0), bool)
        inner = manifests.offsets[1:-1]
        joined[inner[(inner > 0) & (inner < count)] - 1] = False
        at = np.flatnonzero(joined)
        chunks = np.stack((manifests.chunks[at], manifests.chunks[at + 1]), axis=1)
        kept = np.flatnonzero(test(chunks))
        at = at[kept]
        return cls(chunks[kept], np.stack((manifests.fragments[at], manifests.fragments[at + 1]), axis=1), at)

    def endpoint_chunks(self) -> NDArray[np.int64]:
        """Distinct chunks of the joints, (K, sid)."""
        return sort_chunks(self.chunks.reshape(-1, self.chunks.shape[2]))

    def rows(self, around: Surroundings, path: str, notes: list[str] | None = None) -> NDArray[np.int64]:
        """Rows that are joined, (m, 2), past pieces without vertices; where a chunk was not read they are left out."""
        starts, counts = np.full(self.fragments.shape, -1, np.int64), np.zeros(self.fragments.shape, np.int64)
        shift = 0
        for buffer in (around.own, around.others):
            if buffer is None:
                continue
            here = buffer.chunks.find(self.chunks.reshape(-1, self.chunks.shape[2])).reshape(-1, 2) >= 0
            start, count = piece_rows(buffer, self.chunks[here], self.fragments[here], path, notes)
            starts[here], counts[here] = start + shift, count
            shift += len(buffer.positions)
        # a run of joints around empty pieces, each ending in the next one's first piece, joins its outermost pieces
        opens, closes = counts[:, 0] > 0, counts[:, 1] > 0
        goes_on = np.zeros(len(counts), bool)
        goes_on[:-1] = (np.diff(self.pieces) == 1) & ~closes[:-1] & (starts[:-1, 1] >= 0)
        first = np.flatnonzero(np.append(True, ~goes_on[:-1])[: len(goes_on)])
        last = np.flatnonzero(~goes_on)
        full = opens[first] & closes[last]
        first, last = first[full], last[full]
        pairs = np.stack((starts[first, 0] + counts[first, 0] - 1, starts[last, 1]), axis=1)
        return np.unique(pairs, axis=0) if len(pairs) else pairs
