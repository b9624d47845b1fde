"""Tables with a row for each object or group, of which single chunks are read: numbers, and byte rows (7.4, 8).

What a chunk decodes to is shared with others that read the same bytes, where the source keeps it for them
(:mod:`zvview.store.decoded_chunks`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError, UnsupportedError
from zvview.format.cells import RowTable, split_rows, spread
from zvview.format.sequences import distinct, offsets_of
from zvview.store.codecs import CodecChain, decode_wave, parse_codecs
from zvview.store.decoded_chunks import DecodedChunks
from zvview.store.hierarchy import Hierarchy
from zvview.store.places.source import Source
from zvview.store.plain_arrays import ArrayShape, check_size, fill_value_of, is_plain_bytes, native_dtype

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ByteRows", "NumberCells", "share_rows"]

_FEW_ROWS = 16  # of so many rows of their cells one is wanted: these are copied, and not the cells
_LONG_ROW = 256  # bytes of a row from which rows are copied one by one
_MOST_CELL_ROWS = 1 << 21  # of cells that are read one by one; larger ones get the checks that a whole array gets


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
        self._layout = ArrayShape(path, document)
        self.count, self.rows_per_cell = self._layout.counts[0], self._layout.chunk[0]
        self._kept: dict[int, NDArray[np.int64]] = {}

    @classmethod
    def open(cls, hierarchy: Hierarchy, path: str, document: Mapping[str, Any]) -> NumberCells | None:
        """The array; None where it is not read chunk by chunk: no integers up to 2**63 - 1, or huge chunks."""
        try:
            codecs = parse_codecs(document.get("codecs") or [], array=path)
        except UnsupportedError:
            return None
        dtype = native_dtype(document.get("data_type")) if is_plain_bytes(codecs) else None
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
        missing = [n for n in numbers.tolist() if n not in self._kept]
        if missing:
            how = "numbers", self._dtype.str, self._chain
            found = _read_chunks(self._hierarchy, self._layout, missing, self._chain, how, self._parse)
            for number, values in zip(missing, found, strict=True):
                used = min(self.rows_per_cell, self._layout.shape[0] - number * self.rows_per_cell)
                if values is None:
                    values = np.full(used, fill_value_of(self._document, self._dtype), self._dtype).astype(np.int64)
                self._kept[number] = values[:used]
        return [self._kept[n] for n in numbers.tolist()]

    def _parse(self, data: Buffer, key: str) -> NDArray[np.int64]:
        size, found = self.rows_per_cell * self._dtype.itemsize, memoryview(data).nbytes
        if found != size:
            raise DamagedError("chunk", found=f"{found} bytes", expected=f"{size}", array=self._layout.path, cell=key)
        return np.frombuffer(memoryview(data), self._dtype).astype(np.int64, copy=False)

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
        self._layout = ArrayShape(path, document)
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
        found = _read_chunks(self._hierarchy, layout, chunks, self._chain, _rows_by(self._chain), _parse_rows, cancel)
        per, total = layout.chunk[0], layout.shape[0]
        for chunk, table in zip(chunks, found, strict=True):
            used = min(per, total - chunk * per)
            if table is None:
                check_size(layout, 8, sum(t.buffer.nbytes for t in self._tables.values()))
                none = np.zeros(used, np.int64)
                self._tables[chunk] = RowTable(np.empty(0, np.uint8), none, none)
                continue
            if len(table) not in (used, per):  # the last chunk holds all its rows or only those inside the array
                found_rows, cell = f"{len(table)} rows", layout.key((chunk,))
                raise DamagedError("row cell", found=found_rows, expected=f"{used}", array=layout.path, cell=cell)
            self._tables[chunk] = RowTable(table.buffer, table.starts[:used], table.sizes[:used])


def share_rows(source: Source, chain: CodecChain, encoded: Buffer, table: RowTable) -> None:
    """Tell readers of a source, if it keeps what is decoded, the rows of a chunk that was just made."""
    shared = DecodedChunks.of(source)
    if shared is not None:
        shared.keep(_rows_by(chain), encoded, table)


def _rows_by(chain: CodecChain) -> tuple[str, CodecChain]:
    return "rows", chain


def _parse_rows(data: Buffer, key: str) -> RowTable:
    try:
        return split_rows(memoryview(data))
    except DamagedError as error:
        raise error.at(key) from None


def _read_chunks(
    hierarchy: Hierarchy,
    layout: ArrayShape,
    numbers: Sequence[int],
    chain: CodecChain,
    how: Hashable,
    parse: Callable[[Buffer, str], Any],
    cancel: CancelToken | None = None,
) -> list[Any]:
    """What `parse` makes of some chunks of a 1-D array, decoded, or made of the same bytes before by `how`.

    None for chunks that are not there.
    """
    keys, shared = [layout.key((n,)) for n in numbers], DecodedChunks.of(hierarchy.source)
    cells = hierarchy.source.get_many([(key, None) for key in keys], cancel)
    out: list[Any] = [None if cell is None or shared is None else shared.find(how, cell) for cell in cells]
    new = [i for i, cell in enumerate(cells) if cell is not None and out[i] is None]
    try:
        raw = decode_wave([cells[i] for i in new], [chain] * len(new))
    except DamagedError as error:
        raise error.at(layout.path, [keys[i] for i in new]) from None
    for i, data in zip(new, raw, strict=True):
        cell = cells[i]
        assert cell is not None and data is not None
        # what is kept must not keep the buffer that the whole wave shares
        decoded = out[i] = parse(data if shared is None else bytes(data), keys[i])
        if shared is not None:
            shared.keep(how, cell, decoded)
    return out


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
