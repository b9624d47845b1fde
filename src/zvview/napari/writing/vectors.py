"""A ``Vectors`` layer as a store of single lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zvview.geometry.batches import Lines
from zvview.napari.writing.colours import base_look, colour_plainly, with_width
from zvview.napari.writing.columns import take_columns
from zvview.napari.writing.content import CHANNELS, LayerContent
from zvview.napari.writing.placing import World

__all__ = ["take_vectors"]

_COLOUR = "edge_color"


def take_vectors(data: Any, meta: Mapping[str, Any]) -> LayerContent:
    """What is written of a ``Vectors`` layer: a line from each start to where it is drawn to; features of both ends."""
    vectors = np.asarray(data, np.float64)
    count = len(vectors)
    ends = np.stack((vectors[:, 0], vectors[:, 0] + vectors[:, 1] * float(meta.get("length", 1.0))), axis=1)
    world = World.of(meta, vectors.shape[2])
    columns = take_columns(meta.get("features"), count, reserved=(_COLOUR,))
    values = columns.repeated(2)
    colouring, colours = colour_plainly(_COLOUR, meta.get(_COLOUR, ()), count)
    if colours is not None:
        values[_COLOUR] = np.repeat(colours, 2, axis=0)
    batch = Lines.from_endpoints(world.to_store(ends), attributes=values, categories=columns.categories)
    specs = {_COLOUR: CHANNELS} if colours is not None else {}
    style = str(meta.get("vector_style", "line"))
    share = 0.5 if style == "triangle" else 1.0  # as wide as it is in the mean
    width = float(meta.get("edge_width", 1.0)) * share * world.width_scale
    look = with_width(base_look(meta, colouring=colouring), width)
    lost = ("heads of arrows are not saved",) if style == "arrow" else ()
    return LayerContent(str(meta["name"]), batch, world.axes, look, specs, notes=(*columns.notes, *lost))
