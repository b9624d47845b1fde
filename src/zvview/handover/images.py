"""Images of a napari window as images of Neuroglancer: those that were read from Zarr, where and as they are there."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from napari.layers import Image as ImageLayer
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.handover.poses import to_store
from zvview.napari.camera import LayerPlacement
from zvview.napari.frame import Frame
from zvview.neuroglancer.encoding.space import Space
from zvview.neuroglancer.images import Image, local_folder

__all__ = ["find_images"]

_STOPS: Final = 16  # of a colour map; the client interpolates between them


def find_images(
    viewer: Any, placement: LayerPlacement, frame: Frame, space: Space
) -> tuple[tuple[Image, ...], tuple[str, ...]]:
    """The images of a window, and which of them are left out, in plain words.

    Parameters
    ----------
    viewer : napari.Viewer
    placement, frame, space
        Of the layer in whose coordinates the view is told (:func:`~zvview.handover.poses.find_pose`).
    """
    found: list[Image] = []
    notes: list[str] = []
    for layer in viewer.layers:
        if not isinstance(layer, ImageLayer):
            continue
        path = str(layer.source.path or "")
        try:
            folder = local_folder(path) if path else None
        except InvalidInputError:
            path, folder = "", None
        if not path:
            notes.append(f"{layer.name}: only images that were opened from Zarr, here or at an address, go over")
        elif getattr(layer, "rgb", False):
            notes.append(f"{layer.name}: images of red, green and blue do not go over")
        elif folder is not None and _array_axes(folder, layer.ndim) is not None and layer.ndim != frame.ndim:
            notes.append(f"{layer.name}: an image of {layer.ndim} axes does not fit a store of {frame.ndim}: left out")
        else:
            names = None if folder is None else _array_axes(folder, layer.ndim)
            transform = None if names is None else _transform_of(layer, names, placement, frame, space)
            found.append(_image_of(layer, path, transform))
    return tuple(found), tuple(notes)


def _image_of(layer: Any, path: str, transform: dict[str, Any] | None) -> Image:
    low, high = map(float, layer.contrast_limits)
    stops = layer.colormap.map(np.linspace(0, 1, _STOPS) ** layer.gamma)[:, :3]
    colours = tuple((float(red), float(green), float(blue)) for red, green, blue in stops)
    return Image(path, layer.name, (low, high), colours, float(layer.opacity), bool(layer.visible), transform)


def _transform_of(
    layer: Any, names: Sequence[str], placement: LayerPlacement, frame: Frame, space: Space
) -> dict[str, Any]:
    """Where an array lies, which says nothing of it itself: from its voxels, whose corners count, to the store."""
    count = layer.ndim

    def place(index: NDArray[np.float64]) -> NDArray[np.float64]:
        world = np.zeros(placement.first_axis + frame.ndim)
        own = np.asarray(layer.data_to_world(index), np.float64)
        world[-len(own) :] = own
        return to_store(world, placement, frame)

    offset = place(np.full(count, -0.5))
    columns = [place(np.eye(count)[axis] - 0.5) - offset for axis in range(count)]
    matrix = np.column_stack((*columns, offset))
    given = list(space.dimensions.items())[: frame.ndim]
    # each voxel is one unit of the dimension that its axis lies along, and the matrix tells how large that is
    nearest = [int(np.argmax(np.abs(column))) for column in columns]
    return {
        "matrix": matrix.tolist(),
        "inputDimensions": {name: list(given[at][1]) for name, at in zip(names, nearest, strict=True)},
        "outputDimensions": {name: list(told) for name, told in given},
    }


def _array_axes(folder: str, count: int) -> list[str] | None:
    """What the client calls the axes of the array in a folder of Zarr; None of a group, such as an OME-Zarr."""
    unnamed = [f"dim_{axis}" for axis in range(count)]
    if os.path.isfile(os.path.join(folder, ".zarray")):
        return unnamed
    try:
        with open(os.path.join(folder, "zarr.json"), "rb") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("node_type") != "array":
        return None
    named = found.get("dimension_names") or unnamed
    return [name or other for name, other in zip(named, unnamed, strict=False)]
