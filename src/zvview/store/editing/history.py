"""Going back and forth between the edits there were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass

import numpy as np

from zvview.store.editing.edits import Edits

__all__ = ["History"]

_MOST_STEPS = 1000
_MOST_BYTES = 512 << 20  # of what the steps do not share: to move 100,000 new points is a step of some megabytes
_ENTRY_BYTES = 100  # of a mapping, which each change copies


class History:
    """The edits as they are, with those before and those that were undone.

    Attributes
    ----------
    present : Edits
    """

    def __init__(self) -> None:
        self.present = Edits()
        self._past: list[tuple[Edits, int]] = []  # with the bytes of the step that led away from them
        self._future: list[tuple[Edits, int]] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is anything before."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether anything was undone since the last change."""
        return bool(self._future)

    def do(self, edits: Edits) -> None:
        """Go on to other edits.

        What was undone before is forgotten, and so is what lies a thousand steps back, or what memory has no room for;
        the latest step never.
        """
        self._past.append((self.present, _measure_new(self.present, edits)))
        self._future.clear()
        self.present = edits
        total = sum(size for _, size in self._past)
        while len(self._past) > 1 and (total > _MOST_BYTES or len(self._past) > _MOST_STEPS):
            total -= self._past.pop(0)[1]

    def undo(self) -> None:
        """Go back one step, if there is one."""
        if self._past:
            before, size = self._past.pop()
            self._future.append((self.present, size))
            self.present = before

    def redo(self) -> None:
        """Go forth one step, if there is one."""
        if self._future:
            after, size = self._future.pop()
            self._past.append((self.present, size))
            self.present = after


def _measure_new(before: Edits, after: Edits) -> int:
    """About how many bytes edits hold that they do not share with those before."""
    total = 0
    for field in fields(Edits):
        was, now = getattr(before, field.name), getattr(after, field.name)
        if was is now:
            continue
        if isinstance(now, Mapping):
            total += _ENTRY_BYTES * len(now)
            total += sum(_measure(value) for key, value in now.items() if was.get(key) is not value)
        else:
            total += _measure(now)
    return total


def _measure(value: object) -> int:
    """Bytes of all arrays in a value, and of the entries of its mappings."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, Mapping):
        return _ENTRY_BYTES * len(value) + sum(map(_measure, value.values()))
    if isinstance(value, tuple):
        return sum(map(_measure, value))
    if isinstance(value, frozenset):
        return _ENTRY_BYTES * len(value)
    if is_dataclass(value) and not isinstance(value, type):
        return sum(_measure(getattr(value, field.name)) for field in fields(value))
    return 0
