"""Shapes by the names of the lines that they are: read from the table of features, taken away and put back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from napari.layers import Shapes
from numpy.typing import NDArray

__all__ = ["CLOSED", "NAME", "OPEN", "ShapeLooks", "Shown", "read_names", "rename", "show_again"]

CLOSED: Final = ("polygon", "rectangle")
OPEN: Final = ("path", "line")

NAME: Final = "id"
"""The feature that tells which line a shape is."""

_COUNTS = {"rectangle": 4, "line": 2}  # vertices that a shape of these types has


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A shape.

    Attributes
    ----------
    data : (n, 2) array
        In the layer's data coordinates; a copy, since tools write into those of the layer.
    type : str
    """

    data: NDArray[np.floating]
    type: str

    @classmethod
    def of(cls, data: NDArray[np.floating], type: Any) -> Shown:
        """A shape as its layer gives it."""
        return cls(np.array(data), str(type))

    @property
    def is_closed(self) -> bool:
        """Whether it is an area."""
        return self.type in CLOSED

    @property
    def ring(self) -> NDArray[np.floating]:
        """All vertices of the line that it is: of an area the first one once more."""
        return np.concatenate((self.data, self.data[:1])) if self.is_closed else self.data

    def is_like(self, data: NDArray[np.floating], type: Any) -> bool:
        """Whether a shape is the same line."""
        return (str(type) in CLOSED) == self.is_closed and np.array_equal(self.data, data)

    def with_ring(self, ring: NDArray[np.float64]) -> Shown:
        """As it is to be shown with other vertices."""
        is_closed = len(ring) > 3 and bool((ring[0] == ring[-1]).all())
        data = ring[:-1] if is_closed else ring
        is_kept = self.is_closed == is_closed and _COUNTS.get(self.type, len(data)) == len(data)
        return Shown(data, self.type if is_kept else CLOSED[0] if is_closed else OPEN[0])


class ShapeLooks:
    """What shapes looked like that may be taken away, so that they can be put back."""

    def __init__(self) -> None:
        self._looks: dict[int, dict[str, Any]] = {}
        self._features: dict[int, dict[str, Any]] = {}

    def note(self, shapes: Shapes, rows: NDArray[np.integer]) -> None:
        """Remember those at some rows."""
        names, table = shapes.features[NAME].to_numpy(), shapes.features
        widths, edges, faces = shapes.edge_width, shapes.edge_color, shapes.face_color
        for row in rows[(rows >= 0) & (rows < min(len(names), len(widths)))].tolist():
            name = int(names[row])
            self._looks[name] = {"edge_width": widths[row], "edge_color": edges[[row]], "face_color": faces[[row]]}
            self._features[name] = {column: table[column].iloc[row] for column in table if column != NAME}

    def rename(self, names: Mapping[int, int]) -> None:
        """Some are called otherwise from now on."""
        for looks in (self._looks, self._features):
            looks.update({new: looks.pop(old) for old, new in names.items() if old in looks})

    def add(self, shapes: Shapes, name: int, shown: Shown) -> None:
        """Show one that is not there, as it looked when it was."""
        shapes.add(shown.data, shape_type=shown.type, **self._looks.get(name, {}))
        row = len(shapes.data) - 1
        for column, value in {**self._features.get(name, {}), NAME: name}.items():
            if column in shapes.features:
                shapes.features.loc[row, column] = value


def show_again(shapes: Shapes, looks: ShapeLooks, wanted: Mapping[int, Shown | None]) -> dict[int, int]:
    """Show some lines, given by name, as they are, None of those that are no more; the rows of the others come back."""
    names = shapes.features[NAME].to_numpy()
    rows = np.flatnonzero(np.isin(names, np.array(list(wanted), np.int64)))
    if len(rows):
        looks.note(shapes, rows)
        shapes.remove(rows.tolist())
    shown = {name: look for name, look in wanted.items() if look is not None}
    first = len(shapes.data)
    for name, look in shown.items():
        looks.add(shapes, name, look)
    shapes.refresh()
    return dict(zip(shown, range(first, first + len(shown)), strict=True))


def rename(shapes: Shapes, names: Mapping[int, int]) -> None:
    """Some shapes are called otherwise from now on."""
    now = shapes.features[NAME].to_numpy()
    for old, new in names.items():
        shapes.features.loc[now == old, NAME] = new


def read_names(shapes: Shapes, known: Mapping[int, Shown]) -> NDArray[np.int64]:
    """The name of each shape, (n,).

    Taking the last vertices of a shape away, napari takes the shape but leaves its row of the features, so that those
    behind it would get the names of others: such rows are found by what is known of the shapes, and taken away.
    """
    names = shapes.features[NAME].to_numpy().astype(np.int64)
    data, types = shapes.data, shapes.shape_type
    if len(names) == len(data):
        return names
    kept: list[int] = []
    for row in range(len(names)):
        left = len(data) - len(kept)
        shown = known.get(int(names[row]))
        is_own = left > 0 and shown is not None and shown.is_like(data[len(kept)], types[len(kept)])
        if left > 0 and (is_own or len(names) - row <= left):
            kept.append(row)
    shapes.features = shapes.features.iloc[kept].reset_index(drop=True)
    return names[kept]
