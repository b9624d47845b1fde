"""Stores in Neuroglancer's own client on this machine, live: ``zvview.neuroglancer.view(place)``."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self

import zvview
from zvview.errors import DamagedError, InvalidInputError, UnsupportedError, ZvviewError
from zvview.neuroglancer.encoding.space import with_units
from zvview.neuroglancer.images import Image, image_layer, image_units, local_folder
from zvview.neuroglancer.layers import Look, drawing_layer
from zvview.neuroglancer.links.drawn import Drawn, read_drawn
from zvview.neuroglancer.links.reading import is_export, with_layers_of
from zvview.neuroglancer.links.states import Exhibit, first_state, layers_of, side_by_side
from zvview.neuroglancer.links.urls import make_link, origin_of
from zvview.neuroglancer.serving.exports import serve_export
from zvview.neuroglancer.serving.folders import ServedFolder
from zvview.neuroglancer.serving.mounting import LOOPBACK, Mounted, mount
from zvview.neuroglancer.serving.published import Published
from zvview.neuroglancer.sources.opening import open_sources
from zvview.store.store import Store

__all__ = ["View", "serve", "view"]

_IMAGES, _EXPORT = "~image", "~export"  # no store has a name like these
_NAP_S = 0.5  # an interruption is noticed between two of them, also on Windows
_log = logging.getLogger(__name__)


class View:
    """Neuroglancer's client with stores in it; closed at the end of a ``with`` block, or with :meth:`close`.

    Parameters are those of :func:`view`.

    Attributes
    ----------
    viewer : neuroglancer.Viewer
        What the client shows, to be looked at and changed as that library's documentation tells.
    """

    def __init__(
        self,
        places: Sequence[Any],
        *,
        images: Sequence[str | Image] = (),
        port: int = 0,
        address: str = LOOPBACK,
        allow_origin: str | None = None,
    ) -> None:
        from neuroglancer import Viewer  # late: an extra, which nothing else here needs

        self._opened: list[Any] = []
        self._mounted: Mounted | None = None
        self._refused: list[str] = []
        self._renamed: list[str] = []
        self._published: list[Published] = []
        self._left_out: list[str] = []
        self._folders: dict[str, str] = {}
        origin = None if allow_origin is None else origin_of(allow_origin)
        try:
            named = [
                given if isinstance(given, Image) else Image(given, f"image {n}" if n > 1 else "image")
                for n, given in enumerate(images, 1)
            ]
            for image in named:
                local_folder(image.address)  # before anything is opened
            if not places:
                raise InvalidInputError("no stores to show")
            exports = [place for place in places if _is_export(place)]
            stores = self._open([place for place in places if not _is_export(place)])
            mounted = self._mounted = mount(origin, port=port, address=address)
            below = [self._image_layer(image) for image in named]
            states = [serve_export(mounted, f"{_EXPORT}{n}", os.fspath(place)) for n, place in enumerate(exports, 1)]
            shown = self._publish(mounted, stores) if stores else []
            self._shown = side_by_side(shown, {**_units_in(states), **image_units(named)})
            self.viewer = Viewer()
            self.viewer.set_state(_first_state(self._shown, states, below))
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """Where the client is, for a browser on this machine."""
        return str(self.viewer.get_viewer_url())

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out or not exact, in plain words."""
        told = [note for shown in self._shown for note in shown.notes]
        now = [source for published in self._published for source in published.sources.values()]
        told += [note for source in now for note in source.notes]  # of the state in which the stores are by now
        return (*self._refused, *self._renamed, *dict.fromkeys((*self._left_out, *told)))

    def show(
        self, look_of: Callable[[Exhibit], Look | None], pose: Mapping[str, Any], images: Sequence[Image] = ()
    ) -> None:
        """Show the stores anew.

        Parameters
        ----------
        look_of : callable
            Gives how each store is to look, or None for how it begins.
        pose : mapping
            What of the state is to be another one, such as :meth:`Pose.to_state` tells it.
        images : sequence of Image
            Shown below; those that were shown before and have other names stay.
        """
        below = [self._image_layer(image) for image in images]
        if images:
            self._shown = side_by_side(self._shown, image_units(images))
        if "dimensions" in pose:
            told = {name: (scale, unit) for name, (scale, unit) in pose["dimensions"].items()}
            units = with_units(told, self._shown[0].units)
            pose = {**pose, "dimensions": {name: list(one) for name, one in units.items()}}
        dressed = [layers_of(shown, look_of(shown)) for shown in self._shown]
        self._left_out = [note for found in dressed for note in found.notes]
        layers = [layer for found in dressed for layer in found.layers]
        names = {layer["name"] for layer in layers}
        before = self.state()
        names |= {f"{shown.name} objects" for shown in self._shown}  # of a choice before this one
        names |= {layer["name"] for layer in below}
        others = [layer for layer in before.get("layers", []) if layer.get("name") not in names]
        self.viewer.set_state({**before, **pose, "layers": [*below, *others, *layers]})

    def let_draw(self, name: str = "drawn") -> None:
        """Add an empty layer to draw in: ctrl + click in the client, with one of the tools of its panel."""
        state = self.state()
        if name in {layer.get("name") for layer in state.get("layers", [])}:
            raise InvalidInputError(f"there is a layer {name!r} already")
        state.setdefault("layers", []).append(drawing_layer(name, state.get("dimensions", {})))
        self.viewer.set_state({**state, "selectedLayer": {"layer": name, "visible": True}})

    def drawn(self, store: Store | None = None, layer: str | None = None) -> Drawn:
        """What was drawn in the client by hand.

        Parameters
        ----------
        store : Store, optional
            In whose coordinates it is told; by default the first one that is shown.
        layer : str, optional
            The only layer to look at.

        Returns
        -------
        Drawn
            To be given to :func:`~zvview.neuroglancer.add_drawn`, which adds it to a store.
        """
        if store is None:
            if not self._shown:
                raise InvalidInputError("no store is shown: tell one, in whose coordinates what was drawn is wanted")
            store = self._shown[0].store
        return read_drawn(self.state(), store, layer)

    def link(self, prefix: str) -> str:
        """The address of what is shown now in a client elsewhere, whose site was allowed."""
        return make_link(self.state(), prefix=prefix)

    def state(self) -> dict[str, Any]:
        """What the client shows now, as the JSON of its state."""
        found: dict[str, Any] = self.viewer.state.to_json()
        return found

    def close(self) -> None:
        """Serve no longer; a page that is still open keeps what it holds."""
        if self._mounted is not None:
            self._mounted.close()
            self._mounted = None
        for opened in self._opened:
            opened.close()
        self._opened.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, places: Sequence[Any]) -> dict[str, Store]:
        """All stores by names of their own; members of collections are stores."""
        found: dict[str, Store] = {}
        for place in places:
            given = place if isinstance(place, Store | zvview.Collection) else _open_named(place)
            if given is not place:
                self._opened.append(given)
            for name, store in [("", given)] if isinstance(given, Store) else given.items():
                free = _free_name(name or str(store.place), found)
                if free != _free_name(name or str(store.place), {}):
                    self._renamed.append(f"{store.place} is called {free} here")
                found[free] = store
        return found

    def _image_layer(self, image: Image) -> dict[str, Any]:
        """The layer of an image, whose folder is served where it lies on this machine."""
        folder = local_folder(image.address)
        if folder is None:
            return image_layer(image)
        assert self._mounted is not None
        name = self._folders.setdefault(folder, f"{_IMAGES}{len(self._folders) + 1}")
        self._mounted.door.published.setdefault(name, ServedFolder(folder))
        return image_layer(replace(image, address=f"{self._mounted.url}/{name}/|zarr:"))

    def _publish(self, mounted: Mounted, stores: Mapping[str, Store]) -> list[Exhibit]:
        """Let all stores be read that can be shown.

        Raises
        ------
        UnsupportedError, DamagedError
            There is none.
        """
        shown, refused = [], list[ZvviewError]()
        for name, store in stores.items():
            try:
                published = Published(store, open_sources)
            except UnsupportedError as error:
                refused.append(error)
                self._refused.append(str(error))
                continue
            except DamagedError as error:
                refused.append(error)
                self._refused.append(f"{store.place}: {error}")
                continue
            mounted.door.published[name] = published
            self._published.append(published)
            shown.append(Exhibit(name, store, published.sources, partial(mounted.url_of, name)))
        if len(refused) == 1 and not shown:
            raise refused[0]
        if not shown:
            raise UnsupportedError("; ".join(self._refused))
        return shown


