"""Colours of a layer as a store keeps them: one colour in its look, many as an attribute of four channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from napari.utils.colormaps import Colormap, ensure_colormap
from napari.utils.colormaps.standardize_color import transform_color
from numpy.typing import NDArray

from zvview.samples import Look
from zvview.style import Colouring, colourmap_names

__all__ = ["as_colours", "base_look", "colour_by_values", "colour_plainly", "with_width"]

_WHITE = (1.0, 1.0, 1.0, 1.0)


def base_look(meta: Mapping[str, Any], **more: Any) -> Look:
    """What layers of all types say of how they look, and more."""
    return Look(
        opacity=float(meta.get("opacity", 1.0)),
        blending=str(meta.get("blending", "translucent")),
        is_visible=bool(meta.get("visible", True)),
        **more,
    )


def with_width(look: Look, width: float) -> Look:
    """The look of lines so wide in the world; of no width they are not drawn."""
    return replace(look, world_width=width) if width > 0 else replace(look, line_width=0.0)


def colour_plainly(name: str, colours: Any, count: int) -> tuple[Colouring, NDArray[np.float32] | None]:
    """The colouring by colours that are given, and the attribute `name` (count, 4) that it needs, if any."""
    found = as_colours(colours)
    if len(found) == count and (found != found[:1]).any():
        return Colouring("rgba", name), found
    return Colouring(colour=tuple(found[0].tolist()) if len(found) else _WHITE), None


def as_colours(colours: Any) -> NDArray[np.float32]:
    """Colours (n, 4), given as numbers or by their names; one of them, if there is only one."""
    if not isinstance(colours, str) and not len(colours):
        return np.empty((0, 4), np.float32)
    found: NDArray[np.float32] = np.asarray(transform_color(colours), np.float32)
    return found


def colour_by_values(
    name: str,
    attribute: str | None,
    values: NDArray[Any],
    colourmap: Any,
    limits: tuple[float, float],
    gamma: float = 1.0,
) -> tuple[Colouring, NDArray[np.float32] | None]:
    """The colouring of numbers through a colour map of napari, and the attribute `name` (N, 4) that it needs, if any.

    Parameters
    ----------
    attribute : str or None
        Under which the values (N,) are kept: then a map that zvview has needs no colours.
    colourmap : str, Colormap or dict
    limits : (float, float)
        Values at its ends.
    """
    known = Colormap(**colourmap) if isinstance(colourmap, Mapping) else ensure_colormap(colourmap)
    if attribute is not None and known.name in colourmap_names() and gamma == 1:
        return Colouring("attribute", attribute, str(known.name), (float(limits[0]), float(limits[1]))), None
    share = np.clip((values - limits[0]) / max(limits[1] - limits[0], 1e-10), 0, 1) ** gamma
    return colour_plainly(name, known.map(np.asarray(share, np.float32)), len(values))
