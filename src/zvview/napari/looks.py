"""How a saved layer looked, kept with its store: as JSON among what applications keep at the root, and onto a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any, Final

import numpy as np
from napari.layers import Layer

from zvview.errors import InvalidInputError
from zvview.format.attributes import AttributeMetadata
from zvview.napari.frame import Frame
from zvview.napari.layers import is_fast
from zvview.napari.tails import Tail
from zvview.samples import Look
from zvview.style import Colouring, colourmap_names

__all__ = ["LOOK_KEY", "dress", "encode_look", "look_of", "parse_look", "place_layer", "with_look"]

LOOK_KEY: Final = "zvview_look"
"""Key of ``user_metadata``."""

_LARGEST: Final = 1e12  # of a number that is a size; what is larger was not written by zvview
_FARTHEST: Final = 1e30  # of a number that says where a layer lies


def encode_look(look: Look) -> dict[str, Any]:
    """The look as JSON takes it; what is None is left out."""
    told = {field.name: getattr(look, field.name) for field in fields(Look)}
    if look.colouring is not None:
        told["colouring"] = {field.name: getattr(look.colouring, field.name) for field in fields(Colouring)}
    return {name: value for name, value in told.items() if value is not None}


def parse_look(user_metadata: Mapping[str, Any], attributes: Mapping[str, AttributeMetadata]) -> Look | None:
    """The look that a store was saved with, as far as it can be one; None where it has none.

    Parameters
    ----------
    user_metadata : mapping
        Of the store.
    attributes : mapping of str to AttributeMetadata
        Of its vertices: a colouring by another one is left out.
    """
    told = user_metadata.get(LOOK_KEY)
    if not isinstance(told, Mapping):
        return None
    changes: dict[str, Any] = {"colouring": _parse_colouring(told.get("colouring"), attributes)}
    changes |= {name: _frozen(told[name]) for name, fits in _FITTING.items() if fits(told.get(name))}
    changes |= {name: told[name] for name, fits in _NAMING.items() if fits(attributes.get(_name(told.get(name))))}
    return replace(Look(), **changes)


def dress(layer: Layer, look: Look, attributes: Mapping[str, AttributeMetadata] | None = None) -> None:
    """Let a layer look so, but for its colours, the size of its points and its tail, with which it is made.

    Parameters
    ----------
    layer : Layer
    look : Look
    attributes : mapping of str to AttributeMetadata, optional
        Of the store's vertices; without them all points look alike.
    """
    wishes: dict[str, Any] = {"opacity": look.opacity, "blending": look.blending, "visible": look.is_visible}
    wishes |= {"shading": look.shading, "antialiasing": look.antialiasing, "canvas_size_limits": look.size_limits}
    if is_fast(layer):
        wishes |= {"edge_width": look.line_width, "world_width": look.world_width or None}
        wishes |= {"fill": look.fill, "fill_by": look.fill_by, "current_symbol": look.symbol}
        border = None if look.border_colour is None else np.array(look.border_colour, np.float32)
        wishes |= {"border_color": border, "border_width": look.border_width}
    for name, value in wishes.items():
        if value is not None and hasattr(layer, name):
            with suppress(ValueError, KeyError, TypeError):  # a name that this napari does not know
                setattr(layer, name, value)
    if look.wireframe is not None and hasattr(layer, "wireframe"):
        wires = layer.wireframe
        wires.color, wires.width, wires.visible = look.wireframe[:4], look.wireframe[4], True
    if attributes is not None and hasattr(layer, "columns"):
        layer.columns = layer.columns.of(look, attributes)


def place_layer(layer: Layer, look: Look, frame: Frame) -> None:
    """Put a layer where it lay in the world, if the look says so."""
    rows = np.array(look.placement or ())
    if rows.shape != (frame.ndim, frame.ndim + 1) or not abs(np.linalg.det(rows[:, :-1])) > 0:
        return
    order = list(frame.order)
    matrix = np.eye(frame.ndim + 1)
    matrix[:-1, :-1], matrix[:-1, -1] = rows[:, :-1][np.ix_(order, order)], rows[order, -1]
    layer.affine = matrix


def look_of(layer: Layer) -> Look:
    """How a layer that streams looks now."""
    stream = layer.stream
    look = Look(
        colouring=stream.asked_colouring,
        opacity=float(layer.opacity),
        blending=str(layer.blending),
        is_visible=bool(layer.visible),
        tail=stream.tail,
        head=stream.head,
        placement=_placement_of(layer, stream.frame),
    )
    if not is_fast(layer):
        return look
    if hasattr(layer, "columns"):
        return _with_points(look, layer)
    if hasattr(layer, "wireframe"):
        wires = layer.wireframe
        red, green, blue, alpha = map(float, wires.color)
        drawn = (red, green, blue, alpha, float(wires.width)) if wires.visible else None
        return replace(look, shading=str(layer.shading), wireframe=drawn)
    in_world = layer.world_width
    width = None if in_world else layer.edge_width
    return replace(look, line_width=width, world_width=in_world or None, fill=layer.fill, fill_by=layer.fill_by)


def _with_points(look: Look, layer: Layer) -> Look:
    """What is said of points beside; that of each goes before that of all."""
    columns, own = layer.columns, layer.own_colours
    least, most = layer.canvas_size_limits
    face, border = (None if name not in own else tuple(own[name].tolist()) for name in ("face", "border"))
    return replace(
        look,
        colouring=look.colouring if face is None else Colouring(colour=face),
        point_size=None if columns.size else layer.current_size,
        symbol=None if columns.symbol else str(layer.current_symbol),
        border_width=None if columns.border_width else layer.own_border_width,
        border_colour=None if columns.border_colour else border,
        size_by=columns.size,
        symbol_by=columns.symbol,
        border_width_by=columns.border_width,
        border_colour_by=columns.border_colour,
        shown_by=columns.shown,
        antialiasing=float(layer.antialiasing),
        size_limits=(float(least), float(most)),
        shading=str(layer.shading),
    )


def _placement_of(layer: Layer, frame: Frame) -> tuple[tuple[float, ...], ...] | None:
    """Where a layer lies as rows of a map from the store's coordinates; None where it is where the store says."""
    offset = np.array(layer.data_to_world(np.zeros(frame.ndim)), np.float64)
    steps = np.stack([np.array(layer.data_to_world(step), np.float64) - offset for step in np.eye(frame.ndim)], axis=1)
    base = offset - steps @ frame.origin
    reach = 1 + np.abs(frame.origin)
    if np.allclose(steps, np.eye(frame.ndim), rtol=0, atol=1e-9) and (np.abs(base) <= 1e-9 * reach).all():
        return None
    back = list(frame.inverse)
    rows = np.column_stack((steps[np.ix_(back, back)], base[back]))
    return tuple(tuple(row) for row in rows.tolist())


