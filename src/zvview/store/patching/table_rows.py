"""Rows of an array that does not lie on the chunk grid, changed in place: only cells that hold one are made anew.

Manifests, groups, ids and attributes of objects have a row for each object or group, thousands of rows to a cell. What
is cut in another way than zvview cuts it is written as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format import documents
from zvview.format.cells import RowTable, join_rows, read_records, split_rows, write_records
from zvview.format.sequences import distinct, offsets_of
from zvview.store.codecs import CodecChain, decode_wave, encode_wave, parse_codecs
from zvview.store.hierarchy import Hierarchy
from zvview.store.patching.overlay import Overlay
from zvview.store.patching.rewriting import Rewriting
from zvview.store.plain_arrays import fill_value_of, native_dtype, read_plain_array
from zvview.store.table_chunks import ByteRows, share_rows
from zvview.store.writing.plain_cells import plain_cells, rows_per_cell

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["put_byte_rows", "put_typed_rows", "rearrange_byte_rows"]

Ints = NDArray[np.int64]

_MOST_CELL_BYTES = 1 << 20  # cells of rows that grew beyond are cut anew: one row costs reading all of its cell
_MOST_TYPED_BYTES = 1 << 26  # a larger cell is read with the checks that a whole array gets


def put_typed_rows(
    overlay: Overlay, path: str, document: Mapping[str, Any], rows: Ints, values: NDArray[Any], count: int
) -> dict[str, Any]:
    """Set rows of a typed array, and let it have `count` rows, no fewer than before; gives its document.

    Parameters
    ----------
    overlay : Overlay
    path : str
    document : mapping
        Of the array as it is.
    rows : (n,) int64
        Distinct.
    values : (n,) or (n, C)
    count : int
        Rows that are new and not set hold the fill value.
    """
    before = int(document["shape"][0])
    own = dict(document["attributes"])
    if "shape" in own:
        own["shape"] = [count, *document["shape"][1:]]
    out = {**document, "shape": [count, *document["shape"][1:]], "attributes": own}
    dtype = _dtype_of(document, path)
    chunk = [int(n) for n in document["chunk_grid"]["configuration"]["chunk_shape"]]
    if dtype is None or not _has_room(dtype, chunk, values) or not _is_keyed_by_rows(document):
        return _rewrite(overlay, path, document, own, rows, values, count)
    chain = parse_codecs(document["codecs"], array=path).chain
    cells = distinct(rows // chunk[0])
    tail = "/0" * (len(chunk) - 1)
    keys = [f"{path}/c/{i}{tail}" for i in cells.tolist()]
    table = np.full((len(cells), *chunk), _fill_of(document, dtype), dtype)
    for at, (cell, data) in enumerate(zip(cells.tolist(), _decode(overlay, path, keys, chain), strict=True)):
        if data is not None:
            if memoryview(data).nbytes != table[at].nbytes:
                found = f"{memoryview(data).nbytes} bytes"
                raise DamagedError("chunk", found=found, expected=f"{table[at].nbytes}", array=path, cell=keys[at])
            used = max(0, min(chunk[0], before - cell * chunk[0]))  # what lies behind may be anything
            table[at, :used] = np.frombuffer(memoryview(data), dtype).reshape(chunk)[:used]
    table[np.searchsorted(cells, rows // chunk[0]), rows % chunk[0]] = values.reshape(len(values), *chunk[1:])
    encoded = encode_wave([np.ascontiguousarray(cell).reshape(-1).view(np.uint8).data for cell in table], chain)
    overlay.put_many((key, (cell,)) for key, cell in zip(keys, encoded, strict=True) if cell is not None)
    return out


def put_byte_rows(
    overlay: Overlay,
    path: str,
    document: Mapping[str, Any],
    rows: Ints,
    buffer: NDArray[np.uint8],
    sizes: Ints,
    table: ByteRows,
) -> dict[str, Any]:
    """Set rows of an array of byte rows; those behind its end are added to it. Gives its document.

    Parameters
    ----------
    overlay : Overlay
    path : str
    document : mapping
        Of the array as it is.
    rows : (n,) int64
        Distinct, ascending; all rows from the end of the array to the last of them are among them.
    buffer : (B,) uint8
        The rows one after the other.
    sizes : (n,) int64
        Bytes of each.
    table : ByteRows
        The array as it is; of it is kept what was read before.
    """
    if not len(rows):
        return dict(document)
    before = int(document["shape"][0])
    count = max(before, int(rows[-1]) + 1)
    per = int(document["chunk_grid"]["configuration"]["chunk_shape"][0])
    if before <= per or not _is_keyed_by_rows(document):  # one cell: it is cut as a writer would cut it now
        return rearrange_byte_rows(overlay, path, document, np.arange(count), rows, buffer, sizes)
    cells = distinct(rows // per)
    bounds = [*np.searchsorted(rows, cells * per).tolist(), len(rows)]
    ends = offsets_of(sizes)
    made: list[RowTable] = []
    for cell, stored, (a, b) in zip(cells.tolist(), table.cells(cells), pairwise(bounds), strict=True):
        at, own, given = rows[a:b] - cell * per, buffer[ends[a] : ends[b]], sizes[a:b]
        in_place = _set_in_place(stored, at, own, given) if len(stored) == per else None
        if in_place is not None:
            made.append(in_place)
            continue
        heap = _Heap(stored.buffer, own, given)
        starts, lengths = np.zeros(per, np.int64), np.zeros(per, np.int64)
        starts[: len(stored)], lengths[: len(stored)] = stored.starts, stored.sizes
        starts[at], lengths[at] = heap.starts, given
        (joined,) = heap.cells(starts, lengths, per)
        made.append(RowTable(np.frombuffer(joined, np.uint8), 4 + offsets_of(lengths + 4)[:-1] + 4, lengths))
    if per > 1 and max(len(decoded.buffer) for decoded in made) > _MOST_CELL_BYTES:
        return rearrange_byte_rows(overlay, path, document, np.arange(count), rows, buffer, sizes)
    chain = parse_codecs(document["codecs"], array=path).chain
    encoded = encode_wave([decoded.buffer.data for decoded in made], chain)
    for cell, data, decoded in zip(cells.tolist(), encoded, made, strict=True):
        assert data is not None
        overlay.put(f"{path}/c/{cell}", made_bytes := bytes(data))
        share_rows(overlay, chain, made_bytes, decoded)
    return {**document, "shape": [count]}


def rearrange_byte_rows(
    overlay: Overlay,
    path: str,
    document: Mapping[str, Any] | None,
    source: Ints,
    rows: Ints,
    buffer: NDArray[np.uint8],
    sizes: Ints,
) -> dict[str, Any]:
    """Write an array of byte rows as a whole, rows in another order than before; gives its document.

    Parameters
    ----------
    document : mapping or None
        None: there is no array yet.
    source : (n,) int64
        Row of the array as it is that stands in each row now.
    rows, buffer, sizes
        Rows that are set, ascending, as in :func:`put_byte_rows`; their `source` is not looked at.
    """
    starts, lengths = np.zeros(len(source), np.int64), np.zeros(len(source), np.int64)
    is_kept = np.ones(len(source), bool)
    is_kept[rows] = False
    table = None if document is None else ByteRows(Hierarchy(overlay), path, document).read()
    if table is not None:
        starts[is_kept], lengths[is_kept] = table.starts[source[is_kept]], table.sizes[source[is_kept]]
    heap = _Heap(np.empty(0, np.uint8) if table is None else table.buffer, buffer, sizes)
    starts[rows], lengths[rows] = heap.starts, sizes
    per = rows_per_cell(lengths)
    own = {} if document is None else document["attributes"]
    out = documents.row_array(len(source), per, own)
    spare = -len(source) % per  # the last cell is a whole one as well: rows of no bytes
    made = heap.cells(np.append(starts, np.zeros(spare, np.int64)), np.append(lengths, np.zeros(spare, np.int64)), per)
    putter = Rewriting(overlay, [path])
    _put_cells(putter, path, out, range(len(made)), made)
    putter.finish()
    return out


def _set_in_place(table: RowTable, rows: Ints, buffer: NDArray[np.uint8], sizes: Ints) -> RowTable | None:
    """The cell in which some rows hold other bytes; None where one of them is of another size than before.

    Mostly objects are made up of as many pieces as before, of which the numbers changed.
    """
    if not np.array_equal(table.sizes[rows], sizes):
        return None
    out, starts, first = table.buffer.copy(), table.starts[rows], offsets_of(sizes)[:-1]
    for size in distinct(sizes[sizes > 0]).tolist():
        alike = np.flatnonzero(sizes == size)
        write_records(out, starts[alike], read_records(buffer, np.dtype(f"V{size}"), first[alike]))
    return RowTable(out, table.starts, table.sizes)


class _Heap:
    """Rows with their lengths before them, those of a table and new ones, from which cells are cut.

    Parameters
    ----------
    table : (T,) uint8
        As :func:`~zvview.format.cells.split_rows` finds rows in it.
    buffer, sizes
        Of the new rows.

    Attributes
    ----------
    starts : (n,) int64
        Of the new rows.
    """

    def __init__(self, table: NDArray[np.uint8], buffer: NDArray[np.uint8], sizes: Ints) -> None:
        added = join_rows(buffer, sizes)
        nothing = bytes(4)
        self.starts = split_rows(added.data).starts + len(table)
        self._bytes = b"".join((table.data, added.data, nothing))

    def cells(self, starts: Ints, sizes: Ints, per: int) -> list[bytes]:
        """Cells of `per` rows each, given where each row begins and its size.

        What lies together is copied together: an index of bytes would be eight times as large as they are. The pieces
        are bytes, not views of them, of which tens of thousands would set off a collection of all garbage.
        """
        starts = np.where(sizes == 0, len(self._bytes), starts) - 4
        stops = starts + 4 + sizes
        is_first = np.ones(len(starts), bool)
        is_first[1:] = starts[1:] != stops[:-1]
        is_first[::per] = True
        first = np.flatnonzero(is_first)
        last = np.append(first[1:], len(starts)) - 1
        head = np.array([per], "<u4").tobytes()
        data = self._bytes
        pieces = [data[a:b] for a, b in zip(starts[first].tolist(), stops[last].tolist(), strict=True)]
        bounds = [*np.searchsorted(first, np.arange(0, len(starts), per)).tolist(), len(first)]
        return [b"".join((head, *pieces[a:b])) for a, b in pairwise(bounds)]


def _put_cells(
    putter: Overlay | Rewriting, path: str, document: Mapping[str, Any], cells: Iterable[int], made: Sequence[bytes]
) -> None:
    chain = parse_codecs(document["codecs"], array=path).chain
    raw: list[Buffer | None] = [memoryview(cell) for cell in made]
    encoded = encode_wave(raw, chain)
    keys = [f"{path}/c/{i}" for i in cells]
    putter.put_many((key, (cell,)) for key, cell in zip(keys, encoded, strict=True) if cell is not None)


def _rewrite(
    overlay: Overlay,
    path: str,
    document: Mapping[str, Any],
    attributes: Mapping[str, Any],
    rows: Ints,
    values: NDArray[Any],
    count: int,
) -> dict[str, Any]:
    known = read_plain_array(Hierarchy(overlay), path, document)
    dtype = np.result_type(known, values) if known.dtype.kind == "U" else known.dtype
    table = np.full((count, *known.shape[1:]), _fill_of(document, dtype), dtype)
    table[: len(known)] = known
    table[rows] = values.reshape(len(values), *known.shape[1:])
    out = documents.plain_array(table, attributes, fill_value=document["fill_value"])
    putter = Rewriting(overlay, [path])
    putter.put_many(plain_cells(path, out, table))
    putter.finish()
    return out


def _decode(overlay: Overlay, path: str, keys: Sequence[str], chain: CodecChain) -> list[Buffer | None]:
    try:
        return decode_wave(overlay.get_many([(key, None) for key in keys]), [chain] * len(keys))
    except DamagedError as error:
        raise error.at(path, keys) from None


def _fill_of(document: Mapping[str, Any], dtype: np.dtype[Any]) -> Any:
    return "" if dtype.kind == "U" else fill_value_of(document, dtype)


def _dtype_of(document: Mapping[str, Any], path: str) -> np.dtype[Any] | None:
    """The dtype of the bytes of an array's cells; None where they are no plain little-endian values."""
    codecs = parse_codecs(document["codecs"], array=path)
    if codecs.serializer != "bytes" or codecs.endian not in ("little", None) or codecs.shard is not None:
        return None
    data_type = document["data_type"]
    if isinstance(data_type, dict) and data_type.get("name") == "fixed_length_utf32":
        return np.dtype(f"<U{int(data_type['configuration']['length_bytes']) // 4}")
    return native_dtype(data_type)


def _has_room(dtype: np.dtype[Any], chunk: Sequence[int], values: NDArray[Any]) -> bool:
    """Whether cells are of a size that may be made, and hold text as long as that of `values`."""
    is_long = dtype.kind == "U" and values.dtype.itemsize > dtype.itemsize
    return not is_long and prod(chunk) * dtype.itemsize <= _MOST_TYPED_BYTES


def _is_keyed_by_rows(document: Mapping[str, Any]) -> bool:
    """Whether cells hold whole rows, and their keys are those that zvview writes."""
    chunk = document["chunk_grid"]["configuration"]["chunk_shape"]
    encoding = document.get("chunk_key_encoding") or {}
    separator = (encoding.get("configuration") or {}).get("separator", "/")
    is_default = encoding.get("name", "default") == "default" and separator == "/"
    return is_default and list(chunk[1:]) == list(document["shape"][1:])
