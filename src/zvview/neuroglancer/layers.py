"""Layers of Neuroglancer's state, as plain JSON: a source, where it lies, and how it looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from zvview.errors import UnsupportedError
from zvview.neuroglancer.choices import Choice
from zvview.neuroglancer.encoding.annotations import Property
from zvview.neuroglancer.encoding.space import Space, with_units
from zvview.neuroglancer.markers import Markers
from zvview.neuroglancer.segmentation import Models, segmentation_layer
from zvview.neuroglancer.shaders import annotation_shader
from zvview.neuroglancer.sources.contract import Source
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.line_columns import LineColumns
from zvview.stream.filtering import Filter
from zvview.style import Colouring

__all__ = [
    "Annotations",
    "Look",
    "annotation_layer",
    "drawing_layer",
    "layer_of",
    "measured",
    "source_at",
    "spacing_of",
]

_SPACING_PX, _LINE_SPACING_PX = 6.0, 2.0
"""Of lines vertices count, which cover less than points. At 2 pixels the first of their levels is drawn for the most
part in a window of 1280 x 720, which lights two thirds of the pixels that all lines would; at 6 a quarter."""


class Columns(Protocol):
    """What annotations tell."""

    @property
    def by_attribute(self) -> Mapping[str, Sequence[Property]]:
        """The properties of each attribute."""
        ...


@runtime_checkable
class Annotations(Source, Protocol):
    """A source of annotations."""

    frame: SourceFrame

    @property
    def properties(self) -> Columns:
        """What its annotations tell."""
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """How a layer looks.

    Attributes
    ----------
    by : Colouring
        With limits, if numbers are coloured.
    size : float or None
        Diameter or width in pixels to begin with.
    opacity : float
    spacing_px : float or None
        Pixels between neighbours that are drawn, on average: less shows more, and reads more. By default as
        :func:`spacing_of` tells.
    is_visible : bool
    filter : Filter
        What is not drawn, as far as properties tell it; its objects and groups by a :class:`Choice`.
    fades : bool
        Whether cross sections show less and less of what lies before and behind them.
    markers : Markers
        What else is said of points.
    """

    by: Colouring = field(default_factory=Colouring)
    size: float | None = None
    opacity: float = 1.0
    spacing_px: float | None = None
    is_visible: bool = True
    filter: Filter = field(default_factory=Filter)
    fades: bool = True
    markers: Markers = field(default_factory=Markers)


def layer_of(
    name: str,
    url: str,
    source: Source,
    look: Look,
    *,
    segmentation: str | None = None,
    choice: Choice | None = None,
) -> dict[str, Any]:
    """The layer of a source.

    Parameters
    ----------
    name : str
    url : str
        Of the folder of the source, without a slash at its end.
    source : Source
        With the `frame` and `properties` of its annotations.
    look : Look
    segmentation : str, optional
        The layer whose segments are the objects that annotations relate to.
    choice : Choice, optional
        The objects to show, instead of those that the filter of the look names.

    Raises
    ------
    MissingError
        There is no property for what colours are wished by, or for what is filtered by.
    UnsupportedError
        A source that no layer shows.
    """
    match source:
        case Annotations(frame=frame, properties=properties):
            at = source_at(url, frame.space, frame.origin)
            kind = str(source.info["annotation_type"]).lower()
            told = replace(look, filter=(choice or Choice()).of_annotations(look.filter))
            axes = properties.axes if isinstance(properties, LineColumns) else ()
            layer = annotation_layer(name, at, kind, properties.by_attribute, told, axes)
            related = [relation["id"] for relation in source.info["relationships"]] if segmentation is not None else []
            if related:
                layer["linkedSegmentationLayer"] = dict.fromkeys(related, segmentation)
            if related and choice is not None and choice.objects is not None:
                layer["filterBySegmentation"] = related
            return layer
        case Models():
            return segmentation_layer(
                name,
                url,
                source,
                look.by,
                size=look.size,
                opacity=look.opacity,
                is_visible=look.is_visible,
                filter=replace(look.filter, object_ids=None, groups=None),
                choice=choice,
            )
    raise UnsupportedError(f"{name} cannot be shown: {source.info.get('@type')!r}")


def source_at(url: str, space: Space, origin: NDArray[np.float64]) -> dict[str, Any]:
    """A source, laid where the store's world coordinates are.

    Parameters
    ----------
    url : str
        Of the folder of the source, without a slash at its end.
    space : Space
    origin : (D,) float64 array
        World coordinates of the source's origin.
    """
    found: dict[str, Any] = {"url": f"{url}/|neuroglancer-precomputed:"}
    if origin.any():
        matrix = np.eye(space.rank, space.rank + 1)
        matrix[: len(origin), -1] = origin
        dimensions = {name: list(told) for name, told in space.dimensions.items()}
        found["transform"] = {"matrix": matrix.tolist(), "outputDimensions": dimensions}
    return found


def measured(source: Mapping[str, Any], space: Space, units: Mapping[str, tuple[float, str]]) -> dict[str, Any]:
    """A source beside others: its dimensions without a unit count in that of theirs.

    Parameters
    ----------
    source : mapping
        Of a layer.
    space : Space
        Of the store.
    units : mapping of str to (float, str)
        Scale and unit of the dimensions of all that is shown, as far as they have one.
    """
    transform = source.get("transform", {})
    own = {name: (told[0], told[1]) for name, told in transform.get("outputDimensions", space.dimensions).items()}
    found = with_units(own, units)
    if found == own:
        return dict(source)
    output = {name: list(told) for name, told in found.items()}
    names = transform.get("inputDimensions", output)  # of models they are x, y and z, whatever the store calls them
    given = dict(zip(names, output.values(), strict=True))
    matrix = transform.get("matrix", np.eye(len(output), len(output) + 1).tolist())
    return {**source, "transform": {"matrix": matrix, "inputDimensions": given, "outputDimensions": output}}


def annotation_layer(
    name: str,
    source: Mapping[str, Any],
    kind: str,
    properties: Mapping[str, Sequence[Property]],
    look: Look,
    axes: Sequence[int] = (),
) -> dict[str, Any]:
    """A layer of annotations.

    Parameters
    ----------
    name : str
    source : mapping
        As :func:`source_at` gives it.
    kind : str
        Type of the annotations.
    properties : mapping of str to sequence of Property
        Those of each attribute.
    look : Look
    axes : sequence of int, optional
        Of lines: those that colours of directions show.

    Raises
    ------
    MissingError
        There is no property for what colours are wished by, or for what is filtered by.
    """
    spacing = spacing_of(kind) if look.spacing_px is None else look.spacing_px
    return {
        "type": "annotation",
        "name": name,
        "source": dict(source),
        "tab": "rendering",
        "shader": annotation_shader(
            kind,
            look.by,
            properties,
            size=look.size,
            filter=look.filter,
            opacity=look.opacity,
            fades=look.fades,
            markers=look.markers,
            axes=axes,
        ),
        "projectionAnnotationSpacing": spacing,
        "crossSectionAnnotationSpacing": spacing,
        **({} if look.is_visible else {"visible": False}),
    }


def spacing_of(kind: str) -> float:
    """Pixels between neighbours of a type of annotations, of lines between their vertices, at first."""
    return _LINE_SPACING_PX if kind in ("line", "polyline") else _SPACING_PX


def drawing_layer(name: str, dimensions: Mapping[str, Any]) -> dict[str, Any]:
    """A layer to draw in, whose annotations are in the state itself.

    Parameters
    ----------
    name : str
    dimensions : mapping of str to [float, str]
        Scale and unit of each.
    """
    return {
        "type": "annotation",
        "name": name,
        "source": {"url": "local://annotations", "transform": {"outputDimensions": dict(dimensions)}},
        "tool": "annotatePoint",
        "tab": "annotations",
        "annotations": [],
    }
