"""What each chunk of a coarser level of lines tells of the objects of the finer one: all that the choice is made from.

Chunks look for themselves, at the segments that begin in them. So a survey does not depend on how chunks were dealt out
to tasks, and after an edit those of the chunks that were touched can take the place of the old ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zvview.format.cells import spread
from zvview.format.grid import ChunkTable
from zvview.format.sequences import distinct, offsets_of
from zvview.pyramid.passes import Places, Segments, find_passes, measure_lengths
from zvview.store.writing.sorting import invert, rank_rows, run_starts

__all__ = ["Survey", "changed_objects", "join_surveys", "survey_lines"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What some chunks of the coarser level tell of the finer level's objects.

    Attributes
    ----------
    chunks : (C, D) int64
        In numeric order; chunks without objects are left out.
    first : (C + 1,) int64
        Entries of chunk c are ``first[c] : first[c + 1]``.
    ids : (n,) int64
        Objects of which a chunk holds something, ascending in each chunk.
    counts : (n,) int64
        Vertices of the object in the chunk; 0 where nobody asks for them.
    lengths : (n,) int64
        Length of the segments in whole units: integers, so that sums do not depend on their order.
    is_winner : (n,) bool
        Whether the object has the least hash of a bin of the chunk.
    """

    chunks: Ints
    first: Ints
    ids: Ints
    counts: Ints
    lengths: Ints
    is_winner: NDArray[np.bool_]

    def entries_of(self, chunks: Ints) -> Ints:
        """Entries (m,) of some chunks (n, D), chunk after chunk in numeric order."""
        at = ChunkTable.of(self.chunks).find(ChunkTable.of(chunks).coords)
        at = at[at >= 0]
        _, owner, local = spread(np.diff(self.first)[at])
        entries: Ints = self.first[at][owner] + local
        return entries

    def select(self, is_kept: NDArray[np.bool_]) -> Survey:
        """The survey of those of the chunks, (C,), that are kept."""
        entries = np.flatnonzero(np.repeat(is_kept, np.diff(self.first)))
        return Survey(
            self.chunks[is_kept],
            offsets_of(np.diff(self.first)[is_kept]),
            self.ids[entries],
            self.counts[entries],
            self.lengths[entries],
            self.is_winner[entries],
        )

    def with_chunks(self, chunks: Ints, fresh: Survey) -> Survey:
        """The survey in which `fresh` stands for all that was known of `chunks`, (n, D)."""
        is_stale = ChunkTable.of(chunks).find(self.chunks) >= 0
        return join_surveys([self.select(~is_stale), fresh])

    def without_counts(self) -> Survey:
        """The same, with all counts 0."""
        return replace(self, counts=np.zeros_like(self.counts))


def join_surveys(parts: Sequence[Survey]) -> Survey:
    """The survey of the chunks of all parts, one at least, none of which share a chunk."""
    chunks = np.concatenate([part.chunks for part in parts])
    order = np.lexsort(chunks.T[::-1])
    sizes = np.concatenate([np.diff(part.first) for part in parts])
    starts = np.cumsum(sizes) - sizes
    first, owner, local = spread(sizes[order])
    entries = starts[order][owner] + local

    def joined(name: str) -> NDArray[np.int64]:
        return np.asarray(np.concatenate([getattr(part, name) for part in parts])[entries])

    winners = np.concatenate([part.is_winner for part in parts])[entries]
    return Survey(chunks[order], first, joined("ids"), joined("counts"), joined("lengths"), winners)


def changed_objects(before: Survey, after: Survey, columns: Sequence[str]) -> Ints:
    """Objects, ascending, that a chunk holds in one of two surveys only, or of which `columns` tell another thing."""
    table = ChunkTable.of(np.concatenate((before.chunks, after.chunks)))
    ids = np.concatenate((before.ids, after.ids))
    low, span = (int(ids.min()), int(ids.max()) - int(ids.min()) + 1) if len(ids) else (0, 1)
    if span * max(1, len(table)) < 1 << 62:
        ids = ids - low
    else:
        known = distinct(ids)
        ids, span = np.searchsorted(known, ids), len(known)
    chunks = np.concatenate([np.repeat(table.find(s.chunks), np.diff(s.first)) for s in (before, after)])
    old, new = np.split(chunks * span + ids, [len(before.ids)])  # ascending, as chunks are, and ids in each of them
    at, is_known = _find_among(old, new)
    a, b = at[is_known], np.flatnonzero(is_known)
    differs = np.zeros(len(a), bool)
    for name in columns:
        differs |= getattr(before, name)[a] != getattr(after, name)[b]
    is_gone = np.ones(len(old), bool)
    is_gone[a] = False
    found: Ints = distinct(np.concatenate((before.ids[is_gone], after.ids[~is_known], after.ids[b[differs]])))
    return found


