"""Layers of skeletons and meshes: which segments are shown at first, their colours, and where the models lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from zvview.neuroglancer.choices import Choice
from zvview.neuroglancer.encoding.annotations import Property
from zvview.neuroglancer.encoding.space import ModelFrame, Space
from zvview.neuroglancer.shaders import skeleton_shader
from zvview.neuroglancer.sources.contract import Source
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.segments import MOST_COLOURED, Segments
from zvview.stream.filtering import Filter
from zvview.style import Colouring
from zvview.style.colourmaps import colour_codes, colour_ids

__all__ = ["Meshes", "Models", "Skeletons", "hidden_sources", "segmentation_layer", "shown_segments"]

_SELECTED_PX: Final = 3.0  # of skeletons that are selected from among lines that are shown
_SOFT_PX, _THINNEST_PX = 1.5, 0.01  # what soft edges add to a line of cross sections; the client takes no width of 0
_NM: Final = 1e-9
_AXES: Final = ("x", "y", "z")


@runtime_checkable
class Models(Source, Protocol):
    """A source of models of objects, skeletons or meshes.

    Attributes
    ----------
    frame : SourceFrame
    model : ModelFrame
    segments : Segments or None
        None where the whole store is segment 1.
    """

    frame: SourceFrame
    model: ModelFrame
    segments: Segments | None

    def first_shown(self) -> NDArray[np.uint64]:
        """Segments to begin with."""
        ...


@runtime_checkable
class Skeletons(Models, Protocol):
    """A source of skeletons."""

    @property
    def by_attribute(self) -> Mapping[str, tuple[Property, ...]]:
        """What each attribute of vertices became, called as in shaders."""
        ...


@runtime_checkable
class Meshes(Models, Protocol):
    """A source of meshes."""

    @property
    def equivalences(self) -> Sequence[Sequence[int]]:
        """Segments that are parts of one object."""
        ...


def segmentation_layer(
    name: str,
    url: str,
    source: Models,
    by: Colouring,
    *,
    size: float | None = None,
    opacity: float = 1.0,
    is_visible: bool = True,
    filter: Filter | None = None,
    choice: Choice | None = None,
) -> dict[str, Any]:
    """A layer of models.

    Parameters
    ----------
    name : str
    url : str
        Of the folder of the source, without a slash at its end.
    source : Models
    by : Colouring
        What skeletons are coloured by; meshes are always by object.
    size : float, optional
        Width of lines in pixels.
    opacity : float
        Of meshes.
    is_visible : bool
    filter : Filter, optional
        Of the attributes of vertices, at which skeletons are cut.
    choice : Choice, optional
        The objects to show, and the groups of all, where colours are by group.

    Raises
    ------
    MissingError
        Vertices carry nothing of what colours are wished by.
    """
    choice = choice or Choice()
    shown = shown_segments(source, choice)
    layer: dict[str, Any] = {
        "type": "segmentation",
        "name": name,
        "source": _source_at(url, source.frame.space, source.model),
        "tab": "segments",
        "segments": [str(segment) for segment in np.sort(shown).tolist()],
        "segmentColors": _colours_of(source, shown, by, choice),
        "objectAlpha": opacity,
    }
    if isinstance(source, Skeletons):
        width = size or (1.0 if len(shown) else _SELECTED_PX)
        layer["skeletonRendering"] = {
            "shader": skeleton_shader(by, source.by_attribute, filter=filter),
            "mode2d": "lines",
            "lineWidth2d": max(2.0, width) if size is None else max(size - _SOFT_PX, _THINNEST_PX),
            "mode3d": "lines",
            "lineWidth3d": width,
        }
    if isinstance(source, Meshes) and source.equivalences:
        layer["equivalences"] = [[str(segment) for segment in joined] for joined in source.equivalences]
    return layer if is_visible else {**layer, "visible": False}


def shown_segments(source: Models, choice: Choice) -> NDArray[np.uint64]:
    """The segments of a choice; without one those that a source begins with."""
    if choice.objects is None or source.segments is None:
        return np.empty(0, np.uint64) if choice.groups is not None else source.first_shown()
    return source.segments.of_objects(choice.objects[source.segments.has(choice.objects)])


def hidden_sources(sources: Mapping[str, Source], choice: Choice | None = None) -> set[str]:
    """Those of a store, by name, whose layers are not visible at first.

    Nodes of networks; and their edges, where all objects are shown as skeletons, which have values for each vertex; and
    lines, where those that are chosen are shown so.
    """
    skeletons = sources.get("skeletons")
    if not isinstance(skeletons, Models):
        return set()
    if choice is not None and choice.objects is not None:
        return {"lines", "edges", "nodes"}
    if "nodes" not in sources:
        return set()
    if choice is not None and choice.groups is not None:
        return {"nodes"}
    is_whole = skeletons.segments is None or len(skeletons.first_shown()) == len(skeletons.segments.ids)
    return {"nodes", "edges"} if is_whole else {"nodes"}


def _colours_of(source: Models, shown: NDArray[np.uint64], by: Colouring, choice: Choice) -> dict[str, str]:
    """Colours of segments: those that objects have in every other view, or one for all."""
    if source.segments is None:
        segments, objects = shown, np.zeros(len(shown), np.int64)
    else:
        ids = source.segments.ids
        objects = ids if len(ids) <= MOST_COLOURED else source.segments.objects(shown)
        segments = source.segments.of_objects(objects)
    if by.mode == "constant":
        colours = np.broadcast_to(np.asarray(by.colour, np.float32), (len(objects), 4))
    elif source.segments is None:
        colours = colour_ids(np.full(len(objects), -1))
    elif by.mode == "group":
        groups = np.full(len(objects), -1) if choice.membership is None else choice.membership.groups_of(objects)
        colours = colour_codes(groups)
    else:
        colours = colour_ids(objects)
    codes = np.rint(colours[:, :3] * 255).astype(int).tolist()
    return {
        str(segment): "#{:02x}{:02x}{:02x}".format(*code)
        for segment, code in zip(segments.tolist(), codes, strict=True)
    }


def _source_at(url: str, space: Space, model: ModelFrame) -> dict[str, Any]:
    """A source of models, whose axes are x, y and z in nanometres, laid along the axes of a store."""
    found: dict[str, Any] = {"url": f"{url}/|neuroglancer-precomputed:"}
    matrix = np.reshape(model.transform, (3, 4))[:, :3]
    added = iter(range(space.ndim, space.rank))
    dimensions: dict[str, list[Any]] = {}
    for row in range(3):
        stored = int(np.argmax(np.abs(matrix[row])))
        axis = model.columns[stored] if stored < len(model.columns) else next(added, None)
        name = _AXES[row] if axis is None else space.names[axis]
        scale, unit = (_NM, "m") if axis is None else space.dimensions[name]
        dimensions[name] = [_NM, "m"] if unit == "m" else [scale, unit]
    if dimensions != {name: [_NM, "m"] for name in _AXES}:
        given = {axis: dimensions[name] for axis, name in zip(_AXES, dimensions, strict=True)}
        found["transform"] = {
            "matrix": np.eye(3, 4).tolist(),
            "inputDimensions": given,
            "outputDimensions": dimensions,
        }
    return found
