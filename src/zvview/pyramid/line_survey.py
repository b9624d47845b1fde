"""What each chunk of a coarser level of lines tells of the objects of the finer one: all that the choice is made from.

Chunks look for themselves, at the segments that begin in them. So a survey does not depend on how chunks were dealt out
to tasks, and after an edit those of the chunks that were touched can take the place of the old ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format.cells import spread
from zvview.format.grid import ChunkTable
from zvview.format.sequences import distinct, is_among, offsets_of
from zvview.pyramid.line_heads import Heads
from zvview.pyramid.object_ranks import hash_objects, rank_objects
from zvview.pyramid.passes import Places, Segments, find_passes, measure_lengths
from zvview.store.writing.sorting import invert, rank_rows, run_starts

__all__ = ["MOST_OF_BIN", "Survey", "changed_objects", "join_surveys", "no_survey", "survey_lines"]

Ints = NDArray[np.int64]

MOST_OF_BIN = 6
"""Objects of a bin that are kept: only when an edit takes all of them away its chunk is looked at again."""


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

    def replaced(self, objects: Ints, fresh: Survey) -> Survey:
        """The survey in which of some objects, ascending, that is told which `fresh` tells of them."""
        kept = np.flatnonzero(~is_among(self.ids, objects))
        table = ChunkTable.of(np.concatenate((self.chunks, fresh.chunks)))
        mine, theirs = (np.repeat(table.find(part.chunks), np.diff(part.first)) for part in (self, fresh))
        slots, ids = np.concatenate((mine[kept], theirs)), np.concatenate((self.ids[kept], fresh.ids))
        order = np.argsort(_keys_of(slots, ids), kind="stable")  # of two runs each in order
        sizes = np.bincount(slots, minlength=len(table))

        def joined(name: str) -> NDArray[Any]:
            return np.concatenate((getattr(self, name)[kept], getattr(fresh, name)))[order]

        full = sizes > 0
        return Survey(
            table.coords[full],
            offsets_of(sizes[full]),
            ids[order],
            joined("counts"),
            joined("lengths"),
            joined("is_winner"),
        )


def _keys_of(slots: Ints, ids: Ints) -> Ints:
    """One number for each chunk and object, (n,), which sorts by chunk and then by object."""
    low, span = (int(ids.min()), int(ids.max()) - int(ids.min()) + 1) if len(ids) else (0, 1)
    if span * (int(slots.max(initial=0)) + 1) < 1 << 62:
        return slots * span + (ids - low)
    return rank_rows(np.column_stack((slots, ids)))[0]


def no_survey(ndim: int) -> Survey:
    """The survey of no chunks."""
    none = np.empty(0, np.int64)
    return Survey(np.empty((0, ndim), np.int64), np.zeros(1, np.int64), none, none, none, none > 0)


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
    seed: int,
    most: int | None,
) -> tuple[Survey, Heads]:
    """The survey of some whole chunks of the level, and the objects of least hash of each of their bins.

    The keys of these are chunk and bin. Bins belong to chunks: a segment that leaves one passes bins of that all along.

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
    seed : int
        Of the hashes.
    most : int or None
        How many objects of a bin are told; None: all.
    """
    ranks = rank_objects(hash_objects(ids, seed))
    mine, slots = _number_places(places, owners, own_chunks)
    held = np.flatnonzero(owners >= 0)
    many = max(1, len(ids))
    pairs, counts = _count_runs(slots[held] * many + owners[held])
    first, second, least, owner = _own_segments(segments, slots, owners, mine)
    lengths = measure_lengths(positions, first, second, is_space)
    at, is_there = _find_among(pairs, least * many + owner)
    units = np.bincount(at[is_there], np.rint(lengths[is_there] / unit), minlength=len(pairs)).astype(np.int64)
    is_winner = np.zeros(len(pairs), bool)
    heads = Heads.none(places.shape[1] + positions.shape[1])
    if bin_shape is not None:
        of_all = slots * many  # ranks are told apart by chunk, and within a bin all are of one
        vertices = Places(held, slots[held], of_all[held] + ranks[owners[held]])
        lines = Segments(first, second, least, least * many + ranks[owner], lengths)
        passes = find_passes(positions, vertices, lines, bin_shape, is_space)
        slot, rank = np.divmod(distinct(passes.ranks[passes.starts]), many)
        at, is_there = _find_among(pairs, slot * many + invert(ranks)[rank])
        is_winner[at[is_there]] = True
        chunk = ChunkTable.of(own_chunks).coords[np.searchsorted(mine, passes.places[:, 0])]
        keys, first = np.concatenate((chunk, passes.places[:, 1:]), axis=1), np.append(passes.starts, len(passes.ranks))
        heads = Heads(keys, first, ids[invert(ranks)][passes.ranks % many], np.ones(len(keys), bool))
        heads = heads if most is None else heads.cut(np.minimum(np.diff(first), most))
    slot, row = np.divmod(pairs, many)
    number = np.searchsorted(mine, slot)
    sizes = np.bincount(number, minlength=len(mine))
    chunks, full = ChunkTable.of(own_chunks).coords, sizes > 0
    return Survey(chunks[full], offsets_of(sizes[full]), ids[row], counts, units, is_winner), heads


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
