"""What handles stand for, and what is done to it: the part that lines and all other kinds share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import copy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.napari.editing.command import Command
from zvview.store.editing.session import EditSession

__all__ = ["HandleTool"]

_MOST_HANDLES = 100_000


class HandleTool(ABC):
    """The vertices of some objects, in the order of their handles.

    Those that a window shows are never changed: what is done to them is done to a copy (:meth:`after`), on the thread
    on which changes take turns, since it may have to read.

    Attributes
    ----------
    positions : (n, D) float64 array
        World coordinates.
    object_ids : (n,) int64 array
    attributes : mapping of str to (n,) or (n, C) array
    fresh : (k,) int64 array or None
        Rows of what came last and is to be selected, such as what was pasted.
    """

    positions: NDArray[np.float64]
    object_ids: NDArray[np.int64]
    attributes: Mapping[str, NDArray[Any]]
    fresh: NDArray[np.int64] | None = None

    def __init__(self, session: EditSession, ids: tuple[int, ...]) -> None:
        self.session, self.ids = session, ids
        self.load()

    def after(self, latest: HandleTool) -> Self:
        """A copy to be changed, of the objects of the `latest` one, whose rows mean what they meant when it was shown.

        Raises
        ------
        InvalidInputError
            They do not any more.
        """
        out = copy(self)
        out.ids, out.fresh = latest.ids, None
        return out

    @abstractmethod
    def load(self) -> None:
        """Take the vertices from the session, as they are now; objects that are no more are left out.

        Raises
        ------
        InvalidInputError
            They are more than can be handles.
        """

    @abstractmethod
    def move(self, rows: NDArray[np.int64], positions: NDArray[np.float64]) -> None:
        """Put vertices elsewhere."""

    @abstractmethod
    def delete(self, rows: NDArray[np.int64]) -> None:
        """Delete vertices."""

    @abstractmethod
    def add(self, position: NDArray[np.float64], selected: NDArray[np.int64]) -> None:
        """Add a vertex where it belongs by its place, (D,), or by what is selected."""

    @abstractmethod
    def set_values(self, name: str, rows: NDArray[np.int64], values: Any) -> None:
        """Give vertices another value of an attribute."""

    def commands(self) -> dict[str, Command]:
        """What else can be done to vertices that are selected: names of methods that take their rows."""
        return {"delete_objects": Command("Delete object", "Shift-Delete")}

    def delete_objects(self, rows: NDArray[np.int64]) -> None:
        """Delete the objects of the selected vertices, of all where none is selected."""
        self.session.delete_objects(self._objects_at(rows))
        self.load()

    def _objects_at(self, rows: NDArray[np.int64]) -> list[int]:
        """Objects of the selected vertices; all where none is selected."""
        if not len(rows):
            return list(self.ids)
        found = set(self.object_ids[rows].tolist())
        return [number for number in self.ids if number in found]

    def _check_count(self, count: int) -> None:
        if count > _MOST_HANDLES:
            raise InvalidInputError(f"{count:,} vertices are too many for handles; {_MOST_HANDLES:,} are the most")
