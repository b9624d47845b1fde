"""Going back and forth between the edits there were."""

from __future__ import annotations

from zvview.store.editing.edits import Edits

__all__ = ["History"]

_MOST_STEPS = 1000  # each holds the chunks that it changed, and of new vertices all


class History:
    """The edits as they are, with those before and those that were undone.

    Attributes
    ----------
    present : Edits
    """

    def __init__(self) -> None:
        self.present = Edits()
        self._past: list[Edits] = []
        self._future: list[Edits] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is anything before."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether anything was undone since the last change."""
        return bool(self._future)

    def do(self, edits: Edits) -> None:
        """Go on to other edits; what was undone before is forgotten, and so is what lies a thousand steps back."""
        self._past.append(self.present)
        del self._past[:-_MOST_STEPS]
        self._future.clear()
        self.present = edits

    def undo(self) -> None:
        """Go back one step, if there is one."""
        if self._past:
            self._future.append(self.present)
            self.present = self._past.pop()

    def redo(self) -> None:
        """Go forth one step, if there is one."""
        if self._future:
            self._past.append(self.present)
            self.present = self._future.pop()
