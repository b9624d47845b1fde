"""The reader that napari calls for what is dropped on it or opened."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from weakref import ref

import napari
from napari.utils.notifications import show_error, show_info, show_warning

from zvview.errors import ZvviewError
from zvview.napari.courier import Courier
from zvview.napari.opening import OpenedStore, make_layers, name_of, open_stores
from zvview.napari.preference import prefer_zvview
from zvview.napari.private.closing import has_window
from zvview.napari.private.names import find_missing, is_supported
from zvview.napari.recognising import is_address, is_candidate
from zvview.napari.settings import ViewSettings, read_settings

__all__ = ["get_reader"]

_HANDLED: Any = [(None,)]
"""What tells napari that the path was taken care of, and that there are no layers yet."""


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[Any]] | None:
    """The reader for a path or address, or None where it holds no Zarr Vectors store; napari calls this."""
    paths = [path] if isinstance(path, str) else list(path)
    return _read if paths and all(is_candidate(one) for one in paths) else None


def _read(path: str | list[str]) -> list[Any]:
    """Layers of the stores at some paths; those of addresses are added when their metadata has arrived."""
    settings = read_settings()
    if not is_supported():
        show_warning(f"this napari lacks {', '.join(find_missing()[:3])}: zvview shows fewer vertices, more slowly")
    layers: list[Any] = []
    for one in [path] if isinstance(path, str) else path:
        if is_address(one):
            _RemoteOpening(one, settings).start()
        else:
            opened = open_stores(one, keep_order=settings.keep_axis_order)
            _tell_notes(opened)
            layers += make_layers(opened, settings)
    prefer_zvview()
    return layers or _HANDLED


def _tell_notes(opened: list[OpenedStore]) -> None:
    for found in opened:
        if found.notes:
            show_warning(f"{found.name}: {'; '.join(found.notes[:3])}")


class _RemoteOpening:
    """Opens an address on a thread of its own and adds the layers to the viewer that asked, if that is still there."""

    _pending: set[_RemoteOpening] = set()  # noqa: RUF012 - nobody else holds them while they wait

    def __init__(self, address: str, settings: ViewSettings) -> None:
        viewer = napari.current_viewer()
        self._address, self._settings = address, settings
        self._viewer = None if viewer is None else ref(viewer)
        self._has_window = has_window(viewer)
        self._courier = Courier(self._arrived)

    def start(self) -> None:
        show_info(f"zvview is opening {name_of(self._address)}")
        self._pending.add(self)
        threading.Thread(target=self._open, name="zvview-open", daemon=True).start()

    def _open(self) -> None:
        try:
            self._courier.send(open_stores(self._address, keep_order=self._settings.keep_axis_order))
        except ZvviewError as error:
            self._courier.send(error)

    def _arrived(self, answer: list[OpenedStore] | ZvviewError) -> None:
        """On the thread of the window."""
        self._pending.discard(self)
        viewer = None if self._viewer is None else self._viewer()
        if self._has_window and not has_window(viewer):
            return
        if isinstance(answer, ZvviewError):
            show_error(str(answer))
        elif viewer is not None:
            _tell_notes(answer)
            for layer in make_layers(answer, self._settings):
                viewer.add_layer(layer)
