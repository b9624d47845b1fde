"""Colours and borders that a user chose for all points: they stay theirs while the view changes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
from napari.layers import Points
from napari.layers.utils.color_manager import ColorMode
from napari.utils.colormaps.standardize_color import transform_color
from numpy.typing import ArrayLike, NDArray

from zvview.napari.private.point_columns import PointColumns
from zvview.napari.private.point_tools import PointTools

__all__ = ["OwnLooks"]

_USUAL_BORDER: Final = 0.05  # of the size: without a border its colour could not be seen


class OwnLooks(PointTools):
    """A ``Points`` layer in which a colour for all points is one for those that come, too.

    As with sizes, what napari's controls set is for the points selected and for those that are added, and for all where
    none is selected or added.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._own_colours: dict[str, NDArray[np.float32]] = {}  # of ``face`` and ``border``, (4,)
        self._own_border_width = 0.0
        self.columns = PointColumns()
        super().__init__(*args, **kwargs)

    def forget_own_looks(self) -> None:
        """Let the colours of the store come back with the next swap, without borders."""
        self._own_colours.clear()
        self._own_border_width = 0.0
        self.columns = self.columns.without("border_width", "border_colour")

    @property
    def own_colours(self) -> Mapping[str, NDArray[np.float32]]:
        """Colours, (4,), that a user chose for all points, of ``face`` and ``border``."""
        return MappingProxyType(self._own_colours)

    @property
    def own_border_width(self) -> float:
        """Width of the borders of all points, as a share of their size."""
        return self._own_border_width

    @property
    def face_color(self) -> NDArray[np.floating]:
        """Colour of each point, (N, 4); one colour set for all stays theirs while the view changes."""
        colours: NDArray[np.floating] = Points.face_color.fget(self)
        return colours

    @face_color.setter
    def face_color(self, colour: Any) -> None:
        Points.face_color.fset(self, colour)
        if _is_one(colour, self._face):
            self._face.current_color = transform_color(colour)[0]
            self._hold("face")

    @property
    def border_color(self) -> NDArray[np.floating]:
        """Colour of the border of each point, as :attr:`face_color`."""
        colours: NDArray[np.floating] = Points.border_color.fget(self)
        return colours

    @border_color.setter
    def border_color(self, colour: Any) -> None:
        Points.border_color.fset(self, colour)
        if _is_one(colour, self._border):
            self._border.current_color = transform_color(colour)[0]
            self._hold("border")

    @property
    def current_face_color(self) -> str:
        """Colour of the points selected, of the next one added, and of all where none is selected or added."""
        return str(Points.current_face_color.fget(self))

    @current_face_color.setter
    def current_face_color(self, colour: Any) -> None:
        Points.current_face_color.fset(self, colour)
        if self._is_for_all:
            self._hold("face")

    @property
    def current_border_color(self) -> str:
        """Colour of borders, as :attr:`current_face_color`; where there are none they get their usual width."""
        return str(Points.current_border_color.fget(self))

    @current_border_color.setter
    def current_border_color(self, colour: Any) -> None:
        Points.current_border_color.fset(self, colour)
        if self._is_for_all:
            self._hold("border")

    @property
    def border_width(self) -> NDArray[np.floating]:
        """Width of the border of each point, (N,); one number set for all stays theirs while the view changes."""
        return self._border_width

    @border_width.setter
    def border_width(self, width: ArrayLike) -> None:
        Points.border_width.fset(self, width)
        if np.ndim(width) == 0:
            self.columns = self.columns.without("border_width")
            self._own_border_width = self._current_border_width = float(np.asarray(width))

    @property
    def current_border_width(self) -> float:
        """Width of the border of the points selected, and of all where none is selected or added."""
        return float(self._current_border_width)

    @current_border_width.setter
    def current_border_width(self, width: float) -> None:
        Points.current_border_width.fset(self, width)
        if self._is_for_all:
            self.border_width = width

    @property
    def _is_for_all(self) -> bool:
        return bool(self._update_properties) and not self.selected_data and self.mode != "add"

    def _hold(self, part: Literal["face", "border"]) -> None:
        """Give all points the current colour of a part, now and from now on."""
        manager = self._face if part == "face" else self._border
        self._own_colours[part] = np.array(manager.current_color, np.float32)
        if part == "border":
            self.columns = self.columns.without("border_colour")
        kept = self._border.colors if part == "face" and self.columns.border_colour is not None else None
        self._set_colours(self._face.colors, kept)
        if part == "border" and not self._own_border_width:
            self.border_width = _USUAL_BORDER
        self.events.face_color()
        self.events.border_color()

    def _set_colours(self, colours: NDArray[np.float32], borders: NDArray[np.float32] | None = None) -> None:
        """Set the colours of all points, (N, 4), but for what a user chose; past napari's validation, which copies.

        `borders` are those of borders, where each has its own.
        """
        count = len(colours)
        face, border = (self._own_colours.get(part) for part in ("face", "border"))
        faces = colours if face is None else np.tile(face, (count, 1))
        # without one of its own the border is like the face: vispy draws one around points of the least size
        self._face.__dict__["colors"] = faces
        alike = faces if border is None else np.tile(border, (count, 1))
        self._border.__dict__["colors"] = alike if borders is None else borders

    def _set_borders(self, count: int, widths: NDArray[np.float32] | None = None) -> None:
        """Set the width of the borders of so many points: one number that stands for all, or `widths` of each."""
        alike = np.broadcast_to(np.float32(self._own_border_width), count)
        self._border_width = alike if widths is None else widths


def _is_one(colour: Any, manager: Any) -> bool:
    """Whether what a colour was set to is one for all, and not one each, or the name of a feature."""
    return manager.color_mode == ColorMode.DIRECT and (isinstance(colour, str) or np.ndim(colour) == 1)
