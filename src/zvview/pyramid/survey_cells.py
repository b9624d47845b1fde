"""The bytes of what is kept of a chunk: columns as narrow as their values allow, so that little is left to compress.

::

    uint8 version (2)
    objects:  uint8 widths of steps and counts, uint32 n, int64 first id
              n - 1 steps from id to id, n counts of vertices
    bins:     uint8 width of ids, uint8 axes D, uint32 b, uint32 m, int64 least id, D x (int64 least, uint8 width)
              D columns of b coordinates; m ids, bin after bin, by hash
              b numbers of objects (uint8), b bits, the lowest first: whether these are all

Widths are 0, 1, 2, 4 or 8 bytes; columns lie in planes: all lowest bytes, then all second ones, ...
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format.grid import ChunkTable, sort_chunks
from zvview.format.sequences import offsets_of
from zvview.pyramid.line_heads import Heads
from zvview.pyramid.line_state import LineState
from zvview.pyramid.line_survey import Survey

__all__ = ["decode_state", "encode_state"]

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

_VERSION = 2
_OBJECTS = struct.Struct("<3BIq")
_BINS = struct.Struct("<2B2Iq")
_AXIS = struct.Struct("<qB")
_WIDTHS = (0, 1, 2, 4, 8)
_MOST_OF_NOTHING = 16  # objects of a bin, of which a byte tells how many they are


def encode_state(state: LineState) -> tuple[Ints, list[Bytes]]:
    """Chunks of which anything is told, (C, D), in numeric order, and the bytes of each."""
    counts, heads, sid = state.counts, state.heads, state.counts.chunks.shape[1]
    chunks = ChunkTable.of(np.concatenate((counts.chunks, heads.keys[:, :sid])))
    objects = _bounds(chunks.find(counts.chunks), np.diff(counts.first), len(chunks))
    bins = _bounds(chunks.find(heads.keys[:, :sid]), np.ones(len(heads), np.int64), len(chunks))
    out = []
    for chunk in range(len(chunks)):
        a, b = objects[chunk : chunk + 2].tolist()
        own = heads.select(np.arange(bins[chunk], bins[chunk + 1]))
        out.append(np.concatenate((_encode_objects(counts.ids[a:b], counts.counts[a:b]), _encode_bins(own, sid))))
    return chunks.coords, out


def _bounds(number: Ints, sizes: Ints, count: int) -> Ints:
    return offsets_of(np.bincount(number, sizes, minlength=count).astype(np.int64))


def _encode_objects(ids: Ints, counts: Ints) -> Bytes:
    steps = ids.view(np.uint64)[1:] - ids.view(np.uint64)[:-1]
    (of_steps, planes), (of_counts, more) = _to_planes(steps), _to_planes(counts.view(np.uint64))
    header = _OBJECTS.pack(_VERSION, of_steps, of_counts, len(ids), int(ids[0]) if len(ids) else 0)
    return np.concatenate((np.frombuffer(header, np.uint8), planes, more))


def _encode_bins(heads: Heads, sid: int) -> Bytes:
    bins, axes = heads.keys[:, sid:], b""
    columns = []
    for column in bins.T:
        low = int(column.min()) if len(column) else 0
        width, planes = _to_planes(_above(column, low))
        axes += _AXIS.pack(low, width)
        columns.append(planes)
    least = int(heads.ids.min()) if len(heads.ids) else 0
    width, ids = _to_planes(_above(heads.ids, least))
    header = _BINS.pack(width, bins.shape[1], len(bins), len(heads.ids), least) + axes
    sizes = np.diff(heads.first).astype(np.uint8)
    bits = np.packbits(heads.is_all, bitorder="little")
    return np.concatenate((np.frombuffer(header, np.uint8), *columns, ids, sizes, bits))


def _above(values: Ints, least: int) -> NDArray[np.uint64]:
    """Values less the least of them, which may be more than an int64 holds."""
    return np.ascontiguousarray(values).view(np.uint64) - np.array(least, np.int64).view(np.uint64)


def decode_state(chunks: Ints, cells: Sequence[Bytes]) -> LineState:
    """What is told of chunks (C, D) in numeric order, given their bytes.

    Raises
    ------
    DamagedError
        Bytes that :func:`encode_state` did not make.
    """
    parts = [_decode(cell) for cell in cells]
    none = np.empty(0, np.int64)
    ids, counts = (np.concatenate([none, *(getattr(part, name) for part, _ in parts)]) for name in ("ids", "counts"))
    sizes = np.array([len(part.ids) for part, _ in parts], np.int64)
    there = np.flatnonzero(sizes)
    survey = Survey(chunks[there], offsets_of(sizes[there]), ids, counts, np.zeros_like(ids), np.zeros(len(ids), bool))
    heads = [
        Heads(np.column_stack((np.repeat(chunks[i : i + 1], len(part), axis=0), part.keys)), *_rest(part))
        for i, (_, part) in enumerate(parts)
        if len(part)
    ]
    return LineState(survey, Heads.joined(heads) if heads else Heads.none(2 * chunks.shape[1]))


def _rest(heads: Heads) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    return heads.first, heads.ids, heads.is_all


def _decode(cell: Bytes) -> tuple[Survey, Heads]:
    reader = _Bytes(cell)
    version, of_steps, of_counts, count, first = reader.header(_OBJECTS)
    if version != _VERSION:
        raise _damage(f"version {version}")
    steps = reader.column(max(count - 1, 0), of_steps)
    counts = reader.column(count, of_counts)
    ids = np.concatenate(([np.int64(first)], steps))[:count].view(np.uint64).cumsum(dtype=np.uint64).view(np.int64)
    if (ids[1:] <= ids[:-1]).any() or (count and (counts.min() < 1 or counts.max() > 2**48)):
        raise _damage("ids that do not ascend, or counts beyond reason")
    width, axes, bins, total, least = reader.header(_BINS)
    told = [reader.header(_AXIS) for _ in range(axes)]
    columns = [_from(reader.column(bins, of_axis), low) for low, of_axis in told]
    keys = np.stack(columns, axis=1) if columns else np.empty((0, 0), np.int64)
    members = _from(reader.column(total, width), least)
    sizes = reader.take(bins).astype(np.int64)
    is_all = np.unpackbits(reader.take(-(-bins // 8)), count=bins, bitorder="little").astype(bool)
    if reader.left or len(keys) != bins or sizes.sum() != total or not sizes.all():
        raise _damage(f"{total} objects of {bins} bins")
    if bins and not np.array_equal(sort_chunks(keys), keys):
        raise _damage("bins that do not ascend")
    nothing = np.zeros(count, np.int64)
    own = Survey(np.zeros((1, 1), np.int64), np.array([0, count]), ids, counts, nothing, nothing > 0)
    return own, Heads(keys, offsets_of(sizes), members, is_all)


def _from(values: Ints, least: int) -> Ints:
    return (values.view(np.uint64) + np.array(least, np.int64).view(np.uint64)).view(np.int64)


class _Bytes:
    """Takes a cell apart from its beginning."""

    def __init__(self, cell: Bytes) -> None:
        self._cell, self._at = cell, 0

    @property
    def left(self) -> int:
        return len(self._cell) - self._at

    def take(self, count: int) -> Bytes:
        if count > self.left:
            raise _damage(f"{len(self._cell)} bytes")
        self._at += count
        return self._cell[self._at - count : self._at]

    def header(self, form: struct.Struct) -> tuple[int, ...]:
        return form.unpack(self.take(form.size).tobytes())

    def column(self, count: int, width: int) -> Ints:
        if width not in _WIDTHS:
            raise _damage(f"columns of {width} bytes")
        planes = self.take(count * width)
        if not width and count > _MOST_OF_NOTHING * self.left:  # sizes follow: nothing is told of so many
            raise _damage(f"{count} values")
        table = np.zeros((count, 8), np.uint8)
        table[:, :width] = planes.reshape(width, count).T
        return table.reshape(-1).view("<i8").astype(np.int64)


def _to_planes(values: NDArray[np.uint64]) -> tuple[int, Bytes]:
    """How many bytes each value takes, and the bytes."""
    most = int(values.max(initial=0))
    width = next(w for w in _WIDTHS if most < 1 << 8 * w)
    table = values.astype("<u8").view(np.uint8).reshape(-1, 8)
    return width, np.ascontiguousarray(table[:, :width].T).reshape(-1)


def _damage(found: str) -> DamagedError:
    return DamagedError("survey of lines", found=found, expected="what zvview writes")
