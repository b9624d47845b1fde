"""What the client shows at first: its layers, dimensions and pose, from stores and where their sources are served.

The same for the live view, for links to exports and for the state that is written beside an export.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError, MissingError
from zvview.format.metadata import space_axes
from zvview.neuroglancer.encoding.space import Space, space_of
from zvview.neuroglancer.layers import Look, layer_of
from zvview.neuroglancer.segmentation import hidden_sources
from zvview.neuroglancer.sources.contract import Source
from zvview.neuroglancer.sources.fixed import FixedAnnotations
from zvview.store.store import Store
from zvview.stream.filtering import Filter
from zvview.style import Colouring, choose_colouring, with_limits

__all__ = ["Exhibit", "first_state", "image_layer", "layers_of"]

_MARGIN: Final = 1.1  # of what is shown around the bounds
_WINDOW_PX: Final = 600.0
_ADAPTERS: Final = {"zarr": "|zarr:", "precomputed": "|neuroglancer-precomputed:", "n5": "|n5:"}


@dataclass(frozen=True, slots=True, eq=False)
class Exhibit:
    """A store that is shown, and where.

    Attributes
    ----------
    name : str
        Of its layers, and in addresses.
    store : Store
    sources : mapping of str to Source
    url_of : callable
        Gives the address of the folder of a source by its name, without a slash at its end.
    """

    name: str
    store: Store
    sources: Mapping[str, Source]
    url_of: Callable[[str], str]

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out or not exact, in plain words."""
        return tuple(dict.fromkeys(note for source in self.sources.values() for note in source.notes))


def layers_of(exhibit: Exhibit, look: Look | None = None) -> list[dict[str, Any]]:
    """The layers of a store: one for each source that is a thing to look at.

    Parameters
    ----------
    exhibit : Exhibit
    look : Look, optional
        By default the colours that the store begins with. What a source has no properties for is left out of it.
    """
    store = exhibit.store
    wished = look or Look(choose_colouring(store.kind, store.attributes))
    wished = replace(wished, by=with_limits(store, wished.by))
    layers = []
    shown = {name: source for name, source in exhibit.sources.items() if source.sections}  # others tell of segments
    for name, source in shown.items():
        label = exhibit.name if len(shown) == 1 else f"{exhibit.name} {name}"
        own = replace(wished, is_visible=False) if name in hidden_sources(shown) else wished
        if isinstance(source, FixedAnnotations):  # beside what the store is of, and not coloured as that is
            own = replace(own, by=Colouring("object"), filter=Look().filter)
        layers.append(_first_possible(label, exhibit.url_of(name), source, own))
    return layers


def _first_possible(label: str, url: str, source: Source, wished: Look) -> dict[str, Any]:
    """The layer with all that is wished of its look, or without what its source cannot tell."""
    for left_out in ({}, {"by": Colouring()}, {"filter": Filter()}):
        with suppress(MissingError):
            return layer_of(label, url, source, replace(wished, **left_out))
    return layer_of(label, url, source, replace(wished, by=Colouring(), filter=Filter()))


def first_state(exhibits: Sequence[Exhibit], images: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The state that shows all of some stores.

    Parameters
    ----------
    exhibits : sequence of Exhibit
        At least one.
    images : iterable of dict
        Layers that lie below them, as :func:`image_layer` gives them.
    """
    layers = [layer for exhibit in exhibits for layer in layers_of(exhibit)]
    if not layers:
        raise InvalidInputError("nothing to show")
    return {
        **_pose([exhibit.store for exhibit in exhibits]),
        "layers": [*map(dict, images), *layers],
        "selectedLayer": {"layer": layers[0]["name"]},
    }


def image_layer(address: str, name: str = "image") -> dict[str, Any]:
    """A layer of a volume of voxels.

    Parameters
    ----------
    address : str
        As the client takes it, such as ``zarr://https://...``; plain addresses are those of Zarr, OME-Zarr or N5 where
        they say so, else of Neuroglancer's precomputed volumes.
    name : str
    """
    scheme, mark, rest = address.partition("://")
    if not mark or not rest:
        raise InvalidInputError(f"image {address!r}: expected an address such as https://host/volume.zarr")
    if scheme in ("http", "https", "s3", "gs", "gs+s3") and "|" not in address:
        kind = next((kind for kind in ("zarr", "n5") if f".{kind}" in rest.lower()), "precomputed")
        address = f"{address.rstrip('/')}/{_ADAPTERS[kind]}"
    return {"type": "image", "name": name, "source": address}


def _pose(stores: Sequence[Store]) -> dict[str, Any]:
    """All of some stores in view: the dimensions of all, the coordinates of the first that has them."""
    dimensions: dict[str, tuple[float, str]] = {}
    shown: list[str] = []
    least: dict[str, float] = {}
    most: dict[str, float] = {}
    for store in stores:
        space = space_of(store.axes)
        shown = shown or _shown_axes(store, space)
        lo, hi = space.bounds(*store.bounds)
        for name, told, low, high in zip(space.names, space.dimensions.values(), lo.tolist(), hi.tolist(), strict=True):
            scale, unit = dimensions.setdefault(name, told)
            ratio = told[0] / scale if told[1] == unit else 1.0
            least[name] = min(least.get(name, np.inf), low * ratio)
            most[name] = max(most.get(name, -np.inf), high * ratio)
    extents = _canonical([most[n] - least[n] for n in shown], [dimensions[n][0] for n in shown])
    is_deep = space_axes(stores[0].axes).sum() > 2 or any(space_axes(s.axes).sum() > 2 for s in stores)
    extent = float(extents.max()) * _MARGIN or 1.0
    state: dict[str, Any] = {
        "dimensions": {name: list(told) for name, told in dimensions.items()},
        "position": [_middle(least[n], most[n], is_shown=n in shown) for n in dimensions],
        "crossSectionScale": extent / _WINDOW_PX,
        "projectionScale": extent,
        "layout": "3d" if is_deep else "xy",
        "showAxisLines": False,
        "crossSectionBackgroundColor": "#000000",  # as that of 3-D views, and of napari
    }
    if shown != list(dimensions)[: len(shown)]:
        state["displayDimensions"] = shown
    return state


def _shown_axes(store: Store, space: Space) -> list[str]:
    """Three dimensions to show: space, in the order x, y, z where it is called so; then those that were added."""
    is_space = [*space_axes(store.axes).tolist(), *[True] * (space.rank - space.ndim)]
    found = [name for name, is_one in zip(space.names, is_space, strict=True) if is_one]
    if {name.lower() for name in found} <= set("xyz"):
        found.sort(key=str.lower)
    return [*found, *(name for name in space.names if name not in found)][:3]


def _canonical(extents: Sequence[float], scales: Sequence[float]) -> NDArray[np.float64]:
    """Extents along dimensions in what the client's scales count in: the least of the dimensions' own."""
    out: NDArray[np.float64] = np.array(extents) * (np.array(scales) / min(scales))
    return out


def _middle(low: float, high: float, *, is_shown: bool) -> float:
    """The middle of an axis; of those that are not on screen, where a whole number is, since most of them count."""
    middle = (low + high) / 2
    rounded = float(np.floor(middle))
    return middle if is_shown or not low <= rounded <= high else rounded
