"""Object manifests: which fragments of which chunks make up each object, in order.

A manifest is ``uint32 B`` and B blocks: ``sid_ndim`` x int64 chunk coordinate, ``uint8 mode`` and, by mode, 0: int64
fragment; 1: int64 start, int64 count; 2: uint32 n, n x int64 fragments. Nothing is aligned and an absent object is B
= 0 or no bytes. Shipped writers emit mode 0 only, so that case is one gather; other modes are walked for all objects
at once, block by block.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.format.cells import FARTHEST_CHUNK, Faults, anywhere, read_records, spread, write_records

__all__ = ["Manifests", "decode_dense", "decode_manifests", "encode_manifests"]

_INT64_MAX = (1 << 63) - 1

# A wave over all unfinished objects costs as much as walking about this many blocks one by one.
_FEW_OBJECTS = 24


@dataclass(frozen=True, slots=True)
class Manifests:
    """Pieces of objects; a piece is one fragment of one chunk.

    Attributes
    ----------
    offsets : (M + 1,) int64
        Pieces of object row m are ``offsets[m] : offsets[m + 1]``; none for an absent object.
    chunks : (P, sid_ndim) int64
        Absolute chunk coordinate of each piece.
    fragments : (P,) int64
        Index of the fragment in its chunk; not negative, but not checked against the chunk.
    """

    offsets: NDArray[np.int64]
    chunks: NDArray[np.int64]
    fragments: NDArray[np.int64]

    def select(self, rows: NDArray[np.int64]) -> Manifests:
        """Manifests of the given object rows, in that order; a row may come twice."""
        offsets, owner, local = spread(self.offsets[1:][rows] - self.offsets[:-1][rows])
        pieces = self.offsets[:-1][rows][owner] + local
        return Manifests(offsets, self.chunks[pieces], self.fragments[pieces])


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Blocks of all objects: their object, place, mode and number of pieces; all arrays (blocks,)."""

    owner: NDArray[np.int64]
    at: NDArray[np.int64]
    mode: NDArray[np.uint8]
    pieces: NDArray[np.int64]


def _plain_block(sid_ndim: int) -> np.dtype[np.void]:
    """A block of mode 0 as a packed record."""
    return np.dtype([("chunk", "<i8", (sid_ndim,)), ("mode", "u1"), ("fragment", "<i8")])


def decode_manifests(
    buffer: NDArray[np.uint8],
    starts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    sid_ndim: int,
    *,
    limit: int = 1 << 27,
) -> Manifests:
    """Decode manifests of any mix of modes.

    Parameters
    ----------
    buffer : (nbytes,) uint8
        Bytes that hold them, such as a whole row cell.
    starts, sizes : (M,) int64
        Manifest m is ``buffer[starts[m] : starts[m] + sizes[m]]``, as :func:`~zvview.format.cells.split_rows` gives it.
    sid_ndim : int
        Components of a chunk coordinate.
    limit : int
        Most pieces that are made; 17 bytes can claim 2**63 of them.

    Raises
    ------
    DamagedError
        ``cells`` are the bad object rows: blocks that do not fill their bytes exactly, an unknown mode, a negative or
        overflowing fragment index, a chunk coordinate beyond 2**53, or too many pieces.
    """
    starts, sizes = np.asarray(starts, np.int64), np.asarray(sizes, np.int64)
    plain = _plain_block(sid_ndim)
    faults = Faults("object manifest", len(sizes))
    counts = _count_blocks(buffer, starts, sizes, plain.itemsize, faults)
    first, owner, local = spread(counts)
    is_plain = (sizes == 4 + counts * plain.itemsize) | (counts == 0)
    faults.mark(is_plain & (counts == 0) & (sizes > 4), "bytes after no blocks", "none")
    at = starts[owner] + 4 + local * plain.itemsize
    if is_plain.all():
        records = read_records(buffer, plain, at)
        if not records["mode"].any():
            chunks, fragments = np.ascontiguousarray(records["chunk"]), np.ascontiguousarray(records["fragment"])
            _check_values(owner, chunks, fragments, faults)
            faults.check()
            return Manifests(first, chunks, fragments)

    # Spare zeros make every field of a block that starts inside the bytes readable, whatever its mode.
    buffer = np.concatenate((buffer, np.zeros(plain.itemsize + 16, np.uint8)))
    mode = np.zeros(len(owner), np.uint8)
    seen = is_plain[owner]
    mode[seen] = buffer[at[seen] + 8 * sid_ndim]
    is_mixed = ~is_plain
    is_mixed[owner[mode > 0]] = True  # of the size of mode 0 blocks, but not made of them
    blocks = _Blocks(owner, at, mode, np.ones(len(owner), np.int64))
    _walk_blocks(buffer, np.flatnonzero(is_mixed), first, starts + sizes, starts, sid_ndim, blocks, faults)
    return _expand_blocks(buffer, first, blocks, sid_ndim, limit, faults)


