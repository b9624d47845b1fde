"""Names of points and lines whose making is under way: given out at once, and kept when the session has made them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import MissingError
from zvview.store.editing.edits import VertexRefs
from zvview.stream.editing import refs_of

__all__ = ["Promises"]

_FIRST: Final = -(1 << 62)
"""Far below the names of new vertices (:data:`zvview.stream.editing.VERTEX`), which count down from -1, and ids."""


class Promises:
    """Names that stand for those that a session will give.

    The thread of the window gives them out; the one that makes what they name keeps them, and asks what they became.
    """

    def __init__(self) -> None:
        self._next = _FIRST
        self._names = np.empty(0, np.int64)

    def give(self, count: int) -> NDArray[np.int64]:
        """So many new ones, (count,)."""
        self._next -= count
        return self._next + count - np.arange(count)

    def keep(self, promised: NDArray[np.int64], names: NDArray[np.int64]) -> None:
        """What was `promised` is called so from now on, (n,) each."""
        at = _FIRST - promised
        if (missing := int(at.max(initial=-1)) + 1 - len(self._names)) > 0:
            self._names = np.concatenate((self._names, np.full(missing, _FIRST)))
        self._names[at] = names

    def names(self, given: NDArray[np.int64], what: str) -> NDArray[np.int64]:
        """What `given` names, (n,), are called by now; those that were not promised as they are.

        Raises
        ------
        MissingError
            Such a thing was promised, and not made after all.
        """
        promised = np.flatnonzero(given <= _FIRST)
        if not len(promised):
            return given
        at = _FIRST - given[promised]
        names = np.append(self._names, _FIRST)[np.minimum(at, len(self._names))]
        if (is_missing := names == _FIRST).any():
            raise MissingError(what, int(at[is_missing][0]))
        given = given.copy()
        given[promised] = names
        return given

    def refs(self, vertices: NDArray[np.int64], chunks: NDArray[np.int64]) -> VertexRefs:
        """Vertices named in one number each as chunk and row (:func:`zvview.stream.editing.refs_of`).

        Raises
        ------
        MissingError
            One of them was not made after all.
        """
        return refs_of(self.names(vertices, "new point"), chunks)
