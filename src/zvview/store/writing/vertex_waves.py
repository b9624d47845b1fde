"""All runs of a level seen as one: waves of chunks with their rows, fragments and fragment columns merged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format.cells import spread
from zvview.format.grid import ChunkTable
from zvview.format.sequences import offsets_of
from zvview.store.writing.runs import Run
from zvview.store.writing.sorting import run_starts

__all__ = ["Merge", "VertexWave"]


@dataclass(frozen=True, slots=True, eq=False)
class VertexWave:
    """Some chunks of the level.

    Attributes
    ----------
    chunks : (C,) int64
        Rows of :attr:`Merge.chunks`.
    rows, fragments : (C + 1,) int64
        Rows and fragments of each chunk.
    counts : (F,) int64
        Rows of each fragment.
    positions : (N, D)
    columns : mapping of str to (N,) or (N, C)
    objects, ranks, links : (F,) int64 or None
        Of each fragment: owner, order in it, link records inside.
    """

    chunks: NDArray[np.int64]
    rows: NDArray[np.int64]
    fragments: NDArray[np.int64]
    counts: NDArray[np.int64]
    positions: NDArray[np.floating]
    columns: Mapping[str, NDArray[Any]]
    objects: NDArray[np.int64] | None
    ranks: NDArray[np.int64] | None
    links: NDArray[np.int64] | None


class Merge:
    """Runs of one level, merged chunk by chunk.

    Fragments with keys (points) are ordered by key, and those of one key become one; all others stay apart in the order
    of the runs.

    Attributes
    ----------
    chunks : (K, sid) int64
        Distinct, numbers ascending.
    counts : (K,) int64
        Rows of each.
    """

    def __init__(self, runs: Sequence[Run], sid_ndim: int, fragments_per_chunk: int | None = None) -> None:
        self.runs = runs
        self._dense = fragments_per_chunk
        table = ChunkTable.of(np.concatenate([np.empty((0, sid_ndim), np.int64), *(r.chunks for r in runs)]))
        self.chunks = table.coords
        self.counts = np.zeros(len(table), np.int64)
        self._run_chunks: list[NDArray[np.int64]] = []  # row in `chunks` of each chunk of a run
        self.base_rows: list[NDArray[np.int64]] = []  # rows of earlier runs before those of each chunk of a run
        for run in runs:
            at = table.find(run.chunks)
            self._run_chunks.append(at)
            self.base_rows.append(self.counts[at])
            self.counts[at] += np.diff(run.rows)

    def waves(self, order: NDArray[np.int64], row_bytes: int, wave_bytes: int) -> Iterator[VertexWave]:
        """Chunks in the given order, as many at a time as `wave_bytes` of rows allow, one at least.

        Parameters
        ----------
        order : (K,) int64
            Rows of :attr:`chunks`.
        row_bytes : int
            Of positions and columns.
        """
        sizes = np.cumsum(self.counts[order] * row_bytes)
        start = 0
        while start < len(order):
            before = int(sizes[start - 1]) if start else 0
            stop = max(start + 1, int(np.searchsorted(sizes, before + wave_bytes, side="right")))
            yield self._wave(order[start:stop])
            start = stop

    def _wave(self, chunks: NDArray[np.int64]) -> VertexWave:
        parts = [self._part(r, chunks) for r in range(len(self.runs))]
        parts = [p for p in parts if len(p[0].counts)]
        if len(parts) == 1 and len(parts[0][0].chunks) == len(chunks) and self._dense is None:
            return parts[0][0]
        wave = _join([p[0] for p in parts], chunks)
        chunk = np.concatenate([np.repeat(p[0].chunks, np.diff(p[0].fragments)) for p in parts])
        place = np.empty(len(self.chunks), np.int64)
        place[chunks] = np.arange(len(chunks))
        has_keys = parts[0][1] is not None
        keys = np.concatenate([p[1] for p in parts]) if has_keys else np.zeros(len(chunk), np.int64)
        if len(parts) > 1:
            order = np.lexsort((keys, place[chunk]))
            chunk, keys = chunk[order], keys[order]
            wave = _reorder(wave, order)
        if has_keys:
            starts = run_starts(place[chunk], keys)
            wave = _coalesce(wave, starts, place[chunk[starts]], keys[starts], len(chunks), self._dense)
        else:
            fragments = offsets_of(np.bincount(place[chunk], minlength=len(chunks)))
            wave = _replace_fragments(wave, wave.counts, fragments, wave.objects)
        return wave

    def _part(self, r: int, chunks: NDArray[np.int64]) -> tuple[VertexWave, NDArray[np.int64] | None]:
        """The chunks of the wave that run r has, in the order of the wave, and the keys of their fragments."""
        run = self.runs[r]
        own = self._run_chunks[r]
        mine = np.minimum(np.searchsorted(own, chunks), len(own) - 1)
        mine = mine[own[mine] == chunks] if len(own) else mine[:0]
        rows = _gather(run.rows, mine)
        fragments = _gather(run.fragments, mine)

        def of_fragments(values: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
            return None if values is None else np.asarray(values[fragments])

        counts = np.diff(run.rows)[mine]
        wave = VertexWave(
            self._run_chunks[r][mine],
            offsets_of(counts),
            offsets_of(np.diff(run.fragments)[mine]),
            np.asarray(run.counts[fragments]),
            np.asarray(run.positions[rows]),
            {name: np.asarray(values[rows]) for name, values in run.columns.items()},
            of_fragments(run.objects),
            of_fragments(run.ranks),
            of_fragments(run.fragment_links),
        )
        return wave, of_fragments(run.keys)


def _gather(first: NDArray[np.int64], cells: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Members of the cells of a CSR, as a slice where they are neighbours."""
    if not len(cells):
        return slice(0, 0)
    if (np.diff(cells) == 1).all():
        return slice(int(first[cells[0]]), int(first[cells[-1] + 1]))
    _, owner, local = spread(np.diff(first)[cells])
    return first[cells][owner] + local


