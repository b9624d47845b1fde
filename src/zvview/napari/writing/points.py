"""A ``Points`` layer as a store of points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.geometry.batches import Points
from zvview.napari.writing.colours import base_look, colour_plainly
from zvview.napari.writing.columns import take_columns
from zvview.napari.writing.content import CHANNELS, LayerContent
from zvview.napari.writing.placing import World

__all__ = ["take_points"]

_COLOURS = ("face_color", "border_color")
_OWN = (*_COLOURS, "size", "symbol", "shown")


def take_points(data: Any, meta: Mapping[str, Any]) -> LayerContent:
    """What is written of a ``Points`` layer: sizes, symbols and colours are attributes where they differ."""
    positions = np.asarray(data)
    count = len(positions)
    world = World.of(meta, positions.shape[1])
    columns = take_columns(meta.get("features"), count, reserved=_OWN)
    values: dict[str, NDArray[Any]] = dict(columns.values)
    look = base_look(meta)
    notes = list(columns.notes)
    for name in _COLOURS:
        colouring, colours = colour_plainly(name, meta.get(name, ()), count)
        if colours is not None:
            values[name] = colours
        if name == _COLOURS[0]:
            look = replace(look, colouring=colouring)
    sizes = np.asarray(meta.get("size", 1.0), np.float64) * abs(float(np.asarray(meta.get("scale", [1.0]))[-1]))
    sizes = sizes.mean(axis=1) if sizes.ndim == 2 else np.broadcast_to(sizes, count)
    if count:
        look = replace(look, point_size=float(np.median(sizes)) or None)
        if np.ptp(sizes):
            values["size"] = sizes.astype(np.float32)
            notes.append("sizes are kept as the attribute 'size', and shown as their median")
    symbols = np.array([str(symbol) for symbol in np.atleast_1d(np.asarray(meta.get("symbol", "disc"), object))])
    if len(symbols) == count and count and (symbols != symbols[0]).any():
        values["symbol"] = symbols
        notes.append("symbols are kept as the attribute 'symbol', and shown as discs")
    elif len(symbols):
        look = replace(look, symbol=str(symbols[0]))
    shown = np.broadcast_to(np.asarray(meta.get("shown", True), bool), count)
    if not shown.all():
        values["shown"] = shown.astype(np.uint8)
        notes.append("hidden points are saved with the others; the attribute 'shown' tells them")
    batch = Points(world.to_store(positions), attributes=values, categories=columns.categories)
    specs = {name: CHANNELS for name in _COLOURS if name in values}
    return LayerContent(str(meta["name"]), batch, world.axes, look, specs, notes=tuple(notes))
