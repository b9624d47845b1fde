"""Arrays that do not lie on the chunk grid: typed ones and rows of bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zvview.format.cells import join_rows
from zvview.format.sequences import offsets_of
from zvview.store.codecs import encode_wave, parse_codecs

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["plain_cells", "row_cells", "rows_per_cell"]

_ROW_CELL_BYTES = 256 << 10  # a cell of manifests: one request for a few objects must stay small
_MOST_ROWS = 16384


def plain_cells(path: str, document: Mapping[str, Any], values: NDArray[Any]) -> list[tuple[str, tuple[Buffer, ...]]]:
    """Keys and objects of a typed array; chunks are cut along the first axis only.

    Parameters
    ----------
    path : str
        Of the array in the store.
    document : mapping
        As :func:`zvview.format.documents.plain_array` made it for `values`.
    """
    if not values.size:
        return []
    chunk_shape = document["chunk_grid"]["configuration"]["chunk_shape"]
    chain = parse_codecs(document["codecs"], array=path).chain
    values = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    rows = chunk_shape[0]
    cells: list[Buffer | None] = []
    for start in range(0, len(values), rows):
        cell = values[start : start + rows]
        if len(cell) < rows:  # zarr stores the whole chunk, whatever the shape of the array
            full = np.full(chunk_shape, _fill_of(document), values.dtype)
            full[: len(cell)] = cell
            cell = full
        cells.append(cell.reshape(-1).view(np.uint8).data)
    tail = "/0" * (values.ndim - 1)
    encoded = encode_wave(cells, chain)
    return [(f"{path}/c/{i}{tail}", (cell,)) for i, cell in enumerate(encoded) if cell is not None]


def rows_per_cell(sizes: NDArray[np.int64]) -> int:
    """Rows of a cell of about 256 kB, for rows of these sizes."""
    mean = (int(sizes.sum()) + 4 * len(sizes)) / max(len(sizes), 1)
    return max(1, min(len(sizes), _MOST_ROWS, int(_ROW_CELL_BYTES / max(mean, 1))))


def row_cells(
    path: str, document: Mapping[str, Any], buffer: NDArray[np.uint8], sizes: NDArray[np.int64], first_cell: int = 0
) -> Iterator[tuple[str, tuple[Buffer, ...]]]:
    """Keys and objects of an array of byte rows, or of a part of it that begins with cell `first_cell`.

    Parameters
    ----------
    buffer : (B,) uint8
        The rows one after the other.
    sizes : (n,) int64
        Bytes of each row.
    """
    rows = document["chunk_grid"]["configuration"]["chunk_shape"][0]
    chain = parse_codecs(document["codecs"], array=path).chain
    ends = offsets_of(sizes)
    cells: list[Buffer | None] = []
    for start in range(0, len(sizes), rows):
        stop = min(start + rows, len(sizes))
        part = sizes[start:stop]
        if stop - start < rows:  # the last cell is a whole one as well: rows of no bytes
            part = np.concatenate((part, np.zeros(rows - len(part), np.int64)))
        cells.append(join_rows(buffer[ends[start] : ends[stop]], part).data)
    for i, cell in enumerate(encode_wave(cells, chain)):
        if cell is not None:
            yield f"{path}/c/{first_cell + i}", (cell,)


def _fill_of(document: Mapping[str, Any]) -> Any:
    fill = document["fill_value"]
    return float("nan") if fill == "NaN" else fill
