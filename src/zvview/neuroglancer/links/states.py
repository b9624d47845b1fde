"""What the client shows at first: its layers, dimensions and pose, from stores and where their sources are served.

The same for the live view, for links to exports and for the state that is written beside an export.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError, MissingError
from zvview.format import names
from zvview.format.metadata import space_axes
from zvview.neuroglancer.choices import Choice, choice_layer, choose
from zvview.neuroglancer.encoding.space import Space, space_of
from zvview.neuroglancer.layers import Annotations, Look, layer_of, measured
from zvview.neuroglancer.markers import Markers
from zvview.neuroglancer.segmentation import Models, Skeletons, hidden_sources
from zvview.neuroglancer.sources.contract import Source
from zvview.neuroglancer.sources.fixed import FixedAnnotations
from zvview.store.store import Store
from zvview.stream.filtering import Filter
from zvview.style import Colouring, choose_colouring, with_limits

__all__ = ["Dressed", "Exhibit", "first_state", "layers_of", "side_by_side", "units_of"]

_MARGIN: Final = 1.1  # of what is shown around the bounds
_WINDOW_PX: Final = 600.0


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
    units : mapping of str to (float, str)
        Scale and unit of the dimensions of all that is shown with it, as :func:`side_by_side` finds them.
    """

    name: str
    store: Store
    sources: Mapping[str, Source]
    url_of: Callable[[str], str]
    units: Mapping[str, tuple[float, str]] = field(default_factory=dict)

    @property
    def space(self) -> Space:
        """The dimensions in which it is shown."""
        return space_of(self.store.axes).measured(self.units)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out or not exact, in plain words."""
        told, own = list[str](), space_of(self.store.axes)
        taken = [name for name, unit, now in zip(own.names, own.units, self.space.units, strict=True) if unit != now]
        if taken:
            told.append(f"{self.name}: {', '.join(taken)} without a unit, taken for that of what is shown with it")
        is_parametric = any(isinstance(source, FixedAnnotations) for source in self.sources.values())
        if not is_parametric and not len(self.store.reader(self.store.levels[0]).layout.vertices.chunks):
            told.append(f"{self.name} is empty: there is nothing to see")
        return tuple(dict.fromkeys([*told, *(note for source in self.sources.values() for note in source.notes)]))


@dataclass(frozen=True, slots=True)
class Dressed:
    """The layers of a store with a look.

    Attributes
    ----------
    layers : tuple of dict
    notes : tuple of str
        What of the look the client cannot show, in plain words.
    """

    layers: tuple[dict[str, Any], ...]
    notes: tuple[str, ...] = ()


def side_by_side(exhibits: Sequence[Exhibit], units: Mapping[str, tuple[float, str]] | None = None) -> list[Exhibit]:
    """Stores that are shown together: those that tell no unit count in that of the others.

    The client shows nothing of a layer whose dimension has the name, but not the kind of unit, of another one's.

    Parameters
    ----------
    exhibits : sequence of Exhibit
    units : mapping of str to (float, str), optional
        Scale and unit of dimensions of what else is shown.
    """
    units = {**(units or {}), **units_of(exhibit.store for exhibit in exhibits)}
    return [replace(exhibit, units=units) for exhibit in exhibits]


def units_of(stores: Iterable[Store]) -> dict[str, tuple[float, str]]:
    """Scale and unit of dimensions by name, in the first of the stores that tells a unit."""
    units: dict[str, tuple[float, str]] = {}
    for store in stores:
        units |= {n: told for n, told in space_of(store.axes).dimensions.items() if told[1] and n not in units}
    return units


def layers_of(exhibit: Exhibit, look: Look | None = None) -> Dressed:
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
    layers: list[dict[str, Any]] = []
    shown = {name: source for name, source in exhibit.sources.items() if source.sections}  # others tell of segments
    labels = {name: exhibit.name if len(shown) == 1 else f"{exhibit.name} {name}" for name in shown}
    choice = choose(
        store,
        wished.filter,
        with_groups=wished.by.mode == "group",
        can_tell_groups=any("group" in _attributes_of(source) for source in shown.values()),
    )
    notes = [f"{exhibit.name}: {note}" for note in choice.notes]
    models = next((labels[name] for name, source in shown.items() if isinstance(source, Models)), None)
    if models is None and choice.objects is not None:
        models = f"{exhibit.name} objects"
        layers.append(choice_layer(models, store, choice.objects))
    hidden = hidden_sources(shown, choice)
    for name, source in shown.items():
        own, chosen = (replace(wished, is_visible=False) if name in hidden else wished), choice
        if isinstance(source, FixedAnnotations):  # beside what the store is of, and not coloured as that is
            own, chosen = replace(own, by=Colouring("object"), filter=Filter(), markers=Markers()), Choice()
        layer, told = _first_possible(labels[name], exhibit.url_of(name), source, own, models, chosen)
        layer["source"] = measured(layer["source"], space_of(store.axes), exhibit.units)
        layers.append(layer)
        if own.is_visible and look is not None:
            notes += told
    return Dressed(tuple(layers), tuple(dict.fromkeys(notes)))


def _first_possible(
    label: str, url: str, source: Source, wished: Look, models: str | None, choice: Choice
) -> tuple[dict[str, Any], list[str]]:
    """The layer with all that is wished of its look, or without what its source cannot tell, which is noted."""
    known = _attributes_of(source)
    filter, notes = wished.filter, list[str]()
    if unknown := [name for name in filter.attribute_names if name not in known]:
        told = ", ".join(map(repr, unknown))
        notes.append(f"{label}: Neuroglancer cannot filter this by {told}, and shows all of it")
        filter = replace(
            filter,
            ranges={name: span for name, span in filter.ranges.items() if name in known},
            categories={name: labels for name, labels in filter.categories.items() if name in known},
        )
    markers = wished.markers.only(known)
    if unknown := [name for name in wished.markers.attribute_names if name not in known]:
        notes.append(f"{label}: Neuroglancer has no {', '.join(map(repr, unknown))} to size or border this by")
    by, what = wished.by, wished.by.name or wished.by.mode
    if isinstance(source, Models) and what not in (*known, "constant", "object", "group"):
        notes.append(f"{label}: Neuroglancer cannot colour this by {what}: each object has its own colour")
        by = Colouring("object")
    wished = replace(wished, by=by, filter=filter, markers=markers)
    for own in (wished, replace(wished, by=Colouring())):
        with suppress(MissingError):
            layer = layer_of(label, url, source, own, segmentation=models, choice=choice)
            if own is not wished:
                notes.append(f"{label}: Neuroglancer cannot colour this by {what}: all of it is white")
            return layer, notes
    notes.append(f"{label}: Neuroglancer has neither the colours nor the filter that are set here, and shows all of it")
    plain = replace(wished, by=Colouring(), filter=Filter(), markers=Markers())
    return layer_of(label, url, source, plain, segmentation=models), notes


def _attributes_of(source: Source) -> Mapping[str, Any]:
    """What the vertices or objects of a source tell of themselves, by attribute."""
    if isinstance(source, Annotations):
        return source.properties.by_attribute
    return source.by_attribute if isinstance(source, Skeletons) else {}


def first_state(exhibits: Sequence[Exhibit], images: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The state that shows all of some stores.

    Parameters
    ----------
    exhibits : sequence of Exhibit
        At least one; several as :func:`side_by_side` gives them.
    images : iterable of dict
        Layers that lie below them, as :func:`~zvview.neuroglancer.images.image_layer` gives them.
    """
    layers = [layer for exhibit in exhibits for layer in layers_of(exhibit).layers]
    if not layers:
        raise InvalidInputError("nothing to show")
    return {
        **_pose(exhibits),
        "layers": [*map(dict, images), *layers],
        "selectedLayer": {"layer": layers[0]["name"]},
    }


def _pose(exhibits: Sequence[Exhibit]) -> dict[str, Any]:
    """All of some stores in view: the dimensions of all, the coordinates of the first that has them."""
    dimensions: dict[str, tuple[float, str]] = {}
    shown: list[str] = []
    least: dict[str, float] = {}
    most: dict[str, float] = {}
    stores = [exhibit.store for exhibit in exhibits]
    for store, space in zip(stores, (exhibit.space for exhibit in exhibits), strict=True):
        shown = shown or _shown_axes(store, space)
        lo, hi = space.bounds(*store.bounds)
        for name, told, low, high in zip(space.names, space.dimensions.values(), lo.tolist(), hi.tolist(), strict=True):
            scale, unit = dimensions.setdefault(name, told)
            ratio = told[0] / scale if told[1] == unit else 1.0
            least[name] = min(least.get(name, np.inf), low * ratio)
            most[name] = max(most.get(name, -np.inf), high * ratio)
    extents = _canonical([most[n] - least[n] for n in shown], [dimensions[n][0] for n in shown])
    # cross sections show no meshes
    is_deep = any(space_axes(s.axes).sum() > 2 or s.kind == names.MESH for s in stores)
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
