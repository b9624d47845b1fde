"""The writer that napari calls: layers to a store or a collection, a layer that streams as the store it stands for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from napari.layers import Layer
from napari.utils import cancelable_progress
from napari.utils.notifications import show_info, show_warning

from zvview.cancel import CancelToken
from zvview.errors import ConflictError, UnsupportedError
from zvview.napari.writing.content import LayerContent, LayerTuple
from zvview.napari.writing.handing_over import find_streaming, streaming_layers
from zvview.napari.writing.points import take_points
from zvview.napari.writing.saving import Progress, WholeStore, save
from zvview.napari.writing.shapes import take_shapes
from zvview.napari.writing.surface import take_surface
from zvview.napari.writing.target import check_target, is_within, with_suffix
from zvview.napari.writing.tracks import take_tracks
from zvview.napari.writing.vectors import take_vectors

__all__ = ["write_layers"]

_TAKERS: Final[Mapping[str, Callable[[Any, Mapping[str, Any]], LayerContent]]] = {
    "points": take_points,
    "shapes": take_shapes,
    "surface": take_surface,
    "tracks": take_tracks,
    "vectors": take_vectors,
}


def write_layers(path: str, layers: Sequence[LayerTuple]) -> list[str]:
    """Save layers at a path: one as a store, several as a collection; napari calls this on the thread of the window.

    Raises
    ------
    ZvviewError
        Nothing was written then; ``Cancelled`` where the user wants it so. It is never a ``ValueError``, which napari
        would take for the lack of a writer.
    """
    place = with_suffix(os.fspath(path))
    try:
        return _write(place, layers)
    except ValueError as error:  # InvalidInputError is one
        raise UnsupportedError(str(error)) from error


def _write(place: str, layers: Sequence[LayerTuple]) -> list[str]:
    streaming = [find_streaming(meta) for _, meta, _ in layers]
    for layer in streaming:
        if layer is not None:
            layer.as_layer_data_tuple.withdraw()
    if all(layer is not None and is_within(layer.stream.store.place, place) for layer in streaming):
        for layer in streaming:
            _save_edits(layer)
        return [place]
    entries = [
        _TAKERS[type_](data, meta) if layer is None else _whole_store(layer)
        for (data, meta, type_), layer in zip(layers, streaming, strict=True)
    ]
    sources = [entry.store.place for entry in entries if isinstance(entry, WholeStore)]
    overwrite = check_target(place, sources, streaming_layers())
    with _progress(place) as (progress, cancel):
        notes = save(place, entries, overwrite=overwrite, progress=progress, cancel=cancel)
    for note in (*notes, *_placed_elsewhere(streaming)):
        show_warning(note)
    return [place]


def _save_edits(layer: Layer) -> None:
    """Saving a layer where it comes from saves its edits."""
    editing = layer.stream.editing
    if editing is not None and editing.is_changed:
        editing.save()
    else:
        _refuse_held(layer)
        show_info(f"{layer.name}: there are no edits to save; nothing was written")


def _whole_store(layer: Layer) -> WholeStore:
    """The store of a layer, and the edits that it does not have yet."""
    _refuse_held(layer)
    editing = layer.stream.editing
    is_changed = editing is not None and editing.is_changed
    return WholeStore(layer.name.removesuffix(" *"), layer.stream.store, editing.session.edits if is_changed else None)


def _placed_elsewhere(streaming: Sequence[Layer | None]) -> list[str]:
    """What to tell of layers that a viewer shows elsewhere than where their stores lie."""
    told = []
    for layer in streaming:
        if layer is None:
            continue
        points = np.vstack((np.zeros(layer.ndim), np.eye(layer.ndim)))
        lies = np.array([layer.data_to_world(point) for point in points])
        if not np.allclose(lies, points + layer.stream.frame.origin, rtol=1e-9):
            told.append(
                f"{layer.name}: its store was copied as it is; scale and place that the layer was given are not in it"
            )
    return told


def _refuse_held(layer: Layer) -> None:
    if layer.stream.is_held:
        raise ConflictError(
            f"{layer.name} was changed by hand outside of the edit mode, which its store does not learn of: "
            "layer.stream.discard_edits() shows the store again"
        )


@contextmanager
def _progress(place: str) -> Iterator[tuple[Progress, CancelToken]]:
    """A bar among napari's activities, with a button that stops the writing."""
    cancel = CancelToken()
    bar = cancelable_progress(total=0, desc=f"saving {os.path.basename(place)}", cancel_callback=cancel.cancel)

    def tell(done: int, total: int, text: str) -> None:
        if bar.total != total:
            bar.total = total
        bar.set_description(text)
        bar.update(done - bar.n)

    try:
        yield tell, cancel
    finally:
        bar.close()