def with_look(tail: Tail | None, look: Look) -> Tail | None:
    """The tail of lines along time as a look has it."""
    if tail is None:
        return None
    return replace(tail, length=look.tail or tail.length, head=tail.head if look.head is None else look.head)


def _parse_colouring(told: object, attributes: Mapping[str, AttributeMetadata]) -> Colouring | None:
    if not isinstance(told, Mapping):
        return None
    mode, name, colourmap = told.get("mode"), told.get("name"), told.get("colourmap")
    limits, channel, colour = told.get("limits"), told.get("channel"), told.get("colour")
    is_known = name is None or (isinstance(name, str) and name in attributes)
    if not is_known or not isinstance(mode, str) or colourmap not in colourmap_names():
        return None
    if not isinstance(colour, list | tuple) or not all(map(_is_number, colour)) or not isinstance(channel, int):
        return None
    has_limits = isinstance(limits, list | tuple) and len(limits) == 2 and all(type(v) in (int, float) for v in limits)
    ends = (float(limits[0]), float(limits[1])) if has_limits else None  # type: ignore[index]
    with suppress(InvalidInputError):
        by = Colouring(mode, name, str(colourmap), ends, channel, tuple(map(float, colour)))  # type: ignore[arg-type]
        return by if by.name is None or _can_colour(by, attributes[by.name]) else None
    return None


def _can_colour(by: Colouring, known: AttributeMetadata) -> bool:
    width = known.row_shape[0] if known.row_shape else 1
    if by.mode == "rgba":
        return bool(known.row_shape) and width in (3, 4)
    return 0 <= by.channel < width and (by.mode != "category" or known.dtype.kind in "biu")


def _frozen(value: Any) -> Any:
    """Lists of JSON as tuples."""
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _name(value: object) -> str:
    return value if isinstance(value, str) else ""


def _are_numbers(value: object, count: int, most: float = _LARGEST) -> bool:
    return isinstance(value, list | tuple) and len(value) == count and all(_is_number(v, most) for v in value)


def _is_colour(value: object) -> bool:
    return _are_numbers(value, 4, 1)


def _are_wires(value: object) -> bool:
    return _are_numbers(value, 5) and _is_colour(value[:4])  # type: ignore[index]


def _are_limits(value: object) -> bool:
    return _are_numbers(value, 2) and value[0] <= value[1]  # type: ignore[index]


def _are_rows(value: object) -> bool:
    """Whether it is a matrix of finite numbers, one longer than it is high."""
    if not isinstance(value, list | tuple) or not value or not all(isinstance(row, list | tuple) for row in value):
        return False
    numbers = [number for row in value for number in row]
    is_shape = all(len(row) == len(value) + 1 for row in value)
    return is_shape and all(type(v) in (int, float) and abs(v) <= _FARTHEST for v in numbers)


def _is_scalar(found: AttributeMetadata | None) -> bool:
    return found is not None and not found.row_shape and found.dtype.kind in "biuf" and found.categories is None


def _is_labelled(found: AttributeMetadata | None) -> bool:
    return found is not None and not found.row_shape and found.categories is not None


def _is_coloured(found: AttributeMetadata | None) -> bool:
    return found is not None and tuple(found.row_shape) == (4,)


def _is_number(value: object, most: float = _LARGEST) -> bool:
    return type(value) in (int, float) and 0 <= value <= most  # type: ignore[operator]


def _is_share(value: object) -> bool:
    return _is_number(value, 1)


_FITTING: Final[Mapping[str, Callable[[object], bool]]] = {
    **dict.fromkeys(("opacity", "fill", "border_width"), _is_share),
    **dict.fromkeys(("point_size", "line_width", "world_width", "antialiasing", "tail", "head"), _is_number),
    **dict.fromkeys(("blending", "symbol", "shading"), lambda value: isinstance(value, str)),
    "is_visible": lambda value: isinstance(value, bool),
    "border_colour": _is_colour,
    "size_limits": _are_limits,
    "wireframe": _are_wires,
    "placement": _are_rows,
}

_NAMING: Final[Mapping[str, Callable[[AttributeMetadata | None], bool]]] = {
    **dict.fromkeys(("size_by", "border_width_by", "shown_by"), _is_scalar),
    **dict.fromkeys(("border_colour_by", "fill_by"), _is_coloured),
    "symbol_by": _is_labelled,
}
