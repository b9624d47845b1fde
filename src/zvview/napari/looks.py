"""How a saved layer looked, kept with its store: as JSON among what applications keep at the root, and onto a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any, Final

from napari.layers import Layer

from zvview.errors import InvalidInputError
from zvview.format.attributes import AttributeMetadata
from zvview.napari.layers import is_fast
from zvview.napari.tails import Tail
from zvview.samples import Look
from zvview.style import Colouring, colourmap_names

__all__ = ["LOOK_KEY", "dress", "encode_look", "parse_look", "with_look"]

LOOK_KEY: Final = "zvview_look"
"""Key of ``user_metadata``."""

_LARGEST: Final = 1e12  # of a number that is a size; what is larger was not written by zvview


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
    changes |= {name: told[name] for name, fits in _FITTING.items() if fits(told.get(name))}
    return replace(Look(), **changes)


def dress(layer: Layer, look: Look) -> None:
    """Let a layer look so, but for its colours, the size of its points and its tail, with which it is made."""
    wishes: dict[str, Any] = {"opacity": look.opacity, "blending": look.blending, "visible": look.is_visible}
    wishes |= {"shading": look.shading}
    if is_fast(layer):
        wishes |= {"edge_width": look.line_width or None, "fill": look.fill, "current_symbol": look.symbol}
    for name, value in wishes.items():
        if value is not None and hasattr(layer, name):
            with suppress(ValueError, KeyError, TypeError):  # a name that this napari does not know
                setattr(layer, name, value)


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


def _is_number(value: object, most: float = _LARGEST) -> bool:
    return type(value) in (int, float) and 0 <= value <= most  # type: ignore[operator]


def _is_share(value: object) -> bool:
    return _is_number(value, 1)


_FITTING: Final[Mapping[str, Callable[[object], bool]]] = {
    **dict.fromkeys(("opacity", "fill"), _is_share),
    **dict.fromkeys(("point_size", "line_width", "tail", "head"), _is_number),
    **dict.fromkeys(("blending", "symbol", "shading"), lambda value: isinstance(value, str)),
    "is_visible": lambda value: isinstance(value, bool),
}
