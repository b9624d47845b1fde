"""Stores brought into a viewer by the command line and by samples: opened, dressed, and the camera set to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

from zvview.errors import MissingError
from zvview.napari.camera import read_placement
from zvview.napari.looks import dress
from zvview.napari.opening import OpenedStore, make_layers
from zvview.napari.settings import read_settings
from zvview.samples import Look, Sample, Stop

__all__ = ["add_sample", "add_stores", "check_level", "fly_to", "has_space"]


def add_stores(
    viewer: Any, opened: Sequence[OpenedStore], *, level: int | None = None, slab: float | None = None
) -> list[Layer]:
    """Add the layers of some stores to a viewer, and give the one of each that streams; on the thread of the window.

    Parameters
    ----------
    viewer : napari.Viewer
    opened : sequence of OpenedStore
    level : int, optional
        The level to show whatever the zoom.
    slab : float, optional
        Thickness that 2-D views show of the other axes of space, in each store's units.
    """
    settings = read_settings()
    streaming = []
    for found in opened:
        layer, *beside = make_layers([found], settings)
        layer.stream.locked_level = level
        if slab is not None:
            is_space = [axis.type == "space" for axis in found.store.axes]
            layer.stream.slab = np.where(is_space, slab / 2, found.slab)
        for added in (layer, *beside):
            viewer.add_layer(added)
        streaming.append(layer)
    return streaming


def add_sample(viewer: Any, sample: Sample, opened: Sequence[OpenedStore]) -> list[Layer]:
    """Add the stores of a sample as it looks best, a layer for each; a viewer that was empty is turned to it."""
    was_empty = not viewer.layers
    settings = read_settings()
    layers = []
    for found in opened:
        look = sample.looks.get(found.name.removeprefix(sample.name).strip(), Look())
        colouring, size = look.colouring or found.colouring, look.point_size or found.point_size
        (layer,) = make_layers([replace(found, colouring=colouring, point_size=size)], settings)
        dress(layer, look)
        layers.append(viewer.add_layer(layer))
    if was_empty:
        viewer.layers.selection.active = layers[0]  # the status bar tells of it
        viewer.dims.ndisplay = 3
        fly_to(viewer, layers[0], sample.stops[0])
        overlays = getattr(viewer.canvas, "overlays", viewer)  # napari 0.9 moved it there
        overlays.scale_bar.visible = True
    return layers


def has_space(opened: Sequence[OpenedStore]) -> bool:
    """Whether any of the stores has three axes of space, so that it is looked at in 3-D."""
    return any(sum(axis.type == "space" for axis in found.store.axes) >= 3 for found in opened)


def check_level(opened: Sequence[OpenedStore], level: int | None) -> None:
    """Refuse a level that one of the stores does not have.

    Raises
    ------
    MissingError
    """
    for found in opened:
        if level is not None and level not in found.store.levels:
            raise MissingError("level", level, found.store.levels)


def fly_to(viewer: Any, layer: Layer, stop: Stop, *, share: float = 1.0) -> None:
    """Set the camera of a 3-D view to a stop, or to a share of the way there from where it is now.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : Layer
        In whose store's coordinates the stop is given.
    stop : Stop
    share : float
        In (0, 1]. Of zooms the logarithm counts, so that the speed seems even.
    """
    camera = getattr(viewer, "scene", viewer).camera
    centre, zoom = np.array(camera.center, np.float64), float(camera.zoom)
    view, up = np.array(camera.view_direction), np.array(camera.up_direction)
    with camera.events.blocker_all():
        viewer.reset_view()
        goal_centre, goal_zoom = np.array(camera.center, np.float64), float(camera.zoom) * stop.zoom
    frame, placement = layer.stream.frame, read_placement(layer, viewer)
    shown = [axis - placement.first_axis for axis in viewer.dims.displayed]
    order = list(frame.axes_of(shown))
    if stop.focus is not None:
        data = frame.to_layer(np.array([stop.focus], np.float64))[0]
        goal_centre = (placement.matrix @ data + placement.offset)[shown]
    camera.center = tuple(centre + (goal_centre - centre) * share)
    camera.zoom = zoom * (goal_zoom / zoom) ** share
    camera.set_view_direction(
        tuple(_turned(view, np.array(stop.view)[order], share)), tuple(_turned(up, np.array(stop.up)[order], share))
    )


def _turned(now: NDArray[np.float64], goal: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """A direction between two."""
    return now + (goal / np.linalg.norm(goal) - now) * share
