"""The numbers by which Neuroglancer knows the objects of a store: segments, of which 0 is the background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from zvview.format.sequences import distinct

__all__ = ["MOST_COLOURED", "Segments"]

MOST_COLOURED: Final = 256
"""Objects whose colours a state lists; of more, those that are shown at first only: links carry all of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Objects as segments: of the same number, or of the next one where a store has an object 0.

    Attributes
    ----------
    ids : (n,) int64 array
        Objects that can be segments, ascending: none of them is negative.
    shift : int
        What is added to the id of an object: 0 or 1.
    notes : tuple of str
        What is left out or called otherwise, in plain words.
    """

    ids: NDArray[np.int64]
    shift: int = 0
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, ids: NDArray[np.int64]) -> Self:
        """Of the ids of all objects of a store, absent ones included, so that segments keep their numbers."""
        ids = distinct(ids)
        first = int(np.searchsorted(ids, 0))
        shift = int(first < len(ids) and ids[first] == 0)
        notes = []
        if first:
            notes.append(f"{first:,} objects have negative ids, which Neuroglancer has no segments for: left out")
        if shift:
            notes.append("the store has an object 0, which is Neuroglancer's background: segment n + 1 is object n")
        return cls(ids[first:], shift, tuple(notes))

    def of_objects(self, ids: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Segments of some objects, (n,), none of them negative."""
        return ids.astype(np.uint64) + np.uint64(self.shift)

    def objects(self, segments: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Objects of some segments, (m,), in their order; those that are none are left out."""
        most = np.uint64(np.iinfo(np.int64).max)
        shifted = segments[segments >= np.uint64(self.shift)] - np.uint64(self.shift)
        wanted = shifted[shifted <= most].astype(np.int64)
        return wanted[self.has(wanted)]

    def has(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each of some objects, (n,), is a segment."""
        if not len(self.ids):
            return np.zeros(len(ids), bool)
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.asarray(self.ids[at] == ids)
