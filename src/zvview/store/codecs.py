"""Compressors and checksums, undone and applied for whole waves of cells.

zstd, by far the most frequent, goes through one batch call for all cells of all arrays of a wave: numcodecs spends 22
microseconds per call before it decodes a byte. What a cell announces is checked against a budget before anything is
allocated; other codecs run bounded, one cell at a time (:mod:`zvview.store.bounded_codecs`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numcodecs  # type: ignore[import-untyped]
import numpy as np
import zstandard

from zvview.errors import DamagedError, UnsupportedError
from zvview.store.array_codecs import ArrayCodecs, Codec, CodecChain, ShardLayout, codec_document, parse_codecs
from zvview.store.bounded_codecs import BadCell, decode_bounded
from zvview.store.registered_codecs import run_registered

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "ArrayCodecs",
    "Codec",
    "CodecChain",
    "ShardLayout",
    "codec_document",
    "decode_wave",
    "encode_wave",
    "parse_codecs",
]

CELL_LIMIT = 1 << 30
"""Most bytes one cell may decode to: a thousand times the cells the format recommends (0.25 to 1 MB)."""
CELL_FLOOR = 64 << 20
"""What a cell may decode to whatever its compressed size: a cell of equal values shrinks 10,000 times, honestly."""
CELL_RATIO = 1000
"""Above :data:`CELL_FLOOR`, how many times its compressed size a cell may have: a bomb needs more, data do not."""
WAVE_LIMIT = 4 << 30
"""Most bytes a wave may decode to where the caller sets no budget."""

_THREADS_FROM_BYTES = 1 << 20  # below it the threads' start costs more than they save
_ZSTD = frozenset({"zstd", "numcodecs.zstd"})
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_kept = threading.local()


def decode_wave(
    cells: Sequence[Buffer | None], chains: Sequence[CodecChain], *, limit_bytes: int = WAVE_LIMIT
) -> list[Buffer | None]:
    """Undo the compressors of all cells of a wave.

    Parameters
    ----------
    cells : sequence of buffer or None
        Encoded cells of any number of arrays; None stays None.
    chains : sequence of CodecChain
        The chain of each cell.
    limit_bytes : int
        Most bytes the wave may decode to.

    Returns
    -------
    list of buffer or None
        In order. Cells with an empty chain are the very objects given; zstd cells are views into buffers that the wave
        shares, so copy what is to be kept longer than its neighbours.

    Raises
    ------
    DamagedError
        Its ``cells`` are the indices of those that cannot be undone or are over the budget; the others can be asked for
        again without them (which may bring more to light, since announced sizes are looked at first).
    UnsupportedError
        A codec that is not known here.
    """
    work: list[Buffer | None] = list(cells)
    groups: dict[CodecChain, list[int]] = {}
    for i, (cell, chain) in enumerate(zip(cells, chains, strict=True)):
        if chain.codecs and cell is not None:
            groups.setdefault(chain, []).append(i)
    budget = limit_bytes
    for stage in range(max((len(chain.codecs) for chain in groups), default=0)):
        batch: list[int] = []
        for chain, indices in groups.items():
            if stage < len(chain.codecs):
                codec = chain.codecs[-1 - stage]
                if codec.name in _ZSTD:
                    batch += indices
                else:
                    budget -= _decode_each(codec, work, indices, budget)
        budget -= _decode_zstd(work, sorted(batch), budget)
    return work


def encode_wave(cells: Sequence[Buffer | None], chain: CodecChain) -> list[Buffer | None]:
    """Apply `chain` to each cell; None stays None.

    Raises
    ------
    UnsupportedError
        A codec that is not known here, or not with its configuration.
    """
    work: list[Buffer | None] = list(cells)
    present = [i for i, cell in enumerate(cells) if cell is not None]
    for codec in chain.codecs:
        for i, encoded in zip(present, _encode([work[i] for i in present], codec), strict=True):
            work[i] = encoded
    return work


def _cell_limit(nbytes: int) -> int:
    return min(CELL_LIMIT, max(CELL_FLOOR, CELL_RATIO * nbytes))


def _decode_each(codec: Codec, work: list[Buffer | None], indices: Iterable[int], budget: int) -> int:
    """Undo one codec cell by cell; returns the bytes made."""
    bad: dict[int, BadCell] = {}
    made, configuration = 0, codec.configuration
    for i in indices:
        data = _bytes_of(work[i])
        try:
            limit = min(_cell_limit(data.nbytes), budget - made)
            work[i] = out = decode_bounded(codec.name, configuration, data, limit)
        except BadCell as error:
            bad[i] = error
        else:
            made += memoryview(out).nbytes
    _raise_bad(bad)
    return made


def _decode_zstd(work: list[Buffer | None], indices: list[int], budget: int) -> int:
    """Undo zstd for all cells at once; returns the bytes made."""
    bad: dict[int, BadCell] = {}
    simple, odd, total = [], [], 0
    for i in indices:
        data = _bytes_of(work[i])
        size = _announced_size(data)
        if not size:  # unknown, or empty: zstandard's batch decoder frees the buffer of empty frames twice
            odd.append(i)
            continue
        total += size
        if size > _cell_limit(data.nbytes) or total > budget:
            total -= size
            bad[i] = BadCell(f"{size} bytes announced by {data.nbytes}", f"at most {_cell_limit(data.nbytes)} a cell")
        else:
            simple.append(i)
    _raise_bad(bad)
    frames: list[bytes | bytearray | memoryview] = [_bytes_of(work[i]) for i in simple]
    try:
        decoded: Any = (
            _decompressor().multi_decompress_to_buffer(frames, threads=2 if total >= _THREADS_FROM_BYTES else 0)
            if frames
            else ()
        )
    except (zstandard.ZstdError, ValueError):
        odd, total = indices, 0  # one by one, to tell which
    else:
        for k, i in enumerate(simple):
            work[i] = memoryview(decoded[k])
    return total + _decode_each(Codec("zstd"), work, odd, budget - total) if odd else total


def _announced_size(data: memoryview) -> int | None:
    """Content size of a cell that is one plain zstd frame with its size in the header, else None.

    The frame's blocks are walked to its end (a block holds 128 kB, so this is a step or a few): the batch decoder
    ignores what follows the first frame, and a cell of two frames would come out short without a word.
    """
    if data.nbytes < 9 or data[:4] != _ZSTD_MAGIC:
        return None
    try:
        header = zstandard.get_frame_parameters(data)
        at = zstandard.frame_header_size(data)
    except zstandard.ZstdError:
        return None
    if header.content_size >= zstandard.CONTENTSIZE_ERROR or header.dict_id:
        return None
    last = 0
    while not last:
        block = int.from_bytes(data[at : at + 3], "little")
        last = block & 1
        at += 4 if block & 6 == 2 else 3 + (block >> 3)
        if at > data.nbytes:
            return None
    return int(header.content_size) if at + 4 * header.has_checksum == data.nbytes else None


def _encode(cells: list[Buffer | None], codec: Codec) -> list[Any]:
    configuration = codec.configuration
    views: list[bytes | bytearray | memoryview] = [_bytes_of(cell) for cell in cells]
    name = codec.name.removeprefix("numcodecs.")
    if codec.name in _ZSTD:
        total = sum(map(len, views))
        encoded: list[Any] = [b""] * len(views)
        full = [i for i, view in enumerate(views) if len(view)]  # the batch call loses its place at empty cells
        engine = zstandard.ZstdCompressor(
            level=int(configuration.get("level", 0)), write_checksum=bool(configuration.get("checksum", False))
        )
        if full:
            threads = 2 if total >= _THREADS_FROM_BYTES else 0
            batch: Any = engine.multi_compress_to_buffer([views[i] for i in full], threads=threads)
            for k, i in enumerate(full):
                encoded[i] = memoryview(batch[k])
        return [cell if len(cell) else engine.compress(b"") for cell in encoded]
    if name == codec.name:  # zarr's own names carry zarr's own configuration
        return [run_registered(name, configuration, view, encode=True) for view in views]
    try:
        engine = numcodecs.get_codec({"id": name, **configuration})
    except (ValueError, TypeError) as error:
        raise UnsupportedError(f"the codec {codec.name!r} with {configuration}: {error}") from error
    return [bytes(engine.encode(np.frombuffer(view, "u1"))) for view in views]


def _bytes_of(cell: Buffer | None) -> memoryview:
    return memoryview(b"" if cell is None else cell).cast("B")


def _decompressor() -> zstandard.ZstdDecompressor:
    if not hasattr(_kept, "zstd"):
        _kept.zstd = zstandard.ZstdDecompressor()
    engine: zstandard.ZstdDecompressor = _kept.zstd
    return engine


def _raise_bad(bad: dict[int, BadCell]) -> None:
    if bad:
        first = bad[min(bad)]
        raise DamagedError("compressed cell", found=first.found, expected=first.expected, cells=sorted(bad))
