"""What vertices of skeletons tell: the attributes of a store as the names and numbers that shaders know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from zvview.format.attributes import AttributeMetadata
from zvview.geometry.batches import Pieces
from zvview.neuroglancer.encoding.annotations import Property
from zvview.neuroglancer.encoding.columns import attribute_id
from zvview.neuroglancer.encoding.skeletons import VertexAttribute
from zvview.neuroglancer.sources.properties import Properties
from zvview.style.colouring import segments_of
from zvview.style.directions import colour_directions, vertex_directions

__all__ = ["DIRECTION", "SkeletonColumns"]

DIRECTION: Final = "direction"

_MOST: Final = 12
"""Attributes are textures, of which a vertex shader has 16 for certain, and the client takes some for itself."""

_ORIENTATION: Final = VertexAttribute("orientation", 3)
_SWIZZLE: Final = re.compile(r"[xyzw]{1,4}|[rgba]{1,4}|[stpq]{1,4}")
"""Parts of vectors: ids are macros in the client's shaders, which would replace these wherever they stand."""


@dataclass(frozen=True, slots=True, eq=False)
class SkeletonColumns:
    """How attributes of vertices become those of skeletons.

    Attributes
    ----------
    properties : Properties
        The values: codes of categories, floats, and bytes of colours.
    names : mapping of str to str
        Ids in shaders by the ids of `properties`; those that are left out are missing.
    notes : tuple of str
        What is left out or not exact, in plain words.
    axes : tuple of int or None
        Those that are red, green and blue in the direction of lines; None where that is not told.
    """

    properties: Properties
    names: Mapping[str, str]
    notes: tuple[str, ...] = ()
    axes: tuple[int, ...] | None = None

    @classmethod
    def of(cls, attributes: Mapping[str, AttributeMetadata], axes: tuple[int, ...] | None = None) -> Self:
        """Of the attributes of the vertices of a store.

        Parameters
        ----------
        attributes : mapping of str to AttributeMetadata
        axes : tuple of int, optional
            As :attr:`axes`.
        """
        properties = Properties.of(attributes)
        names: dict[str, str] = {}
        left: list[str] = []
        for plan in properties.plans:
            if len(names) + len(plan.properties) > _MOST:
                left.append(plan.name)
                continue
            for p in plan.properties:
                plain = f"{p.id}_attribute" if _SWIZZLE.fullmatch(p.id) else p.id
                names[p.id] = attribute_id(plain, {*names.values(), _ORIENTATION.id})
        notes = properties.notes
        if left:
            told = ", ".join(map(repr, left))
            notes = (*notes, f"skeletons leave out {told}: shaders have no room for more than {_MOST}")
        return cls(properties, names, notes, axes)

    @property
    def attributes(self) -> tuple[VertexAttribute, ...]:
        """All of them, in the order in which they are encoded."""
        kept = (p for p in self.properties.specs if p.id in self.names)
        own = (VertexAttribute(self.names[p.id], _width_of(p)) for p in kept)
        return (*own, *([] if self.axes is None else [_ORIENTATION]))

    @property
    def by_attribute(self) -> dict[str, tuple[Property, ...]]:
        """What each attribute of the store became, called as in shaders."""
        found = {
            name: tuple(replace(p, id=self.names[p.id]) for p in found)
            for name, found in self.properties.by_attribute.items()
            if all(p.id in self.names for p in found)
        }
        if self.axes is None:
            return found
        return {
            **found,
            DIRECTION: (Property(_ORIENTATION.id, "rgb", "Direction: red, green and blue for x, y and z"),),
        }

    def encode(self, batch: Pieces) -> list[tuple[VertexAttribute, NDArray[Any]]]:
        """Values of all attributes for the vertices of a batch; colours are from 0 to 1."""
        columns = self.properties.encode(batch.attributes, len(batch))
        out = []
        for p in self.properties.specs:
            if p.id in self.names:
                column = columns[p.id]
                scaled = column.astype(np.float32) / np.float32(255) if p.type in ("rgb", "rgba") else column
                out.append((VertexAttribute(self.names[p.id], _width_of(p)), scaled))
        if self.axes is not None:
            directions = vertex_directions(batch.positions, segments_of(batch), self.axes)
            out.append((_ORIENTATION, colour_directions(directions)[:, :3]))
        return out


def _width_of(prop: Property) -> int:
    return len(prop.type) if prop.type in ("rgb", "rgba") else 1
