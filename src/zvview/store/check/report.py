"""Collecting findings while a check runs: not more of one kind in one array than anybody reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from zvview.errors import Cancelled, DamagedError, NotZarrVectorsError, UnreachableError, UnsupportedError, ZvviewError
from zvview.store.check.codes import CODES
from zvview.store.check.findings import Finding, Findings, Severity

__all__ = ["Report", "chunk_name"]

_MOST_ALIKE = 20
_RANK = {"error": 0, "warning": 1, "note": 2}


def chunk_name(coord: NDArray[np.int64]) -> str:
    """Dot-joined key of one chunk coordinate."""
    return ".".join(map(str, coord.tolist()))


class Report:
    """Findings so far. Of one code in one array the first twenty are kept, and how many more there were.

    Parameters
    ----------
    prefix : str
        Put before every place: the name of a member of a collection, with a slash.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._found: list[Finding] = []
        self._alike: Counter[tuple[str, str]] = Counter()

    def child(self, name: str) -> Report:
        """A report on a member of a collection, whose findings are added by :meth:`take`."""
        return Report(f"{self._prefix}{name}/")

    def take(self, other: Report) -> None:
        """Add all that `other` found."""
        self._found += other._all()

    def add(
        self, code: str, array: str, message: str, *, cell: str | None = None, severity: Severity | None = None
    ) -> None:
        """Add a finding about an array (a node's path), or about one of its cells."""
        self._alike[code, array] += 1
        if self._alike[code, array] <= _MOST_ALIKE:
            usual, remedy = CODES[code]
            where = (self._prefix + array or "root") + (f", {cell}" if cell else "")
            self._found.append(Finding(severity or usual, code, where, message, remedy))

    def add_chunks(
        self,
        code: str,
        array: str,
        coords: NDArray[np.int64],
        bad: NDArray[np.bool_] | NDArray[np.int64],
        describe: Callable[[int], str],
    ) -> None:
        """A finding for each chunk of `coords` (C, sid) at `bad`, a mask or indices; `describe` takes the index."""
        for i in (np.flatnonzero(bad) if bad.dtype == np.bool_ else bad).tolist():
            shown = self._alike[code, array] < _MOST_ALIKE
            self.add(code, array, describe(i) if shown else "", cell=f"chunk {chunk_name(coords[i])}")

    def add_rows(
        self,
        code: str,
        array: str,
        coords: NDArray[np.int64],
        cells: NDArray[np.int64],
        bad: NDArray[np.bool_],
        describe: Callable[[int, int], str],
    ) -> None:
        """A finding for each chunk with bad rows.

        Parameters
        ----------
        coords : (C, sid) int64 array
        cells : (N,) int64 array
            Chunk of each row, ascending.
        bad : (N,) bool array
        describe : callable
            Takes the first bad row of a chunk and the number of its bad rows.
        """
        rows = np.flatnonzero(bad)
        if len(rows):
            index, first, counts = np.unique(cells[rows], return_index=True, return_counts=True)
            told = {i: (int(rows[f]), n) for i, f, n in zip(index.tolist(), first, counts.tolist(), strict=True)}
            self.add_chunks(code, array, coords, index, lambda i: describe(*told[i]))

    def add_damage(self, error: ZvviewError, array: str) -> None:
        """Add what a reading function raised over `array`, or over the place that the error names itself."""
        if not isinstance(error, DamagedError):
            unsupported = isinstance(error, UnsupportedError)
            code = "not-a-store" if isinstance(error, NotZarrVectorsError) else "damaged-metadata"
            self.add("unsupported" if unsupported else code, array, str(error))
            return
        message = f"{error.part}: found {error.found}, expected {error.expected}"
        at = error.array or array
        if error.cell is None or error.cell == at:
            self.add("damaged-metadata" if not error.cells else "damaged-cell", at, message)
        else:
            named = error.cell.startswith("row ") or "/" in error.cell
            self.add("damaged-cell", at, message, cell=error.cell if named else f"chunk {error.cell}")

    @contextmanager
    def guard(self, array: str) -> Iterator[None]:
        """Turn what the block raises over the content of the store into a finding; its rest is left out."""
        try:
            yield
        except (Cancelled, UnreachableError):
            raise
        except ZvviewError as error:
            self.add_damage(error, array)

    def findings(self, place: str) -> Findings:
        """All findings, worst first, else in the order in which they were made."""
        return Findings(place, tuple(sorted(self._all(), key=lambda f: _RANK[f.severity])))

    def _all(self) -> list[Finding]:
        out = list(self._found)
        for (code, array), count in self._alike.items():
            if count > _MOST_ALIKE:
                severity, remedy = CODES[code]
                message = f"{count - _MOST_ALIKE} more of these"
                out.append(Finding(severity, code, self._prefix + array or "root", message, remedy))
        return out
