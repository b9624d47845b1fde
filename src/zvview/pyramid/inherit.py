"""What a coarser level takes over from the finer one as it is: attributes of objects, groups, what columns mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.store.level import Level
from zvview.store.patching.columns import describe_columns
from zvview.store.writing.level import LevelContent
from zvview.store.writing.objects import GroupContent
from zvview.store.writing.runs import Run

__all__ = ["inherit"]


def inherit(fine: Level, runs: Sequence[Run]) -> LevelContent:
    """What is written of a coarser level, given its runs, one of which may be empty and only tell of columns.

    Its object index has a row for every object of the finer one, empty for those that were left out (10.2), so that
    ids, attributes and groups of objects mean the same at every level.

    Parameters
    ----------
    fine : Level
    runs : sequence of Run
        One at least.
    """
    has_owners = any(run.objects is not None for run in runs)
    known = fine.object_ids
    ids = np.sort(known) if known is not None and has_owners else None
    return LevelContent(
        runs,
        *describe_columns(fine, runs),
        ids,
        None if ids is None else _object_attributes(fine),
        {},
        None if ids is None else _groups(fine),
    )


def _object_attributes(fine: Level) -> Callable[[NDArray[np.int64]], dict[str, NDArray[Any]]]:
    def of(ids: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        known = fine.object_ids
        if known is None or not len(known):
            return {}
        order = np.argsort(known, kind="stable")
        rows = order[np.searchsorted(known, ids, sorter=order)]
        return {name: np.ma.getdata(fine.object_attribute(name))[rows] for name in fine.object_attribute_names}

    return of


def _groups(fine: Level) -> GroupContent | None:
    groups = fine.groups
    if groups is None:
        return None
    attributes = {name: fine.group_attribute(name) for name in fine.group_attribute_names}
    return GroupContent(groups.members, groups.names, attributes)