def survey_lines(
    positions: NDArray[np.floating],
    owners: Ints,
    segments: Ints,
    places: Ints,
    own_chunks: Ints,
    *,
    bin_shape: NDArray[np.float64] | None,
    is_space: NDArray[np.bool_],
    unit: float,
    ids: Ints,
    ranks: Ints,
) -> Survey:
    """The survey of some whole chunks of the level.

    Parameters
    ----------
    positions : (N, D)
        Vertices of the chunks, and the far ends of segments that leave them.
    owners : (N,) int64
        Row in `ids` of the object of each vertex; -1 where it is a far end, or has no object.
    segments : (S, 2) int64
        Joined rows. A segment between two chunks is given to the survey of both, and counts in the lesser.
    places : (N, D) int64
        Chunk of the level that each vertex lies in.
    own_chunks : (C, D) int64
        The chunks, one at least. Vertices that lie astray, in none of them, count in the first.
    bin_shape : (D,) or None
        None: no bins, only lengths.
    is_space : (D,) bool
        Axes in which length is measured.
    unit : float
    ids : (n,) int64
        Ascending.
    ranks : (n,) int64
        As of :func:`~zvview.pyramid.object_choice.rank_objects`.
    """
    mine, slots = _number_places(places, owners, own_chunks)
    held = np.flatnonzero(owners >= 0)
    many = max(1, len(ids))
    pairs, counts = _count_runs(slots[held] * many + owners[held])
    first, second, least, owner = _own_segments(segments, slots, owners, mine)
    lengths = measure_lengths(positions, first, second, is_space)
    at, is_there = _find_among(pairs, least * many + owner)
    units = np.bincount(at[is_there], np.rint(lengths[is_there] / unit), minlength=len(pairs)).astype(np.int64)
    is_winner = np.zeros(len(pairs), bool)
    if bin_shape is not None:
        of_all = slots * many  # ranks are told apart by chunk, and within a bin all are of one
        vertices = Places(held, slots[held], of_all[held] + ranks[owners[held]])
        lines = Segments(first, second, least, least * many + ranks[owner], lengths)
        passes = find_passes(positions, vertices, lines, bin_shape, is_space)
        slot, rank = np.divmod(distinct(passes.ranks[passes.starts]), many)
        at, is_there = _find_among(pairs, slot * many + invert(ranks)[rank])
        is_winner[at[is_there]] = True
    slot, row = np.divmod(pairs, many)
    number = np.searchsorted(mine, slot)
    sizes = np.bincount(number, minlength=len(mine))
    chunks, full = ChunkTable.of(own_chunks).coords, sizes > 0
    return Survey(chunks[full], offsets_of(sizes[full]), ids[row], counts, units, is_winner)


def _number_places(places: Ints, owners: Ints, own_chunks: Ints) -> tuple[Ints, Ints]:
    """Numbers of the own chunks, ascending, and of the chunk of each vertex, in the order of their coordinates."""
    keys, _ = rank_rows(np.concatenate((places, own_chunks)))
    starts = run_starts(keys)  # neighbouring vertices mostly share a chunk
    known, number = np.unique(keys[starts], return_inverse=True)
    slots = np.repeat(number, np.diff(np.append(starts, len(keys))))
    mine, slots = distinct(slots[len(places) :]), slots[: len(places)]
    is_mine = np.zeros(len(known), bool)
    is_mine[mine] = True
    slots[(owners >= 0) & ~is_mine[slots]] = mine[0]
    return mine, slots


def _count_runs(values: Ints) -> tuple[Ints, Ints]:
    """The distinct values and how often each is there; values come in runs."""
    starts = run_starts(values)
    known, number = np.unique(values[starts], return_inverse=True)
    sizes = np.diff(np.append(starts, len(values)))
    return known, np.bincount(number, sizes, minlength=len(known)).astype(np.int64)


def _own_segments(segments: Ints, slots: Ints, owners: Ints, mine: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Ends, chunk and owner of the segments that count in the own chunks."""
    first, second = np.ascontiguousarray(segments.T)
    least, owner = np.minimum(slots[first], slots[second]), np.maximum(owners[first], owners[second])
    is_mine = (owner >= 0) & np.isin(least, mine)
    if not is_mine.all():
        first, second, least, owner = first[is_mine], second[is_mine], least[is_mine], owner[is_mine]
    return first, second, least, owner


def _find_among(known: Ints, wanted: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Place of each wanted value among the `known` ones, ascending, and whether it is there."""
    if not len(known):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return at, known[at] == wanted
