"""Which objects a coarser level keeps whole: a fair share of all, and enough that nothing vanishes from the picture.

An object stays when the hash of its id is below a threshold, which is fair to space, length and group alike, or when it
has the least hash of those that pass some bin of a grid, of its group, or of its class of length (by powers of two). So
each bin that was passed still is, and no group or class dies out. Equal hashes: the lower id wins.

Bins belong to the level's chunks: each chunk looks at the segments that begin in it and chooses for itself. So the
choice can be made chunk by chunk, does not depend on how chunks were dealt out to tasks, and is repeated after an edit
from the chunks that were touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import locate_chunks
from zvview.pyramid.hashing import hash_ids
from zvview.pyramid.passes import Places, Segments, find_passes, measure_lengths
from zvview.store.writing.sorting import invert, rank_rows, run_starts

__all__ = ["ALL", "Survey", "choose_objects", "hash_objects", "rank_objects", "survey_lines"]

ALL = 1 << 32
"""The threshold that all hashes are below."""


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What part of a level tells of its objects.

    Attributes
    ----------
    ids : (n,) int64
        Objects that the part holds something of, ascending.
    lengths : (n,) int64
        Length of their segments in the part, in whole units: integers, so that sums do not depend on their order.
    is_winner : (n,) bool
        Whether an object has the least hash of a bin.
    """

    ids: NDArray[np.int64]
    lengths: NDArray[np.int64]
    is_winner: NDArray[np.bool_]


def hash_objects(ids: NDArray[np.int64], seed: int) -> NDArray[np.uint32]:
    """What decides of objects, (n,)."""
    return hash_ids(ids, seed) if len(ids) else np.empty(0, np.uint32)


def rank_objects(hashes: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Place of each object in the order by hash, then by id, (n,), given the hashes of ascending ids."""
    keys = (hashes.astype(np.uint64) << np.uint64(32)) | np.arange(len(hashes), dtype=np.uint64)
    keys.sort()
    return invert((keys & np.uint64(0xFFFFFFFF)).astype(np.int64))


def survey_lines(
    positions: NDArray[np.floating],
    owners: NDArray[np.int64],
    segments: NDArray[np.int64],
    own_chunks: NDArray[np.int64],
    *,
    chunk_shape: NDArray[np.float64],
    bin_shape: NDArray[np.float64] | None,
    is_space: NDArray[np.bool_],
    unit: float,
    ids: NDArray[np.int64],
    ranks: NDArray[np.int64],
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
    own_chunks : (C, D) int64
        The chunks.
    chunk_shape, bin_shape : (D,)
        None: no bins, only lengths.
    is_space : (D,) bool
        Axes in which length is measured.
    unit : float
    ids : (n,) int64
        Ascending.
    ranks : (n,) int64
        As of :func:`rank_objects`.
    """
    chunks = locate_chunks(positions, chunk_shape)
    keys, _ = rank_rows(np.concatenate((chunks, own_chunks)))
    mine, keys = np.unique(keys[len(chunks) :]), keys[: len(chunks)]
    first, second = np.ascontiguousarray(segments.T)
    least = np.minimum(keys[first], keys[second])
    owner = np.maximum(owners[first], owners[second])
    is_mine = (owner >= 0) & np.isin(least, mine)
    if not is_mine.all():
        first, second, least, owner = first[is_mine], second[is_mine], least[is_mine], owner[is_mine]
    lengths = measure_lengths(positions, first, second, is_space)
    units = np.bincount(owner, np.rint(lengths / unit), minlength=len(ids)).astype(np.int64)
    is_winner = np.zeros(len(ids), bool)
    if bin_shape is not None:
        rows = np.flatnonzero(owners >= 0)
        vertices = Places(rows, keys[rows], ranks[owners[rows]])
        found = find_passes(
            positions, vertices, Segments(first, second, least, ranks[owner], lengths), bin_shape, is_space
        )
        is_winner = found.winners(len(ids))[ranks]
    return Survey(ids, units, is_winner)


def choose_objects(
    ids: NDArray[np.int64],
    hashes: NDArray[np.uint32],
    surveys: Iterable[Survey],
    threshold: int,
    groups: Sequence[NDArray[np.int64]],
) -> NDArray[np.int64]:
    """The objects that stay, ascending.

    Parameters
    ----------
    ids : (n,) int64
        All objects of the finer level, ascending.
    hashes : (n,) uint32
    surveys : iterable of Survey
        That together have seen the whole level; objects that none has seen are absent.
    threshold : int
    groups : sequence of (m,) int64
        Ids of the members of each.
    """
    lengths, is_seen, kept = np.zeros(len(ids), np.int64), np.zeros(len(ids), bool), hashes < threshold
    for survey in surveys:
        at = np.searchsorted(ids, survey.ids)
        lengths[at] += survey.lengths
        is_seen[at] = True
        kept[at] |= survey.is_winner
    ranks = rank_objects(hashes)
    seen = np.flatnonzero(is_seen)
    kept[_least_of_each(np.frexp(lengths[seen].astype(np.float64))[1].astype(np.int64), seen, ranks)] = True
    members = [_rows_of(ids, np.asarray(m)) for m in groups]
    group = np.repeat(np.arange(len(members)), [len(m) for m in members])
    member = np.concatenate([np.empty(0, np.int64), *members])
    present = is_seen[member]
    kept[_least_of_each(group[present], member[present], ranks)] = True
    return ids[kept & is_seen]


def _rows_of(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    at = np.minimum(np.searchsorted(ids, wanted), max(len(ids) - 1, 0))
    return at[ids[at] == wanted] if len(ids) else at[:0]


def _least_of_each(classes: NDArray[np.int64], rows: NDArray[np.int64], ranks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each class the row of least rank."""
    count = max(1, len(ranks))
    pairs = np.sort(classes * count + ranks[rows])
    classes, least = np.divmod(pairs, count)
    firsts: NDArray[np.int64] = invert(ranks)[least[run_starts(classes)]]
    return firsts
