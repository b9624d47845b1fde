"""A ``Shapes`` layer as a store of lines: outlines are closed, paths are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.geometry.batches import Lines, Polylines
from zvview.napari.writing.colours import as_colours, base_look, colour_plainly, with_width
from zvview.napari.writing.columns import take_columns
from zvview.napari.writing.content import CHANNELS, LayerContent, has_text
from zvview.napari.writing.placing import World

__all__ = ["outline_of", "take_shapes"]

_EDGE, _FACE, _SHOWN = "edge_color", "face_color", "color"
_OWN: Final = (_EDGE, _FACE, "shape_type", "z_index", "edge_width")
_ELLIPSE_EDGES: Final = 100  # as many as napari draws
_OPEN: Final = ("line", "path")


def take_shapes(data: Any, meta: Mapping[str, Any]) -> LayerContent:
    """What is written of a ``Shapes`` layer: a line for each shape, with its features as attributes of objects.

    Layers of nothing but lines become a store of lines, all others one of polylines.
    """
    shapes = [np.asarray(shape, np.float64) for shape in data]
    count, ndim = len(shapes), shapes[0].shape[1] if shapes else int(meta.get("ndim", 2))
    types = _as_list(meta.get("shape_type", "polygon"), count)
    is_closed = np.array([type_ not in _OPEN for type_ in types], bool)
    world = World.of(meta, ndim)
    outlines = [outline_of(shape, type_) for shape, type_ in zip(shapes, types, strict=True)]
    lengths = np.array([len(outline) for outline in outlines], np.int64)
    columns = take_columns(meta.get("features"), count, reserved=_OWN)
    edges, faces = (_for_each(meta.get(name, "white"), count) for name in (_EDGE, _FACE))
    is_filled = ndim == 2 and bool((faces[is_closed, 3] > 0).any())
    colouring, colours = colour_plainly(_SHOWN, edges, count)
    painted = {} if colours is None else {_SHOWN: np.repeat(colours, lengths, axis=0)}
    if is_filled:
        painted[_FACE] = np.repeat(faces, lengths, axis=0)
    widths = np.array(_as_list(meta.get("edge_width", 1), count), np.float32)
    batch = (Lines if types and set(types) == {"line"} else Polylines)(
        world.to_store(np.concatenate(outlines) if outlines else np.empty((0, ndim))),
        offsets=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        object_ids=np.arange(count),
        attributes=painted,
    )
    own = {
        _EDGE: edges,
        _FACE: faces,
        "shape_type": np.array(types, object),
        "z_index": np.array(_as_list(meta.get("z_index", 0), count), np.int32),
        "edge_width": widths,
    }
    look = base_look(meta, colouring=colouring, fill=1.0 if is_filled else 0.0, fill_by=_FACE if is_filled else None)
    return LayerContent(
        str(meta["name"]),
        batch,
        world.axes,
        with_width(look, float(np.median(widths)) * world.width_scale if count else 1.0),
        dict.fromkeys(painted, CHANNELS),
        {**columns.texts(), **own} if count else {},
        notes=(*columns.notes, *_losses(meta, widths)),
    )


def _losses(meta: Mapping[str, Any], widths: NDArray[np.float32]) -> list[str]:
    """What of the looks of shapes is not seen when they are opened again."""
    lost = []
    if len(widths) and np.ptp(widths):
        lost.append("widths of edges are kept as the attribute 'edge_width', and drawn as their median")
    if has_text(meta):
        lost.append("its texts are not saved; the features that they show are")
    return lost


def outline_of(shape: NDArray[np.float64], type_: str) -> NDArray[np.float64]:
    """The vertices (n, D) of the line that a shape is drawn with; closed ones end where they begin.

    Of ellipses `shape` has the four corners of the rectangle around them.
    """
    if type_ in _OPEN:
        return shape
    if type_ == "ellipse":
        centre = shape.mean(axis=0)
        across, along = (shape[1] - shape[0]) / 2, (shape[2] - shape[1]) / 2
        angle = np.linspace(0, 2 * np.pi, _ELLIPSE_EDGES, endpoint=False)[:, None]
        shape = centre + across * np.cos(angle) + along * np.sin(angle)
    is_closed = len(shape) > 1 and bool((shape[0] == shape[-1]).all())
    return shape if is_closed else np.concatenate((shape, shape[:1]))


def _as_list(values: Any, count: int) -> list[Any]:
    """One value for each shape, of what may be one for all."""
    is_one = isinstance(values, str) or not isinstance(values, Sequence | np.ndarray)
    return [values] * count if is_one else [str(v) if isinstance(v, str) else v for v in values]


def _for_each(colours: Any, count: int) -> NDArray[np.float32]:
    """A colour (count, 4) for each shape, of what may be one for all."""
    found = as_colours(colours)
    one = found[:1] if len(found) else np.ones((1, 4), np.float32)
    return found if len(found) == count else np.repeat(one, count, axis=0)
