"""From pieces to batches: by chunks, by box and by objects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.fragments import FragmentTable
from zvview.format.grid import ChunkTable, chunks_in_box, sort_chunks
from zvview.geometry.batches import Batch, Points, batch_type
from zvview.geometry.select import clip_to_box
from zvview.store.layout import LinkFamily, LinkTable
from zvview.store.reading.joints import ManifestJoints, joined_rows, piece_rows, skeleton_edges
from zvview.store.reading.links import EndpointTest, LinkSelection, decode_selection, select_links
from zvview.store.reading.pieces import FragmentTest, PieceBuffer, read_pieces
from zvview.store.reading.reader import LevelReader, ReadOptions

__all__ = ["read_box", "read_chunks", "read_objects"]

Box = tuple[NDArray[np.float64], NDArray[np.float64]]


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
        return _read_points(reader, wanted, options)
    test = _touches(wanted, reader, box)
    family = reader.links() if reader.is_linked or reader.has_true_bridges else None
    selection = None if family is None else select_links(family, test, reader.link_attributes(options.attributes))
    joints = None
    if reader.is_sequence and family is None and reader.objects is not None:
        joints = ManifestJoints.of(reader.objects, test)
    others = [x.endpoint_chunks() for x in (selection, joints) if x is not None]
    union = sort_chunks(np.concatenate((wanted.coords, *[o for o in others if o.shape[1] == wanted.coords.shape[1]])))
    buffer, payloads = read_pieces(
        reader.hierarchy,
        reader.families(options),
        union,
        extra=[] if selection is None else selection.asks,
        skip_damage=options.skip_damage,
        cancel=options.cancel,
    )
    table = None if selection is None else decode_selection(selection, payloads)
    links, attributes = _connect(reader, buffer, family, table, joints)
    return _pieces_of(reader, buffer, wanted, links, attributes, options)


def _touches(wanted: ChunkTable, reader: LevelReader, box: Box | None) -> EndpointTest:
    """Links with an end in the wanted chunks; given a box, also those between chunks whose common hull meets it."""
    edges = reader.layout.metadata.chunk_shape

    def test(chunks: NDArray[np.int64]) -> NDArray[np.bool_]:
        count, width, sid = chunks.shape
        out = (wanted.find(chunks.reshape(-1, sid)) >= 0).reshape(count, width).any(axis=1)
        if box is not None:
            spatial = chunks[:, :, sid - len(edges) :]
            first, last = np.floor(box[0] / edges), np.floor(box[1] / edges)
            out |= ((spatial.min(axis=1) <= last) & (spatial.max(axis=1) >= first)).all(axis=1)
        return out

    return test


def _connect(
    reader: LevelReader,
    buffer: PieceBuffer,
    family: LinkFamily | None,
    table: LinkTable | None,
    joints: ManifestJoints | None,
) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Joined rows of the buffer, (M, L), and the attributes of the links."""
    path = f"{reader.layout.path}/{names.OBJECT_INDEX}/{names.MANIFESTS}"
    if joints is not None:
        return joints.rows(buffer, path), {}
    if reader.kind in (names.GRAPH, names.SKELETON) and reader.root.links_convention != names.EXPLICIT:
        return skeleton_edges(buffer, family, table, reader.root.links_convention), {}
    if family is None or table is None or not len(table):
        return np.empty((0, 3 if reader.kind == names.MESH else 2), np.int64), {}
    rows, index = joined_rows(buffer, table, family.path)
    return rows, {n: v[index] for n, v in table.attributes.items()}


def _read_points(
    reader: LevelReader, wanted: ChunkTable, options: ReadOptions, test: FragmentTest | None = None
) -> Points:
    buffer, _ = read_pieces(
        reader.hierarchy,
        reader.families(options),
        wanted.coords,
        test=test,
        skip_damage=options.skip_damage,
        cancel=options.cancel,
    )
    owners = None if test is not None else reader.owners(buffer, options)
    ids = None if owners is None else np.repeat(np.maximum(owners, names.OWNER_NONE), np.diff(buffer.offsets))
    return Points(
        buffer.positions, attributes=buffer.attributes, categories=buffer.categories, object_ids=ids, notes=buffer.notes
    )


