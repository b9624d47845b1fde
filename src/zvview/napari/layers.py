"""From a kind of store to a layer, and swapping what it shows."""

from __future__ import annotations

from typing import Any, Final

from napari.layers import Layer

from zvview.format import names
from zvview.napari.frame import Frame
from zvview.napari.plain import make_plain_layer, show_plainly
from zvview.napari.preparing import Prepared
from zvview.napari.private.names import is_supported

__all__ = ["family_of", "is_fast", "make_layer", "show"]

_FAMILIES: Final = {names.POINT_CLOUD: "points", names.MESH: "surface"}


def family_of(kind: str) -> str:
    """``points``, ``lines`` or ``surface``: the kind of layer that shows a kind of store."""
    return _FAMILIES.get(kind, "lines")


def make_layer(kind: str, frame: Frame, *, point_size: float = 1.0, **kwargs: Any) -> Layer:
    """An empty layer for a store of some kind, with the store's extent, units and axis labels.

    Parameters
    ----------
    kind : str
        Geometry type of the specification.
    frame : Frame
    point_size : float
        Diameter of points in the store's units; on the canvas they never get smaller than four pixels.
    **kwargs
        ``name`` and ``metadata``, as for all napari layers.
    """
    family = family_of(kind)
    kwargs |= {"translate": frame.origin, "units": frame.units, "axis_labels": frame.labels}
    if family == "points":
        kwargs |= {"size": point_size, "canvas_size_limits": (4, 10_000), "antialiasing": 0.5}  # 1 would fade them
    if not is_supported():
        return make_plain_layer(family, frame.extent, **kwargs)
    from zvview.napari.private.lines import StreamLines
    from zvview.napari.private.meshes import StreamSurface
    from zvview.napari.private.points import StreamPoints
    from zvview.napari.private.registering import register_layers

    register_layers()
    classes = {"points": StreamPoints, "lines": StreamLines, "surface": StreamSurface}
    layer = classes[family](frame.extent, **kwargs)
    layer.slider_step = frame.step
    return layer


def is_fast(layer: Layer) -> bool:
    """Whether a layer is one of our own classes."""
    return hasattr(layer, "swap")


def show(layer: Layer, prepared: Prepared) -> None:
    """Swap what a layer shows; on the thread of the window."""
    if not is_fast(layer):
        show_plainly(layer, prepared)
    elif prepared.elements is None:
        layer.swap(prepared.positions, prepared.colours, prepared.features)
    elif prepared.triangles is None:
        layer.swap(prepared.positions, prepared.elements, prepared.colours, prepared.features)
    else:
        layer.swap(
            prepared.positions, prepared.elements, prepared.colours, prepared.features, triangles=prepared.triangles
        )
