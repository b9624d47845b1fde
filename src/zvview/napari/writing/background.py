"""Layers ▸ Data ▸ Save as a Zarr Vectors store…: on a thread of its own, while one goes on to work with the layers."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import napari
import numpy as np
import pandas as pd
from napari.utils import cancelable_progress
from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtWidgets import QApplication, QFileDialog

from zvview.cancel import CancelToken
from zvview.errors import Cancelled, ZvviewError
from zvview.napari.courier import Courier
from zvview.napari.writing.content import LayerTuple
from zvview.napari.writing.handing_over import find_streaming
from zvview.napari.writing.plan import SavePlan, plan_saving
from zvview.napari.writing.target import with_suffix

__all__ = ["BackgroundSave", "save_in_background", "save_selected"]

_FILTER: Final = "Zarr Vectors store (*.zarrvectors *.zv *.zarrvectors.zip *.zv.zip)"


def save_selected() -> None:
    """Ask where to save the layers that are selected, or all if none is, and begin; napari calls this."""
    viewer = napari.current_viewer()
    chosen = [] if viewer is None else [layer for layer in viewer.layers if layer in viewer.layers.selection]
    layers = chosen or ([] if viewer is None else list(viewer.layers))
    if not layers:
        show_info("there are no layers to save")
        return
    path, _ = QFileDialog.getSaveFileName(
        QApplication.activeWindow(), "Save as a Zarr Vectors store", f"{layers[0].name}.zarrvectors", _FILTER
    )
    if path:
        save_in_background(path, layers)


def save_in_background(path: str, layers: Sequence[Any]) -> BackgroundSave | None:
    """Begin to save layers at a path; returns at once. What comes of it is told in the window.

    They are saved as they are now, whatever becomes of them meanwhile.
    """
    try:
        taken = [_kept(layer.as_layer_data_tuple()) for layer in layers]
        plan = plan_saving(with_suffix(os.fspath(path)), taken)
    except Cancelled as error:
        show_info(str(error))
        return None
    except (ZvviewError, ValueError) as error:
        show_error(str(error))
        return None
    if plan is None:
        return None
    saving = BackgroundSave(plan)
    saving.start()
    return saving


class BackgroundSave:
    """Saves on a thread of its own; its progress is among napari's activities and can be stopped there.

    The thread is waited for when Python ends: a window that is closed does not lose what was to be saved.
    """

    _pending: set[BackgroundSave] = set()  # noqa: RUF012 - nobody else holds them while they work

    def __init__(self, plan: SavePlan) -> None:
        self._plan = plan
        self._cancel = CancelToken()
        self._courier = Courier(self._arrived)
        self._thread = threading.Thread(target=self._run, name="zvview-save-as")
        name = os.path.basename(plan.place)
        self._bar = cancelable_progress(total=0, desc=f"saving {name}", cancel_callback=self._cancel.cancel)

    @property
    def is_busy(self) -> bool:
        """Whether the end of it is still to be told."""
        return self in self._pending

    def start(self) -> None:
        """Begin."""
        self._pending.add(self)
        self._thread.start()

    def cancel(self) -> None:
        """Stop as soon as it looks up, and leave nothing; returns at once."""
        self._cancel.cancel()

    def _run(self) -> None:
        answer: object
        try:
            answer = self._plan.run(self._tell, self._cancel)
        except Exception as error:
            answer = error
        self._send(answer)

    def _tell(self, done: int, total: int, text: str) -> None:
        self._send((done, total, text))

    def _send(self, told: object) -> None:
        with suppress(RuntimeError):  # the application ended meanwhile
            self._courier.send(told)

    def _arrived(self, told: tuple[int, int, str] | list[str] | Exception) -> None:
        """On the thread of the window."""
        if isinstance(told, tuple):
            done, total, text = told
            self._bar.total = total
            self._bar.set_description(text)
            self._bar.update(done - self._bar.n)
            return
        self._pending.discard(self)
        self._bar.close()
        if isinstance(told, Cancelled):
            show_info(f"{self._plan.place} was not saved: stopped")
        elif isinstance(told, Exception):
            show_error(f"{self._plan.place} was not saved: {told}")
        else:
            for note in told:
                show_warning(note)
            show_info(f"saved: {self._plan.place}")


def _kept(taken: LayerTuple) -> LayerTuple:
    """The same with arrays of its own: tools write into those of the layer. Of one that streams the store is taken."""
    data, meta, kind = taken
    if find_streaming(meta) is not None:
        return taken
    return _own(data), {name: _own(value) if name != "metadata" else value for name, value in meta.items()}, kind


def _own(value: Any) -> Any:
    if isinstance(value, np.ndarray | pd.DataFrame):
        return value.copy()
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(map(_own, value))
    return {name: _own(one) for name, one in value.items()} if isinstance(value, Mapping) else value