def _pieces_of(
    reader: LevelReader,
    buffer: PieceBuffer,
    wanted: ChunkTable,
    links: NDArray[np.int64],
    link_attributes: dict[str, NDArray[Any]],
    options: ReadOptions,
) -> Batch:
    """The pieces of the wanted chunks, then the far ends of links that leave them."""
    owners = reader.owners(buffer, options)
    inside = wanted.find(buffer.chunks.coords) >= 0
    if inside.all():
        ids = None if owners is None else np.maximum(owners, names.OWNER_NONE)
        return _make(reader, buffer, buffer.positions, buffer.attributes, buffer.offsets, ids, links, link_attributes)
    of_fragment = np.repeat(inside, np.diff(buffer.first))
    counts = np.diff(buffer.offsets)
    of_row = np.repeat(of_fragment, counts)
    if reader.kind == names.SKELETON or (reader.kind == names.GRAPH and reader.root.links_convention != names.EXPLICIT):
        fragment = np.repeat(np.arange(len(counts)), counts)  # edges implied inside fragments of neighbours are theirs
        kept = of_row[links].any(axis=1) | (fragment[links[:, 0]] != fragment[links[:, 1]])
        links = links[kept]
    ends = np.zeros(len(buffer.positions), bool)
    ends[links.ravel()] = True
    rows = np.concatenate((np.flatnonzero(of_row), np.flatnonzero(ends & ~of_row)))
    place = np.full(len(buffer.positions), -1, np.int64)
    place[rows] = np.arange(len(rows))
    offsets = np.append(0, np.cumsum(counts[of_fragment]))
    ids = None if owners is None else np.maximum(owners[of_fragment], names.OWNER_NONE)
    attributes = {n: v.take(rows, axis=0) for n, v in buffer.attributes.items()}
    positions = buffer.positions.take(rows, axis=0)
    return _make(reader, buffer, positions, attributes, offsets, ids, place[links], link_attributes)


def _make(
    reader: LevelReader,
    buffer: PieceBuffer,
    positions: NDArray[np.floating],
    attributes: Any,
    offsets: NDArray[np.int64],
    ids: NDArray[np.int64] | None,
    links: NDArray[np.int64],
    link_attributes: dict[str, NDArray[Any]],
) -> Batch:
    """A batch of the reader's kind."""
    common: dict[str, Any] = {
        "attributes": attributes,
        "categories": buffer.categories,
        "offsets": offsets,
        "object_ids": ids,
        "notes": buffer.notes,
    }
    if reader.is_sequence:
        common["bridges"] = links
    else:
        common["faces" if reader.kind == names.MESH else "edges"] = links
        common["link_attributes"] = link_attributes
    return batch_type(reader.kind)(positions, **common)


def read_box(reader: LevelReader, box: Box, options: ReadOptions) -> Batch:
    """What touches the inclusive box, given in stored coordinates, cut exactly."""
    layout = reader.layout
    coords = layout.vertices.chunks
    inside = coords[chunks_in_box(coords, layout.metadata.chunk_shape, *box)]
    if reader.kind == names.POINT_CLOUD:
        test = _bin_test(reader, box) if reader.objects is None else None
        return clip_to_box(_read_points(reader, ChunkTable.of(inside), options, test), *box)
    if reader.is_sequence and not reader.has_true_bridges and reader.objects is not None:
        wanted = ChunkTable.of(inside)
        rows = _objects_near(reader, wanted, _touches(wanted, reader, box))
        return clip_to_box(read_objects(reader, rows, options), *box)
    return clip_to_box(read_chunks(reader, inside, options, box=box), *box)


def _objects_near(reader: LevelReader, wanted: ChunkTable, test: EndpointTest) -> NDArray[np.int64]:
    """Rows of the objects with a piece in the wanted chunks or a segment that may cross the box."""
    assert reader.objects is not None
    manifests, owner = reader.objects.manifests(), reader.objects.piece_rows()
    near = wanted.find(manifests.chunks) >= 0
    same = np.flatnonzero(owner[1:] == owner[:-1])
    crossing = same[test(np.stack((manifests.chunks[same], manifests.chunks[same + 1]), axis=1))]
    near[crossing] = True
    return np.unique(owner[near])


