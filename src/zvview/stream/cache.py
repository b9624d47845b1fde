"""Chunks in memory, within a budget of bytes that is never passed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

__all__ = ["ByteCache", "Sized", "choose_evictions"]

Key = tuple[int, int]
"""Index of the level and row of the chunk."""


class Sized(Protocol):
    """Something that knows what it takes in memory."""

    @property
    def nbytes(self) -> int:
        """Bytes."""
        ...


T = TypeVar("T", bound=Sized)


def choose_evictions(
    sizes: Iterable[tuple[Key, int]], excess: int, is_protected: Callable[[Key], bool]
) -> list[Key] | None:
    """What to let go so that `excess` bytes become free, least recently used first; None where that cannot be.

    Parameters
    ----------
    sizes : iterable of (key, bytes)
        The least recently used first.
    excess : int
    is_protected : callable
        Tells of a key that it must stay.
    """
    out: list[Key] = []
    for key, size in sizes:
        if excess <= 0:
            break
        if not is_protected(key):
            out.append(key)
            excess -= size
    return out if excess <= 0 else None


class ByteCache(Generic[T]):
    """Least recently used goes first; a chunk without vertices is an entry as any other. One thread at a time."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.nbytes = 0
        self._held: OrderedDict[Key, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: Key) -> bool:
        return key in self._held

    def __iter__(self) -> Iterator[Key]:
        return iter(self._held)

    def __getitem__(self, key: Key) -> T:
        return self._held[key]

    def touch(self, key: Key) -> None:
        """Make the entry the most recently used one."""
        self._held.move_to_end(key)

    def put(self, key: Key, value: T, is_protected: Callable[[Key], bool]) -> list[Key] | None:
        """Keep `value`; returns the keys that had to go, or None where it found no room and is not kept."""
        old = self._held[key].nbytes if key in self._held else 0
        excess = self.nbytes - old + value.nbytes - self.budget_bytes
        sizes = ((k, v.nbytes) for k, v in self._held.items())
        gone = choose_evictions(sizes, excess, lambda k: k == key or is_protected(k))
        if gone is None:
            return None
        for other in gone:
            self.nbytes -= self._held.pop(other).nbytes
        self.nbytes += value.nbytes - old
        self._held[key] = value
        self._held.move_to_end(key)
        return gone

    def clear(self) -> None:
        """Let everything go."""
        self._held.clear()
        self.nbytes = 0
