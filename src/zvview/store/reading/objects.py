"""Reading whole objects by the rows of the object index."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.grid import ChunkTable, sort_chunks
from zvview.format.manifests import Manifests
from zvview.format.sequences import offsets_of
from zvview.geometry.batches import Batch, Points, Polylines, batch_type
from zvview.geometry.select import keep_rows
from zvview.store.reading.batches import connect, make_batch
from zvview.store.reading.gather import gather_objects
from zvview.store.reading.joints import piece_rows
from zvview.store.reading.links import LinkSelection, decode_sound, select_links
from zvview.store.reading.piece_buffer import Surroundings
from zvview.store.reading.pieces import read_pieces
from zvview.store.reading.reader import LevelReader, ReadOptions

__all__ = ["read_objects"]


def read_objects(reader: LevelReader, rows: NDArray[np.int64], options: ReadOptions) -> Batch:
    """Whole objects by the rows of the object index, each one piece (points: the vertices of one after the other).

    Rows of absent objects give no piece; a line of fewer than two vertices gives none either. Where objects share
    vertices each has its own, with the links among those.
    """
    objects = reader.objects
    assert objects is not None
    ids = objects.known.at(rows)
    manifests = objects.manifests(None if _is_all(rows, len(objects)) else rows, options.cancel)
    if reader.is_linked:
        return _read_linked(reader, manifests, ids, options)
    gathered = gather_objects(reader, manifests, replace(options, object_ids=False))
    notes = (*reader.layout.notes, *gathered.notes)
    common: dict[str, Any] = {
        "attributes": gathered.attributes,
        "categories": gathered.categories,
        "notes": notes,
    }
    counts = gathered.counts
    if reader.kind == names.POINT_CLOUD:
        return Points(gathered.positions, object_ids=np.repeat(ids, counts), **common)
    offsets = offsets_of(counts[counts > 0])
    batch = batch_type(reader.kind)(gathered.positions, offsets=offsets, object_ids=ids[counts > 0], **common)  # type: ignore[call-arg]
    assert isinstance(batch, Polylines)
    if reader.kind == names.LINE and (np.diff(offsets) < 2).any():
        return keep_rows(batch, np.repeat(np.diff(offsets) >= 2, np.diff(offsets)))
    return batch


def _read_linked(reader: LevelReader, manifests: Manifests, ids: NDArray[np.int64], options: ReadOptions) -> Batch:
    """Objects that are joined by links, with those links of which they have all ends."""
    path = f"{reader.layout.path}/{names.OBJECT_INDEX}/{names.MANIFESTS}"
    coords = sort_chunks(manifests.chunks)
    selection = _links_among(reader, coords, options)
    buffer, payloads = read_pieces(
        reader.hierarchy,
        reader.families(replace(options, object_ids=False)),
        coords,
        extra=[] if selection is None else selection.asks,
        skip_damage=options.skip_damage,
        cancel=options.cancel,
    )
    chunks, fragments, piece_counts = manifests.chunks, manifests.fragments, np.diff(manifests.offsets)
    owner = np.repeat(np.arange(len(ids)), piece_counts)
    if buffer.notes:  # pieces in chunks that were left out go too
        present = buffer.chunks.find(chunks) >= 0
        chunks, fragments, owner = chunks[present], fragments[present], owner[present]
    notes: list[str] | None = [] if options.skip_damage else None
    start, count = piece_rows(buffer, chunks, fragments, path, notes)
    per_object = np.bincount(owner, count, minlength=len(ids)).astype(np.int64)
    picked = np.repeat(start - (np.cumsum(count) - count), count) + np.arange(count.sum())
    table = None if selection is None else decode_sound(selection, payloads, notes)
    family = None if selection is None else selection.family
    full = per_object > 0
    offsets = offsets_of(per_object[full])
    links, link_attributes = connect(reader, Surroundings(buffer), family, table, None, notes)
    owner = np.repeat(np.arange(len(per_object)), per_object)
    same = buffer.first_copies()  # links name the first of several copies of a vertex, objects any of them
    once = picked if same is None else same[picked]
    links = links if same is None else same[links]
    links, index = _links_of_objects(links, once, owner, len(buffer.positions))
    link_attributes = {n: v[index] for n, v in link_attributes.items()}
    positions = buffer.positions.take(picked, axis=0)
    attributes = {n: v.take(picked, axis=0) for n, v in buffer.attributes.items()}
    batch = make_batch(reader, buffer, positions, attributes, offsets, ids[full], links, link_attributes)
    return replace(batch, notes=(*batch.notes, *(notes or ())))


def _links_of_objects(
    links: NDArray[np.int64], picked: NDArray[np.int64], owner: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Links between rows of a buffer as links between the rows that were picked from it.

    Parameters
    ----------
    links : (M, L) int64 array
        Rows below `count`.
    picked, owner : (n,) int64 arrays
        Row of the buffer, and number of the object, of each vertex.
    count : int

    Returns
    -------
    links : (m, L) int64 array
        Those whose ends were all picked; where rows were picked more than once, once for each object that has all ends.
    index : (m,) int64 array
    """
    place = np.full(count, -1, np.int64)
    place[picked[::-1]] = np.arange(len(picked))[::-1]
    if (place[picked] == np.arange(len(picked))).all():
        ends = place[links]
        index = np.flatnonzero((ends >= 0).all(axis=1))
        return ends[index], index
    keys, first = np.unique(owner * count + picked, return_index=True)
    by_row = np.argsort(keys % count, kind="stable")
    rows, owners = keys[by_row] % count, keys[by_row] // count
    left, right = (np.searchsorted(rows, links[:, 0], side=side) for side in ("left", "right"))
    times = right - left
    index = np.repeat(np.arange(len(links)), times)
    of_object = owners[np.repeat(left - (np.cumsum(times) - times), times) + np.arange(times.sum())]
    wanted = of_object[:, None] * count + links[index]
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    whole = (keys[at] == wanted).all(axis=1)
    return first[at[whole]], index[whole]


def _is_all(rows: NDArray[np.int64], count: int) -> bool:
    return len(rows) == count and bool((rows == np.arange(count)).all())


def _links_among(reader: LevelReader, coords: NDArray[np.int64], options: ReadOptions) -> LinkSelection | None:
    """Cells of links whose endpoints all lie in the chunks at `coords`."""
    family = reader.links() if reader.is_linked else None
    if family is None:
        return None
    table = ChunkTable.of(coords)

    def test(chunks: NDArray[np.int64]) -> NDArray[np.bool_]:
        count, width, sid = chunks.shape
        return np.asarray((table.find(chunks.reshape(-1, sid)) >= 0).reshape(count, width).all(axis=1))

    return select_links(family, test, reader.link_attributes(options.attributes))