def _bin_test(reader: LevelReader, box: Box) -> FragmentTest | None:
    """Fragments whose bin meets the box, for points of level 0 without objects, where fragments are bins (4.3)."""
    root, metadata = reader.root, reader.layout.metadata
    chunk, bins = metadata.chunk_shape, root.base_bin_shape
    shape = np.rint(chunk / bins).astype(np.int64)
    per_chunk = int(shape.prod()) if (shape < 1 << 16).all() and len(shape) <= 4 else 0
    if metadata.level != 0 or not 1 < per_chunk <= 1 << 20 or not np.allclose(shape * bins, chunk, rtol=1e-9, atol=0):
        return None
    places = np.stack(np.unravel_index(np.arange(per_chunk), tuple(shape.tolist())), axis=1)
    slack = bins * 1e-6  # which of two bins a vertex on their border was put into is a matter of the writer's rounding

    def test(coords: NDArray[np.int64], fragments: FragmentTable) -> NDArray[np.bool_] | None:
        if (np.diff(fragments.first) != per_chunk).any():
            return None
        corner = coords[:, coords.shape[1] - root.ndim :] * chunk
        keep = np.ones((len(coords), per_chunk), bool)
        for axis in range(root.ndim):
            low = corner[:, axis, None] + places[None, :, axis] * bins[axis]
            keep &= (low - slack[axis] <= box[1][axis]) & (low + bins[axis] + slack[axis] >= box[0][axis])
        return keep.ravel()

    return test


def read_objects(reader: LevelReader, rows: NDArray[np.int64], options: ReadOptions) -> Batch:
    """Whole objects, by the rows of the object index, each one piece (points: their vertices one object after the other).

    Rows of absent objects give no piece; a line of fewer than two vertices gives none either.
    """
    objects = reader.objects
    assert objects is not None
    path = f"{reader.layout.path}/{names.OBJECT_INDEX}/{names.MANIFESTS}"
    manifests = objects.manifests(None if _is_all(rows, len(objects.ids)) else rows, options.cancel)
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
    owner = np.repeat(np.arange(len(rows)), piece_counts)
    if buffer.notes:  # pieces in chunks that were left out go too
        present = buffer.chunks.find(chunks) >= 0
        chunks, fragments, owner = chunks[present], fragments[present], owner[present]
    start, count = piece_rows(buffer, chunks, fragments, path)
    per_object = np.bincount(owner, count, minlength=len(rows)).astype(np.int64)
    picked = np.repeat(start - (np.cumsum(count) - count), count) + np.arange(count.sum())
    ids = objects.ids[rows]
    if reader.kind == names.POINT_CLOUD:
        return Points(
            buffer.positions.take(picked, axis=0),
            attributes={n: v.take(picked, axis=0) for n, v in buffer.attributes.items()},
            categories=buffer.categories,
            object_ids=np.repeat(ids, per_object),
            notes=buffer.notes,
        )
    table = None if selection is None else decode_selection(selection, payloads)
    family = None if selection is None else selection.family
    if reader.kind == names.LINE and (per_object < 2).any():
        whole = per_object >= 2
        picked = picked[np.repeat(whole, per_object)]
        ids, per_object = ids[whole], per_object[whole]
    full = per_object > 0
    offsets = np.append(0, np.cumsum(per_object[full]))
    links = np.empty((0, 3 if reader.kind == names.MESH else 2), np.int64)
    link_attributes: dict[str, NDArray[Any]] = {}
    if reader.is_linked:
        links, link_attributes = _connect(reader, buffer, family, table, None)
        place = np.full(len(buffer.positions), -1, np.int64)
        place[picked] = np.arange(len(picked))
        links = place[links]
        kept = (links >= 0).all(axis=1)
        links, link_attributes = links[kept], {n: v[kept] for n, v in link_attributes.items()}
    is_identity = len(picked) == len(buffer.positions) and bool((picked == np.arange(len(picked))).all())
    positions = buffer.positions if is_identity else buffer.positions.take(picked, axis=0)
    attributes = {n: v if is_identity else v.take(picked, axis=0) for n, v in buffer.attributes.items()}
    return _make(reader, buffer, positions, attributes, offsets, ids[full], links, link_attributes)


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
        return (table.find(chunks.reshape(-1, sid)) >= 0).reshape(count, width).all(axis=1)

    return select_links(family, test, reader.link_attributes(options.attributes))
