"""Whole typed arrays, not split by chunks of space (format reference 7.4, 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError, UnsupportedError
from zvview.format.values import as_int_list, as_mapping, wrong
from zvview.store.cell_arrays import key_encoding
from zvview.store.codecs import ArrayCodecs, decode_wave, parse_codecs
from zvview.store.hierarchy import Hierarchy, document_key

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "ArrayShape",
    "check_size",
    "document_of",
    "fill_value_of",
    "is_plain_bytes",
    "native_dtype",
    "read_plain_array",
]

# Chunks that hold nothing but the fill value are not stored, so that the shape alone may announce more than any memory
# holds: at most this much, and 64 times what is really there, is allocated.
_FREE_BYTES = 256 << 20
_MOST_FILL = 64
_MOST_CHUNKS = 1 << 20


class ArrayShape:
    """Shape, chunks and keys of a plain array's document.

    Attributes
    ----------
    path : str
    shape, chunk : tuple of int
        Of the array, and of each chunk.
    counts : tuple of int
        Chunks along each axis.

    Raises
    ------
    DamagedError
        A document that tells no such thing, or of far too many chunks.
    """

    def __init__(self, path: str, document: Mapping[str, Any]) -> None:
        part = "array metadata"
        try:
            if document.get("node_type") != "array":
                raise wrong(part, "node_type", document.get("node_type"), "an array")
            self.shape = as_int_list(document.get("shape"), part, "shape")
            grid = as_mapping(document.get("chunk_grid"), part, "chunk_grid")
            configuration = as_mapping(grid.get("configuration"), part, "chunk_grid")
            self.chunk = as_int_list(configuration.get("chunk_shape"), part, "chunk_shape", len(self.shape))
            if any(n < 0 for n in self.shape) or any(n < 1 for n in self.chunk):
                raise wrong(part, "shape", self.shape, "sizes of zero or more, in chunks of one or more")
            self.separator, self.prefix = key_encoding(document)
        except DamagedError as error:
            raise error.at(path) from None
        self.path = path
        self.counts = tuple(-(-n // c) for n, c in zip(self.shape, self.chunk, strict=True))
        if prod(self.counts) > _MOST_CHUNKS:
            found = f"{prod(self.counts)} chunks"
            raise DamagedError(part, found=found, expected=f"at most {_MOST_CHUNKS}", array=path)

    def key(self, index: Sequence[int]) -> str:
        """The key of a chunk."""
        return f"{self.path}/{self.prefix}{self.separator.join(map(str, index))}".rstrip("/")


def read_plain_array(
    hierarchy: Hierarchy, path: str, document: Mapping[str, Any], cancel: CancelToken | None = None
) -> NDArray[Any]:
    """The whole array at `path`.

    Raises
    ------
    DamagedError
        Chunks of a wrong size, or a shape far beyond what the chunks hold.
    """
    layout = ArrayShape(path, document)
    indexes = list(product(*map(range, layout.counts)))
    cells = hierarchy.source.get_many([(layout.key(i), None) for i in indexes], cancel)
    try:
        codecs = parse_codecs(document.get("codecs") or [], array=path)
        dtype = native_dtype(document.get("data_type")) if is_plain_bytes(codecs) else None
    except UnsupportedError:
        dtype = None
    if dtype is None:
        return _read_by_zarr(layout, document, indexes, cells)
    try:
        raw = decode_wave(cells, [codecs.chain] * len(cells))
    except DamagedError as error:
        raise error.at(path, [layout.key(i) for i in indexes]) from None
    size = prod(layout.chunk) * dtype.itemsize
    if bad := [i for i, data in enumerate(raw) if data is not None and memoryview(data).nbytes != size]:
        found = f"{memoryview(raw[bad[0]]).nbytes} bytes"  # type: ignore[arg-type]
        raise DamagedError("chunk", found=found, expected=f"{size}", array=path, cell=layout.key(indexes[bad[0]]))
    check_size(layout, dtype.itemsize, sum(memoryview(d).nbytes for d in raw if d is not None))
    if len(raw) == 1 and raw[0] is not None and layout.shape == layout.chunk:
        return np.frombuffer(memoryview(raw[0]), dtype).reshape(layout.shape)
    out = np.full(layout.shape, fill_value_of(document, dtype), dtype)
    for index, data in zip(indexes, raw, strict=True):
        if data is not None:
            spans = [
                slice(i * c, min((i + 1) * c, n)) for i, c, n in zip(index, layout.chunk, layout.shape, strict=True)
            ]
            block = np.frombuffer(memoryview(data), dtype).reshape(layout.chunk)
            out[tuple(spans)] = block[tuple(slice(0, s.stop - s.start) for s in spans)]
    return out


def is_plain_bytes(codecs: ArrayCodecs) -> bool:
    """Whether chunks, decompressed, are the little-endian values one after the other."""
    return codecs.serializer == "bytes" and codecs.endian in ("little", None) and codecs.shard is None


def native_dtype(data_type: object) -> np.dtype[Any] | None:
    """The numpy dtype of a Zarr data type that is numbers, or None."""
    if isinstance(data_type, str) and data_type in _NUMERIC:
        return np.dtype(data_type).newbyteorder("<")
    return None


_NUMERIC = frozenset(
    ["bool", "float16", "float32", "float64", *(f"{s}int{b}" for s in ("", "u") for b in (8, 16, 32, 64))]
)


def fill_value_of(document: Mapping[str, Any], dtype: np.dtype[Any]) -> Any:
    """The ``fill_value`` of a numeric array's document as a scalar."""
    value = document.get("fill_value", 0)
    special = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}
    try:
        if isinstance(value, list | dict):
            raise TypeError("no scalar")
        if isinstance(value, str) and value.startswith("0x") and dtype.kind == "f":
            return dtype.type(np.frombuffer(bytes.fromhex(value[2:]), dtype.newbyteorder(">")).item())
        return dtype.type(special.get(value, value) if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError):
        raise wrong("array metadata", "fill_value", value, f"a value of {dtype.name}") from None


