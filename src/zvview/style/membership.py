"""Which group an object belongs to, for whole arrays of objects at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Membership"]


@dataclass(frozen=True, slots=True, eq=False)
class Membership:
    """Objects and the group of each; an object of several groups counts for the first.

    Attributes
    ----------
    objects : (M,) int64 array
        Ids, ascending.
    groups : (M,) int64 array
        Number of the group of each.
    names : tuple of str
        Of the groups; empty where they have none.
    """

    objects: NDArray[np.int64]
    groups: NDArray[np.int64]
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, members: Sequence[NDArray[np.int64]], names: tuple[str, ...] = ()) -> Self:
        """From the object ids of each group."""
        sizes = [len(m) for m in members]
        ids = np.concatenate([np.empty(0, np.int64), *members])
        groups = np.repeat(np.arange(len(sizes)), sizes)
        objects, first = np.unique(ids, return_index=True)
        return cls(objects, groups[first], names)

    def groups_of(self, object_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of the group of each object, (N,) int64; -1 for objects of none."""
        if not len(self.objects):
            return np.full(len(object_ids), -1, np.int64)
        at = np.minimum(np.searchsorted(self.objects, object_ids), len(self.objects) - 1)
        return np.where(self.objects[at] == object_ids, self.groups[at], -1)
