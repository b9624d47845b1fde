"""Which colours a store begins with, and the limits that they need: the same in every viewer.

What asks for limits reads chunks; whoever shows a store calls it off the thread of the window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import ZvviewError
from zvview.format import names
from zvview.format.attributes import AttributeMetadata
from zvview.format.metadata import Axis, space_axes
from zvview.store.store import Store
from zvview.style.colouring import Colouring
from zvview.style.limits import limits_from_statistics, limits_of_values

__all__ = ["choose_colouring", "colour_axes", "sample_values", "with_limits"]

_MOST_LABELS = 20  # more would share colours
_SAMPLE_CHUNKS = 16
_WITH_DIRECTION = (names.LINE, names.POLYLINE, names.STREAMLINE)
_WITH_OBJECTS = (names.GRAPH, names.SKELETON, names.MESH)


def choose_colouring(kind: str, attributes: Mapping[str, AttributeMetadata]) -> Colouring:
    """The colouring that a store begins with.

    Lines by direction, networks and meshes by object, points by what they carry: categories before numbers.
    """
    if kind in _WITH_DIRECTION:
        return Colouring("direction")
    if kind in _WITH_OBJECTS:
        return Colouring("object")
    for name, found in attributes.items():
        if found.categories is not None and len(found.categories.labels) <= _MOST_LABELS and not found.row_shape:
            return Colouring("category", name)
    for name, found in attributes.items():
        if found.categories is None and not found.row_shape and found.dtype.kind in "iuf":
            return Colouring("attribute", name)
    return Colouring()


def colour_axes(axes: tuple[Axis, ...]) -> tuple[int, ...]:
    """The axes that direction colours show as red, green and blue: x, y and z where they are named so."""
    space = np.flatnonzero(space_axes(axes)).tolist()
    if all(axes[i].name.lower() in "xyz" for i in space):
        space.sort(key=lambda i: axes[i].name.lower())
    return tuple(space[:3])


def with_limits(store: Store, by: Colouring) -> Colouring:
    """`by` with contrast limits from the whole store; reads.

    They come from zvview's index, of the finest level that has some; without one, from chunks of the coarsest level
    that carries the attribute, spread over it. Unchanged where it needs none, or where none can be told.
    """
    if by.mode != "attribute" or by.limits is not None or by.name is None:
        return by
    for _, entries in sorted(store.statistics.items()):
        limits = limits_from_statistics(entries[by.name], by.channel) if by.name in entries else None
        if limits is not None:
            return replace(by, limits=limits)
    values = sample_values(store, by.name)
    if values is None:
        return by
    return replace(by, limits=limits_of_values(values if values.ndim == 1 else values[:, by.channel]))


def sample_values(store: Store, name: str) -> NDArray[Any] | None:
    """Values of a vertex attribute, (n,) or (n, C), in chunks spread over the coarsest level that carries it; reads.

    None where no level has any, or where they cannot be read: the streamer reports the reason.
    """
    for number in reversed(store.levels):
        level = store.level(number)
        if name in level.attributes and len(level.chunks):
            spread = np.unique(np.linspace(0, len(level.chunks) - 1, _SAMPLE_CHUNKS).astype(np.intp))
            try:
                batch = level.read_chunks(level.chunks[spread], [name], object_ids=False, on_damage="skip")
            except ZvviewError:
                return None
            values = batch.attributes.get(name)
            if values is not None and len(values):
                return values
    return None
