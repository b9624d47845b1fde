"""Shaders for annotations and skeletons: the colours that zvview's other viewers give, in Neuroglancer's language.

Numbers get a slider of the range that is shown, categories the palette, and not-a-number the grey of missing values.
Documentation: "Annotation rendering" and "Skeleton rendering" of Neuroglancer, version 2.41.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import MissingError
from zvview.neuroglancer.encoding.annotations import Property
from zvview.neuroglancer.markers import Markers, marker_lines
from zvview.stream.filtering import Filter
from zvview.style.colouring import Colouring
from zvview.style.colourmaps import MISSING_COLOUR, colour_codes, map_colours

__all__ = ["annotation_shader", "skeleton_shader"]

_MISSING_LABEL: Final = "no value"
_GROUP: Final = "group"
_STOPS: Final = 16  # of a colour map; the client interpolates between them
_WIDTH: Final = "size > 0.0 ? max(size - 1.5, 0.01) : 0.0"  # soft edges add a pixel and a half to what is set
_SIZES: Final[Mapping[str, Sequence[str]]] = {
    "line": (f"setLineWidth({_WIDTH});", "setEndpointMarkerSize(0.0);", "setEndpointMarkerBorderWidth(0.0);"),
    "polyline": (
        f"setPolyLineWidth({_WIDTH});",
        "setPolyEndpointMarkerSize(0.0);",
        "setPolyEndpointMarkerBorderWidth(0.0);",
    ),
}
_DEFAULT_SIZES: Final[Mapping[str, float]] = {"point": 5.0, "line": 2.5, "polyline": 2.5}
_ALIKE: Final = 0.001  # by which the code of a category may be off
_UNFADED: Final = 1e4  # times its alpha something is seen until the client's fading leaves a ten-thousandth of it


def annotation_shader(
    kind: str,
    by: Colouring,
    properties: Mapping[str, Sequence[Property]],
    *,
    size: float | None = None,
    filter: Filter | None = None,
    opacity: float = 1.0,
    fades: bool = True,
    markers: Markers | None = None,
    axes: Sequence[int] = (),
) -> str:
    """The shader of a layer of annotations.

    Parameters
    ----------
    kind : str
        Type of the annotations.
    by : Colouring
        What they are coloured by. Objects and directions need the property that carries the colour.
    properties : mapping of str to sequence of Property
        Those of each attribute; ``"object"`` and ``"direction"`` of what is no attribute.
    size : float, optional
        Diameter or width in pixels at the beginning; a slider changes it.
    filter : Filter, optional
        Of attributes and groups: what does not pass is not drawn. Objects are not looked at, groups where there is a
        property ``"group"``, which tells the first of each object.
    opacity : float
        At the beginning; a slider changes it.
    fades : bool
        Whether cross sections show less and less of what lies before and behind them, at the beginning.
    markers : Markers, optional
        What else is said of points; where each has a size of its own, the slider multiplies it.
    axes : sequence of int, optional
        Dimensions whose share in the direction of each step of a line is red, green and blue; without any, directions
        have the colour that their property carries, one for all of a line.

    Raises
    ------
    MissingError
        There is no such property, channel or colour map.
    """
    discards = "" if filter is None else _discards(filter, properties, lambda prop: f"prop_{prop.id}()")
    markers = Markers() if markers is None or kind != "point" else markers
    start, most = _DEFAULT_SIZES.get(kind, 1.0) if size is None else size, 20.0
    if markers.size_by is not None:
        start, most = 1.0, 4.0
    controls = [
        f"#uicontrol float size slider(min=0, max={max(most, 2 * start):g}, default={start:g})",
        f"#uicontrol float opacity slider(min=0, max=1, default={opacity:g})",
        f"#uicontrol bool fade checkbox(default={str(fades).lower()})",
    ]
    functions = [f"vec4 seen(vec4 color) {{ color.a *= fade ? opacity : opacity * {_UNFADED:.1f}; return color; }}"]
    if by.mode == "constant":
        colour = f"vec4({_floats(by.colour)})"
    elif by.mode in ("attribute", "category", "rgba"):
        prop = _choose(properties, by.name or "", by.channel)
        colour = _colour_of(prop, by, controls, functions)
    elif by.mode == "direction" and axes:
        colour = "direction()"
        functions.append(_direction(axes))
    else:
        prop = _choose(properties, by.mode, 0)
        colour = _colour_of(prop, by, controls, functions)
    lines = [
        f"vec4 tint = {colour};",
        *(marker_lines(markers, properties) if kind == "point" else _SIZES.get(kind, ())),
        "setColor(seen(tint));",
    ]
    body = "".join(f"  {line}\n" for line in lines)
    return "\n".join([*controls, *functions, f"void main() {{\n{discards}{body}}}", ""])


def skeleton_shader(
    by: Colouring, properties: Mapping[str, Sequence[Property]], *, filter: Filter | None = None
) -> str:
    """The shader of a layer of skeletons.

    Objects have the colours of their segments, and so has what vertices do not tell: groups, directions of networks.
    What joins vertices of two categories is grey.

    Parameters
    ----------
    by : Colouring
        What vertices are coloured by.
    properties : mapping of str to sequence of Property
        Those of each attribute, called as in shaders.
    filter : Filter, optional
        Of attributes: where what lies between two vertices does not pass, nothing is drawn.

    Raises
    ------
    MissingError
        There is no such attribute, channel or colour map.
    """
    discards = "" if filter is None else _discards(filter, properties, lambda prop: prop.id)
    begin = f"void main() {{\n{discards}"
    if by.mode == "direction" and by.mode in properties:
        return f"{begin}  emitRGB({properties[by.mode][0].id});\n}}\n"
    if by.mode not in ("attribute", "category", "rgba"):
        return f"{begin}  emitDefault();\n}}\n"
    prop = _choose(properties, by.name or "", by.channel)
    if prop.type in ("rgb", "rgba"):  # edges have no alpha of their own
        return f"{begin}  emitRGB(vec3({prop.id}));\n}}\n"
    if by.mode == "category" or (prop.labels and by.mode != "attribute"):
        # between two vertices the client counts through all that lies between their codes, which neither of them is
        is_one = f"abs({prop.id} - round({prop.id})) < {_ALIKE}"
        colour = f"{is_one} ? vec3(category(int(round({prop.id})))) : vec3({_floats(MISSING_COLOUR[:3])})"
        return f"{_palette(prop)}\n{begin}  emitRGB({colour});\n}}\n"
    low, high = by.limits if by.limits and by.limits[0] < by.limits[1] else (0.0, 1.0)
    span = f"min={low:.9g}, max={high:.9g}"
    lines = [
        f"#uicontrol float lowest slider({span}, default={low:.9g})",
        f"#uicontrol float highest slider({span}, default={high:.9g})",
        _colourmap(by.colourmap),
        f"{begin}  emitRGB(vec3(colourmap({prop.id}, ({prop.id} - lowest) / max(highest - lowest, 1e-30))));",
        "}",
        "",
    ]
    return "\n".join(lines)


def _discards(filter: Filter, properties: Mapping[str, Sequence[Property]], value_of: Callable[[Property], str]) -> str:
    """Statements that leave out what does not pass: not-a-number is within no range."""
    lines = []
    for name, (lo, hi) in filter.ranges.items():
        for channel in range(max(len(properties.get(name, ())), 1)):
            value = f"float({value_of(_choose(properties, name, channel))})"
            lines.append(f"  if (!({value} >= {_float(lo)} && {value} <= {_float(hi)})) discard;")
    for name, wanted in filter.categories.items():
        prop = _choose(properties, name, 0)
        labels = prop.labels or {}
        codes = [code for code, label in labels.items() if (None if label == _MISSING_LABEL else label) in wanted]
        lines.append(_discard_others(value_of(prop), codes))
    if filter.groups is not None:
        prop = _choose(properties, _GROUP, 0)
        numbers = {label: code for code, label in (prop.labels or {}).items()}
        codes = [group if isinstance(group, int) else numbers.get(group, -1) for group in filter.groups]
        lines.append(_discard_others(value_of(prop), codes))
    return "".join(f"{line}\n" for line in lines)


def _discard_others(value: str, codes: Sequence[int]) -> str:
    is_wanted = " || ".join(f"int(round(float({value}))) == {code}" for code in codes) or "false"
    return f"  if (!({is_wanted})) discard;"


def _choose(properties: Mapping[str, Sequence[Property]], name: str, channel: int) -> Property:
    found = properties.get(name, ())
    if not found:
        raise MissingError("property", name, properties)
    if not 0 <= channel < len(found):
        raise MissingError(f"channel of {name!r}", channel, range(len(found)))
    return found[channel]


def _colour_of(prop: Property, by: Colouring, controls: list[str], functions: list[str]) -> str:
    """The expression of a colour; what it needs is added to `controls` and `functions`."""
    value = f"prop_{prop.id}()"
    if prop.type == "rgb":
        return f"vec4({value}, 1.0)"
    if prop.type == "rgba":
        return value
    if by.mode == "category" or (prop.labels and by.mode != "attribute"):
        functions.append(_palette(prop))
        return f"category(int({value}))"
    limits = f", range=[{by.limits[0]:.9g}, {by.limits[1]:.9g}]" if by.limits and by.limits[0] < by.limits[1] else ""
    controls.append(f'#uicontrol invlerp {prop.id}_range(property="{prop.id}"{limits})')
    functions.append(_colourmap(by.colourmap))
    raw = f"float({value})"
    return f"colourmap({raw}, {prop.id}_range())"


def _direction(axes: Sequence[int]) -> str:
    """A function that gives the colour of the step of a line that is drawn.

    Its ends are what the client's own shader of lines and polylines begins with, in all versions that draw polylines.
    """
    steps = [f"getVertexPosition1()[{axis}] - getVertexPosition0()[{axis}]" for axis in axes[:3]]
    return "\n".join(
        [
            "vec4 direction() {",
            f"  vec3 along = abs(vec3({', '.join([*steps, '0.0', '0.0'][:3])}));",
            "  float most = max(along.x, max(along.y, along.z));",
            "  if (!(most > 0.0) || isinf(most)) return vec4(0.5, 0.5, 0.5, 1.0);",
            "  return vec4(normalize(along / most), 1.0);",
            "}",
        ]
    )


def _palette(prop: Property) -> str:
    """Colours of codes: those of :func:`~zvview.style.colourmaps.colour_codes`."""
    codes = np.array(sorted(prop.labels or ()), np.int64)
    colours = colour_codes(np.arange(20))
    missing = [code for code, label in (prop.labels or {}).items() if label == _MISSING_LABEL]
    lines = [f"const vec3 PALETTE[20] = vec3[20]({', '.join(_vec3(c) for c in colours)});", "vec4 category(int code) {"]
    lines += [f"  if (code == {code}) return vec4({_floats(MISSING_COLOUR)});" for code in missing]
    most = int(codes.max(initial=0))
    lines += [
        f"  if (code < 0 || code > {most}) return vec4({_floats(MISSING_COLOUR)});" if len(codes) else "",
        "  return vec4(PALETTE[code % 20], 1.0);",
        "}",
    ]
    return "\n".join(line for line in lines if line)


def _colourmap(name: str) -> str:
    """A function that gives the colour of a share between 0 and 1, and that of missing values where there is none."""
    table = map_colours(np.linspace(0, 1, _STOPS, dtype=np.float32), (0.0, 1.0), name)
    return "\n".join(
        [
            f"const vec3 COLOURS[{_STOPS}] = vec3[{_STOPS}]({', '.join(_vec3(c) for c in table)});",
            "vec4 colourmap(float value, float share) {",
            f"  if (isnan(value) || isinf(value)) return vec4({_floats(MISSING_COLOUR)});",
            f"  float place = clamp(share, 0.0, 1.0) * {_STOPS - 1}.0;",
            f"  int below = min(int(place), {_STOPS - 2});",
            "  return vec4(mix(COLOURS[below], COLOURS[below + 1], place - float(below)), 1.0);",
            "}",
        ]
    )


def _vec3(colour: NDArray[np.float32]) -> str:
    return f"vec3({_floats(colour[:3])})"


def _float(value: float) -> str:
    """A literal: the nearest finite one of float32 where there is none."""
    most = float(np.finfo(np.float32).max)
    return f"float({min(max(value, -most), most):.9e})"


def _floats(values: Sequence[float] | NDArray[np.float32]) -> str:
    return ", ".join(f"{float(v):.4f}" for v in values)
