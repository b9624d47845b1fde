"""What saving some layers comes to: taken on the thread of the window, done on any."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from napari.layers import Layer
from napari.utils.notifications import show_info

from zvview.cancel import CancelToken
from zvview.errors import ConflictError, UnsupportedError
from zvview.napari.writing.content import LayerContent, LayerTuple
from zvview.napari.writing.handing_over import find_streaming, streaming_layers
from zvview.napari.writing.points import take_points
from zvview.napari.writing.saving import Entry, Progress, WholeStore, save
from zvview.napari.writing.shapes import take_shapes
from zvview.napari.writing.surface import take_surface
from zvview.napari.writing.target import check_target, is_within
from zvview.napari.writing.tracks import take_tracks
from zvview.napari.writing.vectors import take_vectors

__all__ = ["SavePlan", "plan_saving"]

_TAKERS: Final[Mapping[str, Callable[[Any, Mapping[str, Any]], LayerContent]]] = {
    "points": take_points,
    "shapes": take_shapes,
    "surface": take_surface,
    "tracks": take_tracks,
    "vectors": take_vectors,
}


@dataclass(frozen=True, slots=True, eq=False)
class SavePlan:
    """What is to be written.

    Attributes
    ----------
    place : str
    entries : sequence of Entry
    overwrite : bool
        Whether the store that is there is replaced.
    """

    place: str
    entries: Sequence[Entry]
    overwrite: bool

    def run(self, progress: Progress, cancel: CancelToken) -> list[str]:
        """Write it, on any thread; gives what could not be done, in words. Raises as :func:`~.saving.save`."""
        return save(self.place, self.entries, overwrite=self.overwrite, progress=progress, cancel=cancel)


def plan_saving(place: str, layers: Sequence[LayerTuple]) -> SavePlan | None:
    """How to save layers at a place; None where it is saved already: edits, where the layers come from.

    Called on the thread of the window: the user may be asked whether to replace what is there.

    Raises
    ------
    ZvviewError
        As :func:`~zvview.napari.writing.target.check_target`; ConflictError where a layer was changed by hand;
        UnsupportedError for layers of other types.
    """
    streaming = [find_streaming(meta) for _, meta, _ in layers]
    for layer in streaming:
        if layer is not None:
            layer.as_layer_data_tuple.withdraw()
            _wait_for_edits(layer)
    others = [str(meta["name"]) for _, meta, type_ in layers if type_ not in _TAKERS]
    if others:
        raise UnsupportedError(f"{', '.join(others)}: only layers of type {', '.join(_TAKERS)} become stores")
    if all(layer is not None and is_within(layer.stream.store.place, place) for layer in streaming):
        for layer in streaming:
            _save_edits(layer)
        return None
    entries: list[Entry] = [
        partial(_TAKERS[type_], data, meta) if layer is None else _whole_store(layer)
        for (data, meta, type_), layer in zip(layers, streaming, strict=True)
    ]
    sources = [entry.store.place for entry in entries if isinstance(entry, WholeStore)]
    return SavePlan(place, entries, check_target(place, sources, streaming_layers()))


def _wait_for_edits(layer: Layer) -> None:
    """What hands did just now is part of what is saved."""
    editing = layer.stream.editing
    if editing is not None and not editing.wait():
        raise ConflictError(f"{layer.name}: the last edit still waits for what it must read; save again in a moment")


def _save_edits(layer: Layer) -> None:
    """Saving a layer where it comes from saves its edits."""
    editing = layer.stream.editing
    if editing is not None and editing.is_changed:
        editing.save()
    else:
        _refuse_held(layer)
        show_info(f"{layer.name}: there are no edits to save; nothing was written")


def _whole_store(layer: Layer) -> WholeStore:
    """The store of a layer, the edits that it does not have yet, and the look that it was not opened with."""
    _refuse_held(layer)
    editing = layer.stream.editing
    edits = editing.session.edits if editing is not None and editing.is_changed else None
    return WholeStore(layer.name.removesuffix(" *"), layer.stream.store, edits, layer.as_layer_data_tuple.new_look)


def _refuse_held(layer: Layer) -> None:
    if layer.stream.is_held:
        raise ConflictError(
            f"{layer.name} was changed by hand outside of the edit mode, which its store does not learn of: "
            "layer.stream.discard_edits() shows the store again"
        )
