"""Checking the values beside vertices, fragments and links: as many as there are rows, of one width, valid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format.attributes import AttributeMetadata
from zvview.store.cell_arrays import CellArray
from zvview.store.check.report import Report
from zvview.store.check.sound_cells import Payloads

__all__ = ["AttributeCheck"]


class AttributeCheck:
    """The cells of one attribute array; the waves are shown one by one.

    Parameters
    ----------
    array : CellArray
    metadata : AttributeMetadata
    rows : str
        What a row is, for messages: ``"vertices"``.
    report : Report
    may_end_early : bool
        Whether it is no error where values for the last rows are missing.
    """

    def __init__(
        self, array: CellArray, metadata: AttributeMetadata, rows: str, report: Report, *, may_end_early: bool = False
    ) -> None:
        self._array, self._metadata, self._rows, self._report = array, metadata, rows, report
        self._may_end_early = may_end_early
        self._coords: list[NDArray[np.int64]] = []
        self._widths: list[NDArray[np.int64]] = []

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""
        return self._metadata.dtype

    def look(self, coords: NDArray[np.int64], counts: NDArray[np.int64], cells: Payloads) -> NDArray[np.bool_]:
        """Take the cells of a wave with the number of rows that each must have; tells which are right."""
        itemsize = self._metadata.dtype.itemsize
        read = np.array([c is not None for c in cells], bool)
        sizes = np.fromiter((0 if c is None else len(c) for c in cells), np.int64, len(cells))
        unit = counts * itemsize
        used = counts > 0
        short = np.zeros(len(cells), bool)
        if self._may_end_early:
            short = (sizes < unit) & (sizes % itemsize == 0) & read
            counts = np.where(short, sizes // itemsize, counts)
            self._report.add_chunks(
                "values-end-early",
                self._array.path,
                coords,
                short,
                lambda i: f"{counts[i]} values for {unit[i] // itemsize} {self._rows}",
            )
            unit, used = counts * itemsize, counts > 0
        wrong = np.where(used, (sizes == 0) | (sizes % np.maximum(unit, 1) != 0), sizes > 0) & read
        self._report.add_chunks(
            "attribute-length",
            self._array.path,
            coords,
            wrong,
            lambda i: (
                f"{sizes[i]} bytes for {counts[i]} {self._rows}, "
                f"expected a whole number of {self._metadata.dtype.name} values for each"
            ),
        )
        sound = np.asarray(read & ~wrong)
        if sound.any():
            full = sound & used
            self._coords.append(coords[full])
            self._widths.append(sizes[full] // unit[full])
            self._check_codes(coords, cells, sound)
        return sound

    def _check_codes(self, coords: NDArray[np.int64], cells: Payloads, sound: NDArray[np.bool_]) -> None:
        categories = self._metadata.categories
        if categories is None:
            return
        parts = [c if c is not None and ok else c[:0] for c, ok in zip(cells, sound, strict=True) if c is not None]
        index = np.flatnonzero([c is not None for c in cells])
        codes = np.concatenate(parts).view(self._metadata.dtype)
        cell = np.repeat(index, [len(p) // self._metadata.dtype.itemsize for p in parts])
        bad = (codes < 0) | (codes >= len(categories.labels))
        if categories.missing is not None:
            bad &= codes != categories.missing
        expected = f"0 to {len(categories.labels) - 1}"
        expected += "" if categories.missing is None else f", or {categories.missing} for none"
        self._report.add_rows(
            "category-code",
            self._array.path,
            coords,
            cell,
            bad,
            lambda row, n: f"{n} codes, such as {codes[row]}, expected {expected}",
        )

    def finish(self) -> None:
        """Report cells that are wider or narrower than most, and a declared shape that is not the true one."""
        if not self._widths:
            return
        coords, widths = np.concatenate(self._coords), np.concatenate(self._widths)
        if not len(widths):
            return
        values, counts = np.unique(widths, return_counts=True)
        width = int(values[counts.argmax()])
        self._report.add_chunks(
            "attribute-width",
            self._array.path,
            coords,
            widths != width,
            lambda i: f"{widths[i]} values in each row, expected {width} as in most cells",
        )
        declared = int(np.prod(self._metadata.row_shape)) if self._metadata.row_shape else 1
        if declared != width:
            shape = list(self._metadata.row_shape)
            self._report.add(
                "row-shape", self._array.path, f"row_shape = {shape} beside {width} values in each row of the cells"
            )
