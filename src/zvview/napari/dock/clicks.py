"""Clicks on the canvas, told apart from drags."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from zvview.napari.cursor import Cursor

__all__ = ["Click", "ClickWatch"]

_MOST_PX: Final = 4.0  # that a hand moves while it clicks


@dataclass(frozen=True, slots=True, eq=False)
class Click:
    """Where it was.

    Attributes
    ----------
    cursor : Cursor
        In world coordinates.
    keys : tuple of str
        That were held, such as ``Shift``.
    """

    cursor: Cursor
    keys: tuple[str, ...] = ()


class ClickWatch:
    """Tells of clicks with the first button, and no key but `keys`, on the canvas of a viewer, until it is closed."""

    def __init__(self, viewer: Any, on_click: Callable[[Click], None], keys: Sequence[str] = ()) -> None:
        self._viewer, self._on_click, self._keys = viewer, on_click, set(keys)
        viewer.mouse_drag_callbacks.append(self._press)

    def close(self) -> None:
        """Tell no longer."""
        if self._press in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._press)

    def _press(self, viewer: Any, event: Any) -> Iterator[None]:
        """A generator, as napari wants it: the press, each move, and the release."""
        keys = tuple(str(getattr(key, "name", key)) for key in event.modifiers)
        if event.button != 1 or not self._keys.issuperset(keys):
            return
        begin, farthest = np.array(event.pos, np.float64), 0.0
        yield
        while event.type == "mouse_move":
            farthest = max(farthest, float(np.abs(np.array(event.pos) - begin).max()))
            yield
        if max(farthest, float(np.abs(np.array(event.pos) - begin).max())) <= _MOST_PX:
            place, along = np.array(event.position, np.float64), event.view_direction
            along = None if along is None else np.array(along, np.float64)
            self._on_click(Click(Cursor(place, along, tuple(event.dims_displayed), is_in_world=True), keys))
