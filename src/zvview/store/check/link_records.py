"""Checking the records of links: their endpoints are there, differ, and are not those of another record."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.store.check.findings import Severity
from zvview.store.check.report import chunk_name
from zvview.store.check.scope import LevelFacts, LevelScope
from zvview.store.layout import LinkFamily

__all__ = ["LinkRecordsCheck"]

_LINKS_OBJECTS = (names.GRAPH, names.SKELETON)


class LinkRecordsCheck:
    """The records of one family; the waves of its arrays are shown one by one.

    Parameters
    ----------
    scope : LevelScope
    family : LinkFamily
    own, other : LevelFacts
        Of the level of endpoint 0, and of that of the further ones.
    owner_of_rows : (N,) int64 array or None
        Object row of each vertex of the level, where links between objects are of interest.
    """

    def __init__(
        self,
        scope: LevelScope,
        family: LinkFamily,
        own: LevelFacts,
        other: LevelFacts,
        owner_of_rows: NDArray[np.int64] | None,
    ) -> None:
        self._scope, self._family, self._own, self._other = scope, family, own, other
        self._owner_of_rows = owner_of_rows if scope.kind in _LINKS_OBJECTS else None
        self._marks = self._between = 0
        self._example = ""

    def look(
        self,
        path: str,
        coords: NDArray[np.int64],
        cells: NDArray[np.int64],
        chunks: NDArray[np.int64],
        rows: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Check some records.

        Parameters
        ----------
        path : str
            Of their array.
        coords : (C, sid) int64 array
            The cells that they lie in.
        cells : (M,) int64 array
            Cell of each.
        chunks, rows : (M, L, sid) and (M, L) int64 arrays
            Their endpoints, in original order.

        Returns
        -------
        rows : (M, L) int64 array
            Endpoints numbered over all chunks of their levels.
        good : (M,) bool array
            Records of which every endpoint is there.
        """
        report = self._scope.report
        marks = (rows < 0).any(axis=1)
        self._marks += int(marks.sum())
        numbered = np.zeros(rows.shape, np.int64)
        good: NDArray[np.bool_] = np.asarray(~marks)
        for end in range(rows.shape[1]):
            facts = self._other if end and self._family.delta else self._own
            at, is_absent = facts.locate(chunks[:, end])
            report.add_rows(
                "link-chunk",
                path,
                coords,
                cells,
                is_absent & ~marks,
                lambda i, n, end=end: (  # type: ignore[misc]
                    f"{n} records with endpoint {end} in a chunk without vertices, such as {chunk_name(chunks[i, end])}"
                ),
            )
            limit = np.where(at >= 0, facts.row_counts[at], 0) if len(facts.chunks) else np.zeros(len(at), np.int64)
            beyond = (at >= 0) & (rows[:, end] >= limit)
            report.add_rows(
                "link-row",
                path,
                coords,
                cells,
                beyond & ~marks,
                lambda i, n, end=end, limit=limit: (  # type: ignore[misc]
                    f"{n} records with a row beyond its chunk, such as row {rows[i, end]} of chunk "
                    f"{chunk_name(chunks[i, end])}, expected a row below {limit[i]}"
                ),
            )
            good = np.asarray(good & (at >= 0) & ~beyond)
            numbered[:, end] = np.where(good, facts.first_row[np.maximum(at, 0)] + rows[:, end], 0)
        if self._family.delta == 0:
            self._check_sameness(path, coords, cells, numbered, good)
        return numbered, good

    def _check_sameness(
        self,
        path: str,
        coords: NDArray[np.int64],
        cells: NDArray[np.int64],
        rows: NDArray[np.int64],
        good: NDArray[np.bool_],
    ) -> None:
        report, width = self._scope.report, self._family.width
        ends = np.sort(rows, axis=1)
        same = (ends[:, 1:] == ends[:, :-1]).any(axis=1) & good
        report.add_rows(
            "self-link" if width == 2 else "degenerate-face",
            path,
            coords,
            cells,
            same,
            lambda i, n: f"{n} records that name a vertex twice, such as {self._own.row_name(int(rows[i].max()))}",
        )
        if width > 1 and not self._family.is_duplicated:
            keys = rows if self._family.is_directed and width == 2 else ends
            order = np.lexsort((*keys.T[::-1], ~good, cells))
            repeated = np.zeros(len(rows), bool)
            following = (keys[order[1:]] == keys[order[:-1]]).all(axis=1) & (cells[order[1:]] == cells[order[:-1]])
            repeated[order[1:]] = following & good[order[1:]] & good[order[:-1]]
            report.add_rows(
                "doubled-link",
                path,
                coords,
                cells,
                repeated,
                lambda i, n: f"{n} repeated records, such as that of {self._own.row_name(int(rows[i, 0]))}",
            )
        if self._owner_of_rows is not None and width == 2:
            owners = self._owner_of_rows[rows[good]]
            between = np.flatnonzero((owners[:, 0] != owners[:, 1]) & (owners >= 0).all(axis=1))
            if len(between) and not self._between:
                self._example = self._own.row_name(int(rows[good][between[0], 0]))
            self._between += len(between)

    def finish(self) -> None:
        """Report what is counted over the whole family."""
        if self._marks:
            self._scope.report.add("link-mark", self._family.path, f"{self._marks} records with negative rows")
        if self._between:
            found = f"{self._between} links between different objects, such as that of {self._example}"
            severity: Severity = "warning" if self._scope.kind == names.SKELETON else "note"
            self._scope.report.add("link-between-objects", self._family.path, found, severity=severity)
