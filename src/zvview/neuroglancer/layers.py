"""Layers of Neuroglancer's state, as plain JSON: a source, where it lies, and how it looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from zvview.errors import UnsupportedError
from zvview.neuroglancer.encoding.annotations import Property
from zvview.neuroglancer.encoding.space import Space
from zvview.neuroglancer.segmentation import Models, segmentation_layer
from zvview.neuroglancer.shaders import annotation_shader
from zvview.neuroglancer.sources.contract import Source
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.properties import Properties
from zvview.stream.filtering import Filter
from zvview.style import Colouring

__all__ = ["Look", "annotation_layer", "drawing_layer", "layer_of", "source_at"]

_SPACING_PX = 6.0


@runtime_checkable
class Annotations(Source, Protocol):
    """A source of annotations."""

    frame: SourceFrame
    properties: Properties


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
    spacing_px : float
        Pixels between neighbours that are drawn, on average: less shows more, and reads more.
    is_visible : bool
    filter : Filter
        What is not drawn, as far as properties tell it.
    """

    by: Colouring = field(default_factory=Colouring)
    size: float | None = None
    opacity: float = 1.0
    spacing_px: float = _SPACING_PX
    is_visible: bool = True
    filter: Filter = field(default_factory=Filter)


def layer_of(name: str, url: str, source: Source, look: Look) -> dict[str, Any]:
    """The layer of a source.

    Parameters
    ----------
    name : str
    url : str
        Of the folder of the source, without a slash at its end.
    source : Source
        With the `frame` and `properties` of its annotations.
    look : Look

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
            return annotation_layer(name, at, kind, properties.by_attribute, look)
        case Models():
            return segmentation_layer(
                name, url, source, look.by, size=look.size, opacity=look.opacity, is_visible=look.is_visible
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


def annotation_layer(
    name: str,
    source: Mapping[str, Any],
    kind: str,
    properties: Mapping[str, Sequence[Property]],
    look: Look,
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

    Raises
    ------
    MissingError
        There is no property for what colours are wished by, or for what is filtered by.
    """
    return {
        "type": "annotation",
        "name": name,
        "source": dict(source),
        "tab": "rendering",
        "shader": annotation_shader(kind, look.by, properties, size=look.size, filter=look.filter),
        "annotationOpacity": look.opacity,
        "projectionAnnotationSpacing": look.spacing_px,
        "crossSectionAnnotationSpacing": look.spacing_px,
        **({} if look.is_visible else {"visible": False}),
    }


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
