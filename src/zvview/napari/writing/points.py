"""A ``Points`` layer as a store of points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.geometry.batches import Points
from zvview.napari.writing.colours import as_colours, base_look, colour_plainly
from zvview.napari.writing.columns import take_columns
from zvview.napari.writing.content import CHANNELS, LayerContent, has_text
from zvview.napari.writing.placing import World
from zvview.samples import Look

__all__ = ["take_points"]

_FACE, _BORDER, _SIZE, _WIDTH, _SYMBOL, _SHOWN = (
    "face_color", "border_color", "size", "border_width", "symbol", "shown",
)  # fmt: skip
_OWN: Final = (_FACE, _BORDER, _SIZE, _WIDTH, _SYMBOL, _SHOWN)


def take_points(data: Any, meta: Mapping[str, Any]) -> LayerContent:
    """What is written of a ``Points`` layer: sizes, symbols, borders and colours are attributes where they differ."""
    positions = np.asarray(data)
    count = len(positions)
    world = World.of(meta, positions.shape[1])
    columns = take_columns(meta.get("features"), count, reserved=_OWN)
    colouring, colours = colour_plainly(_FACE, meta.get(_FACE, ()), count)
    limits = meta.get("canvas_size_limits")
    look = base_look(
        meta,
        colouring=colouring,
        antialiasing=None if meta.get("antialiasing") is None else float(meta["antialiasing"]),
        size_limits=None if limits is None else (float(limits[0]), float(limits[1])),
        shading=None if meta.get("shading") is None else str(meta["shading"]),
    )
    own: dict[str, NDArray[Any]] = {} if colours is None else {_FACE: colours}
    if count:
        look = _with_outlines(_with_symbols(look, meta, count, own), meta, count, own)
    batch = Points(world.to_store(positions), attributes={**columns.values, **own}, categories=columns.categories)
    specs = {name: CHANNELS for name in (_FACE, _BORDER) if name in own}
    notes = (*columns.notes, *(["its texts are not saved; the features that they show are"] if has_text(meta) else []))
    return LayerContent(str(meta["name"]), batch, world.axes, look, specs, notes=notes)


def _with_symbols(look: Look, meta: Mapping[str, Any], count: int, own: dict[str, NDArray[Any]]) -> Look:
    """The look with the symbols, and with those that are hidden; what differs is added to `own`."""
    symbols = np.atleast_1d(np.asarray(meta.get(_SYMBOL, "disc"), object))
    found, codes = np.unique(symbols.astype(str), return_inverse=True)
    if len(symbols) == count and len(found) > 1:
        own[_SYMBOL] = found.astype(object)[codes]
        look = replace(look, symbol_by=_SYMBOL)
    else:
        look = replace(look, symbol=str(found[0]))
    shown = np.broadcast_to(np.asarray(meta.get(_SHOWN, True), bool), count)
    if not shown.all():
        own[_SHOWN] = shown.astype(np.uint8)
        look = replace(look, shown_by=_SHOWN)
    return look


def _with_outlines(look: Look, meta: Mapping[str, Any], count: int, own: dict[str, NDArray[Any]]) -> Look:
    """The look with sizes and borders; what differs is added to `own`, sizes in units of the world."""
    sizes = np.asarray(meta.get(_SIZE, 1.0), np.float64)
    sizes = sizes.mean(axis=1) if sizes.ndim == 2 else np.broadcast_to(sizes, count)
    widths = np.broadcast_to(np.asarray(meta.get(_WIDTH, 0.0), np.float64), count)
    if not meta.get("border_width_is_relative", True):
        widths = widths / np.maximum(sizes, 1e-30)
    widths = np.clip(widths, 0, 1)
    sizes = sizes * abs(float(np.asarray(meta.get("scale", [1.0]))[-1]))
    look = replace(look, point_size=float(np.median(sizes)) or None, border_width=float(np.median(widths)))
    if np.ptp(sizes):
        own[_SIZE] = sizes.astype(np.float32)
        look = replace(look, size_by=_SIZE)
    if np.ptp(widths):
        own[_WIDTH] = widths.astype(np.float32)
        look = replace(look, border_width_by=_WIDTH)
    borders = as_colours(meta.get(_BORDER, ()))
    if not len(borders):
        return look
    if widths.any() and len(borders) == count and (borders != borders[:1]).any():
        own[_BORDER] = borders
        return replace(look, border_colour_by=_BORDER)
    red, green, blue, alpha = borders[0].tolist()  # drawn around points of the least size, whatever the width
    return replace(look, border_colour=(red, green, blue, alpha))
