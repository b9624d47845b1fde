"""What became of the changes of a commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from zvview.store.places.source import Source

__all__ = ["Applied", "Commit"]


@dataclass(frozen=True, slots=True)
class Applied:
    """Changes that are in the store, for good.

    Attributes
    ----------
    written_keys, removed_keys : int
    written_bytes : int
        Of all objects that were written, documents and the root's included.
    note : str
        What the user should know; empty where all is well. Where the disk filled up, or failed, after the moment from
        which the changes count, it says so: zvview reads them, and the next that writes puts them in their place.
    """

    written_keys: int
    removed_keys: int
    written_bytes: int
    note: str = ""


class Commit(Protocol):
    """A store that is locked, to be changed; :func:`~zvview.store.committing.opening.open_commit` gives it."""

    @property
    def source(self) -> Source:
        """The store as it is. What is read through it is guarded: see :meth:`apply`."""
        ...

    def apply(self, changes: Mapping[str, bytes | None]) -> Applied:
        """Make all changes appear, at once and durably, or none. Once in a block.

        Parameters
        ----------
        changes : mapping of str to bytes or None
            New content by key; None for keys that shall be no more.

        Raises
        ------
        ConflictError
            An object that was read through :attr:`source` was changed since by a program that takes no lock; nothing
            was overwritten. What such a program writes in the few milliseconds after this was looked at is lost.
        InvalidInputError
            Keys that are none, or lie under each other; the root's document may not be removed.
        UnsupportedError
            A key that lies behind a link to another folder, or in a file system of its own.
        UnreachableError
            The store cannot be written, or the disk is full; it is as it was.
        """
        ...
