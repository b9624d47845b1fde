"""What annotations of lines tell: direction, object, group, attributes of objects, and means of those of vertices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.format.attributes import AttributeMetadata
from zvview.format.metadata import Axis
from zvview.neuroglancer.encoding.annotations import Property
from zvview.neuroglancer.encoding.columns import plan_column
from zvview.neuroglancer.sources.object_columns import ObjectColumns
from zvview.neuroglancer.sources.pieces import Pieces
from zvview.neuroglancer.sources.properties import Properties
from zvview.style import colour_axes
from zvview.style.colourmaps import colour_ids
from zvview.style.directions import colour_directions

__all__ = ["LineColumns"]

_DIRECTION: Final = Property("direction", "rgb", "Direction: red, green and blue for x, y and z")
_OBJECT: Final = Property("object", "rgb", "Colour of the object")


@dataclass(frozen=True, slots=True, eq=False)
class LineColumns:
    """The properties of lines, and their values.

    Attributes
    ----------
    kinds : mapping of str to AttributeMetadata
        What of the vertices is told, and as which type.
    axes : tuple of int
        Axes that are red, green and blue.
    objects : ObjectColumns
    vertices : Properties
    """

    kinds: Mapping[str, AttributeMetadata]
    axes: tuple[int, ...]
    objects: ObjectColumns
    vertices: Properties

    @classmethod
    def of(
        cls, axes: tuple[Axis, ...], attributes: Mapping[str, AttributeMetadata], objects: ObjectColumns
    ) -> LineColumns:
        """The columns of a store.

        Parameters
        ----------
        axes : tuple of Axis
        attributes : mapping of str to AttributeMetadata
            Of vertices.
        objects : ObjectColumns
        """
        kinds = {name: _as_mean(metadata) for name, metadata in attributes.items()}
        taken = {_DIRECTION.id, _OBJECT.id, *(p.id for p in objects.specs)}
        vertices = Properties.of(kinds, taken=taken)
        return cls(kinds, colour_axes(axes), objects, vertices)

    @property
    def specs(self) -> tuple[Property, ...]:
        """All properties."""
        return (_DIRECTION, _OBJECT, *self.objects.specs, *self.vertices.specs)

    @property
    def by_attribute(self) -> dict[str, tuple[Property, ...]]:
        """The properties of each attribute, of vertices before those of objects, and of what is none."""
        found = {**self.objects.by_attribute, **self.vertices.by_attribute}
        return {**found, "direction": (_DIRECTION,), "object": (_OBJECT,)}

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not exact, in plain words."""
        told = ("values of vertices are shown as the mean of each piece of a line",) if self.kinds else ()
        return (*told, *self.objects.notes, *self.vertices.notes)

    def encode(self, pieces: Pieces) -> dict[str, NDArray[Any]]:
        """Values of all properties of some lines, by id."""
        return {
            _DIRECTION.id: _bytes_of(colour_directions(_directions_of(pieces, self.axes))),
            **self._encode_objects(pieces.ids),
            **self.vertices.encode(pieces.attributes, len(pieces)),
        }

    def _encode_objects(self, ids: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """What is told of the object of each line, once for those of one object that stand together."""
        starts = np.flatnonzero(np.append(len(ids) > 0, ids[1:] != ids[:-1]))
        own = ids[starts]
        told = {_OBJECT.id: _bytes_of(colour_ids(own)), **self.objects.encode(own)}
        if len(own) == len(ids):
            return told
        counts = np.diff(np.append(starts, len(ids)))
        return {name: np.repeat(values, counts, axis=0) for name, values in told.items()}


def _as_mean(metadata: AttributeMetadata) -> AttributeMetadata:
    """What the mean of an attribute is: a float, but for categories, booleans and colours."""
    if metadata.categories is not None or metadata.dtype.kind == "b":
        return metadata
    plan = plan_column(metadata.name, metadata.dtype, metadata.row_shape, channels=metadata.channel_names)
    is_colour = plan.properties[0].type in ("rgb", "rgba")
    return metadata if is_colour else replace(metadata, dtype=np.dtype(np.float32))


def _bytes_of(colours: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Red, green and blue from 0 to 255, (n, 3)."""
    return np.rint(colours[:, :3] * 255).astype(np.uint8)


@np.errstate(over="ignore", invalid="ignore")
def _directions_of(pieces: Pieces, axes: tuple[int, ...]) -> NDArray[np.float32]:
    """Mean absolute direction of each line, of length 1, (n, A); 0 for those without extent, or of too much."""
    out = np.zeros((len(pieces), len(axes)), np.float32)
    starts = pieces.offsets[:-1]
    is_pairs = len(pieces.positions) == 2 * len(pieces) and bool((np.diff(pieces.offsets) == 2).all())
    squares = np.zeros(len(pieces), np.float32)
    for at, axis in enumerate(axes):
        column = np.ascontiguousarray(pieces.positions[:, axis])
        if is_pairs:
            out[:, at] = np.abs(column[1::2] - column[::2])
        elif len(starts):
            steps = np.zeros(len(column))
            np.abs(np.subtract(column[1:], column[:-1], out=steps[:-1]), out=steps[:-1])
            steps[pieces.offsets[1:] - 1] = 0
            out[:, at] = np.add.reduceat(steps, starts)
        squares += out[:, at] * out[:, at]
    lengths = np.sqrt(squares)[:, None]
    np.divide(out, lengths, out=out, where=lengths > 0)
    is_lost = ~np.isfinite(lengths[:, 0])
    if is_lost.any():
        out[is_lost] = 0
    return out