def _count_blocks(
    buffer: NDArray[np.uint8], starts: NDArray[np.int64], sizes: NDArray[np.int64], plain_size: int, faults: Faults
) -> NDArray[np.int64]:
    """(M,) blocks of each object, 0 for bad ones; a count is believed only if the bytes could hold it."""
    counts = np.zeros(len(sizes), np.int64)
    faults.mark((sizes > 0) & (sizes < 4), "fewer than 4 bytes", "a block count")
    full = sizes >= 4
    counts[full] = anywhere(buffer, "<u4")[starts[full]]
    smallest = plain_size - 4  # mode 2 with an empty list
    impossible = counts * smallest > np.maximum(sizes - 4, 0)
    faults.mark(impossible, "more blocks than its bytes can hold", "a block count that fits")
    counts[impossible] = 0
    return counts


def _walk_blocks(
    buffer: NDArray[np.uint8],
    objects: NDArray[np.int64],
    first: NDArray[np.int64],
    ends: NDArray[np.int64],
    starts: NDArray[np.int64],
    sid_ndim: int,
    blocks: _Blocks,
    faults: Faults,
) -> None:
    """Fill place, mode and number of pieces of the blocks of `objects`; wave k takes block k of each that has one."""
    uint32, int64 = anywhere(buffer, "<u4"), anywhere(buffer, "<i8")
    mode_at, body_at = 8 * sid_ndim, 8 * sid_ndim + 1
    todo, place, number = objects, starts[objects] + 4, 0
    counts = np.diff(first)
    while len(todo) > _FEW_OBJECTS:
        block = first[todo] + number
        mode = buffer[place + mode_at]
        listed = np.where(mode == 2, uint32[place + body_at], 0).astype(np.int64)
        blocks.at[block], blocks.mode[block] = place, mode
        blocks.pieces[block] = np.where(mode == 0, 1, np.where(mode == 1, int64[place + body_at + 8], listed))
        place = place + body_at + np.where(mode == 0, 8, np.where(mode == 1, 16, 4 + 8 * listed))
        number += 1
        bad = (mode > 2) | (place > ends[todo])
        faults.mark(
            todo[bad], "a block of unknown mode or past the end", "blocks of mode 0, 1 or 2 inside the manifest"
        )
        done = counts[todo] == number
        faults.mark(todo[done & ~bad & (place != ends[todo])], "bytes after the last block", "none")
        going = ~bad & ~done
        todo, place = todo[going], place[going]
    for row, start in zip(todo.tolist(), place.tolist(), strict=True):
        block_range = range(int(first[row]) + number, int(first[row + 1]))
        end = _walk_object(buffer.data, start, int(ends[row]), block_range, sid_ndim, blocks)
        if end != ends[row]:
            faults.mark(
                np.array([row]), "blocks that do not end with the manifest", "known modes and no byte left over"
            )


def _walk_object(buffer: memoryview, place: int, end: int, numbers: range, sid_ndim: int, blocks: _Blocks) -> int:
    """Walk the blocks of one object; where it came to, or -1 where a block is bad."""
    mode_at, body_at = 8 * sid_ndim, 8 * sid_ndim + 1
    read_uint32, read_int64 = struct.Struct("<I").unpack_from, struct.Struct("<q").unpack_from
    places, modes, pieces = [], [], []
    for _ in numbers:
        if place > end:
            return -1
        mode = buffer[place + mode_at]
        places.append(place)
        modes.append(mode)
        place += body_at
        if mode == 0:
            pieces.append(1)
            place += 8
        elif mode == 1:
            pieces.append(read_int64(buffer, place + 8)[0])
            place += 16
        elif mode == 2:
            pieces.append(read_uint32(buffer, place)[0])
            place += 4 + 8 * pieces[-1]
        else:
            return -1
    here = slice(numbers.start, numbers.stop)
    blocks.at[here], blocks.mode[here], blocks.pieces[here] = places, modes, pieces
    return place


