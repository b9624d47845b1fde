"""Chunks of a level of lines put together of pieces that stay as they are and of lines that were made again.

Nothing is asked about lines that stay but what the chunks themselves tell: who owns their fragments, and the links that
end in them. So the cost is that of the cells that are written, however many lines pass them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format.grid import ChunkTable, sort_chunks
from zvview.format.sequences import distinct, is_among, offsets_of
from zvview.store.patching.chunk_objects import OwnedPieces
from zvview.store.patching.line_pieces import LinePieces, fragment_chunks
from zvview.store.patching.link_runs import CrossingLinks, carry_links, make_link_run
from zvview.store.patching.object_tables import ChangedObjects
from zvview.store.patching.replacement import Replacement
from zvview.store.patching.row_stretches import MovedRows, gather_rows
from zvview.store.reading.outline import read_outline
from zvview.store.reading.piece_buffer import PieceBuffer
from zvview.store.writing.runs import Run
from zvview.store.writing.sorting import run_starts

__all__ = ["splice_lines"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """Some pieces of lines.

    Attributes
    ----------
    owners : (n,) int64
    slots : (n,) int64
        Number of the chunk of each among those that are put together.
    places : (n,) int64
        Of the fragment in its chunk; -1 where it is new.
    starts, counts : (n,) int64
        Rows in the old pieces and, behind these, in the runs.
    """

    owners: Ints
    slots: Ints
    places: Ints
    starts: Ints
    counts: Ints

    def followed_by(self, others: _Pieces) -> _Pieces:
        """These, and others behind them."""
        return _Pieces(
            np.concatenate((self.owners, others.owners)),
            np.concatenate((self.slots, others.slots)),
            np.concatenate((self.places, others.places)),
            np.concatenate((self.starts, others.starts)),
            np.concatenate((self.counts, others.counts)),
        )

    def take(self, rows: NDArray[Any]) -> _Pieces:
        """Some of them."""
        return _Pieces(self.owners[rows], self.slots[rows], self.places[rows], self.starts[rows], self.counts[rows])


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """All pieces of lines that were made again, line after line.

    Attributes
    ----------
    owners, counts : (n,) int64
    chunks : (n, D) int64
    starts : (n,) int64
        Rows in the joined runs.
    twins : (n,) int64
        The old piece that has the same place in its line and chunk, or -1.
    """

    owners: Ints
    counts: Ints
    chunks: Ints
    starts: Ints
    twins: Ints

    @classmethod
    def of(cls, runs: Sequence[Run], old: LinePieces) -> _Made:
        """The pieces of some runs, given those that the lines had."""
        none = np.empty(0, np.int64)
        owners, ranks, counts = (
            np.concatenate([none, *(getattr(run, name) for run in runs)]) for name in ("objects", "ranks", "counts")
        )
        chunks = np.concatenate([old.chunks[:0], *(fragment_chunks(run) for run in runs)])
        twins = old.find_twins(owners, ranks, chunks)
        order = np.lexsort((ranks, owners))
        starts = offsets_of(counts)[:-1]
        return cls(owners[order], counts[order], chunks[order], starts[order], twins[order])


def splice_lines(
    old: LinePieces,
    held: OwnedPieces,
    buffer: PieceBuffer,
    chunks: Ints,
    runs: Sequence[Run],
    gone: Ints,
    *,
    has_links: bool = True,
) -> Replacement:
    """The content of some chunks, all links that end in them, and the manifests that are others then.

    Fragments keep their number in the chunk where they can, so that few manifests change: new ones take the numbers
    that others left, and where more were left, the last fragments move there.

    Parameters
    ----------
    old : LinePieces
        Of all lines that are made again or are no more.
    held : OwnedPieces
        All fragments of the chunks, each owned by one line.
    buffer : PieceBuffer
        What the chunks hold, those at least that hold anything.
    chunks : (n, D) int64
        All chunks in which any piece comes, goes or becomes another one, in numeric order.
    runs : sequence of Run
        Whole lines that stand in place of the old ones of the same ids, or are new.
    gone : (m,) int64
        Lines that are no more, ascending.
    has_links : bool
        Whether the level has links where lines go from chunk to chunk.
    """
    table, made = ChunkTable.of(chunks), _Made.of(runs, old)
    edited = distinct(np.concatenate((made.owners, gone)))
    is_edited = is_among(held.objects, edited)
    _check_count(old, int((table.find(old.chunks) >= 0).sum()), int(is_edited.sum()))
    held = held.take(np.flatnonzero(~is_edited))
    of_held = table.find(held.chunks)
    starts, counts = old.locate(buffer, held.chunks, held.numbers)
    staying = _Pieces(held.objects, of_held, held.numbers, starts, counts)
    slots = table.find(made.chunks)
    inside = np.flatnonzero(slots >= 0)
    fragments = np.where(made.twins >= 0, np.append(old.fragments, -1)[made.twins], -1)
    behind = made.starts + (len(buffer.positions) if len(held.objects) else 0)
    pieces = staying.followed_by(_Pieces(made.owners, slots, fragments, behind, made.counts).take(inside))
    order = _keep_places(pieces.slots, pieces.places)
    ordered = pieces.take(order)
    numbers = _undo(order, np.arange(len(order)) - offsets_of(np.bincount(ordered.slots))[ordered.slots])
    fragments[inside] = numbers[len(held.objects) :]
    changed = _list_changed(old, made, fragments, edited, held, numbers[: len(held.objects)])
    if not len(order):
        return Replacement(chunks, [], changed=changed)
    run = _make_run(ordered, table, [*([buffer] if len(held.objects) else []), *runs])
    if not has_links:
        return Replacement(chunks, [run], changed=changed)
    firsts = _undo(order, offsets_of(ordered.counts)[:-1] - np.repeat(run.rows[:-1], np.diff(run.fragments)))
    kept = carry_links(old.reader, table, buffer, MovedRows.of(starts, counts, firsts[: len(held.objects)]))
    links = kept.followed_by(_link(old, made, inside, firsts[len(held.objects) :])).by_row()
    return Replacement(chunks, [run], make_link_run(links, run) if len(links.rows) else None, changed)


def _check_count(old: LinePieces, told: int, held: int) -> None:
    if told != held:
        expected = f"the {held} that their chunks hold by what is said of fragments"
        raise DamagedError("manifest", found=f"{told} fragments of some lines", expected=expected, array=old.path)


def _undo(order: Ints, values: Ints) -> Ints:
    """Values of rows that were put in order, in the order that they had before."""
    out = np.empty(len(order), np.int64)
    out[order] = values
    return out


def _keep_places(slots: Ints, places: Ints) -> Ints:
    """The order of pieces, chunk after chunk, in which they keep their places where they can."""
    total = np.bincount(slots, minlength=int(slots.max(initial=-1)) + 1)
    stays = (places >= 0) & (places < total[slots])
    first = offsets_of(total)
    kept, rest = np.flatnonzero(stays), np.flatnonzero(~stays)
    out = np.full(len(slots), -1, np.int64)
    out[first[slots[kept]] + places[kept]] = kept
    out[out < 0] = rest[np.argsort(slots[rest], kind="stable")]
    return out


def _list_changed(
    old: LinePieces, made: _Made, fragments: Ints, edited: Ints, held: OwnedPieces, numbers: Ints
) -> ChangedObjects:
    """Manifests of the lines that were edited, and of those of which a fragment has another number now.

    Parameters
    ----------
    fragments : (n,) int64
        Of the pieces that were made.
    numbers : (m,) int64
        What the fragments `held` are numbered now.
    """
    has_moved = np.flatnonzero(numbers != held.numbers)
    ids = distinct(held.objects[has_moved])
    others = LinePieces.known_to(old.reader, ids)
    table, many = ChunkTable.of(held.chunks[has_moved]), int(held.numbers[has_moved].max(initial=0)) + 1
    keys = table.find(held.chunks[has_moved]) * many + held.numbers[has_moved]
    order = np.argsort(keys)
    slots = table.find(others.chunks)
    wanted = np.where((slots >= 0) & (others.fragments < many), slots * many + others.fragments, -1)
    is_moved = is_among(wanted, keys[order])
    _check_count(old, int(is_moved.sum()), len(has_moved))
    renumbered = others.fragments.copy()
    renumbered[is_moved] = numbers[has_moved[order[np.searchsorted(keys[order], wanted[is_moved])]]]
    owners = np.concatenate((made.owners, others.owners))
    by_line = np.argsort(owners, kind="stable")
    return ChangedObjects.of(
        owners[by_line],
        np.concatenate((made.chunks, others.chunks))[by_line],
        np.concatenate((fragments, renumbered))[by_line],
        distinct(np.concatenate((edited, ids))),
    )


def _make_run(pieces: _Pieces, table: ChunkTable, sources: Sequence[PieceBuffer | Run]) -> Run:
    """A run of pieces that are in order of their chunks."""
    starts = run_starts(pieces.slots)
    fragments = np.append(starts, len(pieces.owners))
    columns = [source.attributes if isinstance(source, PieceBuffer) else source.columns for source in sources]

    def gathered(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return gather_rows(parts, pieces.starts, pieces.counts)

    return Run(
        chunks=table.coords[pieces.slots[starts]],
        rows=offsets_of(pieces.counts)[fragments],
        fragments=fragments,
        counts=pieces.counts,
        positions=gathered([source.positions for source in sources]),
        columns={name: gathered([of_source[name] for of_source in columns]) for name in columns[-1]},
        objects=pieces.owners,
    )


def _link(old: LinePieces, made: _Made, inside: Ints, firsts: Ints) -> CrossingLinks:
    """Links between neighbouring pieces that were made, of which one at least is `inside`, with first rows `firsts`."""
    is_inside = np.zeros(len(made.owners), bool)
    is_inside[inside] = True
    a = np.flatnonzero((made.owners[1:] == made.owners[:-1]) & (is_inside[1:] | is_inside[:-1]))
    a = a[(made.chunks[a] != made.chunks[a + 1]).any(axis=1)]
    first = np.zeros(len(made.owners), np.int64)
    first[inside] = firsts
    last = first + made.counts - 1
    ends = np.concatenate((a, a + 1))
    far = distinct(ends[~is_inside[ends]])
    first[far], last[far] = _find_ends(old, made.twins[far])
    chunks = np.stack((made.chunks[a], made.chunks[a + 1]), axis=1)
    return CrossingLinks(chunks, np.stack((last[a], first[a + 1]), axis=1), {})


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
