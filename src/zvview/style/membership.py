"""Which groups an object belongs to, for whole arrays of objects at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Membership"]


@dataclass(frozen=True, slots=True, eq=False)
class Membership:
    """Objects and their groups.

    Attributes
    ----------
    objects : (M,) int64 array
        Ids, ascending; an object stands once for each of its groups.
    groups : (M,) int64 array
        Number of the group of each, ascending for each object.
    names : tuple of str
        Of the groups; empty where they have none.
    """

    objects: NDArray[np.int64]
    groups: NDArray[np.int64]
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, members: Sequence[NDArray[np.int64]], names: tuple[str, ...] = ()) -> Self:
        """From the object ids of each group."""
        ids = np.concatenate([np.empty(0, np.int64), *members])
        groups = np.repeat(np.arange(len(members)), [len(m) for m in members])
        order = np.argsort(ids, kind="stable")
        return cls(ids[order], groups[order], names)

    def groups_of(self, object_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of the group of each object, (N,) int64; the first of several, -1 for objects of none."""
        if not len(self.objects):
            return np.full(len(object_ids), -1, np.int64)
        at = np.minimum(np.searchsorted(self.objects, object_ids), len(self.objects) - 1)
        return np.where(self.objects[at] == object_ids, self.groups[at], -1)

    def all_of(self, object_id: int) -> tuple[int, ...]:
        """Numbers of all groups of one object, ascending."""
        first, last = (int(np.searchsorted(self.objects, object_id, side=side)) for side in ("left", "right"))
        return tuple(dict.fromkeys(self.groups[first:last].tolist()))

    @property
    def labels(self) -> tuple[str, ...]:
        """What each group is called, up to the last that has members; its number where it has no name."""
        count = max(len(self.names), int(self.groups.max(initial=-1)) + 1)
        return tuple(self.name_of(group) for group in range(count))

    def name_of(self, group: int) -> str:
        """Name of a group, or its number where it has none."""
        return self.names[group] if group < len(self.names) else str(group)
