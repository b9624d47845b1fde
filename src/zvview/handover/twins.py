"""The client that belongs to a napari window: opened with its stores, told its view, asked for its own."""

from __future__ import annotations

import webbrowser
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from weakref import ref

import numpy as np
from napari.layers import Image as ImageLayer
from napari.layers import Layer, Points, Shapes, Surface, Tracks, Vectors
from napari.utils.notifications import show_error, show_info, show_warning
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import InvalidInputError, ZvviewError
from zvview.handover.depths import Depth, depths_on_canvas
from zvview.handover.drawings import add_drawing
from zvview.handover.images import find_images
from zvview.handover.looks import find_look
from zvview.handover.poses import CameraWish, find_camera, find_pose
from zvview.napari.camera import LayerPlacement, ViewerState, read_placement, read_viewer
from zvview.napari.dock.background import Background
from zvview.napari.private.closing import on_closed
from zvview.napari.sight import find_view
from zvview.neuroglancer.encoding.space import space_of
from zvview.neuroglancer.images import Image
from zvview.neuroglancer.layers import Look
from zvview.neuroglancer.links.poses import Pose
from zvview.neuroglancer.links.states import units_of
from zvview.neuroglancer.viewing import View
from zvview.store.store import Store
from zvview.stream import Filter

__all__ = ["Twin", "apply_camera", "streaming_layers", "twin_of"]

_CAN_BE_SAVED: Final = (Points, Shapes, Surface, Tracks, Vectors)
_NO_STORE: Final = (
    "no layer shows a Zarr Vectors store: drop one on the window; points, shapes, surfaces, tracks and vectors can be "
    "saved as one (.zarrvectors)"
)
_NOT_OPENED: Final = (
    "this window was not opened in Neuroglancer yet: Layers ▸ Visualize ▸ Zarr Vectors: open in Neuroglancer does it"
)


@dataclass(frozen=True, slots=True, eq=False)
class _Wish:
    """What the client is to show, taken on the thread of the window."""

    stores: tuple[Store, ...]
    looks: Mapping[int, Look]
    pose: Mapping[str, Any]
    images: tuple[Image, ...] = ()


