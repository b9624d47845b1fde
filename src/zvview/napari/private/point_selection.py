"""Selecting many points at once: what is selected is put, told and highlighted as arrays, not one by one."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any, Final

import numpy as np
from napari.layers import Points
from napari.layers.base import ActionType
from napari.layers.points._points_utils import _create_box_from_corners_3d, create_box
from numpy.typing import NDArray
from psygnal.containers import Selection

__all__ = ["MANY", "PointSelection", "SelectedPoints"]

MANY: Final = 256
"""Points selected from which on napari's own ways, which look at each, are left."""


class PointSelection(Selection[int]):
    """Rows that are selected, in the order in which they were; each change of many is one event.

    The one of psygnal takes and tells each for itself: some ten milliseconds for 1000 rows.
    """

    _data: dict[int, None]

    def __init__(self, rows: Iterable[int] = ()) -> None:
        self._rows: NDArray[np.int64] | None = None
        self.revision = 0
        """Another number after each change."""
        super().__init__(rows)

    @property
    def rows(self) -> NDArray[np.int64]:
        """What is selected, (k,), ascending; read-only."""
        if self._rows is None:
            rows = np.sort(np.fromiter(self._data, np.int64, len(self._data)))
            rows.flags.writeable = False
            self._rows = rows
        return self._rows

    def update(self, *others: Iterable[int]) -> None:
        """Select these, too."""
        self._become({**self._data, **_keys(*others)})

    def difference_update(self, *others: Iterable[int]) -> None:
        """Select these no longer."""
        gone = _keys(*others)
        self._become({row: None for row in self._data if row not in gone})

    def intersection_update(self, *others: Iterable[int]) -> None:
        """Select no others than these, of those selected."""
        kept = set.intersection(*(set(_keys(other)) for other in others))
        self._become({row: None for row in self._data if row in kept})

    def symmetric_difference_update(self, others: Iterable[int]) -> None:
        """Select those of these that are not selected, and no longer those that are."""
        changed = _keys(others)
        kept = {row: None for row in self._data if row not in changed}
        self._become(kept | {row: None for row in changed if row not in self._data})

    def replace_selection(self, rows: Iterable[int]) -> None:
        """Select these and no others."""
        self._become(_keys(rows))

    def _become(self, wanted: dict[int, None]) -> None:
        before = self._data
        removed = tuple(before) if not wanted else tuple(row for row in before if row not in wanted)
        added = tuple(wanted) if not before else tuple(row for row in wanted if row not in before)
        if added or removed:
            self._data = wanted
            self._emit_change(added, removed)

    def _emit_change(self, added: tuple[int, ...], removed: tuple[int, ...]) -> None:
        self._rows = None
        self.revision += 1
        super()._emit_change(added, removed)


class SelectedPoints(Points):  # type: ignore[misc, unused-ignore]
    """A ``Points`` layer in which many points may be selected."""

    _drag_start: Any
    _drag_box_stored: Any
    _selected_data_stored: Any
    _highlight_index: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._selected_data = PointSelection()

    @property
    def selected_data(self) -> PointSelection:
        """Rows of the points that are selected."""
        return self._selected_data

    @selected_data.setter
    def selected_data(self, rows: Iterable[int]) -> None:
        self._selected_data.replace_selection(rows)
        if len(self._selected_data) < MANY:
            Points.selected_data.fset(self, self._selected_data)
            return
        at = self._selected_data.rows
        with self.block_update_properties():
            for name in ("border_color", "face_color", "size", "border_width", "symbol"):
                one = _common(getattr(self, name), at)
                if one is not None:
                    setattr(self, f"current_{name}", one)
            alike = {}
            for name, values in self.properties.items():
                alike[name] = _common(values, at)
                if alike[name] is None:
                    break
            else:
                self.current_properties = alike
        self._set_highlight()

    def _set_drag_start(self, selection_indices: Any, position: Any, center_by_data: bool = True) -> None:
        chosen = self._selected_data
        if selection_indices is not chosen or len(chosen) < MANY or not center_by_data:
            super()._set_drag_start(selection_indices, position, center_by_data)
        elif self._drag_start is None:
            displayed = list(self._slice_input.displayed)
            self._drag_start = np.array(position, np.float64)[displayed] - self._middle(chosen.rows)

    def _move(self, selection_indices: Any, position: Any) -> None:
        chosen = self._selected_data
        if selection_indices is not chosen or len(chosen) < MANY:
            super()._move(selection_indices, position)
            return
        self._set_drag_start(chosen, position)
        displayed = list(self._slice_input.displayed)
        shift = np.array(position, np.float64)[displayed] - self._middle(chosen.rows) - self._drag_start
        at = np.ix_(chosen.rows, displayed)
        self.data[at] += shift
        self.refresh()
        indices = tuple(chosen.rows.tolist())
        self.events.data(value=self.data, action=ActionType.CHANGED, data_indices=indices, vertex_indices=((),))
        self.events.features()

    def _middle(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of points along the displayed axes; their sum would lose digits in float32."""
        middle: NDArray[np.float64] = self.data[np.ix_(rows, self._slice_input.displayed)].mean(
            axis=0, dtype=np.float64
        )
        return middle

    @property
    def _view_selected(self) -> NDArray[np.int64]:
        """Places in the view of the points that are selected, ascending; asked at every frame."""
        if not self._selected_data:
            return np.empty(0, np.int64)
        rows = self._selected_data.rows
        is_selected = np.zeros(len(self.data), bool)
        is_selected[rows[rows < len(is_selected)]] = True
        return np.flatnonzero(is_selected[self._view_indices])

    def _set_highlight(self, force: bool = False) -> None:
        """As napari's, which compares and copies what is selected one by one."""
        chosen = self._selected_data
        if not isinstance(chosen, PointSelection) or len(chosen) < MANY:  # the layer is being made
            super()._set_highlight(force)
            return
        seen = (chosen.revision, self._value)
        is_same_box = np.array_equal(self._drag_box, self._drag_box_stored)
        if self._selected_data_stored == seen and is_same_box and not force:
            return
        self._selected_data_stored, self._value_stored = seen, self._value
        self._drag_box_stored = None if self._drag_box is None else np.array(self._drag_box)
        self._highlight_index = self._view_selected if self._highlight_visible else []
        self._highlight_box = self._selecting_box() if self._highlight_visible and self._is_selecting else None
        self.events.highlight()

    def _selecting_box(self) -> NDArray[np.floating]:
        """The outline of the box that is being drawn, closed."""
        if self._drag_normal is None:
            corners = create_box(self._drag_box)
        else:
            corners = _create_box_from_corners_3d(self._drag_box, self._drag_normal, self._drag_up)
        outline: NDArray[np.floating] = corners[[*range(4), 0]]
        return outline


def _keys(*others: Iterable[int]) -> dict[int, None]:
    """Rows as keys, which keep their order; those of arrays as the integers of Python, which are found sooner."""
    return dict.fromkeys(chain(*(each.tolist() if isinstance(each, np.ndarray) else each for each in others)))


def _common(values: NDArray[Any], rows: NDArray[np.int64]) -> Any:
    """The value that all these rows have; None where they differ."""
    first = values[rows[0]]
    if len(values) and not values.strides[0]:
        return first
    some = values[rows]
    return first if bool((some == first).all()) else None
