"""Shard files: many contents, each found by a number of 64 bits, in a bounded number of files.

Format: ``neuroglancer_uint64_sharded_v1``. A file begins with the place of the index of each of its minishards;
contents follow, then the indexes. So contents can be written as they come, and the beginning last: memory holds the
index of one shard, 24 bytes per content, never the contents.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.format.sequences import offsets_of
from zvview.neuroglancer.encoding.records import EncodedRecords

__all__ = ["ShardSpec", "ShardWriter", "choose_encoding", "choose_spec", "encode_shard", "hash_keys"]

Encoding = Literal["raw", "gzip"]

_TYPE: Final = "neuroglancer_uint64_sharded_v1"
_HASHES: Final = ("identity", "murmurhash3_x86_128")
_ENCODINGS: Final = ("raw", "gzip")
_PER_MINISHARD: Final = 1_000
_FULLEST: Final = 16_384  # 384 kB of index before compression, which the client searches from its beginning
_SAMPLE: Final = 200_000
_SHARD_BYTES: Final = 64 << 20
_MOST_SHARD_BITS: Final = 12
_MOST_MINISHARD_BITS: Final = 14  # 256 KiB at the beginning of each shard
_GZIP_LEVEL: Final = 1  # of skeletons 64 % in 21 ns a byte; level 6 gives 61 % in 28 ns
_WORTH: Final = 0.75  # of the bytes, else contents are not compressed: it takes longer than all that is before it
_INDEX_LEVEL: Final = 3  # a third of the time of the level above it, for one per cent of a shard of small contents


@dataclass(frozen=True, slots=True)
class ShardSpec:
    """Which shard and minishard a number belongs to, and how indexes and contents are compressed.

    Attributes
    ----------
    preshift_bits : int
        Low bits that do not count: numbers that differ in them only are in one minishard.
    hash : str
        ``identity`` or ``murmurhash3_x86_128``.
    minishard_bits, shard_bits : int
        Bits of the hash, lowest first, that name the minishard and the shard.
    minishard_index_encoding, data_encoding : str
        ``raw`` or ``gzip``.
    """

    preshift_bits: int = 0
    hash: str = "identity"
    minishard_bits: int = 0
    shard_bits: int = 0
    minishard_index_encoding: Encoding = "gzip"
    data_encoding: Encoding = "raw"

    def __post_init__(self) -> None:
        bits = (self.preshift_bits, self.minishard_bits, self.shard_bits)
        if min(bits) < 0 or self.preshift_bits > 63 or self.minishard_bits > 32 or sum(bits[1:]) > 64:
            raise InvalidInputError(f"{self}: bits beyond what 64 have")
        if self.hash not in _HASHES or {self.minishard_index_encoding, self.data_encoding} - set(_ENCODINGS):
            raise InvalidInputError(f"{self}: unknown hash or encoding")

    def document(self) -> dict[str, Any]:
        """The ``sharding`` of a document."""
        return {
            "@type": _TYPE,
            "preshift_bits": self.preshift_bits,
            "hash": self.hash,
            "minishard_bits": self.minishard_bits,
            "shard_bits": self.shard_bits,
            "minishard_index_encoding": self.minishard_index_encoding,
            "data_encoding": self.data_encoding,
        }

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> ShardSpec:
        """The reverse of :meth:`document`."""
        known = {name: document.get(name) for name in cls.__slots__}
        bits = [known[name] for name in ("preshift_bits", "minishard_bits", "shard_bits")]
        if document.get("@type") != _TYPE or not all(type(n) is int for n in bits):
            raise InvalidInputError(f"{dict(document)!r:.200} is no sharding")
        known |= {name: known[name] or "raw" for name in ("minishard_index_encoding", "data_encoding")}
        return cls(**known)  # type: ignore[arg-type]

    def locate(self, keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Shard and minishard of each number, (n,) each."""
        hashed = np.asarray(keys, np.uint64) >> np.uint64(self.preshift_bits)
        if self.hash != "identity":
            hashed = hash_keys(hashed)
        shard = hashed >> np.uint64(self.minishard_bits) if self.minishard_bits < 64 else hashed
        shard &= np.uint64((1 << self.shard_bits) - 1)
        return shard.astype(np.int64), (hashed & np.uint64((1 << self.minishard_bits) - 1)).astype(np.int64)

    def file_name(self, shard: int) -> str:
        """Name of the file of a shard."""
        return f"{shard:0{-(-self.shard_bits // 4)}x}.shard"


