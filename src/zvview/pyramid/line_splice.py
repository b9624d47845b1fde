"""Chunks of a level of lines put together of pieces that stay as they are and of lines that were made again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format.cells import spread
from zvview.format.grid import ChunkTable, sort_chunks
from zvview.format.sequences import distinct, offsets_of
from zvview.pyramid.block_borders import CrossingLinks, make_link_run
from zvview.pyramid.line_pieces import LinePieces, fragment_chunks
from zvview.pyramid.local_changes import Redone
from zvview.pyramid.piece_counts import read_outline
from zvview.store.writing.runs import Run

__all__ = ["splice_lines"]

Ints = NDArray[np.int64]
OrderKeys = Callable[[Ints], Ints]


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """Some pieces of a level.

    Attributes
    ----------
    owners, ranks : (n,) int64
    chunks : (n, D) int64
    starts, counts : (n,) int64
        Rows; where they count from depends on who made the table.
    """

    owners: Ints
    ranks: Ints
    chunks: Ints
    starts: Ints
    counts: Ints

    def take(self, rows: NDArray[Any]) -> _Pieces:
        return _Pieces(*(column[rows] for column in (self.owners, self.ranks, self.chunks, self.starts, self.counts)))


def _join(parts: Sequence[_Pieces]) -> _Pieces:
    columns = ("owners", "ranks", "chunks", "starts", "counts")
    return _Pieces(*(np.concatenate([getattr(part, name) for part in parts]) for name in columns))


def splice_lines(old: LinePieces, chunks: Ints, runs: Sequence[Run], gone: Ints, order_keys: OrderKeys) -> Redone:
    """The content of some chunks, and all links that end in them.

    Parameters
    ----------
    old : LinePieces
    chunks : (n, D) int64
        All chunks in which any piece comes, goes or becomes another one, in numeric order.
    runs : sequence of Run
        Whole lines that stand in place of the old ones of the same ids, or are new.
    gone : (m,) int64
        Lines that are no more, ascending.
    order_keys : callable
        Gives the chunk that each of some objects begins in, (n, D): with the id, it decides on their order in a chunk.
    """
    table = ChunkTable.of(chunks)
    made = _join([_none(chunks.shape[1]), *(_fragments_of(run) for run in runs)])
    again = distinct(made.owners)
    is_inside = table.find(old.chunks) >= 0
    stays = ~np.isin(old.owners, np.concatenate((again, gone)))
    ranks = _renumber(old, np.flatnonzero(~is_inside & ~stays), made.take(table.find(made.chunks) < 0))
    staying = np.flatnonzero(is_inside & stays)
    buffer = old.read(sort_chunks(old.chunks[staying]))
    starts, counts = old.find_rows(buffer, staying)
    held = _Pieces(old.owners[staying], ranks[staying], old.chunks[staying], starts, counts)
    is_new = table.find(made.chunks) >= 0
    run_rows = offsets_of([len(run.positions) for run in runs])
    sources = [buffer.positions[:0] if not len(staying) else buffer.positions, *(run.positions for run in runs)]
    before = len(sources[0])
    fresh = made.take(is_new)
    of_run = np.repeat(np.arange(len(runs)), [len(run.counts) for run in runs])[is_new]
    shifts = run_rows[:-1][of_run] + before
    pieces = _join([held, _Pieces(fresh.owners, fresh.ranks, fresh.chunks, fresh.starts + shifts, fresh.counts)])
    if not len(pieces.owners):
        return Redone(chunks, [], ranks=ranks)
    pieces = pieces.take(_order(pieces, order_keys, table.find(pieces.chunks)))
    columns = {
        name: [*([buffer.attributes[name]] if len(staying) else []), *(run.columns[name] for run in runs)]
        for name in (runs[0].columns if runs else buffer.attributes)
    }
    _, owner, local = spread(pieces.counts)
    rows = pieces.starts[owner] + local
    if not len(staying):
        sources = sources[1:]
    positions = _gather(sources, rows)
    run = _make_run(pieces, positions, {name: _gather(parts, rows) for name, parts in columns.items()})
    within = np.cumsum(pieces.counts) - pieces.counts
    number = np.repeat(np.arange(len(run.chunks)), np.diff(run.fragments))
    inside = _Pieces(pieces.owners, pieces.ranks, pieces.chunks, within - run.rows[:-1][number], pieces.counts)
    outside = np.flatnonzero(~is_inside & np.isin(old.owners, pieces.owners))
    links = _link(old, inside, outside, ranks, order_keys)
    return Redone(chunks, [run], None if links is None else make_link_run(links, run), ranks)


def _none(ndim: int) -> _Pieces:
    none = np.empty(0, np.int64)
    return _Pieces(none, none, np.empty((0, ndim), np.int64), none, none)


def _fragments_of(run: Run) -> _Pieces:
    assert run.objects is not None and run.ranks is not None
    return _Pieces(run.objects, run.ranks, fragment_chunks(run), offsets_of(run.counts)[:-1], run.counts)


def _renumber(old: LinePieces, pieces: Ints, made: _Pieces) -> Ints:
    """Ranks of all old pieces, where lines that were made again left `pieces` as they were but for these: `made`.

    In each chunk an object has as many of both, in the same order.
    """
    table = ChunkTable.of(np.concatenate((old.chunks[pieces], made.chunks)))
    a = pieces[np.lexsort((old.fragments[pieces], old.owners[pieces], table.find(old.chunks[pieces])))]
    b = np.lexsort((made.ranks, made.owners, table.find(made.chunks)))
    ranks = old.ranks.copy()
    ranks[a] = made.ranks[b]
    return ranks


def _order(pieces: _Pieces, order_keys: OrderKeys, first: Ints | None = None) -> Ints:
    """Pieces by object, in the order of fragments in a chunk, then by rank; before all by `first`, (n,), if given."""
    ids, of_each = np.unique(pieces.owners, return_inverse=True)
    keys = order_keys(ids)[of_each]
    columns = [pieces.ranks, pieces.owners, *keys.T[::-1]]
    return np.lexsort(columns if first is None else [*columns, first])


def _gather(parts: Sequence[NDArray[Any]], rows: Ints) -> NDArray[Any]:
    return (parts[0] if len(parts) == 1 else np.concatenate(parts)).take(rows, axis=0)


def _make_run(pieces: _Pieces, positions: NDArray[Any], columns: dict[str, NDArray[Any]]) -> Run:
    """A run of pieces that are in order of their chunks."""
    is_first = np.ones(len(pieces.owners), bool)
    is_first[1:] = (pieces.chunks[1:] != pieces.chunks[:-1]).any(axis=1)
    starts = np.flatnonzero(is_first)
    fragments = np.append(starts, len(pieces.owners))
    return Run(
        chunks=pieces.chunks[starts],
        rows=offsets_of(pieces.counts)[fragments],
        fragments=fragments,
        counts=pieces.counts,
        positions=positions,
        columns=columns,
        objects=pieces.owners,
        ranks=pieces.ranks,
    )


def _link(old: LinePieces, inside: _Pieces, outside: Ints, ranks: Ints, order_keys: OrderKeys) -> CrossingLinks | None:
    """Links between neighbouring pieces of a line of which one at least is `inside`; `outside` are others of these."""
    nothing = np.zeros(len(outside), np.int64)
    beyond = _Pieces(old.owners[outside], ranks[outside], old.chunks[outside], nothing, nothing)
    pieces = _join([inside, beyond])
    order = _order(pieces, order_keys)
    a, b = order[:-1], order[1:]
    is_joint = (pieces.owners[a] == pieces.owners[b]) & ((a < len(inside.owners)) | (b < len(inside.owners)))
    a, b = a[is_joint], b[is_joint]
    if not len(a):
        return None
    ends = np.concatenate((a, b))
    far = distinct(ends[ends >= len(inside.owners)])
    wanted = outside[far - len(inside.owners)]
    outline = read_outline(old.reader, sort_chunks(old.chunks[wanted]))
    starts, counts = old.find_rows(outline, wanted)
    starts = starts - outline.stored_first[outline.chunks.find(old.chunks[wanted])]
    pieces.starts[far], pieces.counts[far] = starts, counts
    rows = np.stack((pieces.starts[a] + pieces.counts[a] - 1, pieces.starts[b]), axis=1)
    return CrossingLinks(np.stack((pieces.chunks[a], pieces.chunks[b]), axis=1), rows, {})