def view(
    *places: Any,
    images: Sequence[str | Image] = (),
    port: int = 0,
    address: str = LOOPBACK,
    allow_origin: str | None = None,
) -> View:
    """Show stores in Neuroglancer's client, straight from their chunks.

    Parameters
    ----------
    *places : str, path, Store or Collection
        What :func:`zvview.open` takes, or gives; or folders and zips of exports on this machine, which are shown as
        they are.
    images : sequence of str or Image
        Volumes of voxels that are shown below: addresses of Zarr, OME-Zarr, N5 or precomputed ones, or folders of Zarr
        arrays or OME-Zarrs on this machine, which are served, read only, as the stores are.
    port : int
        Of this machine; 0 for any that is free.
    address : str
        Name or IPv4 address by which other machines are to reach this one; by default none does. Whoever has the
        address of the client then reads the stores and changes what it shows, and nothing is encrypted on the way.
    allow_origin : str, optional
        Address of a client on another site whose pages may read the stores, such as
        ``"https://neuroglancer-demo.appspot.com"``. Browsers ask their user before such a page may read from here.

    Returns
    -------
    View
        With the address of the client; it is served as long as this is not closed and the process lives.

    Raises
    ------
    InvalidInputError
        No places, an address that is none, or none of this machine, or a port that is taken.
    UnsupportedError
        None of the stores can be shown. One of several that cannot, or is damaged, is told in the notes.
    """
    return View(places, images=images, port=port, address=address, allow_origin=allow_origin)


