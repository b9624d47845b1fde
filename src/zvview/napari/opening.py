"""Opening a place for show: metadata only, on any thread; then layers, on the thread of the window."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from napari.layers import Layer
from napari.utils.notifications import show_warning
from numpy.typing import NDArray

from zvview.errors import NotZarrVectorsError, ZvviewError
from zvview.geometry.parametric import ParametricObjects
from zvview.napari.binding import StreamBinding
from zvview.napari.frame import Frame
from zvview.napari.layers import family_of, make_layer
from zvview.napari.looks import dress, parse_look, place_layer, with_look
from zvview.napari.parametric_layers import make_parametric_layers
from zvview.napari.settings import ViewSettings
from zvview.napari.tails import Tail
from zvview.napari.watching import open_viewers
from zvview.napari.writing.handing_over import watch_handing_over
from zvview.samples import Look
from zvview.store.collection import Collection
from zvview.store.opening import open as open_place
from zvview.store.places.open import Place
from zvview.store.store import Store
from zvview.style import Colouring, choose_colouring

__all__ = ["OpenedStore", "make_layers", "name_of", "open_stores"]

_SUFFIX = re.compile(r"(\.(zarrvectors|zarr|zv|zip))+$", re.IGNORECASE)
_POINT_SHARE = 1 / 800  # of the longest edge: no point is larger than that, whatever its bin


@dataclass(frozen=True, slots=True, eq=False)
class OpenedStore:
    """A store and what of its metadata a layer needs.

    Attributes
    ----------
    name : str
        Of the layer.
    store : Store
    frame : Frame
    slab : (D,) float64 array
        Half the thickness shown of axes that are not on screen.
    tail : Tail or None
        Of lines along time.
    point_size : float
        In the store's units.
    colouring : Colouring
    parametric : ParametricObjects or None
    notes : tuple of str
        What users should know of the store.
    look : Look or None
        That it was saved with.
    """

    name: str
    store: Store
    frame: Frame
    slab: NDArray[np.float64]
    tail: Tail | None
    point_size: float
    colouring: Colouring
    parametric: ParametricObjects | None
    notes: tuple[str, ...]
    look: Look | None = None


def name_of(place: object) -> str:
    """What a layer of the store at a place is called: its last part, without suffix."""
    text = str(place).split("?")[0].rstrip("/\\").removesuffix("/zarr.json")
    last = re.split(r"[/\\]", text)[-1]
    return _SUFFIX.sub("", last) or last or "store"


def open_stores(place: Place, *, keep_order: bool = False) -> list[OpenedStore]:
    """The store at a place, or all that its collection holds; reads metadata.

    Raises
    ------
    ZvviewError
        As for :func:`zvview.open`.
    """
    found = open_place(place)
    name = name_of(found.place if isinstance(place, dict) else place)
    if isinstance(found, Collection):
        return _describe_members(name, found, keep_order)
    return [_describe(name, found, keep_order, ())]


def _describe_members(name: str, found: Collection, keep_order: bool) -> list[OpenedStore]:
    """All stores of a collection that can be opened; the first of them has the notes on the collection and on others.

    Raises
    ------
    ZvviewError
        Of the first member, where none can be opened.
    NotZarrVectorsError
        No member is a store.
    """
    opened, errors, notes = [], [], list(found.notes)
    for member in found:
        try:
            opened.append(_describe(f"{name} {member}", found[member], keep_order, ()))
        except ZvviewError as error:
            errors.append(error)
            notes.append(f"member {member!r} is left out: {error}")
    if not opened:
        raise errors[0] if errors else NotZarrVectorsError(f"{name}: {'; '.join(notes) or 'an empty collection'}")
    return [replace(one, notes=(*notes, *one.notes)) if one is opened[0] else one for one in opened]


def _describe(name: str, store: Store, keep_order: bool, notes: tuple[str, ...]) -> OpenedStore:
    bounds, is_space = store.bounds, np.array([axis.type == "space" for axis in store.axes])
    chunk = bin_shape = np.ones(len(is_space))
    if store.levels:
        finest = store.level(store.levels[0])
        chunk, bin_shape = finest.chunk_shape, finest.resolution
    # bins as large as chunks were left out by the writer: they tell nothing of the distance of moments
    step = np.where(is_space | (bin_shape >= chunk), np.minimum(bin_shape, 1.0), bin_shape)
    frame = Frame.of(store.axes, bounds, bin_shape, step=step, keep_order=keep_order)
    parametric, damage = _read_parametric(store)
    look = parse_look(store.user_metadata, store.attributes)
    saved = Look() if look is None else look
    in_space = is_space if is_space.any() else np.ones_like(is_space)
    edge = float((bounds[1] - bounds[0])[in_space].max()) or 1.0  # what napari makes as large as the canvas
    return OpenedStore(
        name=name,
        store=store,
        frame=frame,
        slab=np.where(is_space, chunk, step) / 2,
        tail=with_look(Tail.of(store.axes, bounds, step), saved) if family_of(store.kind) == "lines" else None,
        point_size=saved.point_size or min(float(bin_shape[in_space].min()), edge * _POINT_SHARE),
        colouring=saved.colouring or choose_colouring(store.kind, store.attributes),
        parametric=parametric,
        notes=(*notes, *store.notes, *damage),
        look=look,
    )


def _read_parametric(store: Store) -> tuple[ParametricObjects | None, tuple[str, ...]]:
    """The parametric objects of a store, or a note that says why they cannot be read."""
    try:
        return store.parametric, ()
    except ZvviewError as error:
        return None, (str(error),)


def make_layers(opened: list[OpenedStore], settings: ViewSettings) -> list[Layer]:
    """An empty layer for each store, which streams as soon as it is added to one of the viewers that are open now."""
    layers = []
    for found in opened:
        store = found.store
        facts = {"place": store.place, "kind": store.kind, "version": store.version, "levels": store.levels}
        layer = make_layer(
            store.kind,
            found.frame,
            point_size=found.point_size,
            name=found.name,
            metadata={"zarr_vectors": facts},
        )
        binding = StreamBinding(
            layer, store, found.frame, settings, colouring=found.colouring, slab=found.slab, tail=found.tail
        )
        if found.look is not None:
            dress(layer, found.look, store.attributes)
            place_layer(layer, found.look, found.frame)
        watch_handing_over(layer)
        viewers = open_viewers()
        for viewer in viewers:
            binding.watch(viewer)
        if viewers:
            binding.anticipate(viewers[0])
        layers.append(layer)
        if found.parametric is not None:
            beside, notes = make_parametric_layers(found.parametric, store.axes, found.frame, found.name)
            layers += beside
            for note in notes:
                show_warning(f"{found.name}: {note}")
    return layers
