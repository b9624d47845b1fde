"""What the edits of a store changed, for those who refresh what follows from its level 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Touched"]


@dataclass(frozen=True, slots=True, eq=False)
class Touched:
    """Where level 0 is another one than before.

    Attributes
    ----------
    chunks : (n, sid) int64
        Chunks of which any cell was changed, added or removed, links that begin or end there included; in numeric
        order.
    objects : (m,) int64 or None
        Ids of all objects that were edited, added or removed, ascending; None where vertices have no objects.
    """

    chunks: NDArray[np.int64]
    objects: NDArray[np.int64] | None