def _expand_blocks(
    buffer: NDArray[np.uint8], first: NDArray[np.int64], blocks: _Blocks, sid_ndim: int, limit: int, faults: Faults
) -> Manifests:
    """Turn blocks into pieces; those of bad objects are passed over, since an error follows."""
    owner, at, mode, pieces = blocks.owner, blocks.at, blocks.mode, blocks.pieces
    if faults.bad.any():
        good = ~faults.bad[owner]
        owner, at, mode, pieces = owner[good], at[good], mode[good], pieces[good]
    int64 = anywhere(buffer, "<i8")
    body_at = at + 8 * sid_ndim + 1
    begin = int64[body_at]
    overflows = (mode == 1) & ((begin < 0) | (pieces < 0) | (begin > _INT64_MAX - np.maximum(pieces, 0)))
    faults.mark(owner[overflows], "a range of fragments below 0 or beyond int64", "fragment indices")
    _check_total(owner, np.where(overflows, 0, pieces), limit, faults)
    if faults.bad.any():
        pieces = np.where(faults.bad[owner], 0, pieces)

    offsets, _, local = spread(pieces)
    # Piece i of a range is begin + i; piece i of a list lies i words after its first.
    step, piece_mode = np.repeat(np.where(mode == 2, body_at + 4, begin), pieces), np.repeat(mode, pieces)
    fragments = np.where(piece_mode == 1, step + local, step)
    lists = np.flatnonzero(piece_mode == 2)
    fragments[lists] = int64[step[lists] + 8 * local[lists]]
    chunks = np.repeat(np.ascontiguousarray(read_records(buffer, _plain_block(sid_ndim), at)["chunk"]), pieces, axis=0)
    _check_values(np.repeat(owner, pieces), chunks, fragments, faults)
    faults.check()
    return Manifests(offsets[first], chunks, fragments)


def _check_total(owner: NDArray[np.int64], pieces: NDArray[np.int64], limit: int, faults: Faults) -> None:
    """Mark the largest objects if all together have more than `limit` pieces; float sums cannot overflow."""
    if len(owner) == 0:
        return
    total = np.bincount(owner, np.maximum(pieces, 0).astype(np.float64))
    order = np.argsort(total, kind="stable")
    too_many = np.sort(order[np.cumsum(total[order]) > limit])
    faults.mark(too_many, "too many pieces", f"at most {limit} in all objects read together")


def _check_values(
    owner: NDArray[np.int64], chunks: NDArray[np.int64], fragments: NDArray[np.int64], faults: Faults
) -> None:
    faults.mark(owner[fragments < 0], "a negative fragment index", "0 or more")
    if chunks.size and (chunks.min() < -FARTHEST_CHUNK or chunks.max() > FARTHEST_CHUNK):
        far = ((chunks < -FARTHEST_CHUNK) | (chunks > FARTHEST_CHUNK)).any(axis=1)
        faults.mark(owner[far], "a chunk coordinate beyond 2**53", "a chunk of the grid")


def encode_manifests(manifests: Manifests) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Encode manifests in blocks of mode 0, as every shipped writer does.

    Returns
    -------
    buffer : (nbytes,) uint8
        Manifests one after the other, ready for :func:`~zvview.format.cells.join_rows`.
    sizes : (M,) int64
        Bytes of each; an absent object takes 4.

    Raises
    ------
    InvalidInputError
        A negative fragment index.
    """
    if len(manifests.fragments) and manifests.fragments.min() < 0:
        raise InvalidInputError("fragment indices of a manifest are 0 or more")
    plain = _plain_block(manifests.chunks.shape[1])
    _, owner, local = spread(np.diff(manifests.offsets))
    counts = np.diff(manifests.offsets)
    sizes = 4 + counts * plain.itemsize
    starts = np.cumsum(sizes) - sizes
    records = np.zeros(len(owner), plain)
    records["chunk"], records["fragment"] = manifests.chunks, manifests.fragments
    buffer = np.empty(int(sizes.sum()), np.uint8)
    anywhere(buffer, "<u4")[starts] = counts
    write_records(buffer, starts[owner] + 4 + local * plain.itemsize, records)
    return buffer, sizes


def decode_dense(spans: NDArray[np.int64], blocks: NDArray[np.int64], *, limit: int = 1 << 27) -> Manifests:
    """Manifests of the announced layout ``dense_manifests_v1``.

    Parameters
    ----------
    spans : (M, 2) int64
        First block and number of blocks of each object; a number of 0 is an absent object.
    blocks : (B, sid_ndim + 1) int64
        Chunk coordinate and fragment index. Blocks that no span names are dead and not looked at.
    limit : int
        Most pieces that are made; spans may overlap.

    Raises
    ------
    DamagedError
        As :func:`decode_manifests`, or a span outside the blocks.
    """
    faults = Faults("object manifest", len(spans))
    start, count = np.asarray(spans[:, 0], np.int64), np.asarray(spans[:, 1], np.int64)
    astray = (count < 0) | ((count > 0) & ((start < 0) | (start > len(blocks) - np.clip(count, 0, len(blocks) + 1))))
    faults.mark(astray, "a span outside the manifest blocks", "start and count inside them")
    count = np.where(astray, 0, count)
    _check_total(np.arange(len(spans)), count, limit, faults)
    offsets, owner, local = spread(np.where(faults.bad, 0, count))
    picked = np.asarray(blocks, np.int64)[start[owner] + local]
    chunks, fragments = np.ascontiguousarray(picked[:, :-1]), np.ascontiguousarray(picked[:, -1])
    _check_values(owner, chunks, fragments, faults)
    faults.check()
    return Manifests(offsets, chunks, fragments)