def serve(
    *places: Any,
    images: Sequence[str | Image] = (),
    port: int = 0,
    address: str = LOOPBACK,
    allow_origin: str | None = None,
    on_ready: Callable[[View], object] | None = None,
    on_note: Callable[[str], object] | None = None,
) -> None:
    """Show stores as :func:`view` does, until the process is interrupted.

    Parameters
    ----------
    *places, images, port, address, allow_origin
        As :func:`view` takes them.
    on_ready : callable, optional
        Called with the view once it is served; by default its address is logged.
    on_note : callable, optional
        Called with each note that comes up later, such as of a damaged chunk; by default it is logged.
    """
    shown = view(*places, images=images, port=port, address=address, allow_origin=allow_origin)
    with shown, suppress(KeyboardInterrupt):
        told = set(shown.notes)  # before anyone knows the address: what comes up from then on is told
        if on_ready is None:
            _log.info("%s", shown.url)
        else:
            on_ready(shown)
        while True:
            time.sleep(_NAP_S)
            for note in shown.notes:
                if note not in told:
                    told.add(note)
                    (on_note or _log.warning)(note)


def _is_export(place: Any) -> bool:
    return isinstance(place, str | os.PathLike) and is_export(os.fspath(place))


def _units_in(states: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, str]]:
    """Scale and unit of dimensions by name, as far as states tell a unit; the first that does counts."""
    units: dict[str, tuple[float, str]] = {}
    for state in states:
        for name, (scale, unit) in state.get("dimensions", {}).items():
            if unit:
                units.setdefault(name, (float(scale), unit))
    return units


def _first_state(
    shown: Sequence[Exhibit], exports: Sequence[Mapping[str, Any]], below: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """All stores in view, and the exports beside them; where there are none, what the first export begins with."""
    if shown:
        state, others = first_state(shown, below), exports
    else:
        first, *others = exports
        state = {**first, "layers": [*below, *first.get("layers", ())]}
    for other in others:
        state = with_layers_of(state, other)
    return state


def _open_named(place: Any) -> Store | zvview.Collection:
    """Open a place; what is damaged is told with its name, as it may be one of many."""
    try:
        return zvview.open(place)
    except DamagedError as error:
        raise DamagedError(
            f"{error.part} of {place}",
            found=error.found,
            expected=error.expected,
            cells=error.cells,
            array=error.array,
            cell=error.cell,
        ) from error


def _free_name(place: str, taken: dict[str, Store]) -> str:
    """A name for addresses and layers from the end of a place."""
    last = re.split(r"[\\/]", place.rstrip("\\/"))[-1]
    stem = re.sub(r"\.(zarrvectors|zarr|zv|zip)$", "", last)
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_") or "store"
    name, number = plain, 2
    while name in taken:
        name, number = f"{plain}_{number}", number + 1
    return name
