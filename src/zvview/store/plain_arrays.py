"""Whole arrays, not split by chunks of space: typed ones, and 1-D ones of byte rows (format reference 7.4, 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise, product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError, UnsupportedError
from zvview.format.cells import RowTable, split_rows, spread
from zvview.format.sequences import distinct, offsets_of
from zvview.format.values import as_int_list, as_mapping, wrong
from zvview.store.cell_arrays import key_encoding
from zvview.store.codecs import ArrayCodecs, CodecChain, decode_wave, parse_codecs
from zvview.store.hierarchy import Hierarchy, document_key

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ByteRows", "EncodedRows", "NumberCells", "fill_value_of", "native_dtype", "read_plain_array"]

# Chunks that hold nothing but the fill value are not stored, so that the shape alone may announce more than any memory
# holds: at most this much, and 64 times what is really there, is allocated.
_FREE_BYTES = 256 << 20
_MOST_FILL = 64
_MOST_CHUNKS = 1 << 20
_FEW_ROWS = 16  # of so many rows of their cells one is wanted: these are copied, and not the cells
_LONG_ROW = 256  # bytes of a row from which rows are copied one by one
_MOST_CELL_ROWS = 1 << 21  # of cells that are read one by one; larger ones get the checks that a whole array gets


class _ArrayShape:
    """Shape, chunks and keys of a plain array's document."""

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
    layout = _ArrayShape(path, document)
    indexes = list(product(*map(range, layout.counts)))
    cells = hierarchy.source.get_many([(layout.key(i), None) for i in indexes], cancel)
    try:
        codecs = parse_codecs(document.get("codecs") or [], array=path)
        dtype = native_dtype(document.get("data_type")) if _is_simple(codecs) else None
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
    _check_size(layout, dtype.itemsize, sum(memoryview(d).nbytes for d in raw if d is not None))
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


def _is_simple(codecs: ArrayCodecs) -> bool:
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


def _check_size(layout: _ArrayShape, itemsize: int, present: int) -> None:
    announced = prod(layout.shape) * itemsize
    if announced > _FREE_BYTES + _MOST_FILL * present:
        found = f"shape {layout.shape} for {present} bytes of chunks"
        raise DamagedError("array", found=found, expected="a shape that the chunks fill", array=layout.path)


def _read_by_zarr(
    layout: _ArrayShape, document: Mapping[str, Any], indexes: list[tuple[int, ...]], cells: Sequence[Buffer | None]
) -> NDArray[Any]:
    """Text, shards, other byte orders and codecs of others: zarr decodes what was read, from memory."""
    from zarr.core.buffer import default_buffer_prototype

    buffer = default_buffer_prototype().buffer
    present = sum(memoryview(c).nbytes for c in cells if c is not None)
    _check_size(layout, 4, present)
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


