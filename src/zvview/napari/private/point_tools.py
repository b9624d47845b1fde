"""Adding, deleting and pasting points in a few milliseconds, whatever their number, and telling of each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from napari.layers.base import ActionType
from numpy.typing import ArrayLike, NDArray

from zvview.format.sequences import distinct
from zvview.napari.private.point_selection import SelectedPoints

__all__ = ["PointTools"]

_LOOKS = ("_size", "_border_width", "_shown", "_symbol")


class PointTools(SelectedPoints):
    """What the tools of a ``Points`` layer call.

    Napari's own go through setters that look at every point several times, and tell nobody of a paste.
    """

    ask_for_thumbnail: Callable[[], None]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._picking: set[int] = set()
        super().__init__(*args, **kwargs)

    def add(self, coords: ArrayLike) -> None:
        """Add points at data coordinates, (D,) or (n, D), with the default features, and select them."""
        fresh = np.atleast_2d(np.asarray(coords, self._data.dtype))
        count = len(fresh)
        self._tell(ActionType.ADDING, range(-count, 0))
        table = self._feature_table.values
        defaults = self._feature_table.defaults
        columns = {name: _repeated(table[name], defaults.get(name), count) for name in table.columns}
        looks = {
            "_size": np.full(count, self.current_size, np.float32),
            "_border_width": np.full(count, self.current_border_width, np.float32),
            "_shown": np.ones(count, bool),
            "_symbol": np.array([self._current_symbol] * count, object),  # numpy.full would make text of it
        }
        colours = np.tile(np.asarray(self._face.current_color, np.float32), (count, 1))
        self._append(fresh, colours, columns, looks)
        self._tell(ActionType.ADDED, range(-count, 0))
        self.selected_data = range(len(self._data) - count, len(self._data))
        self.events.features()

    def remove(self, indices: Sequence[int]) -> None:
        """Delete the points at `indices`."""
        gone = distinct(np.asarray(list(indices), np.int64))
        if not len(gone):
            return
        self._tell(ActionType.REMOVING, gone.tolist())
        kept = np.ones(len(self._data), bool)
        kept[gone] = False
        places = np.cumsum(kept) - 1
        chosen = self.selected_data.rows
        selected = places[chosen[kept[chosen]]]
        self._replace(lambda values: _take(values, kept), self._feature_table.values[kept].reset_index(drop=True))
        self.selected_data = selected
        self._tell(ActionType.REMOVED, gone.tolist())
        self.events.features()

    def _paste_data(self) -> None:
        """Paste what was copied, and select it; unlike napari's own this is told of as other points that are added."""
        board = self._clipboard
        if not board or not len(board["data"]):
            return
        positions = np.array(board["data"], self._data.dtype)
        sliced = list(self._slice_input.not_displayed)
        now, then = (np.array(place.point)[sliced] for place in (self._data_slice, board["indices"]))
        positions[:, sliced] += now - then
        count = len(positions)
        self._tell(ActionType.ADDING, range(-count, 0))
        looks = {
            "_size": np.asarray(board["size"], np.float32),
            "_border_width": np.asarray(board["border_width"], np.float32),
            "_shown": np.asarray(board["shown"], bool),
            "_symbol": np.asarray(board["symbol"], object),
        }
        copied, table = board["features"], self._feature_table.values
        columns = {name: copied[name].to_numpy() for name in table.columns if name in copied}
        if len(columns) < len(table.columns):  # copied where the points had other features
            defaults = self._feature_table.defaults
            columns = {n: columns.get(n, _repeated(table[n], defaults.get(n), count)) for n in table.columns}
        self._append(positions, np.asarray(board["face_color"], np.float32), columns, looks)
        self.selected_data = range(len(self._data) - count, len(self._data))
        self._tell(ActionType.ADDED, range(-count, 0))
        self.events.features()

    def _get_value(self, position: Any) -> int | None:
        with self._as_large_as_drawn():
            return super()._get_value(position)

    def _get_value_3d(self, *args: Any, **kwargs: Any) -> int | None:
        with self._as_large_as_drawn():
            return super()._get_value_3d(*args, **kwargs)

    def _display_bounding_box_augmented(self, dims_displayed: list[int]) -> NDArray[np.floating]:
        """Where a ray may meet points: beyond the store's bounds if they were moved there, and flat in no direction."""
        box: NDArray[np.floating] = super()._display_bounding_box_augmented(dims_displayed)
        if not len(self._data):
            return box
        shown = self._data[:, dims_displayed]
        half = max(float(self._size.max()), self.canvas_size_limits[0] * self.scale_factor / abs(self.scale[-1])) / 2
        return np.stack(
            (np.minimum(box[:, 0], shown.min(axis=0)) - half, np.maximum(box[:, 1], shown.max(axis=0)) + half), axis=1
        )

    @contextmanager
    def _as_large_as_drawn(self) -> Iterator[None]:
        """Let points be found wherever they are drawn, which may be larger than their size; in this thread."""
        thread = threading.get_ident()
        self._picking.add(thread)
        try:
            yield
        finally:
            self._picking.discard(thread)

    @property
    def _view_size(self) -> NDArray[np.floating]:
        sizes: NDArray[np.floating] = super()._view_size
        if threading.get_ident() not in self._picking:
            return sizes
        drawn = np.maximum(sizes, self.canvas_size_limits[0] * self.scale_factor / abs(self.scale[-1]))
        return drawn + 2 * self._drawing_error()

    def _drawing_error(self) -> float:
        """How far from its place a point may be drawn, in data units: what draws counts the world in float32."""
        farthest = np.abs(np.asarray(self.translate, np.float64)).max(initial=0.0)
        return float(np.spacing(np.float32(farthest)) / abs(self.scale[-1]))

    def _append(
        self,
        positions: NDArray[np.floating],
        colours: NDArray[np.float32],
        columns: dict[str, NDArray[Any]],
        looks: dict[str, NDArray[Any]],
    ) -> None:
        table = self._feature_table.values
        joined = {name: _joined(table[name].to_numpy(), columns[name]) for name in table.columns}
        fresh = {**looks, "_data": positions, "colors": colours}
        count = len(self._data) + len(positions)
        features = pd.DataFrame(joined, index=pd.RangeIndex(count), copy=False)
        names = iter([*_LOOKS, "_data", "colors", "colors"])
        self._replace(lambda values: _extended(values, fresh[next(names)]), features)

    def _replace(self, change: Callable[[NDArray[Any]], NDArray[Any]], features: pd.DataFrame) -> None:
        """Change all that is kept for each point in the same way: looks, positions, colours; then show it."""
        self._value = None
        for name in (*_LOOKS, "_data"):
            setattr(self, name, change(getattr(self, name)))
        for colours in (self._face, self._border):
            colours.__dict__["colors"] = change(colours.colors)
        self._feature_table._values = features
        self.set_view_slice()
        self.events.set_data()
        self.ask_for_thumbnail()

    def _tell(self, action: ActionType, indices: Sequence[int]) -> None:
        self.events.data(value=self._data, action=action, data_indices=tuple(indices), vertex_indices=((),))


def _take(values: NDArray[Any], kept: NDArray[np.bool_]) -> NDArray[Any]:
    """The rows that are kept; what stands once for all still does."""
    if not values.strides[0]:
        return np.broadcast_to(values[:1], (int(kept.sum()), *values.shape[1:])) if len(values) else values
    return values[kept]


def _extended(values: NDArray[Any], more: NDArray[Any]) -> NDArray[Any]:
    """All rows; what stands once for all still does where the new ones are alike."""
    count = len(values) + len(more)
    if len(values) and not values.strides[0] and all(value is values[0] for value in more.tolist()):
        return np.broadcast_to(values[:1], (count, *values.shape[1:]))
    return np.concatenate((values, more.astype(values.dtype, copy=False)))


def _repeated(column: pd.Series, default: pd.Series | None, count: int) -> NDArray[Any]:
    """The default of a feature as so many values of its dtype; what that cannot hold becomes 0, or -1 for ids."""
    dtype = column.to_numpy().dtype
    value = None if default is None else default.iloc[0]
    if dtype.kind in "iu" and (value is None or value != value):
        value = -1 if column.name == "id" else 0
    return np.full(count, value, dtype)


def _joined(values: NDArray[Any], more: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate((values, more.astype(values.dtype, copy=False)))
