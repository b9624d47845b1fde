"""What was drawn in Neuroglancer as layers of napari, where it was drawn."""

from __future__ import annotations

from typing import Any

from napari.layers import Layer

from zvview.neuroglancer.links.drawn import Drawn

__all__ = ["add_drawing"]

_PLACEMENT = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


def add_drawing(viewer: Any, beside: Any, drawn: Drawn) -> list[Layer]:
    """Add what was drawn to a viewer: points as Points, lines as paths of Shapes, which can be edited and saved.

    Parameters
    ----------
    viewer : napari.Viewer
    beside : Layer
        Of the store in whose coordinates it was drawn.
    drawn : Drawn
    """
    frame = beside.stream.frame
    placed = {key: getattr(beside, key) for key in _PLACEMENT}
    added: list[Layer] = []
    if len(drawn.points):
        data = frame.to_layer(drawn.points)
        added.append(viewer.add_points(data, name="drawn points", size=_size(beside), **placed))
    if drawn.lines:
        paths = [frame.to_layer(line) for line in drawn.lines]
        width = _size(beside) / 4
        added.append(viewer.add_shapes(paths, shape_type="path", name="drawn lines", edge_width=width, **placed))
    return added


def _size(layer: Any) -> float:
    """Of points beside those of a layer: the same, or a hundredth of what it spans."""
    size = getattr(layer, "current_size", None)
    return float((layer.extent.data[1] - layer.extent.data[0]).max()) / 100 if size is None else float(size)
