"""Names of points whose making is under way: given out at once, and kept when the session has made the points."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import MissingError
from zvview.store.editing.edits import VertexRefs
from zvview.stream.editing import refs_of

__all__ = ["Promises"]

_FIRST: Final = -(1 << 62)
"""Far below the names of new vertices (:data:`zvview.stream.editing.VERTEX`), which count down from -1."""


class Promises:
    """Names that stand for those that a session will give.

    The thread of the window gives them out; the one that makes the points keeps them, and asks for what they became.
    """

    def __init__(self) -> None:
        self._next = _FIRST
        self._names = np.empty(0, np.int64)

    def give(self, count: int) -> NDArray[np.int64]:
        """So many new ones, (count,)."""
        self._next -= count
        return self._next + count - np.arange(count)

    def keep(self, promised: NDArray[np.int64], names: NDArray[np.int64]) -> None:
        """What was `promised` is called so from now on, (n,) each; 0 stands for none."""
        at = _FIRST - promised
        if (missing := int(at.max(initial=-1)) + 1 - len(self._names)) > 0:
            self._names = np.concatenate((self._names, np.zeros(missing, np.int64)))
        self._names[at] = names

    def refs(self, vertices: NDArray[np.int64], chunks: NDArray[np.int64]) -> VertexRefs:
        """Vertices named in one number each as chunk and row (:func:`zvview.stream.editing.refs_of`).

        Raises
        ------
        MissingError
            One of them was not made after all.
        """
        promised = np.flatnonzero(vertices <= _FIRST)
        if len(promised):
            at = _FIRST - vertices[promised]
            names = np.append(self._names, 0)[np.minimum(at, len(self._names))]
            if not names.all():
                raise MissingError("new point", int(at[names == 0][0]))
            vertices = vertices.copy()
            vertices[promised] = names
        return refs_of(vertices, chunks)
