"""The bytes of a chunk's survey: a few columns, each as narrow as its values allow, so that little is left to compress.

::

    uint8 version (1), uint8 widths of steps, counts and lengths (0, 1, 2, 4 or 8), uint32 n, int64 first id
    n - 1 steps from id to id, n counts, n lengths, each as planes: all lowest bytes, then all second ones, ...
    n bits, the lowest first: winners
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format.sequences import offsets_of
from zvview.pyramid.line_survey import Survey

__all__ = ["decode_survey", "encode_survey"]

Ints = NDArray[np.int64]

_VERSION = 1
_HEADER = struct.Struct("<4BIq")
_WIDTHS = (0, 1, 2, 4, 8)


def encode_survey(survey: Survey) -> list[NDArray[np.uint8]]:
    """The bytes of each chunk."""
    out = []
    for start, stop in zip(survey.first[:-1].tolist(), survey.first[1:].tolist(), strict=True):
        here = slice(start, stop)
        ids = survey.ids[here].view(np.uint64)
        steps = ids[1:] - ids[:-1]
        counts, lengths = (column[here].view(np.uint64) for column in (survey.counts, survey.lengths))
        planes = [_to_planes(column) for column in (steps, counts, lengths)]
        widths = [width for width, _ in planes]
        header = _HEADER.pack(_VERSION, *widths, stop - start, int(survey.ids[start]))
        bits = np.packbits(survey.is_winner[here], bitorder="little")
        out.append(np.concatenate((np.frombuffer(header, np.uint8), *(plane for _, plane in planes), bits)))
    return out


def decode_survey(chunks: NDArray[np.int64], cells: Sequence[NDArray[np.uint8]]) -> Survey:
    """The survey of chunks (C, D) in numeric order, given their bytes.

    Raises
    ------
    DamagedError
        Bytes that :func:`encode_survey` did not make.
    """
    parts = [_decode(cell) for cell in cells]
    ids, counts, lengths = (np.concatenate([np.empty(0, np.int64), *(part[i] for part in parts)]) for i in range(3))
    winners = np.concatenate([np.empty(0, bool), *(part[3] for part in parts)])
    return Survey(chunks, offsets_of([len(part[0]) for part in parts]), ids, counts, lengths, winners)


def _to_planes(values: NDArray[np.uint64]) -> tuple[int, NDArray[np.uint8]]:
    """How many bytes each value takes, and the bytes."""
    most = int(values.max(initial=0))
    width = next(w for w in _WIDTHS if most < 1 << 8 * w)
    table = values.astype("<u8").view(np.uint8).reshape(-1, 8)
    return width, np.ascontiguousarray(table[:, :width].T).reshape(-1)


def _from_planes(planes: NDArray[np.uint8], count: int, width: int) -> NDArray[np.int64]:
    table = np.zeros((count, 8), np.uint8)
    table[:, :width] = planes.reshape(width, count).T
    return table.reshape(-1).view("<i8").astype(np.int64)


def _decode(cell: NDArray[np.uint8]) -> tuple[Ints, Ints, Ints, NDArray[np.bool_]]:
    if len(cell) < _HEADER.size:
        raise _damage(f"{len(cell)} bytes")
    version, *widths, count, first = _HEADER.unpack(cell[: _HEADER.size].tobytes())
    if version != _VERSION or not set(widths) <= set(_WIDTHS) or not count or (count > 1 and not widths[0]):
        raise _damage(f"version {version}, widths {widths}, {count} objects")
    sizes = [(count - 1) * widths[0], count * widths[1], count * widths[2], -(-count // 8)]
    if _HEADER.size + sum(sizes) != len(cell):
        raise _damage(f"{len(cell)} bytes for {count} objects in columns of {widths} bytes")
    ends = np.cumsum([_HEADER.size, *sizes]).tolist()
    parts = [cell[a:b] for a, b in pairwise(ends)]
    steps, counts, lengths = (
        _from_planes(part, n, width) for part, n, width in zip(parts, (count - 1, count, count), widths, strict=False)
    )
    ids = np.concatenate(([np.int64(first)], steps)).view(np.uint64).cumsum(dtype=np.uint64).view(np.int64)
    if (ids[1:] <= ids[:-1]).any():
        raise _damage("ids that do not ascend")
    if counts.min() < 0 or lengths.min() < 0 or counts.max() > 2**48 or lengths.max() > 2**48:
        raise _damage("counts or lengths beyond reason")
    winners = np.unpackbits(parts[3], count=count, bitorder="little").astype(bool)
    return ids, counts, lengths, winners


def _damage(found: str) -> DamagedError:
    return DamagedError("survey of lines", found=found, expected="what zvview writes")
