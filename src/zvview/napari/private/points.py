"""A ``Points`` layer whose whole content is replaced in milliseconds, with all its tools alive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from napari._vispy.layers.points import VispyPointsLayer
from napari.layers import Points
from napari.layers.points._points_constants import Symbol
from napari.layers.points._slice import _PointSliceRequest, _PointSliceResponse
from napari.layers.points.points import _PointsSlicingState
from napari.settings import get_settings
from numpy.typing import ArrayLike, NDArray

from zvview.napari.cursor import Cursor
from zvview.napari.private.contexts import keep_contexts_apart
from zvview.napari.private.names import MARKER_RECORD
from zvview.napari.private.point_looks import OwnLooks
from zvview.napari.private.point_selection import MANY
from zvview.napari.private.streamed import Streamed
from zvview.napari.private.thumbnails import ThumbnailAtRest

__all__ = ["StreamPoints", "VispyStreamPoints"]

_THUMBNAIL_POINTS = 1024


class _AllRequest(_PointSliceRequest):
    """A request for all points that are shown: what lies outside of the slab was never read."""

    def __call__(self) -> _PointSliceResponse:
        shown = self.shown
        is_whole = not shown.strides[0] if len(shown) else True
        indices = np.arange(len(self.data)) if is_whole else np.flatnonzero(shown)
        size = self.size if is_whole else self.size[indices]
        return _PointSliceResponse(indices=indices, size=size, slice_input=self.slice_input, request_id=self.id)


class _AllSlicing(_PointsSlicingState):
    def make_slice_request_internal(self, slice_input: Any, data_slice: Any) -> _PointSliceRequest:
        layer = self.layer
        return _AllRequest(slice_input, layer.data, data_slice, layer._projection_mode, layer._size, layer._shown)


class StreamPoints(ThumbnailAtRest, Streamed, OwnLooks):
    """Points of a store that are in view.

    Parameters
    ----------
    extent : (2, D) float array
        Bounds of the store in the layer's data coordinates; what is in view never changes it.
    **kwargs
        As for :class:`napari.layers.Points`.
    """

    def __init__(self, extent: NDArray[np.float64], **kwargs: Any) -> None:
        self._constant_extent = np.array(extent, np.float64)
        kwargs.setdefault("border_width", 0.0)
        super().__init__(np.empty((0, self._constant_extent.shape[1]), np.float32), **kwargs)
        self.selected_data.events.items_changed.connect(self._own_looks)

    @property
    def _type_string(self) -> str:
        return "points"  # else the name of the class, which no writer accepts

    def swap(
        self, positions: NDArray[np.float32], colours: NDArray[np.float32], features: Mapping[str, NDArray[Any]]
    ) -> None:
        """Replace the whole content.

        Scalars stand as broadcast views, which take no memory, until points are selected. No data event is sent: this
        is no edit.

        Parameters
        ----------
        positions : (N, D) float32 array
            Owned by the layer from now on: tools write into it.
        colours : (N, 4) float32 array
        features : mapping of str to (N,) array
        """
        count = len(positions)
        self._selected_data.clear()
        self._value = None
        self._data = positions
        columns = self.columns
        sizes, shown, symbols = columns.sizes(features), columns.are_shown(features), columns.symbols_of(features)
        alike = np.array(Symbol(self.current_symbol), dtype=object)
        self._size = np.broadcast_to(np.float32(self.current_size), count) if sizes is None else sizes
        self._set_borders(count, columns.border_widths(features))
        self._shown = np.broadcast_to(True, count) if shown is None else shown
        self._symbol = np.broadcast_to(alike, count) if symbols is None else symbols
        self._set_colours(colours, columns.border_colours(features))
        self._feature_table._values = pd.DataFrame(dict(features), index=pd.RangeIndex(count), copy=False)
        if list(self._feature_table.defaults) != list(features):
            self._feature_table.set_defaults(None)
        self.set_view_slice()
        self.events.set_data()
        self.ask_for_thumbnail()

    @property
    def size(self) -> NDArray[np.floating]:
        """Diameter of each point, (N,); one number set for all stays theirs while the view changes."""
        return self._size

    @size.setter
    def size(self, size: ArrayLike) -> None:
        if np.ndim(size) == 0:
            self._current_size = float(np.asarray(size))
            self.columns = self.columns.without("size")
            self.events.current_size()
        Points.size.fset(self, size)

    @property
    def current_size(self) -> float:
        """Diameter of the points selected, of the next one added, and of all where none is selected or added."""
        return float(self._current_size)

    @current_size.setter
    def current_size(self, size: float) -> None:
        Points.current_size.fset(self, size)
        if self._update_properties and not self.selected_data and self.mode != "add":
            self.columns = self.columns.without("size")
            self._size = np.broadcast_to(np.float32(self._current_size), len(self._data))
            self.refresh(highlight=False)

    @property
    def current_symbol(self) -> Symbol:
        """Symbol of the points selected, of the next one added, and of all where none is selected or added."""
        return self._current_symbol

    @current_symbol.setter
    def current_symbol(self, symbol: str | Symbol) -> None:
        if self._update_properties and self.selected_data and not self._symbol.flags.writeable:
            self._symbol = self._symbol.copy()
        Points.current_symbol.fset(self, symbol)
        if self._update_properties and not self.selected_data and self.mode != "add":
            self.columns = self.columns.without("symbol")
            self.symbol = self._current_symbol

    def _own_looks(self, *_: Any) -> None:
        """Napari writes into the arrays of how points look, of those selected: they must be the layer's own then."""
        if not self.selected_data:
            return
        for name in ("_size", "_border_width", "_shown"):  # symbols, which are slow to draw, when one is changed
            values = getattr(self, name)
            if not values.flags.writeable:
                setattr(self, name, values.copy())
        if self._border.colors is self._face.colors:
            self._border.__dict__["colors"] = self._face.colors.copy()

    def pick_values(self, cursor: Cursor) -> dict[str, Any] | None:
        """Values of the point under the cursor, by name; None where there is none. From any thread."""
        positions, table = self._data, self._feature_table.values
        row = cursor.find_in(self)
        if row is None or positions is not self._data or row >= len(table):  # swapped meanwhile
            return None
        return {str(name): table[name].iloc[[row]].tolist()[0] for name in table.columns}

    def _get_layer_slicing_state(self, data: Any, cache: bool) -> _AllSlicing:
        return _AllSlicing(layer=self, data=data, cache=cache)

    def _update_thumbnail(self) -> None:
        step = max(1, len(self._data) // _THUMBNAIL_POINTS)
        displayed = list(self._slice_input.displayed)[-2:]
        self.draw_thumbnail(self._data[::step][:, displayed], self._face.colors[::step], displayed)


class VispyStreamPoints(VispyPointsLayer):
    """Draws them: the vertex buffer is written directly as long as all points are shown by one symbol."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._records = np.zeros(0, MARKER_RECORD)
        self._is_empty = True
        self._axes: tuple[int, ...] = ()
        super().__init__(*args, **kwargs)
        keep_contexts_apart()

    def _on_data_change(self) -> None:
        layer = self.layer
        count = len(layer._view_indices)
        is_whole = count and count == len(layer.data)
        if not is_whole or layer._symbol.strides[0]:
            super()._on_data_change()  # nothing, or edited: napari's own way
            self._is_empty = not count
            return
        markers = self.node.points_markers
        records = self._fill(count)
        markers._data = records
        markers._vbo.set_data(records, copy=False)
        for name in MARKER_RECORD.names or ():  # views of the buffer keep the length that they were made with
            view = markers._vbo[name]
            view.divisor = 1 if markers._method == "instanced" else None
            markers.shared_program[name] = view
        axes = tuple(layer._slice_input.displayed)
        if self._is_empty or axes != self._axes:  # napari places layers anew with each change of data
            self.reset()
        self._is_empty, self._axes = False, axes
        markers.update()

    def _on_highlight_change(self) -> None:
        layer = self.layer
        places = layer._highlight_index
        if len(places) < MANY or layer._symbol.strides[0]:
            super()._on_highlight_change()
            return
        layer._highlight_index = []
        try:
            super()._on_highlight_change()  # the box; of points it looks the symbol of each up
        finally:
            layer._highlight_index = places
        self._highlight(places)

    def _highlight(self, places: NDArray[np.int64]) -> None:
        """Draw rings around the points at some places of the view, all of one symbol, as napari draws them."""
        layer, look = self.layer, get_settings().appearance.highlight
        rows = layer._view_indices[places]
        sizes, borders = layer._view_size[places], layer._border_width[rows]
        scaled = (sizes + (borders * sizes if layer.border_width_is_relative else borders)) * abs(layer.scale[-1])
        self.node.selection_markers.set_data(
            layer.data[np.ix_(rows, layer._slice_input.displayed)][:, ::-1],
            size=scaled,
            symbol=str(layer._symbol[0]),
            edge_width=np.minimum(look.highlight_thickness * layer.scale_factor, scaled) * 2,
            edge_color=tuple(look.highlight_color),
            face_color=(0, 0, 0, 0),
        )

    def _fill(self, count: int) -> NDArray[np.void]:
        layer = self.layer
        if len(self._records) < count or len(self._records) > 4 * count + 4096:
            self._records = np.zeros(int(count * 1.25), MARKER_RECORD)  # fresh pages cost more than the copy
        records = self._records[:count]
        displayed = list(layer._slice_input.displayed)[::-1]
        for column, axis in enumerate(displayed):
            records["a_position"][:, column] = layer.data[:, axis]
        if len(displayed) == 2:
            records["a_position"][:, 2] = 0
        records["a_bg_color"] = layer._face.colors
        records["a_fg_color"] = layer._border.colors
        records["a_size"] = layer._size * abs(layer.scale[-1])
        if layer.border_width_is_relative:
            records["a_edgewidth"] = layer._border_width * records["a_size"]
        else:
            records["a_edgewidth"] = np.minimum(layer._border_width * abs(layer.scale[-1]), records["a_size"])
        records["a_symbol"] = self.node.points_markers._symbol_shader_values[str(layer._symbol[0])]
        return records
