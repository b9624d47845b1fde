"""What stands in the place of some chunks of a level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.store.patching.object_tables import ChangedObjects
from zvview.store.writing.runs import Run

__all__ = ["Replacement"]


@dataclass(frozen=True, slots=True, eq=False)
class Replacement:
    """All that some chunks of a level hold now.

    Attributes
    ----------
    chunks : (n, sid) int64
        In numeric order; those of which no run holds anything are empty now.
    runs : sequence of Run
        All that these chunks hold.
    between : Run or None
        Links between them, and between them and other chunks.
    changed : ChangedObjects or None
        Manifests of all objects that are made up of other pieces then. None: objects go by chunk and place in it, so
        that the runs tell.
    """

    chunks: NDArray[np.int64]
    runs: Sequence[Run]
    between: Run | None = None
    changed: ChangedObjects | None = None
