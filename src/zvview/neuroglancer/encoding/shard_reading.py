"""What a shard file holds: read back by exports that write only what changed."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.neuroglancer.encoding.shards import ShardSpec

__all__ = ["ShardIndex", "lookup", "read_index"]

_PART: Final = "shard file"
_ENTRY: Final = 24
_RATIO: Final = 1_100  # gzip makes nothing smaller than that


@dataclass(frozen=True, slots=True, eq=False)
class ShardIndex:
    """Where the contents of a shard file are.

    Attributes
    ----------
    keys : (n,) uint64 array
        Numbers, ascending.
    starts, sizes : (n,) int64 arrays
        Place of each content in the file, as it is stored.
    """

    keys: NDArray[np.uint64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]


def read_index(spec: ShardSpec, shard: bytes | memoryview) -> ShardIndex:
    """All that a shard file holds.

    Raises
    ------
    DamagedError
        Its indexes contradict each other or the size of the file.
    """
    head = _head(spec, shard)
    found = [_minishard(spec, shard, int(a), int(b)) for a, b in head[head[:, 0] < head[:, 1]]]
    keys = np.concatenate([np.empty(0, np.uint64), *(index.keys for index in found)])
    starts = np.concatenate([np.empty(0, np.int64), *(index.starts for index in found)])
    sizes = np.concatenate([np.empty(0, np.int64), *(index.sizes for index in found)])
    order = np.argsort(keys, kind="stable")
    return ShardIndex(keys[order], starts[order], sizes[order])


def lookup(spec: ShardSpec, shard: bytes | memoryview, key: int) -> bytes | None:
    """The content of one number, decompressed; None where the file does not have it.

    Raises
    ------
    DamagedError
        The bytes that tell of it contradict each other.
    """
    _, minishards = spec.locate(np.array([key], np.uint64))
    start, end = _head(spec, shard)[minishards[0]].tolist()
    if start == end:
        return None
    index = _minishard(spec, shard, start, end)
    at = np.flatnonzero(index.keys == np.uint64(key))
    if not len(at):
        return None
    first, size = int(index.starts[at[0]]), int(index.sizes[at[0]])
    content = bytes(shard[first : first + size])
    return _decompress(content, "a content") if spec.data_encoding == "gzip" else content


def _head(spec: ShardSpec, shard: bytes | memoryview) -> NDArray[np.uint64]:
    size = 16 << spec.minishard_bits
    if len(shard) < size:
        raise DamagedError(_PART, found=f"{len(shard)} bytes", expected=f"at least {size}")
    head = np.frombuffer(shard, "<u8", count=2 << spec.minishard_bits).reshape(-1, 2)
    if (head > len(shard) - size).any() or (head[:, 0] > head[:, 1]).any():
        raise DamagedError(_PART, found="an index beyond the end of the file", expected=f"{len(shard)} bytes")
    return head + np.uint64(size)


def _minishard(spec: ShardSpec, shard: bytes | memoryview, start: int, end: int) -> ShardIndex:
    data = bytes(shard[start:end])
    if spec.minishard_index_encoding == "gzip":
        data = _decompress(data, "the index of a minishard")
    if len(data) % _ENTRY:
        raise DamagedError(_PART, found=f"an index of {len(data)} bytes", expected=f"a multiple of {_ENTRY}")
    table = np.frombuffer(data, "<u8").reshape(3, -1)
    if (table[1:] > len(shard)).any():
        raise DamagedError(_PART, found="a content beyond the end of the file", expected=f"{len(shard)} bytes")
    steps, sizes = table[1:].astype(np.int64)
    ends = np.cumsum(steps + sizes) + (16 << spec.minishard_bits)
    if (ends > len(shard)).any():
        raise DamagedError(_PART, found="a content beyond the end of the file", expected=f"{len(shard)} bytes")
    return ShardIndex(np.cumsum(table[0], dtype=np.uint64), ends - sizes, sizes)


def _decompress(data: bytes, what: str) -> bytes:
    try:
        told = int.from_bytes(data[-4:], "little")
        if told > _RATIO * len(data):
            raise ValueError(f"{told} bytes in {len(data)}")
        return gzip.decompress(data)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DamagedError(_PART, found=f"{what}: {error}"[:160], expected="gzip") from error
