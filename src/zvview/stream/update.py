"""What a streamer delivers: a batch to show, and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.geometry.batches import Batch
from zvview.stream.editing import EditOverlay

__all__ = ["Status", "Update"]


@dataclass(frozen=True, slots=True)
class Status:
    """What is shown, of how much.

    Attributes
    ----------
    vertices_shown : int
        In the batch, after filter and slab, far ends of links included.
    vertices_loaded : int
        Of the chunks that are shown, before filter and slab.
    vertices_total : int or None
        Of the finest level; None where the store does not say.
    chunks_ready, chunks_wanted : int
        Of what the view needs.
    bytes_shown : int
        Of the batch.
    levels : tuple of int
        Numbers of the levels that the batch comes from, ascending.
    level_count : int
        Levels that there are.
    problem : str or None
        Why nothing arrives: a source that is out of reach or does not answer. Reading goes on by itself.
    notes : tuple of str
        Damaged cells that were left out, what a level lacks, what the budget cuts off.
    is_limited : bool
        Whether the budget, or the cache, keeps finer levels out that the view has pixels for.
    is_thinned : bool
        Whether the budget leaves out points that are in view.
    """

    vertices_shown: int = 0
    vertices_loaded: int = 0
    vertices_total: int | None = None
    chunks_ready: int = 0
    chunks_wanted: int = 0
    bytes_shown: int = 0
    levels: tuple[int, ...] = ()
    level_count: int = 0
    problem: str | None = None
    notes: tuple[str, ...] = ()
    is_limited: bool = False
    is_thinned: bool = False

    def __str__(self) -> str:
        level = "+".join(map(str, self.levels)) or "-"
        limit = ", the budget allows no finer one" if self.is_limited else ""
        total = "" if self.vertices_total is None else f" of {_short(self.vertices_total)}"
        parts = [
            f"level {level} of {self.level_count}{limit}",
            f"{_short(self.vertices_shown)}{total} vertices",
            f"{self.chunks_ready} of {self.chunks_wanted} chunks",
            f"{self.bytes_shown / 1e6:.3g} MB",
        ]
        return " \u00b7 ".join([*parts, *([self.problem] if self.problem else [])])


@dataclass(frozen=True, slots=True, eq=False)
class Update:
    """What is to be shown now, instead of what was shown before.

    Attributes
    ----------
    generation : int
        Number of the view that it is for, as :meth:`zvview.stream.Streamer.look` returned it.
    batch : Batch
        Of the store's kind, in world coordinates. The very same object as in the update before when nothing changed.
    is_settled : bool
        Whether nothing more will come for this view.
    status : Status
    edits : EditOverlay or None
        What the batch was changed by: that of the view it was made for.
    chunks : (C, sid) int64 array or None
        Chunks of the finest level, by which the names of points count; None while they are not known.
    """

    generation: int
    batch: Batch
    is_settled: bool
    status: Status
    edits: EditOverlay | None = None
    chunks: NDArray[np.int64] | None = None

    @property
    def levels(self) -> tuple[int, ...]:
        """Numbers of the levels that the batch comes from."""
        return self.status.levels


def _short(count: int) -> str:
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= limit:
            return f"{count / limit:.3g} {unit}"
    return str(count)
