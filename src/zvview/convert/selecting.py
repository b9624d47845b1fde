"""A selection of a level as batches of bounded size, each object whole in one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from zvview.convert.contract import Outgoing
from zvview.errors import MissingError
from zvview.format import names
from zvview.geometry.arguments import Box, as_box
from zvview.geometry.batches import Batch
from zvview.geometry.clip import boxes_meet
from zvview.geometry.select import clip_to_box, keep_objects
from zvview.store.level import Level

__all__ = ["is_whole", "member_ids", "read_selected", "selected_ids"]


def is_whole(outgoing: Outgoing) -> bool:
    """Whether all of the level is meant."""
    return outgoing.box is None and outgoing.objects is None and outgoing.groups is None


def selected_ids(outgoing: Outgoing) -> NDArray[np.int64] | None:
    """Ids of the objects that are meant, in the order of the store; None where all are.

    Raises
    ------
    MissingError
        The level has no such objects or groups.
    """
    if outgoing.objects is None and outgoing.groups is None:
        return None
    level = outgoing.level
    ids = level.object_ids
    if ids is None:
        raise MissingError("object index in level", level.number)
    keep = np.ones(len(ids), bool)
    if outgoing.objects is not None:
        wanted = np.asarray(list(outgoing.objects), np.int64)
        if (absent := wanted[~np.isin(wanted, ids)]).size:
            raise MissingError("object", int(absent[0]), ids[:20].tolist())
        keep &= np.isin(ids, wanted)
    if outgoing.groups is not None:
        keep &= np.isin(ids, member_ids(level, outgoing.groups))
    return ids[keep]


def member_ids(level: Level, groups: Iterable[str]) -> NDArray[np.int64]:
    """Ids of the members of any of the groups; a number stands for the group of that number where none has it as name.

    Raises
    ------
    MissingError
        There is no such group.
    """
    known = level.groups
    if known is None:
        raise MissingError("groups in level", level.number)
    found = [np.empty(0, np.int64)]
    for group in groups:
        if group in known.names:
            found.append(known.members[known.names.index(group)])
        elif group.isdecimal() and int(group) < len(known):
            found.append(known.members[int(group)])
        else:
            raise MissingError("group", group, known.names or range(len(known)))
    return np.unique(np.concatenate(found))


def read_selected(
    outgoing: Outgoing, batch_bytes: int = 64 << 20, attributes: Sequence[str] | None = None
) -> Iterator[Batch]:
    """What is selected, in batches of about `batch_bytes`; nothing where nothing is.

    Points come chunk after chunk, all other kinds object after object; in a box the latter are read at once. All
    attributes come, or those named.

    Raises
    ------
    MissingError
        The level has no such objects or groups.
    Cancelled
        The token was set.
    """
    level, ids = outgoing.level, selected_ids(outgoing)
    box = None if outgoing.box is None else as_box(outgoing.box, "box", len(outgoing.store.axes))
    is_points = outgoing.store.kind == names.POINT_CLOUD
    has_objects = level.object_ids is not None
    if is_points and level.refinement == names.REFINEMENT_REPLACE:
        batches = _read_points(outgoing, box, batch_bytes, attributes)
    elif box is None and has_objects and level.refinement == names.REFINEMENT_REPLACE:
        batches, ids = _read_objects(outgoing, level.object_ids if ids is None else ids, batch_bytes, attributes), None
    else:
        batches = iter([level.read(box, attributes, cancel=outgoing.cancel)])
    for batch in batches:
        kept = batch if ids is None else keep_objects(batch, ids)
        if len(kept):
            yield kept


def _read_points(
    outgoing: Outgoing, box: Box | None, batch_bytes: int, attributes: Sequence[str] | None
) -> Iterator[Batch]:
    level = outgoing.level
    chunks, counts = level.chunks, level.chunk_vertex_counts
    if box is not None and chunks.shape[1] == len(level.chunk_shape):
        shift = outgoing.store.metadata.offset
        corners = chunks * level.chunk_shape + (0.0 if shift is None else shift)
        slack = np.abs(corners).max(initial=0.0) * 2.0**-50  # sums of floats; chunks too many cost time only
        met = boxes_meet(corners - slack, corners + level.chunk_shape + slack, *box)
        chunks, counts = chunks[met], counts[met]
    total, done = int(counts.sum()), 0
    for run in _runs(counts, max(1, batch_bytes // _row_bytes(level))):
        batch = level.read_chunks(chunks[run], attributes, cancel=outgoing.cancel)
        done += int(counts[run].sum())
        _tell(outgoing, done, total)
        yield batch if box is None else clip_to_box(batch, *box)


def _read_objects(
    outgoing: Outgoing, ids: NDArray[np.int64] | None, batch_bytes: int, attributes: Sequence[str] | None
) -> Iterator[Batch]:
    level, known = outgoing.level, outgoing.level.object_ids
    assert ids is not None and known is not None
    mean = max(1, level.vertex_count // max(1, len(known)))
    total, done = mean * len(ids), 0
    for run in _runs(np.full(len(ids), mean, np.int64), max(1, batch_bytes // _row_bytes(level))):
        batch = level.read_objects(ids[run], attributes, cancel=outgoing.cancel)
        done += len(batch)
        _tell(outgoing, done, max(done, total))
        yield batch


def _runs(counts: NDArray[np.int64], most: int) -> Iterator[slice]:
    """Neighbours of at most `most` in sum, or of one."""
    ends = np.cumsum(counts)
    start = 0
    while start < len(counts):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + most, side="right")))
        yield slice(start, stop)
        start = stop


def _row_bytes(level: Level) -> int:
    """Bytes of a vertex with its attributes."""
    attributes = level.attributes.values()
    widths = [m.dtype.itemsize * int(np.prod(m.row_shape, dtype=int)) for m in attributes]
    return len(level.chunk_shape) * level.dtype.itemsize + sum(widths) + 8


def _tell(outgoing: Outgoing, done: int, total: int) -> None:
    if outgoing.cancel is not None:
        outgoing.cancel.raise_if_cancelled()
    if outgoing.progress is not None:
        outgoing.progress(done, total)
