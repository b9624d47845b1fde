"""The stores at a place: itself, or the members of a collection."""

from __future__ import annotations

import os

from zvview.errors import UnsupportedError
from zvview.store.collection import Collection
from zvview.store.opening import open as open_place

__all__ = ["places_of"]


def places_of(place: str) -> list[str]:
    """Places of the stores that levels are to be made of.

    Raises
    ------
    UnsupportedError
        A collection that is no folder: its members cannot be replaced one by one.
    """
    opened = open_place(place)
    with opened:
        if not isinstance(opened, Collection):
            return [place]
        if not os.path.isdir(place):
            raise UnsupportedError(f"{place} is a collection inside one file; make the levels before it is packed")
        return [os.path.join(place, *path.split("/")) for path in opened.paths.values()]
