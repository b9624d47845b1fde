"""How points look beside their colours, as the client's shaders draw it: sizes and borders of all, or of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zvview.errors import MissingError
from zvview.neuroglancer.encoding.annotations import Property

__all__ = ["Markers", "marker_lines"]


@dataclass(frozen=True, slots=True)
class Markers:
    """What is said of points beside one size for all; what names an attribute goes before what all have.

    Attributes
    ----------
    size_by : str or None
        Attribute that is the diameter, in units of the store.
    px_per_unit : float
    least_px, most_px : float
        Between which diameters stay.
    border_width : float
        As a share of the diameter, half of it within.
    border_width_by : str or None
        Attribute that is such a share.
    border_colour : (float, float, float, float) or None
        Red, green, blue, alpha; None for that of the point.
    border_colour_by : str or None
        Attribute of colours.
    """

    size_by: str | None = None
    px_per_unit: float = 1.0
    least_px: float = 0.0
    most_px: float = 1e6
    border_width: float = 0.0
    border_width_by: str | None = None
    border_colour: tuple[float, float, float, float] | None = None
    border_colour_by: str | None = None

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """Those that are named."""
        named = (self.size_by, self.border_width_by, self.border_colour_by)
        return tuple(dict.fromkeys(name for name in named if name is not None))

    def only(self, known: Mapping[str, Any]) -> Markers:
        """The same without the attributes that are not known."""
        fields = ("size_by", "border_width_by", "border_colour_by")
        gone: dict[str, Any] = {name: None for name in fields if getattr(self, name) not in known}
        return replace(self, **gone)


def marker_lines(markers: Markers, properties: Mapping[str, Sequence[Property]]) -> list[str]:
    """The statements of a shader that set size and border.

    They take its slider `size`, the colour `tint` of the point, and its function `seen`, which makes colours fade.

    Parameters
    ----------
    markers : Markers
    properties : mapping of str to sequence of Property
        Those of each attribute.

    Raises
    ------
    MissingError
        There is no property for what is named.
    """
    width = "size"
    if markers.size_by is not None:
        limits = f"{markers.least_px:.9e}, {max(markers.most_px, markers.least_px):.9e}"
        width = f"size * clamp({_number(properties, markers.size_by)} * {markers.px_per_unit:.9e}, {limits})"
    share = f"{markers.border_width:.9e}"
    if markers.border_width_by is not None:
        share = f"clamp({_number(properties, markers.border_width_by)}, 0.0, 1.0)"
    elif not markers.border_width:
        return [f"setPointMarkerSize({width});", "setPointMarkerBorderWidth(0.0);"]
    edge = "tint"
    if markers.border_colour_by is not None:
        edge = _colour(properties, markers.border_colour_by)
    elif markers.border_colour is not None:
        edge = f"vec4({', '.join(f'{part:.4f}' for part in markers.border_colour)})"
    return [
        f"float diameter = {width};",
        f"float border = diameter * {share};",
        "setPointMarkerSize(diameter - border);",
        "setPointMarkerBorderWidth(border);",
        f"setPointMarkerBorderColor(seen({edge}));",
    ]


def _property(properties: Mapping[str, Sequence[Property]], name: str) -> Property:
    if not properties.get(name):
        raise MissingError("property", name, properties)
    return properties[name][0]


def _number(properties: Mapping[str, Sequence[Property]], name: str) -> str:
    """The value of an attribute; 0 where it is none, as in napari."""
    value = f"float(prop_{_property(properties, name).id}())"
    return f"(isnan({value}) ? 0.0 : {value})"


def _colour(properties: Mapping[str, Sequence[Property]], name: str) -> str:
    found = _property(properties, name)
    value = f"prop_{found.id}()"
    if found.type == "rgb":
        return f"vec4({value}, 1.0)"
    if found.type == "rgba":
        return value
    channels = properties[name]
    if len(channels) != 4:
        raise MissingError("colours", name, properties)
    return f"vec4({', '.join(f'float(prop_{channel.id}())' for channel in channels)})"
