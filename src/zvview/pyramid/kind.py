"""What a kind of geometry brings to the making of levels; the driver does all that is the same for every kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from zvview.pyramid.design import LevelDesign, PyramidOptions
from zvview.pyramid.line_state import LineState
from zvview.pyramid.scratch import Scratch
from zvview.store.level import Level
from zvview.store.writing.intake import Intake
from zvview.store.writing.partition import Tiling

__all__ = ["Coarsened", "Job", "Kind", "TaskContext"]

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, eq=False)
class TaskContext:
    """What a task works with, in whatever process it runs.

    Attributes
    ----------
    fine : Level
        The next finer level.
    design : LevelDesign
    tiling : Tiling
        How the level that is made is cut.
    scratch : Scratch
        Where a task leaves what is too large to be its result. Names must be unique to the task: derive them from
        its part, so that a task that is done again replaces what its killed forerunner left.
    old : Level or None
        The level that is made as it was before an edit; None where there is none, or it is made as a whole.
    """

    fine: Level
    design: LevelDesign
    tiling: Tiling
    scratch: Scratch
    old: Level | None = None

    def save_run(self, name: str, intake: Intake) -> str:
        """Sort an intake into the chunks of the level and leave it as a run; gives its name."""
        from zvview.store.writing.partition import partition

        return self.scratch.save(name, partition(intake, self.tiling))


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One level in the making, in the driver.

    Attributes
    ----------
    fine : Level
    design : LevelDesign
    tiling : Tiling
    scratch : Scratch
    run_all : callable
        ``run_all(task, parts)`` calls ``task(context, part)`` for each part, here or in other processes, and gives the
        results in order. Tasks are module-level functions, pure but for scratch; parts and results are small and can
        be pickled. Parts that were done by an interrupted build are not done again.
    """

    fine: Level
    design: LevelDesign
    tiling: Tiling
    scratch: Scratch
    run_all: Callable[[Callable[[TaskContext, Any], Any], Sequence[Any]], list[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Coarsened:
    """What became of a level, before it is written.

    Attributes
    ----------
    runs : sequence of str
        Names in scratch of runs (:meth:`TaskContext.save_run`), in the order in which fragments of a chunk shall stand.
    object_ids : (n,) int64, optional
        Objects that are kept, ascending; None: those that own fragments of the runs (points), or no objects at all.
    survey : LineState, optional
        Of the choice of objects what a refresh wants to know; kept in the store.
    """

    runs: Sequence[str]
    object_ids: NDArray[np.int64] | None = None
    survey: LineState | None = None


class Kind(Protocol):
    """How levels of one kind of geometry are made. Stateless."""

    methods: ClassVar[Sequence[str]]
    """Names of the methods, the default first."""

    def design(self, fine: Level, previous: LevelDesign | None, options: PyramidOptions) -> LevelDesign:
        """Decide on the next coarser level from what `fine` holds; `previous` is the design of `fine` itself.

        Reads samples only. ``fine.number + 1`` is the level; `options` give its shapes where the caller wishes them.
        """
        ...

    def coarsen(self, job: Job) -> Coarsened:
        """Make the level's runs out of core, in tasks.

        Vertices of runs carry all vertex attributes of `fine` (raw codes for categories, same dtypes), their objects
        by id, and links with all link attributes where the kind has them.
        """
        ...
