"""Undoing one compressed cell with a bound on its output, for all codecs but the batched zstd path.

Compressed bytes announce, or simply produce, any size they like. Each decoder here either checks the announced size
before anything is allocated or feeds its engine so little input at a time that the output cannot run away.
Failures are :class:`BadCell` with a plain reason; :mod:`zvview.store.codecs` knows which cell it was.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import google_crc32c
import numcodecs  # type: ignore[import-untyped]
import numcodecs.blosc  # type: ignore[import-untyped]
import numpy as np
import zstandard

from zvview.errors import UnsupportedError
from zvview.store.registered_codecs import run_registered

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["BadCell", "decode_bounded"]

# Largest expansions: zlib 1,032 times; zstd one 128 kB block from 4 bytes, so 32 MB from 1 kB; lz4 255 times.
_ZLIB_FEED, _ZSTD_FEED, _LZ4_RATIO = 16_384, 1_024, 255
_LZMA_MEMORY = 256 << 20


class BadCell(Exception):  # noqa: N818 - a verdict, caught by codecs.py
    """Why one compressed cell cannot be undone: what was found, what was expected."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(found, expected)
        self.found, self.expected = found, expected


def decode_bounded(name: str, configuration: dict[str, Any], data: memoryview, limit: int) -> Buffer:
    """The bytes that codec `name` made `data` from, at most `limit` of them.

    Parameters
    ----------
    name : str
        Name in ``zarr.json``, with or without the ``numcodecs.`` in front.
    configuration : dict
        As in ``zarr.json``.
    data : memoryview
        (n,) bytes.
    limit : int
        Most bytes the result may have.

    Raises
    ------
    BadCell
        The bytes are not what the codec writes, or hold more than `limit`.
    UnsupportedError
        No library here knows the codec.
    """
    try:
        match name.removeprefix("numcodecs."):
            case "zstd":
                return _zstd(data, limit)
            case "gzip":
                return _stream(lambda: zlib.decompressobj(31), data, limit)
            case "zlib":
                return _stream(lambda: zlib.decompressobj(15), data, limit)
            case "bz2":
                return _stream(bz2.BZ2Decompressor, data, limit)
            case "lzma":
                return _stream(lambda: _lzma_engine(configuration), data, limit)
            case "blosc":
                return _blosc(data, limit)
            case "lz4":
                return _lz4(data, limit)
            case "crc32c" if name == "crc32c":
                return _crc32c(data)
            case plain if name != plain:
                return _numcodecs(plain, configuration, data)
    except (zlib.error, OSError, lzma.LZMAError, EOFError, zstandard.ZstdError, ValueError, RuntimeError) as error:
        raise BadCell(str(error), f"bytes written by {name}") from error
    return _registered(name, configuration, data, limit)


def _over(limit: int) -> BadCell:
    return BadCell(f"a cell of more than {limit} bytes", f"at most {limit} from so few compressed ones")


def _stream(make: Callable[[], Any], data: memoryview, limit: int) -> bytes:
    """Concatenated streams of zlib, gzip, bz2 or lzma; zeros after the last one are padding."""
    out: list[bytes] = []
    total, engine, begun = 0, make(), False
    for start in range(0, data.nbytes, _ZLIB_FEED):
        piece: bytes | memoryview = data[start : start + _ZLIB_FEED]
        while len(piece):
            if not begun and out and not bytes(piece).strip(b"\0"):
                break
            got = engine.decompress(piece, limit - total + 1)
            begun = True
            out.append(got)
            total += len(got)
            if total > limit:
                raise _over(limit)
            if not engine.eof:
                break
            piece, engine, begun = engine.unused_data, make(), False
    if begun or not out:
        raise BadCell(f"a stream that breaks off after {total} bytes", "a complete one")
    return b"".join(out)


def _lzma_engine(configuration: dict[str, Any]) -> lzma.LZMADecompressor:
    kind = configuration.get("format", lzma.FORMAT_XZ)
    if kind not in (lzma.FORMAT_AUTO, lzma.FORMAT_XZ, lzma.FORMAT_ALONE):
        raise UnsupportedError(f"the codec 'numcodecs.lzma' with format {kind!r}, which has no end of its own")
    return lzma.LZMADecompressor(format=kind, memlimit=_LZMA_MEMORY)


