"""What an edit session needs of the store that it edits, and which stores can be edited."""

from __future__ import annotations

import os
from collections.abc import Callable, MutableMapping
from typing import Protocol, TypeVar

from zarr.abc.store import Store

from zvview.errors import UnsupportedError
from zvview.format import names
from zvview.format.metadata import RootMetadata
from zvview.store.places.folder import FolderSource
from zvview.store.places.memory import MemorySource
from zvview.store.places.open import Place
from zvview.store.places.source import Source
from zvview.store.reading.reader import LevelReader

__all__ = ["EditHost", "check_editable", "place_of"]

T = TypeVar("T")


class EditHost(Protocol):
    """A store, as far as it takes to edit it."""

    place: str

    @property
    def metadata(self) -> RootMetadata:
        """What the root says."""
        ...

    @property
    def levels(self) -> tuple[int, ...]:
        """Numbers of the levels."""
        ...

    def reader(self, number: int) -> LevelReader:
        """The opened arrays of a level."""
        ...

    def retry(self, read: Callable[[], T]) -> T:
        """The value of `read`, called again where what it relied on was stale."""
        ...


def check_editable(host: EditHost) -> None:
    """Refuse stores of which level 0 cannot be edited.

    Raises
    ------
    UnsupportedError
        An older layout, several kinds or none, additive levels or such as zvview did not make, Draco vertices; tells
        what to do.
    """
    metadata = host.metadata
    if metadata.is_old_layout:
        raise UnsupportedError(
            f"{host.place} is in the layout of format {metadata.version_text}, which is not edited: "
            "'zvview upgrade' makes it anew in format 0.9"
        )
    if len(metadata.kinds) != 1:
        listed = ", ".join(metadata.kinds) or "no kind"
        raise UnsupportedError(
            f"{host.place} lists {listed} in one vertex buffer: a store of exactly one kind can be edited; "
            "'zvview convert' makes one"
        )
    if 0 not in host.levels:
        raise UnsupportedError(f"{host.place} has no level 0 to edit")
    levels = {number: host.reader(number).layout.metadata for number in host.levels}
    if any(level.refinement == names.REFINEMENT_ADD for level in levels.values()):
        raise UnsupportedError(
            f"{host.place} has additive levels: its level 0 is not complete without the others; "
            "'zvview convert' makes a store that can be edited"
        )
    if any(names.LEVEL_DESIGN not in levels[number].raw.get(names.LEVEL, {}) for number in levels if number):
        raise UnsupportedError(
            f"{host.place} has coarse levels that zvview did not make, and that it could not make fit the edits: "
            "'zvview pyramid' makes its own in their place"
        )
    if host.reader(0).is_draco:
        raise UnsupportedError(
            f"the vertices of {host.place} are Draco bitstreams, which are not edited; "
            "'zvview convert' makes a store that can be"
        )


def place_of(place: Place | Source) -> Place:
    """The place that a source reads, as functions take it that remake the store there; places as they are."""
    if isinstance(place, FolderSource):
        return place.folder
    if isinstance(place, MemorySource):
        return place.mapping
    if isinstance(place, str | os.PathLike | MutableMapping | Store):
        return place
    return place.place
