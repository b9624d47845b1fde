"""What a sample is: how its stores are made, and how they look best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from zvview.cancel import CancelToken
from zvview.style import Colouring

__all__ = ["Look", "Progress", "Sample", "Stop"]

Progress = Callable[[int, int, str], None]
"""Called with what is done, all there is, and what is being done; all there is may be 0 where nobody knows."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a layer is shown at first; None leaves what the kind of the store gives.

    Attributes
    ----------
    colouring : Colouring or None
    opacity : float
    blending : str
        One of napari's.
    is_visible : bool
    point_size : float or None
        Of points, in the store's units.
    line_width : float or None
        Of lines, in pixels.
    world_width : float or None
        Of lines, in units of the world, in the place of `line_width`: they get wider as one zooms in.
    symbol : str or None
        Of points, one of napari's.
    border_width : float or None
        Of points, as a share of their size.
    border_colour : (float, float, float, float) or None
        Red, green, blue, alpha.
    size_by, symbol_by, border_width_by, border_colour_by, shown_by : str or None
        Attributes of points that say so of each.
    antialiasing : float or None
        Of points, in pixels.
    size_limits : (float, float) or None
        Of points on the canvas, in pixels.
    fill : float or None
        Opacity of the areas inside closed lines.
    fill_by : str or None
        The attribute with the colours of these areas, where they are not those of the lines.
    shading : str or None
        Of meshes and points, one of napari's.
    wireframe : (float, float, float, float, float) or None
        Of meshes: red, green, blue, alpha and the width in pixels; None draws none.
    tail, head : float or None
        How much of the past and the future of lines along time, in the store's units.
    placement : tuple of tuple of float or None
        Rows (D, D + 1) of an affine map from the store's coordinates to those of the world, in the store's order.
    """

    colouring: Colouring | None = None
    opacity: float = 1.0
    blending: str = "translucent"
    is_visible: bool = True
    point_size: float | None = None
    line_width: float | None = None
    world_width: float | None = None
    symbol: str | None = None
    border_width: float | None = None
    border_colour: tuple[float, float, float, float] | None = None
    size_by: str | None = None
    symbol_by: str | None = None
    border_width_by: str | None = None
    border_colour_by: str | None = None
    shown_by: str | None = None
    antialiasing: float | None = None
    size_limits: tuple[float, float] | None = None
    fill: float | None = None
    fill_by: str | None = None
    shading: str | None = None
    wireframe: tuple[float, float, float, float, float] | None = None
    tail: float | None = None
    head: float | None = None
    placement: tuple[tuple[float, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """A place that the camera flies to.

    Attributes
    ----------
    name : str
    focus : tuple of float or None
        In the store's order of axes and in its units; None for the middle.
    zoom : float
        As a multiple of the zoom at which everything fits the canvas.
    view, up : (float, float, float)
        Where the camera looks and what is up on the canvas, along the store's first three axes; of any length.
    """

    name: str
    focus: tuple[float, ...] | None = None
    zoom: float = 1.0
    view: tuple[float, float, float] = (0.0, 0.0, 1.0)
    up: tuple[float, float, float] = (0.0, -1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample.

    Attributes
    ----------
    name : str
        Short, for the command line and for file names.
    title : str
        For menus.
    make : callable
        ``make(place, progress, cancel)`` writes a store or a collection to a place where nothing is.
    version : int
        Raised when what is made changes, so that older copies are not used.
    about : str
        What it is and where it comes from.
    looks : mapping of str to Look
        By the name of the store in a collection; ``""`` for a store on its own.
    stops : tuple of Stop
        Where the scripted camera goes; the first is how the sample is shown at first.
    """

    name: str
    title: str
    make: Callable[[str, Progress | None, CancelToken | None], None]
    version: int
    about: str
    looks: Mapping[str, Look] = field(default_factory=lambda: MappingProxyType({}))
    stops: tuple[Stop, ...] = (Stop("overview"),)