def _zstd(data: memoryview, limit: int) -> bytes:
    """Frames without a content size, and several frames in a row."""
    out: list[bytes] = []
    total, rest = 0, data
    while rest.nbytes or not out:
        engine = zstandard.ZstdDecompressor().decompressobj()
        start = 0
        while not engine.eof:
            if start >= rest.nbytes:
                raise BadCell(f"a zstd frame that breaks off after {total} bytes", "a complete one")
            got = engine.decompress(rest[start : start + _ZSTD_FEED])
            out.append(got)
            total += len(got)
            start += _ZSTD_FEED
            if total > limit:
                raise _over(limit)
        rest = rest[min(start, rest.nbytes) - len(engine.unused_data) :]
    return b"".join(out)


def _blosc(data: memoryview, limit: int) -> bytes:
    """A Blosc 1 buffer whose header and table of blocks were checked first: the C library trusts much of them."""
    if data.nbytes < 16:
        raise BadCell(f"{data.nbytes} bytes", "a blosc header of 16")
    version, _, flags, typesize, nbytes, blocksize, cbytes = struct.unpack_from("<BBBBIII", data)
    if version not in (1, 2) or typesize == 0 or cbytes != data.nbytes:
        raise BadCell(f"a blosc header of version {version}, {cbytes} bytes", f"version 2, {data.nbytes} bytes")
    if nbytes > limit:
        raise _over(limit)
    if nbytes == 0:
        return b""
    if not 0 < blocksize <= nbytes:
        raise BadCell(f"blosc blocks of {blocksize} bytes", f"1 to {nbytes}")
    if flags & 0x02:  # stored as it was
        if cbytes != nbytes + 16:
            raise BadCell(f"{cbytes - 16} stored bytes", f"{nbytes}")
        return bytes(data[16:])
    blocks = -(-nbytes // blocksize)
    if 16 + 4 * blocks > cbytes:
        raise BadCell(f"{blocks} blosc blocks in {cbytes} bytes", "a table of blocks that fits")
    starts = np.frombuffer(data, "<u4", blocks, 16)
    if starts.min() < 16 + 4 * blocks or int(starts.max()) + 4 > cbytes:
        raise BadCell("a blosc block outside the cell", "blocks after the table and before the end")
    out = numcodecs.blosc.decompress(data)
    if len(out) != nbytes:
        raise BadCell(f"{len(out)} bytes", f"the {nbytes} of the header")
    return bytes(out)


def _lz4(data: memoryview, limit: int) -> bytes:
    """An LZ4 block behind the four bytes of its size, as numcodecs writes it."""
    if data.nbytes < 4:
        raise BadCell(f"{data.nbytes} bytes", "the size of an lz4 block")
    announced = int.from_bytes(data[:4], "little")
    if announced > min(limit, _LZ4_RATIO * data.nbytes):
        raise BadCell(f"{announced} bytes announced", f"at most {min(limit, _LZ4_RATIO * data.nbytes)}")
    if announced == 0:
        return b""
    return bytes(numcodecs.get_codec({"id": "lz4"}).decode(data))


def _crc32c(data: memoryview) -> memoryview:
    if data.nbytes < 4:
        raise BadCell(f"{data.nbytes} bytes", "a crc32c of four")
    body, stored = data[:-4], int.from_bytes(data[-4:], "little")
    if (crc := int(google_crc32c.value(bytes(body)))) != stored:
        raise BadCell(f"crc32c {stored:#010x}", f"{crc:#010x}, that of the bytes before it")
    return body


def _numcodecs(name: str, configuration: dict[str, Any], data: memoryview) -> Buffer:
    """Checksums and shuffles: their output is no larger than their input."""
    if name not in {"crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3", "shuffle"}:
        raise UnsupportedError(f"the codec 'numcodecs.{name}' is not one that zvview reads")
    if name == "shuffle" and data.nbytes % max(1, int(configuration.get("elementsize", 4))):
        raise BadCell(f"{data.nbytes} shuffled bytes", f"a multiple of {configuration.get('elementsize', 4)}")
    return memoryview(numcodecs.get_codec({"id": name, **configuration}).decode(np.frombuffer(data, "u1"))).cast("B")


def _registered(name: str, configuration: dict[str, Any], data: memoryview, limit: int) -> bytes:
    """Whatever else zarr has been taught, through its own codec class; bounded only after the fact."""
    try:
        out = run_registered(name, configuration, data, encode=False)
    except UnsupportedError:
        raise
    except Exception as error:  # a foreign codec may raise anything about bad bytes
        raise BadCell(str(error), f"bytes written by {name}") from error
    if len(out) > limit:
        raise _over(limit)
    return out