def _join(parts: Sequence[VertexWave], chunks: NDArray[np.int64]) -> VertexWave:
    """Parts of several runs one after the other; `rows` and `fragments` are set when they are in order."""
    if len(parts) == 1:
        return parts[0]

    def joined(name: str) -> NDArray[Any] | None:
        values = [getattr(p, name) for p in parts]
        return None if values[0] is None else np.concatenate(values)

    counts, positions = joined("counts"), joined("positions")
    assert counts is not None and positions is not None
    columns = {name: np.concatenate([p.columns[name] for p in parts]) for name in parts[0].columns}
    none = np.zeros(len(chunks) + 1, np.int64)
    return VertexWave(
        chunks, none, none, counts, positions, columns, joined("objects"), joined("ranks"), joined("links")
    )


def _reorder(wave: VertexWave, order: NDArray[np.int64]) -> VertexWave:
    """The wave with its fragments, and the rows in them, in another order."""
    starts = np.cumsum(wave.counts) - wave.counts
    _, owner, local = spread(wave.counts[order])
    rows = starts[order][owner] + local

    def of_fragments(values: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
        return None if values is None else values[order]

    return VertexWave(
        wave.chunks,
        wave.rows,
        wave.fragments,
        wave.counts[order],
        wave.positions.take(rows, axis=0),
        {name: values.take(rows, axis=0) for name, values in wave.columns.items()},
        of_fragments(wave.objects),
        of_fragments(wave.ranks),
        of_fragments(wave.links),
    )


def _coalesce(
    wave: VertexWave,
    starts: NDArray[np.int64],
    chunk: NDArray[np.int64],
    keys: NDArray[np.int64],
    chunks: int,
    dense: int | None,
) -> VertexWave:
    """Neighbouring fragments of one key as one; with `dense` keys every chunk has a fragment for each, empty or not."""
    counts = np.add.reduceat(wave.counts, starts) if len(starts) else wave.counts
    if dense is not None:
        table = np.zeros((chunks, dense), np.int64)
        table[chunk, keys] = counts
        fragments = np.arange(chunks + 1, dtype=np.int64) * dense
        return _replace_fragments(wave, table.ravel(), fragments, None)
    fragments = offsets_of(np.bincount(chunk, minlength=chunks))
    return _replace_fragments(wave, counts, fragments, None if wave.objects is None else wave.objects[starts])


def _replace_fragments(
    wave: VertexWave, counts: NDArray[np.int64], fragments: NDArray[np.int64], objects: NDArray[np.int64] | None
) -> VertexWave:
    before = offsets_of(counts)
    return VertexWave(
        wave.chunks, before[fragments], fragments, counts, wave.positions, wave.columns, objects, wave.ranks, wave.links
    )