def choose_spec(
    count: int,
    total_bytes: int,
    *,
    keys: NDArray[np.uint64] | None = None,
    highest: int | None = None,
    shard_bytes: int = _SHARD_BYTES,
    data_encoding: Encoding = "raw",
) -> ShardSpec:
    """Shards of about `shard_bytes`, 4,096 at most, with about 1,000 numbers in each minishard.

    Where it can be, shard and minishard are the highest bits that numbers have: neighbours stay together, and contents
    that come in the order of their numbers fill one shard after the other. Where numbers lie so unevenly that a
    minishard would get more than 16,384 of them, such as ``level << 58 | chunk << 32 | row``, a hash deals them out,
    in groups of neighbours that are as large as the same limit allows: all rows of a chunk where chunks are small.

    Parameters
    ----------
    count, total_bytes : int
        Of all contents, or about so.
    keys : (m,) uint64 array, optional
        The numbers, or an even sample of them; without them they are taken to lie evenly.
    highest : int, optional
        The greatest number there can be; by default the greatest of `keys`, else ``count - 1``.
    shard_bytes : int
    data_encoding : {"raw", "gzip"}
    """
    wanted = max(0, -(-count // _PER_MINISHARD) - 1).bit_length()
    shard_bits = min(max(0, -(-total_bytes // shard_bytes) - 1).bit_length(), _MOST_SHARD_BITS)
    minishard_bits = min(max(0, wanted - shard_bits), _MOST_MINISHARD_BITS)
    if highest is None:
        highest = int(keys.max()) if keys is not None and len(keys) else max(0, count - 1)
    used = highest.bit_length()
    shard_bits = min(shard_bits, used)
    minishard_bits = min(minishard_bits, used - shard_bits)
    preshift = min(used - shard_bits - minishard_bits, 63)
    plain = ShardSpec(preshift, "identity", minishard_bits, shard_bits, "gzip", data_encoding)
    if keys is None or not len(keys):
        return plain
    few = np.asarray(keys, np.uint64)[:: -(-len(keys) // _SAMPLE)]
    most = max(1.0, _FULLEST * len(few) / max(count, len(few)))
    if _fullest(plain, few) <= most:
        return plain
    for preshift in range(48, 0, -4):
        hashed = ShardSpec(preshift, _HASHES[1], minishard_bits, shard_bits, "gzip", data_encoding)
        if _fullest(hashed, few) <= most:
            return hashed
    return ShardSpec(0, _HASHES[1], minishard_bits, shard_bits, "gzip", data_encoding)


def choose_encoding(contents: EncodedRecords) -> Encoding:
    """How contents such as these are stored: compressed where that saves a quarter.

    Skeletons of networks do, for their edges and categories; those of lines with a direction at each vertex do not.
    """
    pieces = _compress(contents, np.zeros(len(contents), np.int64))
    return "gzip" if sum(map(len, pieces)) <= _WORTH * contents.nbytes else "raw"


def _fullest(spec: ShardSpec, keys: NDArray[np.uint64]) -> int:
    """How many of the numbers the fullest minishard has."""
    shards, minishards = spec.locate(keys)
    places = np.sort((shards << spec.minishard_bits) | minishards)
    return int(np.diff(np.flatnonzero(np.concatenate(([True], places[1:] != places[:-1], [True])))).max())


@dataclass(slots=True, eq=False)
class ShardWriter:
    """One shard file, written as its contents come.

    Every call gives bytes that belong behind those of the calls before; at last :meth:`finish` gives the end of the
    file and its beginning, whose place, the first :attr:`head_size` bytes, is to be kept free.

    Attributes
    ----------
    spec : ShardSpec
    shard : int
    """

    spec: ShardSpec
    shard: int
    _keys: list[NDArray[np.uint64]] = field(default_factory=list)
    _minishards: list[NDArray[np.int64]] = field(default_factory=list)
    _starts: list[NDArray[np.int64]] = field(default_factory=list)
    _sizes: list[NDArray[np.int64]] = field(default_factory=list)
    _end: int = 0

    @property
    def head_size(self) -> int:
        """Bytes of the beginning of the file."""
        return 16 << self.spec.minishard_bits

    def add(
        self, keys: NDArray[np.uint64], contents: EncodedRecords, heads: NDArray[np.int64] | None = None
    ) -> list[memoryview | bytes]:
        """Take some contents in; returns what is to be written, in order.

        Parameters
        ----------
        keys : (n,) uint64 array
            Numbers of the contents, all of this shard.
        contents : EncodedRecords
        heads : (n,) int64 array, optional
            Bytes at the beginning of each content that stand before what is found by its number: the fragments of a
            mesh before its manifest. They are never compressed.

        Raises
        ------
        InvalidInputError
            A number belongs to another shard, or does not come after those before it in its minishard.
        """
        keys = np.asarray(keys, np.uint64)
        shards, minishards = self.spec.locate(keys)
        if len(keys) != len(contents) or (shards != self.shard).any():
            raise InvalidInputError(f"{len(keys)} numbers of {len(contents)} contents, not all of shard {self.shard}")
        sizes, skipped = contents.sizes, np.zeros(len(keys), np.int64) if heads is None else heads
        pieces: list[memoryview | bytes] = [contents.buffer.data]
        if self.spec.data_encoding == "gzip":
            pieces = _compress(contents, skipped)
            joined = np.array([len(piece) for piece in pieces], np.int64).reshape(-1, 2)
            sizes = joined.sum(axis=1)
        starts = self._end + offsets_of(sizes)
        self._keys.append(keys)
        self._minishards.append(minishards)
        self._starts.append(starts[:-1] + skipped)
        self._sizes.append(sizes - skipped)
        self._end = int(starts[-1])
        return pieces

    def finish(self) -> tuple[bytes, bytes]:
        """The end of the file, and its beginning.

        Raises
        ------
        InvalidInputError
            Numbers occur twice, or did not come in order.
        """
        keys = np.concatenate([np.empty(0, np.uint64), *self._keys])
        starts = np.concatenate([np.empty(0, np.int64), *self._starts])
        sizes = np.concatenate([np.empty(0, np.int64), *self._sizes])
        minishards = np.concatenate([np.empty(0, np.int64), *self._minishards])
        if (minishards[1:] < minishards[:-1]).any():
            narrow = np.uint16 if self.spec.minishard_bits <= 16 else np.int64  # sorted by counting, not by comparing
            order = np.argsort(minishards.astype(narrow), kind="stable")
            keys, starts, sizes, minishards = (held.take(order) for held in (keys, starts, sizes, minishards))
        follows = np.flatnonzero(minishards[1:] == minishards[:-1]) + 1
        if (keys[follows] <= keys[follows - 1]).any():
            raise InvalidInputError(f"numbers of shard {self.shard} do not come in ascending order")
        is_first = np.ones(len(keys), bool)
        is_first[follows] = False
        key_steps, offset_steps = keys.copy(), starts.copy()
        key_steps[follows] -= keys[follows - 1]
        offset_steps[follows] -= starts[follows - 1] + sizes[follows - 1]
        bounds = np.append(np.flatnonzero(is_first), len(keys)).tolist()
        table = np.stack((key_steps, offset_steps.view(np.uint64), sizes.view(np.uint64)))
        indexes = [self._index(table[:, a:b]) for a, b in pairwise(bounds)]
        ends = self._end + offsets_of([len(index) for index in indexes])
        head = np.zeros((1 << self.spec.minishard_bits, 2), "<u8")
        head[minishards[is_first]] = np.stack((ends[:-1], ends[1:]), axis=1)
        return b"".join(indexes), head.tobytes()

    def _index(self, table: NDArray[np.uint64]) -> bytes:
        plain = np.ascontiguousarray(table, "<u8").tobytes()
        return _gzip(plain, _INDEX_LEVEL) if self.spec.minishard_index_encoding == "gzip" else plain


def encode_shard(
    spec: ShardSpec,
    shard: int,
    keys: NDArray[np.uint64],
    contents: EncodedRecords,
    heads: NDArray[np.int64] | None = None,
) -> bytes:
    """The whole file of a shard whose contents are at hand, in any order; as :class:`ShardWriter` takes them."""
    order = np.argsort(np.asarray(keys, np.uint64), kind="stable")
    if (order[1:] < order[:-1]).any():
        keys, contents, heads = keys[order], contents.take(order), None if heads is None else heads[order]
    writer = ShardWriter(spec, shard)
    body = writer.add(keys, contents, heads)
    tail, head = writer.finish()
    return b"".join((head, *body, tail))


def hash_keys(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The low 64 bits of MurmurHash3_x86_128 (A. Appleby, public domain) of numbers of 8 bytes, with the seed 0."""
    c1, c2, c3 = np.uint32(0x239B961B), np.uint32(0xAB0E9789), np.uint32(0x38B34AE5)
    low, high = keys.astype(np.uint32), (keys >> np.uint64(32)).astype(np.uint32)
    k2 = _rotate(high * c2, 16) * c3
    k1 = _rotate(low * c1, 15) * c2
    size = np.uint32(8)
    h1, h2 = k1 ^ size, k2 ^ size
    h1 = h1 + h2 + size + size
    h2, h3 = h2 + h1, h1 + size
    h1, h2, h3 = _mix(h1), _mix(h2), _mix(h3)
    h1 = h1 + h2 + h3 + h3  # the third and the fourth part are the same for 8 bytes
    h2 = h2 + h1
    return h1.astype(np.uint64) | (h2.astype(np.uint64) << np.uint64(32))


def _rotate(values: NDArray[np.uint32], bits: int) -> NDArray[np.uint32]:
    return (values << np.uint32(bits)) | (values >> np.uint32(32 - bits))


def _mix(h: NDArray[np.uint32]) -> NDArray[np.uint32]:
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return h ^ (h >> np.uint32(16))


def _gzip(data: bytes | memoryview, level: int = _GZIP_LEVEL) -> bytes:
    return gzip.compress(data, level, mtime=0)  # without the time, so that equal contents give equal files


def _compress(contents: EncodedRecords, heads: NDArray[np.int64]) -> list[memoryview | bytes]:
    """Head and compressed rest of each content."""
    data, bounds = contents.buffer.data, contents.offsets.tolist()
    out: list[memoryview | bytes] = []
    for start, end, head in zip(bounds, bounds[1:], heads.tolist(), strict=False):
        out += [data[start : start + head], _gzip(data[start + head : end])]
    return out
