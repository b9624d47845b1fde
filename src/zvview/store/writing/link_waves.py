"""The link records of all runs seen as one: array by array, in waves of cells, rows counted on over the runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format.cells import spread
from zvview.format.grid import ChunkTable, sort_chunks
from zvview.format.links import LinkSegment, format_offsets
from zvview.store.writing.runs import LinkRun
from zvview.store.writing.vertex_waves import Merge

__all__ = ["LinkMerge", "LinkWave"]


@dataclass(frozen=True, slots=True, eq=False)
class LinkWave:
    """Some cells of one link array.

    Attributes
    ----------
    segment : LinkSegment
        Its ``order`` counts the records of the wave.
    columns : mapping of str to (m,) or (m, C)
    """

    segment: LinkSegment
    columns: dict[str, NDArray[Any]]


class LinkMerge:
    """Links of all runs of one level.

    Attributes
    ----------
    arrays : list of str
        Names of the arrays that hold records, sorted.
    total : int
        Records in all of them.
    sid_ndim, width : int
        Components of a chunk coordinate, endpoints of a record.
    """

    def __init__(self, merge: Merge) -> None:
        self._merge = merge
        self._runs: list[tuple[int, LinkRun]] = [(i, r.links) for i, r in enumerate(merge.runs) if r.links is not None]
        self._tables = {i: ChunkTable.of(merge.runs[i].chunks) for i, _ in self._runs}
        self._found: dict[str, list[tuple[int, LinkRun, int]]] = {}
        for i, links in self._runs:
            for s in range(len(links.offsets)):
                self._found.setdefault(format_offsets(links.offsets[s]), []).append((i, links, s))
        self.arrays = sorted(self._found)
        self.total = sum(len(links.records) for _, links in self._runs)
        self.sid_ndim = merge.chunks.shape[1]
        self.width = next((links.records.shape[1] - 1 for _, links in self._runs), 2)

    def sources(self, name: str) -> NDArray[np.int64]:
        """Cells of an array: their source chunks (K, sid), numbers ascending."""
        return sort_chunks(np.concatenate([k.sources[slice(*k.cells[s : s + 2])] for _, k, s in self._found[name]]))

    def loose(self) -> NDArray[np.int64]:
        """Records between vertex fragments inside each chunk, (K,); -1 for chunks without inner records."""
        out = np.full(len(self._merge.chunks), -1, np.int64)
        table = ChunkTable.of(self._merge.chunks)
        for _, links in self._runs:
            for s in range(len(links.offsets)):
                if not links.offsets[s].any():
                    cells = slice(int(links.cells[s]), int(links.cells[s + 1]))
                    at = table.find(links.sources[cells])
                    out[at] = np.maximum(out[at], 0) + links.loose[cells]
        return out

    def waves(self, name: str, sources: NDArray[np.int64], wave_records: int) -> Iterator[LinkWave]:
        """Cells of an array, in the order of `sources`, as many at a time as `wave_records` allow, one at least."""
        table = ChunkTable.of(sources)
        place = np.empty(len(sources), np.int64)
        place[table.find(sources)] = np.arange(len(sources))
        parts = []
        counts = np.zeros(len(sources), np.int64)
        for i, links, s in self._found[name]:
            cells = np.arange(links.cells[s], links.cells[s + 1])
            at = place[table.find(links.sources[cells])]
            counts[at] += np.diff(links.first)[cells]
            order = np.argsort(at, kind="stable")
            parts.append((i, links, s, cells[order], at[order]))
        sizes = np.cumsum(counts)
        start = 0
        while start < len(sources):
            before = int(sizes[start - 1]) if start else 0
            stop = max(start + 1, int(np.searchsorted(sizes, before + wave_records, side="right")))
            yield self._wave(parts, sources[start:stop], counts[start:stop], start)
            start = stop

    def _wave(
        self,
        parts: Sequence[tuple[int, LinkRun, int, NDArray[np.int64], NDArray[np.int64]]],
        sources: NDArray[np.int64],
        counts: NDArray[np.int64],
        start: int,
    ) -> LinkWave:
        records, columns, cell, is_loose = [], [], [], []
        for i, links, s, cells, at in parts:
            here = slice(*np.searchsorted(at, [start, start + len(sources)]).tolist())
            picked, sizes = cells[here], np.diff(links.first)[cells[here]]
            _, owner, local = spread(sizes)
            rows = links.first[picked][owner] + local
            records.append(self._count_on(i, links, s, picked, owner, rows))
            columns.append({name: np.asarray(values[rows]) for name, values in links.columns.items()})
            cell.append(at[here][owner] - start)
            is_loose.append(local >= (sizes - links.loose[picked])[owner])
        offsets = parts[0][1].offsets[parts[0][2]]
        stored = np.concatenate(records)
        joined = {name: np.concatenate([c[name] for c in columns]) for name in columns[0]}
        if len(parts) > 1:  # records inside fragments first, so that each fragment's stay together
            order = np.lexsort((np.concatenate(is_loose), np.concatenate(cell)))
            stored = stored[order]
            joined = {name: values[order] for name, values in joined.items()}
        if not offsets.any():
            stored = stored[:, 1:]
        return LinkWave(LinkSegment(offsets, sources, counts, stored, np.arange(len(stored))), joined)

    def _count_on(
        self,
        i: int,
        links: LinkRun,
        s: int,
        cells: NDArray[np.int64],
        owner: NDArray[np.int64],
        rows: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """The records at `rows`, with the rows that earlier runs have in the endpoints' chunks added."""
        out = np.array(links.records[rows])
        base = self._merge.base_rows[i]
        if base.any():
            sources = links.sources[cells]
            ends = [sources, *(sources + offset for offset in links.offsets[s])]
            for k, chunk in enumerate(ends):
                out[:, 1 + k] += base[self._tables[i].find(chunk)][owner]
        return out
