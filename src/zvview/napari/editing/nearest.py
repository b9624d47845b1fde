"""Which of the vertices that are there is nearest to new ones: what these are not told they take from it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.pyramid.nearest import load_trees

__all__ = ["nearest_rows"]

_FEW: Final = 16  # places that are compared with all vertices in less time than it takes to put these into a tree


def nearest_rows(vertices: NDArray[Any], places: NDArray[Any]) -> NDArray[np.int64]:
    """For each of some places, (m, D), the row of the vertex, of (n, D), that is nearest: (m,); n is at least 1.

    Vertices that are no finite numbers are near to nothing.
    """
    there = np.flatnonzero(np.isfinite(vertices).all(axis=1))
    if not len(there) or not np.isfinite(places).all():
        return np.zeros(len(places), np.int64)
    candidates, wanted = vertices[there].astype(np.float64), places.astype(np.float64)
    if len(wanted) <= _FEW:
        found = [((candidates - place) ** 2).sum(axis=1).argmin() for place in wanted]
        return there[np.array(found, np.int64)]
    return there[load_trees()(candidates).query(wanted)[1]]  # of scipy, which napari needs as well