def check_size(layout: ArrayShape, itemsize: int, present: int) -> None:
    """Refuse a shape of far more bytes than the `present` ones of chunks that are there."""
    announced = prod(layout.shape) * itemsize
    if announced > _FREE_BYTES + _MOST_FILL * present:
        found = f"shape {layout.shape} for {present} bytes of chunks"
        raise DamagedError("array", found=found, expected="a shape that the chunks fill", array=layout.path)


def _read_by_zarr(
    layout: ArrayShape, document: Mapping[str, Any], indexes: list[tuple[int, ...]], cells: Sequence[Buffer | None]
) -> NDArray[Any]:
    """Text, shards, other byte orders and codecs of others: zarr decodes what was read, from memory."""
    from zarr.core.buffer import default_buffer_prototype

    buffer = default_buffer_prototype().buffer
    present = sum(memoryview(c).nbytes for c in cells if c is not None)
    check_size(layout, 4, present)
    try:
        held = {
            layout.key(i)[len(layout.path) + 1 :]: buffer.from_bytes(bytes(c))
            for i, c in zip(indexes, cells, strict=True)
            if c is not None
        }
        held["zarr.json"] = buffer.from_bytes(_json(document))
        array = zarr.open_array(zarr.storage.MemoryStore(held), mode="r", zarr_format=3)
        return np.asarray(array[...])
    except Exception as error:  # whatever zarr and its codecs raise over bytes they cannot read
        found = f"{type(error).__name__}: {error}"[:200]
        raise DamagedError("array", found=found, expected="an array that zarr can read", array=layout.path) from error


def _json(document: Mapping[str, Any]) -> bytes:
    import json

    return json.dumps(document).encode()


def document_of(hierarchy: Hierarchy, path: str) -> Mapping[str, Any]:
    """The document of an array that must be there."""
    document = hierarchy.document(path)
    if document is None:
        raise DamagedError("array", found="nothing", expected="an array", array=document_key(path))
    return document
