"""Reading what touches a box."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.fragments import FragmentTable
from zvview.format.grid import ChunkTable, chunks_in_box
from zvview.format.sequences import distinct
from zvview.geometry.arguments import Box
from zvview.geometry.batches import Batch, Pieces, Points
from zvview.geometry.select import clip_to_box
from zvview.store.reading.chunks import read_chunks, read_points, touches_chunks
from zvview.store.reading.links import select_links
from zvview.store.reading.objects import read_objects
from zvview.store.reading.piece_wave import FragmentTest
from zvview.store.reading.reader import LevelReader, ReadOptions

__all__ = ["find_objects_in_box", "read_box"]


def read_box(reader: LevelReader, box: Box, options: ReadOptions) -> Batch:
    """What touches the inclusive box, given in stored coordinates, cut exactly."""
    layout = reader.layout
    coords = layout.vertices.chunks
    inside = coords[chunks_in_box(coords, layout.metadata.chunk_shape, *box)]
    if reader.kind == names.POINT_CLOUD:
        test = _bin_test(reader, box) if reader.objects is None else None
        return clip_to_box(read_points(reader, ChunkTable.of(inside), options, test), *box)
    if reader.is_sequence and not reader.has_true_bridges and reader.objects is not None:
        return clip_to_box(read_objects(reader, _objects_near(reader, box), options), *box)
    return clip_to_box(read_chunks(reader, inside, options, box=box), *box)


def _objects_near(reader: LevelReader, box: Box) -> NDArray[np.int64]:
    """Rows of the objects that may touch the box: with a piece in its chunks, or a link that may cross it."""
    objects, layout = reader.objects, reader.layout
    assert objects is not None
    coords = layout.vertices.chunks
    wanted = ChunkTable.of(coords[chunks_in_box(coords, layout.metadata.chunk_shape, *box)])
    manifests, owner = objects.manifests(), objects.piece_rows()
    test = touches_chunks(wanted, reader, box)
    if reader.is_linked and (family := reader.links()) is not None:
        ends = select_links(family, test).endpoint_chunks()
        if len(ends):
            wanted = ChunkTable.of(np.concatenate((wanted.coords, ends)))
    near = wanted.find(manifests.chunks) >= 0
    if reader.is_sequence:
        same = np.flatnonzero(owner[1:] == owner[:-1])
        crossing = same[test(np.stack((manifests.chunks[same], manifests.chunks[same + 1]), axis=1))]
        near[crossing] = True
    return distinct(owner[near])


def find_objects_in_box(reader: LevelReader, box: Box, options: ReadOptions) -> NDArray[np.int64]:
    """Rows of the objects that touch the box, ascending."""
    objects = reader.objects
    assert objects is not None
    options = replace(options, attributes=(), object_ids=True)
    batch = read_box(reader, box, options)
    assert isinstance(batch, Points | Pieces)
    ids = batch.object_ids
    if ids is None or (ids == names.OWNER_NONE).any():  # pieces of several objects do not tell which
        batch = clip_to_box(read_objects(reader, _objects_near(reader, box), options), *box)
        assert isinstance(batch, Points | Pieces)
        ids = batch.object_ids
    assert ids is not None
    return np.flatnonzero(np.isin(objects.ids, ids))


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
