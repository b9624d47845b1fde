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
from zvview.store.patching.line_pieces import LinePieces, beginnings, fragment_chunks
from zvview.store.patching.link_runs import CrossingLinks, make_link_run
from zvview.store.patching.object_tables import ChangedObjects
from zvview.store.patching.replacement import Replacement
from zvview.store.reading.outline import read_outline
from zvview.store.writing.runs import Run
from zvview.store.writing.sorting import run_starts

__all__ = ["Arrange", "PlacedPieces", "keep_places", "order_by_beginning", "splice_lines"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class PlacedPieces:
    """Some pieces of lines.

    Attributes
    ----------
    owners, ranks : (n,) int64
    chunks : (n, D) int64
    places : (n,) int64
        Of the fragment in its chunk; -1 where it is new.
    starts, counts : (n,) int64
        Rows; where they count from depends on who made the table.
    """

    owners: Ints
    ranks: Ints
    chunks: Ints
    places: Ints
    starts: Ints
    counts: Ints

    def take(self, rows: NDArray[Any]) -> PlacedPieces:
        """Some of them."""
        columns = (self.owners, self.ranks, self.chunks, self.places, self.starts, self.counts)
        return PlacedPieces(*(column[rows] for column in columns))


Arrange = Callable[[PlacedPieces, "Ints | None"], Ints]
"""Gives the order of some pieces: given the number of the chunk of each, chunk after chunk; else line after line."""


def order_by_beginning(old: LinePieces, runs: Sequence[Run]) -> Arrange:
    """Fragments of a chunk stand by the chunk that their line begins in, then by its id."""
    firsts = np.flatnonzero(old.ranks == 0)
    made = [beginnings(run) for run in runs]
    is_old = ~np.isin(old.owners[firsts], np.concatenate([old.owners[:0], *(ids for ids, _ in made)]))
    ids = np.concatenate([old.owners[firsts[is_old]], *(ids for ids, _ in made)])
    chunks = np.concatenate([old.chunks[firsts[is_old]], *(chunks for _, chunks in made)])
    order = np.argsort(ids)
    table = ChunkTable.of(chunks)
    ids, keys = ids[order], table.find(chunks)[order]

    def arrange(pieces: PlacedPieces, chunk: Ints | None) -> Ints:
        columns = (pieces.ranks, pieces.owners, keys[np.searchsorted(ids, pieces.owners)])
        return np.lexsort(columns if chunk is None else (*columns, chunk))

    return arrange


def keep_places(pieces: PlacedPieces, chunk: Ints | None) -> Ints:
    """Fragments keep their number in the chunk where they can, so that few manifests change.

    New ones take the numbers that others left; where more were left, the last fragments move there.
    """
    if chunk is None:
        return np.lexsort((pieces.ranks, pieces.owners))
    total = np.bincount(chunk, minlength=int(chunk.max(initial=-1)) + 1)
    stays = (pieces.places >= 0) & (pieces.places < total[chunk])
    first = offsets_of(total)
    is_free = np.ones(len(chunk), bool)
    is_free[first[chunk[stays]] + pieces.places[stays]] = False
    rest = np.flatnonzero(~stays)
    rest = rest[np.lexsort((pieces.ranks[rest], pieces.owners[rest], chunk[rest]))]
    out = np.empty(len(chunk), np.int64)
    out[first[chunk[stays]] + pieces.places[stays]] = np.flatnonzero(stays)
    out[np.flatnonzero(is_free)] = rest
    return out


def splice_lines(
    old: LinePieces, chunks: Ints, runs: Sequence[Run], gone: Ints, arrange: Arrange, *, has_links: bool = True
) -> Replacement:
    """The content of some chunks, all links that end in them, and the manifests that are others then.

    Parameters
    ----------
    old : LinePieces
        Of all lines that have a piece in the chunks, that are made again, or are no more.
    chunks : (n, D) int64
        All chunks in which any piece comes, goes or becomes another one, in numeric order.
    runs : sequence of Run
        Whole lines that stand in place of the old ones of the same ids, or are new.
    gone : (m,) int64
        Lines that are no more, ascending.
    arrange : callable
        Decides on the order of fragments in a chunk.
    has_links : bool
        Whether the level has links where lines go from chunk to chunk.
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
    held = PlacedPieces(
        old.owners[staying], ranks[staying], old.chunks[staying], old.fragments[staying], starts, counts
    )
    is_new = table.find(made.chunks) >= 0
    run_rows = offsets_of([len(run.positions) for run in runs])
    sources = [buffer.positions[:0] if not len(staying) else buffer.positions, *(run.positions for run in runs)]
    before = len(sources[0])
    fresh = made.take(is_new)
    of_run = np.repeat(np.arange(len(runs)), [len(run.counts) for run in runs])[is_new]
    shifts = run_rows[:-1][of_run] + before
    fresh = PlacedPieces(fresh.owners, fresh.ranks, fresh.chunks, fresh.places, fresh.starts + shifts, fresh.counts)
    pieces = _join([held, fresh])
    pieces = pieces.take(arrange(pieces, table.find(pieces.chunks)))
    outside = np.flatnonzero(~is_inside & ~np.isin(old.owners, gone))
    ids = distinct(np.concatenate((old.owners, again, gone)))
    changed = _find_changed(old, outside, ranks, pieces, ids)
    if not len(pieces.owners):
        return Replacement(chunks, [], changed=changed)
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
    links = _link(old, _within_chunks(pieces, run), outside, ranks, arrange) if has_links else None
    return Replacement(chunks, [run], None if links is None else make_link_run(links, run), changed)


def _none(ndim: int) -> PlacedPieces:
    none = np.empty(0, np.int64)
    return PlacedPieces(none, none, np.empty((0, ndim), np.int64), none, none, none)


def _join(parts: Sequence[PlacedPieces]) -> PlacedPieces:
    columns = ("owners", "ranks", "chunks", "places", "starts", "counts")
    return PlacedPieces(*(np.concatenate([getattr(part, name) for part in parts]) for name in columns))


def _fragments_of(run: Run) -> PlacedPieces:
    assert run.objects is not None and run.ranks is not None
    new = np.full(len(run.counts), -1, np.int64)
    return PlacedPieces(run.objects, run.ranks, fragment_chunks(run), new, offsets_of(run.counts)[:-1], run.counts)


def _renumber(old: LinePieces, pieces: Ints, made: PlacedPieces) -> Ints:
    """Ranks of all old pieces, where lines that were made again left `pieces` as they were but for these: `made`.

    In each chunk an object has as many of both, in the same order.
    """
    table = ChunkTable.of(np.concatenate((old.chunks[pieces], made.chunks)))
    a = pieces[np.lexsort((old.ranks[pieces], old.owners[pieces], table.find(old.chunks[pieces])))]
    b = np.lexsort((made.ranks, made.owners, table.find(made.chunks)))
    ranks = old.ranks.copy()
    ranks[a] = made.ranks[b]
    return ranks


def _find_changed(old: LinePieces, outside: Ints, ranks: Ints, pieces: PlacedPieces, ids: Ints) -> ChangedObjects:
    """Manifests of all lines `ids`, given their pieces outside the chunks and, in order of the chunks, inside."""
    starts = run_starts(*pieces.chunks.T)
    places = np.arange(len(pieces.owners)) - np.repeat(starts, np.diff(np.append(starts, len(pieces.owners))))
    owners = np.concatenate((old.owners[outside], pieces.owners))
    order = np.lexsort((np.concatenate((ranks[outside], pieces.ranks)), owners))
    chunks = np.concatenate((old.chunks[outside], pieces.chunks))[order]
    return ChangedObjects.of(owners[order], chunks, np.concatenate((old.fragments[outside], places))[order], ids)


def _gather(parts: Sequence[NDArray[Any]], rows: Ints) -> NDArray[Any]:
    return (parts[0] if len(parts) == 1 else np.concatenate(parts)).take(rows, axis=0)


def _make_run(pieces: PlacedPieces, positions: NDArray[Any], columns: dict[str, NDArray[Any]]) -> Run:
    """A run of pieces that are in order of their chunks."""
    starts = run_starts(*pieces.chunks.T)
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


def _within_chunks(pieces: PlacedPieces, run: Run) -> PlacedPieces:
    """The pieces of a run, their rows counted from the beginning of each chunk."""
    number = np.repeat(np.arange(len(run.chunks)), np.diff(run.fragments))
    starts = offsets_of(pieces.counts)[:-1] - run.rows[:-1][number]
    return PlacedPieces(pieces.owners, pieces.ranks, pieces.chunks, pieces.places, starts, pieces.counts)


def _link(old: LinePieces, inside: PlacedPieces, outside: Ints, ranks: Ints, arrange: Arrange) -> CrossingLinks | None:
    """Links between neighbouring pieces of a line of which one at least is `inside`; `outside` are others of these."""
    nothing = np.zeros(len(outside), np.int64)
    outside = outside[np.isin(old.owners[outside], inside.owners)]
    beyond = PlacedPieces(old.owners[outside], ranks[outside], old.chunks[outside], nothing, nothing, nothing.copy())
    pieces = _join([inside, beyond])
    order = arrange(pieces, None)
    a, b = order[:-1], order[1:]
    is_joint = (pieces.owners[a] == pieces.owners[b]) & ((a < len(inside.owners)) | (b < len(inside.owners)))
    is_joint &= (pieces.chunks[a] != pieces.chunks[b]).any(axis=1)
    a, b = a[is_joint], b[is_joint]
    if not len(a):
        return None
    first, last = pieces.starts, pieces.starts + pieces.counts - 1
    ends = np.concatenate((a, b))
    far = distinct(ends[ends >= len(inside.owners)])
    first[far], last[far] = _find_ends(old, outside[far - len(inside.owners)])
    rows = np.stack((last[a], first[b]), axis=1)
    return CrossingLinks(np.stack((pieces.chunks[a], pieces.chunks[b]), axis=1), rows, {})


def _find_ends(old: LinePieces, pieces: Ints) -> tuple[Ints, Ints]:
    """First and last row of some old pieces in the vertex buffers of their chunks."""
    coords = sort_chunks(old.chunks[pieces])
    buffer, is_tiled = read_outline(old.reader, coords)
    buffer = buffer if is_tiled else old.read(coords)
    first, counts = old.find_rows(buffer, pieces)
    last = first + counts - 1
    if buffer.stored_rows is not None:
        first, last = buffer.stored_rows[first], buffer.stored_rows[last]
    before = buffer.stored_first[buffer.chunks.find(old.chunks[pieces])]
    return first - before, last - before
