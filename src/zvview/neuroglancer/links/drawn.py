"""What a user drew in the client: points, lines and polylines of the state, in the coordinates of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import BadFileError, UnsupportedError
from zvview.format import names
from zvview.format.sequences import offsets_of
from zvview.geometry.batches import Polylines
from zvview.neuroglancer.encoding.space import Space, space_of
from zvview.neuroglancer.links.poses import Pose
from zvview.neuroglancer.links.shareable import source_urls
from zvview.store.store import Store

__all__ = ["Drawn", "add_drawn", "read_drawn"]

_LOCAL: Final = "local://annotations"
_PART: Final = "annotations of Neuroglancer"
_CORNERS: Final[Mapping[str, tuple[str, ...]]] = {"point": ("point",), "line": ("pointA", "pointB")}


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What was drawn.

    Attributes
    ----------
    points : (n, D) float64 array
        World coordinates of the store, in the order of its axes.
    lines : tuple of (k, D) float64 array
        Lines of two or more vertices.
    notes : tuple of str
        What was left out, in plain words.
    """

    points: NDArray[np.float64]
    lines: tuple[NDArray[np.float64], ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.points) + len(self.lines)


def read_drawn(state: Mapping[str, Any], store: Store, layer: str | None = None) -> Drawn:
    """What was drawn in the layers of a state that hold their annotations themselves.

    Coordinates that a layer does not have, such as the time of what was drawn in space alone, are those of the middle
    of the picture.

    Parameters
    ----------
    state : mapping
    store : Store
        In whose coordinates it is told.
    layer : str, optional
        The only layer to look at.

    Raises
    ------
    BadFileError
        Values that are none.
    """
    space, pose = space_of(store.axes), Pose.of_state(state)
    points: list[NDArray[np.float64]] = []
    lines: list[NDArray[np.float64]] = []
    left_out: dict[str, int] = {}
    for found in _drawing_layers(state):
        if layer is not None and found.get("name") != layer:
            continue
        dimensions = _dimensions_of(found, pose)
        for annotation in found.get("annotations") or ():
            kind = str(annotation.get("type")) if isinstance(annotation, Mapping) else "unknown"
            if kind in _CORNERS:
                corners = [annotation.get(key) for key in _CORNERS[kind]]
            elif kind == "polyline":
                corners = annotation.get("points")
            else:
                left_out[kind] = left_out.get(kind, 0) + 1
                continue
            placed = _place(_corners(corners, len(dimensions)), dimensions, space, pose)
            points.extend(placed) if kind == "point" else lines.append(placed)
    notes = tuple(f"{count} of type {kind} left out" for kind, count in left_out.items())
    return Drawn(np.array(points, np.float64).reshape(-1, space.ndim), tuple(lines), notes)


def add_drawn(store: Store, drawn: Drawn, attributes: Mapping[str, float | str] | None = None) -> int:
    """Add what was drawn to a store, by way of its journal; how many were added.

    Points become points of a cloud, and lines lines.

    Parameters
    ----------
    store : Store
    drawn : Drawn
    attributes : mapping of str to number or label, optional
        What all vertices get; attributes that are not named are unknown. Categories that have no "missing" must be
        named.

    Raises
    ------
    InvalidInputError
        Such categories are not named, or a value does not fit.
    UnsupportedError
        The store is of another kind, or holds what cannot be edited.
    ConflictError
    """
    if store.kind == names.POINT_CLOUD:
        if len(drawn.points):
            with store.edit() as edit:
                edit.add(drawn.points, attributes)
        return len(drawn.points)
    if store.kind in (names.POLYLINE, names.STREAMLINE):
        lines = [line for line in drawn.lines if len(line) > 1]
        if lines:
            offsets = offsets_of([len(line) for line in lines])
            values = {name: np.full(offsets[-1], value) for name, value in (attributes or {}).items()}
            with store.edit() as edit:
                edit.add_lines(Polylines(np.concatenate(lines), offsets, attributes=values))
        return len(lines)
    raise UnsupportedError(f"{store.place} holds {store.kind}: what is drawn are points and lines")


def _drawing_layers(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    layers = state.get("layers", [])
    if not isinstance(layers, list):
        raise BadFileError(_PART, "layers: expected a list")
    found = [layer for layer in layers if isinstance(layer, Mapping) and layer.get("type") == "annotation"]
    return [layer for layer in found if any(url.startswith(_LOCAL) for _, url in source_urls({"layers": [layer]}))]


def _dimensions_of(layer: Mapping[str, Any], pose: Pose) -> Mapping[str, tuple[float, str]]:
    """Those in which a layer's coordinates are: its own, or the state's."""
    source = layer.get("source")
    source = source[0] if isinstance(source, list) and source else source
    transform = source.get("transform") if isinstance(source, Mapping) else None
    told = transform.get("outputDimensions") if isinstance(transform, Mapping) else None
    if told is None:
        return pose.dimensions
    return Pose.of_state({"dimensions": told, "displayDimensions": []}).dimensions


def _corners(found: Any, rank: int) -> NDArray[np.float64]:
    """Positions, (n, rank)."""
    try:
        out = np.array(found, np.float64)
    except (TypeError, ValueError):
        out = np.empty(0)
    if out.ndim != 2 or out.shape[1] != rank or not np.isfinite(out).all():
        raise BadFileError(_PART, f"expected positions of {rank} numbers, found {found!r:.80}")
    return out


def _place(
    corners: NDArray[np.float64], dimensions: Mapping[str, tuple[float, str]], space: Space, pose: Pose
) -> NDArray[np.float64]:
    """Positions in a layer's dimensions, (n, rank), as the store has them, (n, D)."""
    out = np.zeros((len(corners), space.ndim))
    own: Sequence[str] = list(dimensions)
    for axis, name in enumerate(space.names[: space.ndim]):
        scale, unit = space.dimensions[name]
        known = dimensions if name in dimensions else pose.dimensions
        if name not in known:
            continue
        ratio = known[name][0] / scale if known[name][1] == unit else 1.0
        values = corners[:, own.index(name)] if name in dimensions else pose.position[name]
        out[:, axis] = values * ratio
    return out