class NumberCells:
    """A 1-D array of integers, of which some chunks are read; those that were read are kept.

    Parameters
    ----------
    hierarchy : Hierarchy
    path : str
    document : mapping
        Its ``zarr.json``.
    chain : CodecChain
        Of its chunks, which are plain bytes of `dtype`.
    dtype : numpy.dtype

    Attributes
    ----------
    count, rows_per_cell : int
        Chunks that there are, and the rows of each but the last.
    """

    def __init__(
        self, hierarchy: Hierarchy, path: str, document: Mapping[str, Any], chain: CodecChain, dtype: np.dtype[Any]
    ) -> None:
        self._hierarchy, self._document, self._chain, self._dtype = hierarchy, document, chain, dtype
        self._layout = _ArrayShape(path, document)
        self.count, self.rows_per_cell = self._layout.counts[0], self._layout.chunk[0]
        self._kept: dict[int, NDArray[np.int64]] = {}

    @classmethod
    def open(cls, hierarchy: Hierarchy, path: str, document: Mapping[str, Any]) -> NumberCells | None:
        """The array; None where it is not read chunk by chunk: no integers up to 2**63 - 1, or huge chunks."""
        try:
            codecs = parse_codecs(document.get("codecs") or [], array=path)
        except UnsupportedError:
            return None
        dtype = native_dtype(document.get("data_type")) if _is_simple(codecs) else None
        if dtype is None or dtype.kind not in "iu" or dtype == np.uint64:
            return None
        out = cls(hierarchy, path, document, codecs.chain, dtype)
        return out if len(out._layout.shape) == 1 and out.rows_per_cell <= _MOST_CELL_ROWS else None

    def read(self, numbers: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The values of some chunks, which there are; of the last one those inside the array.

        Raises
        ------
        DamagedError
            A chunk that cannot be decoded, or is of another size.
        """
        layout, missing = self._layout, [n for n in numbers.tolist() if n not in self._kept]
        if missing:
            keys = [layout.key((n,)) for n in missing]
            try:
                raw = decode_wave(self._hierarchy.source.get_many([(k, None) for k in keys]), [self._chain] * len(keys))
            except DamagedError as error:
                raise error.at(layout.path, keys) from None
            for number, key, data in zip(missing, keys, raw, strict=True):
                used = min(self.rows_per_cell, layout.shape[0] - number * self.rows_per_cell)
                size = self.rows_per_cell * self._dtype.itemsize
                if data is None:
                    values = np.full(used, fill_value_of(self._document, self._dtype), self._dtype)
                elif memoryview(data).nbytes != size:
                    found = f"{memoryview(data).nbytes} bytes"
                    raise DamagedError("chunk", found=found, expected=f"{size}", array=layout.path, cell=key)
                else:
                    values = np.frombuffer(memoryview(data), self._dtype)[:used]
                self._kept[number] = values.astype(np.int64, copy=False)
        return [self._kept[n] for n in numbers.tolist()]

    def begin_with(self, other: NumberCells) -> bool:
        """Whether the values begin with all those of `other`, which are no more."""
        cells = (self, other)
        if len({c.rows_per_cell for c in cells}) > 1:
            values = [np.concatenate(c.read(np.arange(c.count)) or [np.empty(0, np.int64)]) for c in cells]
            return np.array_equal(values[0][: len(values[1])], values[1])
        numbers = np.arange(other.count)
        if self._document["codecs"] == other._document["codecs"] and self._dtype == other._dtype:
            ours, theirs = (
                c._hierarchy.source.get_many([(c._layout.key((n,)), None) for n in numbers.tolist()]) for c in cells
            )
            differs = [a is None or b is None or bytes(a) != bytes(b) for a, b in zip(ours, theirs, strict=True)]
            numbers = numbers[differs]
        pairs = zip(self.read(numbers), other.read(numbers), strict=True)
        return all(np.array_equal(a[: len(b)], b) for a, b in pairs)


class EncodedRows(bytes):
    """A chunk of byte rows as it is stored that still knows its rows, so that it is not decoded where it was made.

    Attributes
    ----------
    table : RowTable
    """

    table: RowTable

    @classmethod
    def of(cls, encoded: Buffer, table: RowTable) -> EncodedRows:
        """A chunk, given its bytes and where its rows lie in the decoded ones."""
        out = cls(encoded)
        out.table = table
        return out


class ByteRows:
    """A 1-D array of byte rows: manifests and groups. Chunks that were read are kept, with the offsets of their rows.

    Parameters
    ----------
    hierarchy : Hierarchy
    path : str
    document : mapping
        Its ``zarr.json``.
    """

    def __init__(self, hierarchy: Hierarchy, path: str, document: Mapping[str, Any]) -> None:
        self._hierarchy = hierarchy
        self._layout = _ArrayShape(path, document)
        codecs = parse_codecs(document.get("codecs") or [], array=path)
        if len(self._layout.shape) != 1 or codecs.serializer != "vlen-bytes" or codecs.shard is not None:
            raise UnsupportedError(f"{path} is no unsharded 1-D array of 'vlen-bytes' rows")
        self._chain = codecs.chain
        self._tables: dict[int, RowTable] = {}

    def __len__(self) -> int:
        return self._layout.shape[0]

    @property
    def rows_per_cell(self) -> int:
        """Rows of each chunk."""
        return self._layout.chunk[0]

    def read(self, rows: NDArray[np.int64] | None = None, cancel: CancelToken | None = None) -> RowTable:
        """Where the wanted rows (all by default) lie, in their order, in one buffer."""
        per = self._layout.chunk[0]
        chunks = np.arange(self._layout.counts[0]) if rows is None else distinct(rows // per)
        self._fetch([c for c in chunks.tolist() if c not in self._tables], cancel)
        tables = [self._tables[c] for c in chunks.tolist()]
        if len(tables) == 1:
            table, first = tables[0], int(chunks[0]) * per
            return (
                table if rows is None else RowTable(table.buffer, table.starts[rows - first], table.sizes[rows - first])
            )
        if rows is not None and len(rows) * _FEW_ROWS < len(chunks) * per:
            return _gather_rows(tables, np.searchsorted(chunks, rows // per), rows % per)
        shifts = offsets_of([len(t.buffer) for t in tables])
        buffer = np.concatenate([t.buffer for t in tables]) if tables else np.empty(0, np.uint8)
        empty = np.empty(0, np.int64)
        starts = np.concatenate([t.starts + s for t, s in zip(tables, shifts.tolist(), strict=False)] or [empty])
        sizes = np.concatenate([t.sizes for t in tables] or [empty])
        if rows is None:
            return RowTable(buffer, starts, sizes)
        first_row = offsets_of([len(t.sizes) for t in tables])
        at = first_row[np.searchsorted(chunks, rows // per)] + rows % per
        return RowTable(buffer, starts[at], sizes[at])

    def cells(self, numbers: NDArray[np.int64]) -> list[RowTable]:
        """The rows of some chunks, each in a buffer of its own; none of a chunk behind the end."""
        there = [n for n in numbers.tolist() if n < self._layout.counts[0]]
        self._fetch([n for n in there if n not in self._tables], None)
        none = np.empty(0, np.int64)
        return [self._tables.get(n, RowTable(np.empty(0, np.uint8), none, none)) for n in numbers.tolist()]

    def forget(self) -> None:
        """Let go of the chunks that are kept."""
        self._tables.clear()

    def _fetch(self, chunks: list[int], cancel: CancelToken | None) -> None:
        if not chunks:
            return
        layout = self._layout
        cells = self._hierarchy.source.get_many([(layout.key((c,)), None) for c in chunks], cancel)
        keys = [layout.key((c,)) for c in chunks]
        try:
            raw = decode_wave([None if isinstance(c, EncodedRows) else c for c in cells], [self._chain] * len(cells))
        except DamagedError as error:
            raise error.at(layout.path, keys) from None
        per, total = layout.chunk[0], layout.shape[0]
        for chunk, key, cell, data in zip(chunks, keys, cells, raw, strict=True):
            used = min(per, total - chunk * per)
            if isinstance(cell, EncodedRows):
                table = cell.table
                self._tables[chunk] = RowTable(table.buffer, table.starts[:used], table.sizes[:used])
                continue
            if data is None:
                _check_size(layout, 8, sum(t.buffer.nbytes for t in self._tables.values()))
                none = np.zeros(used, np.int64)
                self._tables[chunk] = RowTable(np.empty(0, np.uint8), none, none)
                continue
            try:
                table = split_rows(memoryview(data))
            except DamagedError as error:
                raise error.at(key) from None
            if len(table) not in (used, per):  # the last chunk holds all its rows or only those inside the array
                raise DamagedError(
                    "row cell", found=f"{len(table)} rows", expected=f"{used}", array=layout.path, cell=key
                )
            self._tables[chunk] = RowTable(table.buffer, table.starts[:used], table.sizes[:used])


def _gather_rows(tables: Sequence[RowTable], cell: NDArray[np.int64], local: NDArray[np.int64]) -> RowTable:
    """Some rows of several cells, each given by its cell and its row in it, in a buffer of their own."""
    sizes, starts = np.zeros(len(cell), np.int64), np.zeros(len(cell), np.int64)
    order = np.argsort(cell, kind="stable")
    bounds = np.searchsorted(cell[order], np.arange(len(tables) + 1)).tolist()
    parts = [np.empty(0, np.uint8)]
    for table, (a, b) in zip(tables, pairwise(bounds), strict=True):
        mine = order[a:b]
        sizes[mine], first = table.sizes[local[mine]], table.starts[local[mine]]
        if len(mine) and int(sizes[mine].sum()) > _LONG_ROW * len(mine):
            parts += [table.buffer[x:y] for x, y in zip(first.tolist(), (first + sizes[mine]).tolist(), strict=True)]
        else:
            _, owner, place = spread(sizes[mine])
            parts.append(table.buffer[first[owner] + place])
    starts[order] = offsets_of(sizes[order])[:-1]
    return RowTable(np.concatenate(parts), starts, sizes)


def document_of(hierarchy: Hierarchy, path: str) -> Mapping[str, Any]:
    """The document of an array that must be there."""
    document = hierarchy.document(path)
    if document is None:
        raise DamagedError("array", found="nothing", expected="an array", array=document_key(path))
    return document