class Twin:
    """Neuroglancer's client beside a napari window; all methods are for the thread of the window.

    Parameters
    ----------
    viewer : napari.Viewer
        Held weakly; the client is closed with its window.

    Attributes
    ----------
    view : View or None
        The client, once it was opened.
    notes : tuple of str
        What of the window was left out when it was opened last, in plain words.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = ref(viewer)
        self._background = Background("zvview-neuroglancer")
        self._stores: tuple[Store, ...] = ()
        self._is_browser_wanted = True
        self._depth: Depth | None = None
        self.view: View | None = None
        self.notes: tuple[str, ...] = ()

    def open(self, *, browser: bool = True) -> None:
        """Show in the client what the window shows; it is opened in the browser when its stores are ready.

        Raises
        ------
        InvalidInputError
            No layer shows a store.
        """
        wish, notes = self._find_wish()
        self._is_browser_wanted, self.notes = browser, tuple(notes)
        if notes:
            show_warning("\n".join(notes))
        kept = self.view if wish.stores == self._stores else None
        self._background.ask(partial(_show, kept, wish), self._opened)

    def take_back(self) -> None:
        """Show in the window what the client shows.

        Raises
        ------
        InvalidInputError
            The client was not opened, or no layer shows a store.
        BadFileError
            The client shows what cannot be understood.
        """
        viewer = self._viewer()
        if self.view is None or viewer is None:
            raise InvalidInputError(_NOT_OPENED)
        layer = _leading(viewer)
        state, placement = read_viewer(viewer), read_placement(layer, viewer)
        if self._depth is not None:  # sliders come and go: what was not changed is to be as large as before
            state = replace(state, canvas_size=self._depth.state.canvas_size)
        pose = Pose.of_state(self.view.state())
        frame, space = layer.stream.frame, space_of(layer.stream.store.axes).measured(pose.dimensions)
        wish = find_camera(pose, state, placement, frame, space)
        apply_camera(viewer, wish if self._depth is None else self._depth.undone(wish))

    def take_drawn(self) -> list[Layer]:
        """What was drawn in the client, as layers of the window; where nothing was, a layer there to draw in.

        Raises
        ------
        InvalidInputError
            The client was not opened, or no layer shows a store.
        BadFileError
            What was drawn cannot be understood.
        """
        viewer = self._viewer()
        if self.view is None or viewer is None:
            raise InvalidInputError(_NOT_OPENED)
        layer = _leading(viewer)
        drawn = self.view.drawn(layer.stream.store)
        if drawn.notes:
            show_warning("\n".join(drawn.notes))
        if not len(drawn):
            with suppress(InvalidInputError):  # it is there, and empty
                self.view.let_draw()
            show_info("nothing is drawn in Neuroglancer yet: ctrl + click there, in its layer 'drawn'")
        return add_drawing(viewer, layer, drawn)

    def close(self, *_: object) -> None:
        """Serve no longer."""
        self._background.close()
        if self.view is not None:
            self.view.close()
            self.view = None

    def _find_wish(self) -> tuple[_Wish, list[str]]:
        viewer = self._viewer()
        layer = _leading(viewer)
        state, placement = read_viewer(viewer), read_placement(layer, viewer)
        stores = tuple({id(f.stream.store): f.stream.store for f in streaming_layers(viewer)}.values())
        space = space_of(layer.stream.store.axes).measured(units_of(stores))
        images, of_images = find_images(viewer, placement, layer.stream.frame, space)
        # images are seen where the middle is
        depth = self._depth = Depth(state) if images else _depth_of(viewer, state)
        reach = _reach_of(layer, state, placement)
        pose = find_pose(depth.client, placement, layer.stream.frame, space, reach).to_state()
        looks, notes = {}, [*of_images, *_left_out(viewer)]
        if depth.is_far:
            notes.append(
                "Neuroglancer turns this picture about a place far in front of its middle, so as not to cut off what "
                "is there: right click in it what it is to be turned about"
            )
        for found in streaming_layers(viewer):
            looks[id(found.stream.store)], told = find_look(found, state, read_placement(found, viewer))
            notes += told
        return _Wish(stores, looks, {**pose, "projectionDepth": -depth.half_heights}, images), notes

    def _opened(self, answer: tuple[View, tuple[Store, ...]] | ZvviewError) -> None:
        if isinstance(answer, ZvviewError):
            show_error(str(answer))
            return
        view, stores = answer
        if self.view is not None and self.view is not view:
            self.view.close()
        self.view, self._stores = view, stores
        if view.notes:
            show_info("\n".join(view.notes))
        if self._is_browser_wanted and not webbrowser.open(view.url):
            show_info(f"Neuroglancer is at {view.url}")


_TWINS: dict[int, Twin] = {}


def twin_of(viewer: Any) -> Twin:
    """The client of a window, made at the first call and closed with the window."""
    found = _TWINS.get(id(viewer))
    if found is None:
        found = _TWINS[id(viewer)] = Twin(viewer)
        on_closed(viewer, partial(_forget, id(viewer)))
    return found


def streaming_layers(viewer: Any) -> list[Any]:
    """Layers that show a store."""
    return [layer for layer in viewer.layers if getattr(layer, "stream", None) is not None]


def apply_camera(viewer: Any, wish: CameraWish) -> None:
    """Let a viewer show what is wished."""
    camera, dims = getattr(viewer, "scene", viewer).camera, viewer.dims
    dims.ndisplay = len(wish.displayed)
    dims.order = (*(axis for axis in range(dims.ndim) if axis not in wish.displayed), *wish.displayed)
    for axis in dims.not_displayed:
        dims.set_point(axis, float(wish.point[axis]))
    centre = [float(wish.point[axis]) for axis in wish.displayed]
    camera.center = tuple([0.0] * (3 - len(centre)) + centre)
    if wish.view is not None and wish.up is not None:
        camera.set_view_direction(tuple(wish.view.tolist()), tuple(wish.up.tolist()))
        if wish.is_orthographic:
            camera.perspective = 0
    if wish.zoom is not None:
        camera.zoom = wish.zoom


def _left_out(viewer: Any) -> list[str]:
    """Which layers are neither of stores nor images, in plain words."""
    found = [layer for layer in viewer.layers if getattr(layer, "stream", None) is None]
    return [
        f"{layer.name}: only layers of Zarr Vectors stores, and images from Zarr, go over"
        + ("; save it as .zarrvectors, and open that" if isinstance(layer, _CAN_BE_SAVED) else "")
        for layer in found
        if not isinstance(layer, ImageLayer)
    ]


def _show(kept: View | None, wish: _Wish, cancel: CancelToken) -> tuple[View, tuple[Store, ...]]:
    """Open the client, or use the one that is open; on a thread of its own."""
    view = kept or View(wish.stores)
    try:
        cancel.raise_if_cancelled()
        view.show(lambda exhibit: wish.looks.get(id(exhibit.store)), wish.pose, wish.images)
    except BaseException:
        if kept is None:
            view.close()
        raise
    return view, wish.stores


def _reach_of(layer: Any, state: ViewerState, placement: LayerPlacement) -> NDArray[np.float64]:
    """Half the thickness, (D,), of what the window shows of a store, along its axes."""
    stream = layer.stream
    seen = find_view(
        state, placement, stream.frame, stream.slab, filter=Filter(), budget_vertices=1, target_error_px=1.0
    )
    half: NDArray[np.float64] = (np.array(seen.hi, np.float64) - np.array(seen.lo, np.float64)) / 2
    return half


def _depth_of(viewer: Any, state: ViewerState) -> Depth:
    """How deep the client is to look so that it shows what the window shows."""
    if not state.is_3d:
        return Depth(state)
    layers = [layer for layer in streaming_layers(viewer) if layer.visible and layer.stream.update is not None]
    positions = [layer.stream.update.batch.positions for layer in layers]
    pairs = zip(layers, positions, strict=True)
    return Depth.of(
        state, [depths_on_canvas(at, state, read_placement(own, viewer), own.stream.frame) for own, at in pairs]
    )


def _leading(viewer: Any) -> Any:
    """The layer in whose coordinates views are told: the active one, or the first that shows a store."""
    layers: Sequence[Layer] = [] if viewer is None else streaming_layers(viewer)
    active = None if viewer is None else viewer.layers.selection.active
    if not layers:
        raise InvalidInputError(_NO_STORE)
    return active if active in layers else layers[0]


def _forget(key: int) -> None:
    twin = _TWINS.pop(key, None)
    if twin is not None:
        twin.close()
