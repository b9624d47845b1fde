"""What a layer is coloured by, and the colours of the vertices of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError, MissingError
from zvview.geometry.batches import Batch, Graph, Mesh, Pieces, Points, Polylines
from zvview.style.colourmaps import MISSING_COLOUR, colour_codes, colour_ids, map_colours
from zvview.style.directions import colour_directions, vertex_directions
from zvview.style.limits import limits_of_values
from zvview.style.membership import Membership

__all__ = ["ColourMode", "Colouring", "colour_vertices", "object_of_vertices", "segments_of"]

ColourMode = Literal["constant", "attribute", "category", "rgba", "object", "group", "direction"]
_MODES: Final = get_args(ColourMode)


@dataclass(frozen=True, slots=True)
class Colouring:
    """What vertices are coloured by.

    Attributes
    ----------
    mode : str
        ``constant``; ``attribute``, a number through a colour map; ``category``, a code through the palette;
        ``rgba``, an attribute of three or four channels that are colours, from 0 to 1, or to 255 where they are bytes;
        ``object`` and ``group``, each in a colour of its own; ``direction`` of lines, red, green, blue for x, y, z.
    name : str or None
        The vertex attribute of ``attribute``, ``category`` and ``rgba``.
    colourmap : str
    limits : (float, float) or None
        Values at the two ends of the colour map. Without them those of the batch serve, which differ between views:
        whoever shows a store sets them from its statistics.
    channel : int
        Of attributes with several.
    colour : (float, float, float, float)
        Red, green, blue, alpha of ``constant``.
    """

    mode: ColourMode = "constant"
    name: str | None = None
    colourmap: str = "viridis"
    limits: tuple[float, float] | None = None
    channel: int = 0
    colour: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if self.mode not in _MODES:
            raise InvalidInputError(f"colour mode {self.mode!r}, expected one of {', '.join(_MODES)}")
        if (self.name is not None) != (self.mode in ("attribute", "category", "rgba")):
            raise InvalidInputError(f"colour mode {self.mode!r} with name {self.name!r}: only attributes have one")
        if len(self.colour) != 4:
            raise InvalidInputError(f"colour {self.colour!r:.80}, expected red, green, blue and alpha")

    @property
    def attributes(self) -> tuple[str, ...]:
        """Vertex attributes that must be read for it."""
        return () if self.name is None else (self.name,)


def colour_vertices(
    batch: Batch, by: Colouring, *, membership: Membership | None = None, axes: Sequence[int] = (0, 1, 2)
) -> NDArray[np.float32]:
    """Colours of the vertices of a batch, (N, 4) float32.

    Vertices that lack what they are to be coloured by, also because a coarse level does not carry the attribute, are
    :data:`~zvview.style.colourmaps.MISSING_COLOUR`.

    Parameters
    ----------
    membership : Membership, optional
        Needed for ``group``.
    axes : sequence of int
        The axes that are red, green and blue in ``direction``.

    Raises
    ------
    InvalidInputError
        A category that is no integer code, colours that are none, or a channel that the attribute does not have.
    MissingError
        There is no such colour map.
    """
    match by.mode:
        case "constant":
            return np.broadcast_to(np.asarray(by.colour, np.float32), (len(batch), 4))
        case "attribute" | "category" | "rgba":
            return _colour_attribute(batch, by)
        case "object":
            ids = object_of_vertices(batch)
            return _missing(len(batch)) if ids is None else colour_ids(ids)
        case "group":
            ids = object_of_vertices(batch)
            known = ids is not None and membership is not None
            return colour_codes(membership.groups_of(ids)) if known else _missing(len(batch))  # type: ignore[union-attr, arg-type]
        case "direction":
            segments = segments_of(batch)
            used = [axis for axis in axes if axis < batch.ndim]
            return colour_directions(vertex_directions(batch.positions, segments, used))


def _colour_attribute(batch: Batch, by: Colouring) -> NDArray[np.float32]:
    values = batch.attributes.get(by.name or "")
    if values is None:
        return _missing(len(batch))
    if by.mode == "rgba":
        return _as_colours(by.name, values)
    if values.ndim == 2:
        if not 0 <= by.channel < values.shape[1]:
            raise MissingError(f"channel of attribute {by.name!r}", by.channel, range(values.shape[1]))
        values = values[:, by.channel]
    if by.mode == "category":
        if values.dtype.kind not in "biu":
            raise InvalidInputError(f"attribute {by.name!r} has dtype {values.dtype}: categories are integer codes")
        labels = batch.categories.get(by.name or "")
        return colour_codes(values, None if labels is None else labels.missing)
    return map_colours(values, by.limits or limits_of_values(values), by.colourmap)


def _as_colours(name: str | None, values: NDArray[Any]) -> NDArray[np.float32]:
    if values.ndim != 2 or values.shape[1] not in (3, 4):
        raise InvalidInputError(f"attribute {name!r} of shape {values.shape}: colours have three or four channels")
    out = np.ones((len(values), 4), np.float32)
    out[:, : values.shape[1]] = values / np.float32(255) if values.dtype == np.uint8 else values
    is_known = np.isfinite(out).all(axis=1)
    out[~is_known] = MISSING_COLOUR
    return np.clip(out, 0, 1, out=out)


def _missing(count: int) -> NDArray[np.float32]:
    return np.broadcast_to(np.asarray(MISSING_COLOUR, np.float32), (count, 4))


def object_of_vertices(batch: Batch) -> NDArray[np.int64] | None:
    """The object of each vertex, (N,) int64, -1 where it has none; None where the batch knows no objects."""
    if isinstance(batch, Points):
        return batch.object_ids
    return batch.vertex_object_ids if isinstance(batch, Pieces) and batch.object_ids is not None else None


def segments_of(batch: Batch) -> NDArray[np.int64]:
    """Joined rows of a batch, (S, 2) int64: segments of lines, edges of graphs, sides of faces."""
    if isinstance(batch, Polylines):
        return batch.segments
    if isinstance(batch, Graph):
        return batch.edges
    if isinstance(batch, Mesh):
        faces = batch.faces
        return np.stack((faces, np.roll(faces, -1, axis=1)), axis=2).reshape(-1, 2)
    return np.empty((0, 2), np.int64)
