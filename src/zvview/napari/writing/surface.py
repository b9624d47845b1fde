"""A ``Surface`` layer as a store of one mesh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import UnsupportedError
from zvview.geometry.batches import Mesh
from zvview.napari.writing.colours import base_look, colour_by_values, colour_plainly
from zvview.napari.writing.columns import take_columns
from zvview.napari.writing.content import CHANNELS, LayerContent
from zvview.napari.writing.placing import World

__all__ = ["take_surface"]

_COLOUR, _VALUE = "vertex_color", "value"


def take_surface(data: Any, meta: Mapping[str, Any]) -> LayerContent:
    """What is written of a ``Surface`` layer: its faces, and values or colours of its vertices.

    Raises
    ------
    UnsupportedError
        Values that change along a slider: there is a mesh for each moment then.
    """
    vertices, faces = np.asarray(data[0]), np.asarray(data[1], np.int64)
    count = len(vertices)
    shown = np.asarray(data[2]) if len(data) > 2 else np.ones(count, np.float32)
    name = str(meta["name"])
    if shown.ndim != 1:
        raise UnsupportedError(f"{name}: values that change along a slider cannot be saved in one mesh")
    world = World.of(meta, vertices.shape[1])
    columns = take_columns(meta.get("features"), count, reserved=(_COLOUR, _VALUE))
    values: dict[str, NDArray[Any]] = dict(columns.values)
    has_values = bool(len(shown)) and bool((shown != 1).any())  # napari's own where none were given are 1
    if has_values:
        values[_VALUE] = shown.astype(np.float32) if shown.dtype.kind != "f" or shown.itemsize < 4 else shown
    own_colours = meta.get("vertex_colors")
    if own_colours is not None:
        colouring, colours = colour_plainly(_COLOUR, own_colours, count)
    else:
        limits = tuple(meta.get("contrast_limits") or (0.0, 1.0))
        gamma, attribute = float(meta.get("gamma", 1.0)), _VALUE if has_values else None
        colouring, colours = colour_by_values(_COLOUR, attribute, shown, meta.get("colormap", "gray"), limits, gamma)
    if colours is not None:
        values[_COLOUR] = colours
    notes = [*columns.notes, *(["its texture is not saved"] if meta.get("texture") is not None else [])]
    batch = Mesh(
        world.to_store(vertices),
        faces=faces[:, ::-1] if world.is_mirrored else faces,
        attributes=values,
        categories=columns.categories,
    )
    specs = {_COLOUR: CHANNELS} if colours is not None else {}
    shading = meta.get("shading")
    look = base_look(
        meta, colouring=colouring, shading=None if shading is None else str(shading), wireframe=_wires_of(meta)
    )
    return LayerContent(name, batch, world.axes, look, specs, notes=tuple(notes))


def _wires_of(meta: Mapping[str, Any]) -> tuple[float, float, float, float, float] | None:
    """The colour and the width of the wireframe, if it is drawn."""
    wires = meta.get("wireframe")
    if not isinstance(wires, Mapping) or not wires.get("visible"):
        return None
    red, green, blue, alpha = (float(channel) for channel in np.asarray(wires["color"]))
    return red, green, blue, alpha, float(wires["width"])
