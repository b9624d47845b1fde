"""How a coarser level is written, given its design and the store: the same for a build and for a refresh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zvview.format import names
from zvview.format.metadata import RootMetadata
from zvview.pyramid.design import LevelDesign
from zvview.pyramid.kind import Coarsened
from zvview.store.patching.cell_patch import compressors_of
from zvview.store.writing.level import LevelPlan
from zvview.store.writing.partition import Tiling
from zvview.store.writing.runs import Run

__all__ = ["count_objects", "plan_level", "share_of"]


def plan_level(
    root: RootMetadata,
    like: Mapping[str, Any],
    design: LevelDesign,
    tiling: Tiling,
    *,
    num_objects: int | None,
    sparsity: float,
    shards: Sequence[int] | bool | None = None,
) -> LevelPlan:
    """Where and how a level is written.

    Parameters
    ----------
    root : RootMetadata
    like : mapping
        Document of a grid array that has the compressors to be used.
    design : LevelDesign
    tiling : Tiling
    num_objects : int, optional
        Rows of its object index, if it has one.
    sparsity : float
        Share of the finer level's objects that it keeps.
    shards : None, bool or D ints
        As in :class:`~zvview.store.writing.options.WriteOptions`.
    """
    return LevelPlan(
        design.level,
        tiling,
        root.lo,
        root.hi,
        codecs=compressors_of(like),
        shards=shards,
        root_chunk_shape=tuple(root.chunk_shape.tolist()),
        parent_level=design.level - 1,
        coarsening_method=design.method,
        object_sparsity=sparsity,
        inherited_num_objects=num_objects,
        more={names.LEVEL_DESIGN: design.document()},
    )


def count_objects(runs: Sequence[Run], coarsened: Coarsened) -> int:
    """Objects of which the runs hold something."""
    if coarsened.object_ids is not None:
        return len(coarsened.object_ids)
    owners = [run.objects for run in runs if run.objects is not None]
    ordered = np.sort(np.concatenate(owners)) if owners else np.empty(0, np.int64)
    return int((ordered[1:] != ordered[:-1]).sum()) + bool(len(ordered))


def share_of(kept: int, before: int) -> float:
    """The ``object_sparsity`` of a level with `kept` of `before` objects: above 0, at most 1."""
    return 1.0 if not before else max(1, min(kept, before)) / before
