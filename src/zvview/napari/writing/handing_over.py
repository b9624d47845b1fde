"""What a layer that streams hands to others: what is in memory, which is told; our own writer takes the whole store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from weakref import WeakSet, ref

from napari.layers import Layer
from napari.utils.notifications import show_warning
from qtpy.QtCore import QTimer

from zvview.napari.layers import family_of
from zvview.napari.looks import look_of
from zvview.napari.watching import weakly
from zvview.samples import Look

__all__ = ["HandingOver", "find_streaming", "streaming_layers", "watch_handing_over"]

_NOUNS: Final = {"points": "points"}
_streaming: WeakSet[Layer] = WeakSet()


class HandingOver:
    """Stands for ``layer.as_layer_data_tuple``, by which napari saves, duplicates and copies layers.

    What happens next decides: our writer withdraws the warning, all others leave it to be shown when they are through.
    All on the thread of the window.
    """

    def __init__(self, layer: Layer) -> None:
        self._layer = ref(layer)
        self._is_due = False
        self._first_look = look_of(layer)

    def __call__(self) -> tuple[Any, dict[str, Any], str]:
        """The data, the attributes and the type of the layer, as napari's own method gives them."""
        layer = self._layer()
        assert layer is not None
        if not self._is_due:
            self._is_due = True
            QTimer.singleShot(0, weakly(self._tell))
        handed: tuple[Any, dict[str, Any], str] = type(layer).as_layer_data_tuple(layer)
        return handed

    @property
    def new_look(self) -> Look | None:
        """How the layer looks now; None where that is as it was opened."""
        layer = self._layer()
        now = None if layer is None else look_of(layer)
        return None if now == self._first_look else now

    def withdraw(self) -> None:
        """All of the store is taken, and there is nothing to warn of."""
        self._is_due = False

    def _tell(self) -> None:
        layer = self._layer()
        if layer is None or not self._is_due:
            return
        self._is_due = False
        if (text := tell_subset(layer)) is not None:
            show_warning(text)


def tell_subset(layer: Layer) -> str | None:
    """Of how much of its store what a layer holds is a part, in words; None where it holds all, at full detail."""
    stream = layer.stream
    update = stream.update
    shown = 0 if update is None else update.status.vertices_shown
    total = None if update is None else update.status.vertices_total
    is_exact = update is not None and update.status.levels == tuple(stream.store.levels[:1])
    if is_exact and total is not None and shown >= total:
        return None
    noun = _NOUNS.get(family_of(stream.store.kind), "vertices")
    of_all = "an unknown number of" if total is None else f"{total:,}"
    return (
        f"{layer.name}: only what is in view was handed over, {shown:,} of {of_all} {noun}. "
        "Save the layer as .zarrvectors to have all of it"
    )


def watch_handing_over(layer: Layer) -> None:
    """Tell from now on when a layer that streams hands over a part of its store."""
    layer.as_layer_data_tuple = HandingOver(layer)
    _streaming.add(layer)


def streaming_layers() -> list[Layer]:
    """All layers that stream, in viewers or not."""
    return list(_streaming)


def find_streaming(meta: Mapping[str, Any]) -> Layer | None:
    """The layer that handed over some attributes, if it streams; what was copied since is nobody's."""
    metadata = meta.get("metadata")
    return next((layer for layer in _streaming if layer.metadata is metadata), None)
