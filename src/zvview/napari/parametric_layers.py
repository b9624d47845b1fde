"""Layers of a store's parametric objects, beside the layer of its geometry."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from napari.layers import Layer, Surface, Vectors
from numpy.typing import NDArray

from zvview.format.metadata import Axis
from zvview.geometry.parametric import ParametricObjects
from zvview.napari.frame import Frame
from zvview.napari.parametric import DrawnObjects, draw_objects
from zvview.style.colourmaps import colour_ids

__all__ = ["make_parametric_layers"]

_OPACITY: Final = 0.5  # what lies behind a plane is to be seen
_WIDTH_SHARE: Final = 1 / 400  # of the longest edge: the width of lines, which napari gives in world units


def make_parametric_layers(
    objects: ParametricObjects, axes: tuple[Axis, ...], frame: Frame, name: str
) -> tuple[list[Layer], tuple[str, ...]]:
    """Layers of what of the objects lies in the bounds of a store, and notes of what is not drawn.

    Planes and spheres are one ``Surface``, lines one ``Vectors`` layer; each has the name, type and attributes of its
    objects as features.
    """
    columns = _space_columns(axes, frame)
    if columns is None:
        return [], ("parametric objects are drawn only in stores of three axes of space",)
    stored = [frame.order[column] for column in columns]
    named = _in_order_of_coefficients(axes, stored)
    drawn = draw_objects(objects, frame.lo[named], frame.hi[named])
    shift = [named.index(axis) for axis in stored]
    common: dict[str, Any] = {
        "translate": frame.origin[columns],
        "units": [frame.units[c] for c in columns],
        "axis_labels": [frame.labels[c] for c in columns],
        "metadata": {"zarr_vectors": {"part": "parametric"}},
    }
    layers: list[Layer] = []
    if len(drawn.faces):
        layers.append(
            _surface(drawn, objects, drawn.vertices[:, shift] - frame.origin[columns], f"{name} parametric", common)
        )
    if len(drawn.ends):
        starts = drawn.ends[:, 0][:, shift] - frame.origin[columns]
        steps = (drawn.ends[:, 1] - drawn.ends[:, 0])[:, shift]
        width = float((frame.hi - frame.lo)[stored].max()) * _WIDTH_SHARE
        layers.append(
            Vectors(
                np.stack((starts, steps), axis=1),
                name=f"{name} parametric lines",
                vector_style="line",
                edge_width=width,
                edge_color=colour_ids(drawn.line_owners),
                features=_features(objects, drawn.line_owners),
                **common,
            )
        )
    return layers, drawn.notes


def _surface(
    drawn: DrawnObjects, objects: ParametricObjects, vertices: NDArray[np.float64], name: str, common: dict[str, Any]
) -> Surface:
    return Surface(
        (vertices, drawn.faces, np.ones(len(vertices), np.float32)),
        name=name,
        vertex_colors=colour_ids(drawn.owners),
        features=_features(objects, drawn.owners),
        shading="smooth",
        opacity=_OPACITY,
        blending="additive",  # the only one that does not depend on the order in which faces are drawn
        contrast_limits=(0.0, 1.0),
        **common,
    )


def _space_columns(axes: tuple[Axis, ...], frame: Frame) -> list[int] | None:
    """The layer's axes that are of space, which must be its last three: a layer of fewer axes has a viewer's last."""
    columns = [c for c, axis in enumerate(frame.order) if axes[axis].type == "space"]
    return columns if columns == list(range(frame.ndim - 3, frame.ndim)) else None


def _in_order_of_coefficients(axes: tuple[Axis, ...], stored: list[int]) -> list[int]:
    """The store's axes of space as x, y and z; as they are stored where they have other names."""
    by_name = {axes[axis].name.lower(): axis for axis in stored}
    return [by_name[letter] for letter in "xyz"] if set(by_name) == set("xyz") else sorted(stored)


def _features(objects: ParametricObjects, owners: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    types = np.array([objects.types[int(number)].name for number in objects.type_ids])
    out: dict[str, NDArray[Any]] = {"object": owners, "type": types[owners]}
    if objects.names:
        out["name"] = np.array(objects.names)[owners]
    for name, values in objects.object_attributes.items():
        if values.ndim == 1 and len(values) == len(objects):
            out.setdefault(name, values[owners])
    return out
