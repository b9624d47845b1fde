"""The index of a shard: offset and size of each cell inside one object, and the writing of such an object.

Zarr's ``sharding_indexed`` codec: ``uint64`` pairs (offset, size), little endian, one per inner chunk in C order,
:data:`MISSING` twice where a cell is absent, and the crc32c of all that where the index codecs say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["MISSING", "decode_shard_index", "encode_shard", "shard_index_bytes"]

MISSING = 2**64 - 1
"""Offset and size of a cell that the shard does not hold."""


def shard_index_bytes(cells: int, has_crc: bool) -> int:
    """Size in bytes of the index of a shard of `cells` cells."""
    return 16 * cells + 4 * has_crc


def decode_shard_index(footer: Buffer, cells: int, has_crc: bool, shard_size: int | None) -> NDArray[np.uint64]:
    """Offset and size of each cell of a shard.

    Parameters
    ----------
    footer : buffer
        The bytes of the index.
    cells : int
        Inner chunks of the shard.
    has_crc : bool
        Whether a crc32c follows the pairs.
    shard_size : int or None
        Size of the whole object in bytes; None where it is not known, which leaves the cells' ends unchecked.

    Returns
    -------
    NDArray[uint64]
        (cells, 2), with :data:`MISSING` in both columns for absent cells.

    Raises
    ------
    DamagedError
        Wrong size or checksum; cells that are half missing or lie past the end (their indices are in ``cells``).
    """
    data = memoryview(footer).cast("B")
    if data.nbytes != shard_index_bytes(cells, has_crc):
        expected = f"{shard_index_bytes(cells, has_crc)} for {cells} cells"
        raise DamagedError("shard index", found=f"{data.nbytes} bytes", expected=expected)
    pairs = data[: 16 * cells]
    if has_crc and (crc := _crc32c(pairs)) != int.from_bytes(data[-4:], "little"):
        found = f"crc32c {int.from_bytes(data[-4:], 'little'):#010x}"
        raise DamagedError("shard index", found=found, expected=f"{crc:#010x}, that of its bytes")
    index = np.frombuffer(pairs, "<u8").reshape(cells, 2).astype(np.uint64)
    absent = index == np.uint64(MISSING)
    bound = np.uint64(2**63 - 1 if shard_size is None else shard_size)
    inside = (index[:, 0] <= bound) & (index[:, 1] <= bound - np.minimum(index[:, 0], bound))
    bad = np.flatnonzero(np.where(absent[:, 0], ~absent[:, 1], absent[:, 1] | ~inside))
    if bad.size:
        offset, size = index[bad[0]].tolist()
        expected = "an end inside the shard" + ("" if shard_size is None else f" of {shard_size} bytes")
        raise DamagedError("shard index", found=f"a cell of {size} bytes at {offset}", expected=expected, cells=bad)
    return index


def encode_shard(cells: Sequence[Sequence[Buffer]]) -> list[Buffer]:
    """The pieces of a shard: those of the encoded cells one after the other, then the index and its crc32c.

    Parameters
    ----------
    cells : sequence of sequences of buffers
        The pieces of each inner chunk in C order; none where the shard has no such cell.
    """
    is_there = [len(pieces) > 0 for pieces in cells]
    sizes = np.array([sum(memoryview(piece).nbytes for piece in pieces) for pieces in cells if pieces], np.uint64)
    index = np.full((len(cells), 2), MISSING, np.uint64)
    index[is_there, 0] = np.cumsum(sizes) - sizes
    index[is_there, 1] = sizes
    pairs = index.astype("<u8").tobytes()
    return [*chain.from_iterable(cells), pairs + _crc32c(pairs).to_bytes(4, "little")]


def _crc32c(data: Buffer) -> int:
    return int(google_crc32c.value(bytes(data)))
