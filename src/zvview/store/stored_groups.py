"""Groups of objects as they are stored, of which only those are read that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from zvview.errors import MissingError
from zvview.geometry.arguments import check_type

__all__ = ["StoredGroups", "find_group"]

Ints = NDArray[np.int64]


class StoredGroups:
    """Groups of objects.

    Parameters
    ----------
    count : int
    names : tuple of str
        Empty where the store names none.
    read : callable
        Members of groups, given by their numbers: one array for each.
    """

    def __init__(self, count: int, names: tuple[str, ...], read: Callable[[Ints], Sequence[Ints]]) -> None:
        self._count, self.names, self._read = count, names, read

    def __len__(self) -> int:
        return self._count

    def number_of(self, group: int | str) -> int:
        """The number of a group given by number or name.

        Raises
        ------
        MissingError
        """
        return find_group(group, self._count, self.names)

    def members(self, number: int) -> Ints:
        """Ids of the members of a group, (n,) int64."""
        return self.read(np.array([number]))[0]

    def read(self, numbers: Ints | None = None) -> tuple[Ints, ...]:
        """Ids of the members of some groups, by default of all."""
        return tuple(self._read(np.arange(self._count) if numbers is None else numbers))


def find_group(group: int | str, count: int, names: Sequence[str]) -> int:
    """The number of one of `count` groups, given by number or name.

    Raises
    ------
    InvalidInputError
        Neither a number nor a name.
    MissingError
        There is no such group.
    """
    check_type(group, "group", (int, np.integer, str), "a number or a name")
    number = names.index(group) if isinstance(group, str) and group in names else group
    if isinstance(number, str) or not 0 <= number < count:
        raise MissingError("group", group, names or range(count))
    return int(number)
