"""Vertices of some chunks cell by cell, as they were read: of neighbours a few rows are wanted among millions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError
from zvview.format.sequences import offsets_of

__all__ = ["CellRows"]

_FEW_CELLS = 1 << 15  # numbers of cells are then sorted digit by digit, in a tenth of the time


@dataclass(frozen=True, slots=True, eq=False)
class CellRows:
    """Rows that count through arrays that were never joined.

    Attributes
    ----------
    positions : sequence of (n, D) arrays
    attributes : mapping of str to sequence of (n,) or (n, C) arrays
        As many rows in the same order, in arrays of any length.
    """

    positions: Sequence[NDArray[np.floating]]
    attributes: Mapping[str, Sequence[NDArray[Any]]]

    def take(
        self, rows: NDArray[np.int64], cancel: CancelToken | None = None
    ) -> tuple[NDArray[np.floating], dict[str, NDArray[Any]]]:
        """Positions (n, D) and attributes of `rows` (n,), in their order; there must be at least one array of each.

        Raises
        ------
        DamagedError
            An attribute has several widths.
        Cancelled
        """
        values = {name: _gathered(name, arrays, rows, cancel) for name, arrays in self.attributes.items()}
        return _gathered("positions", self.positions, rows, cancel), values


def _gathered(
    name: str, arrays: Sequence[NDArray[Any]], rows: NDArray[np.int64], cancel: CancelToken | None
) -> NDArray[Any]:
    arrays = [array for array in arrays if len(array)] or arrays[:1]
    if len({array.shape[1:] for array in arrays}) > 1:
        raise DamagedError("attribute", found=f"several widths of {name!r}", expected="one width in all cells")
    before = offsets_of([len(array) for array in arrays])
    cell = np.searchsorted(before, rows, side="right") - 1
    order = np.argsort(cell.astype(np.int16) if len(arrays) < _FEW_CELLS else cell, kind="stable")
    bounds = offsets_of(np.bincount(cell, minlength=len(arrays))).tolist()
    out = np.empty((len(rows), *arrays[0].shape[1:]), arrays[0].dtype)
    for array, first, start, stop in zip(arrays, before.tolist(), bounds[:-1], bounds[1:], strict=False):
        if start == stop:
            continue
        if cancel is not None:
            cancel.raise_if_cancelled()
        at = order[start:stop]
        out[at] = array[rows[at] - first]
    return out
