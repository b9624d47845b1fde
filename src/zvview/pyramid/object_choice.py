"""Which objects a coarser level keeps whole: a fair share of all, and enough that nothing vanishes from the picture.

An object stays when the hash of its id is below a threshold, which is fair to space, length and group alike, or when it
has the least hash of those that pass some bin of a grid, of its group, or of its class of length (by powers of two). So
each bin that was passed still is, and no group or class dies out. Equal hashes: the lower id wins.

Bins belong to the level's chunks, each of which surveys for itself (:mod:`~zvview.pyramid.line_survey`). The choice is
made from the surveys alone. After an edit only those are asked that may have changed it
(:mod:`~zvview.pyramid.line_fates`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zvview.pyramid.line_survey import Survey
from zvview.pyramid.object_ranks import rank_objects
from zvview.store.writing.sorting import invert, run_starts

__all__ = ["ALL", "choose_objects"]

ALL = 1 << 32
"""The threshold that all hashes are below."""


def choose_objects(
    ids: NDArray[np.int64],
    hashes: NDArray[np.uint32],
    survey: Survey,
    threshold: int,
    groups: Sequence[NDArray[np.int64]],
) -> NDArray[np.int64]:
    """The objects that stay, ascending.

    Parameters
    ----------
    ids : (n,) int64
        All objects of the finer level, ascending.
    hashes : (n,) uint32
    survey : Survey
        Of the whole level; objects that it has not seen are absent.
    threshold : int
    groups : sequence of (m,) int64
        Ids of the members of each.
    """
    lengths, is_seen, kept = np.zeros(len(ids), np.int64), np.zeros(len(ids), bool), hashes < threshold
    at = np.searchsorted(ids, survey.ids)
    np.add.at(lengths, at, survey.lengths)
    is_seen[at] = True
    kept[at[survey.is_winner]] = True
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
