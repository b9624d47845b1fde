"""What the colours of a layer mean, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zvview.style.colouring import Colouring
from zvview.style.colourmaps import colour_codes, map_colours

__all__ = ["LegendEntry", "legend_of", "legend_text"]


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A label and its colour (red, green, blue, alpha)."""

    label: str
    colour: tuple[float, float, float, float]


def legend_of(
    by: Colouring, *, labels: Sequence[str] = (), unit: str | None = None, axes: Sequence[str] = ("x", "y", "z")
) -> tuple[LegendEntry, ...]:
    """The legend of a colouring: the labels, the limits of an attribute, the axes of directions.

    Empty for objects and constants, whose colours say nothing that has a name.

    Parameters
    ----------
    labels : sequence of str
        Of categories in the order of their codes, or names of groups in the order of their numbers.
    unit : str, optional
        Of the attribute.
    axes : sequence of str
        Names of the axes that are red, green and blue of directions.
    """
    if by.mode in ("category", "group"):
        return _coded(labels)
    if by.mode == "attribute" and by.limits is not None:
        ends = map_colours(np.array(by.limits), by.limits, by.colourmap)
        labels = [f"{value:g}{f' {unit}' if unit else ''}" for value in by.limits]
        return tuple(LegendEntry(label, _plain(colour)) for label, colour in zip(labels, ends, strict=True))
    if by.mode == "direction":
        return tuple(LegendEntry(name, _plain((*np.eye(3)[i], 1.0))) for i, name in enumerate(axes[:3]))
    return ()


def legend_text(by: Colouring, entries: Sequence[LegendEntry]) -> str:
    """The legend in one line, such as ``type: postsynaptic #e6194b, presynaptic #3cb44b``."""
    title = {"group": "group", "direction": "direction"}.get(by.mode, by.name or "")
    words = [f"{entry.label} #{''.join(f'{round(c * 255):02x}' for c in entry.colour[:3])}" for entry in entries]
    return f"{title}: {', '.join(words)}" if words else ""


def _coded(labels: Sequence[str]) -> tuple[LegendEntry, ...]:
    colours = colour_codes(np.arange(len(labels)))
    return tuple(LegendEntry(label, _plain(colour)) for label, colour in zip(labels, colours, strict=True))


def _plain(colour: Sequence[float] | np.ndarray) -> tuple[float, float, float, float]:
    red, green, blue, alpha = (float(c) for c in colour)
    return red, green, blue, alpha
