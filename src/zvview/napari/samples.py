"""File > Open Sample: a sample is made, if it must be, on a thread of its own; then its layers are added."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from weakref import ref

import napari
from napari.utils import cancelable_progress
from napari.utils.notifications import show_error, show_info

from zvview.cancel import CancelToken
from zvview.errors import Cancelled, MissingError, ZvviewError
from zvview.napari.courier import Courier
from zvview.napari.opening import OpenedStore, open_stores
from zvview.napari.settings import read_settings
from zvview.napari.showing import add_sample
from zvview.samples import Sample, find_sample, prepare_sample

__all__ = ["SCHEME", "get_reader"]

SCHEME = "zvview://sample/"
"""What the addresses of samples in the plugin manifest begin with."""


def get_reader(path: str | list[str]) -> Callable[[str], list[Any]] | None:
    """The reader for the address of a sample, or None; napari calls this."""
    if not isinstance(path, str) or not path.startswith(SCHEME):
        return None
    try:
        sample = find_sample(path.removeprefix(SCHEME))
    except MissingError:
        return None

    def read(path: str) -> list[Any]:
        _SampleOpening(sample).start()
        return [(None,)]  # taken care of; there are no layers yet

    return read


class _SampleOpening:
    """Makes one sample and adds its layers to the viewer that asked; its progress is shown there and can be stopped."""

    _pending: set[_SampleOpening] = set()  # noqa: RUF012 - nobody else holds them while they wait

    def __init__(self, sample: Sample) -> None:
        viewer = napari.current_viewer()
        self._sample = sample
        self._viewer = None if viewer is None else ref(viewer)
        self._keep_order = read_settings().keep_axis_order
        self._cancel = CancelToken()
        self._courier = Courier(self._arrived)
        self._bar = cancelable_progress(total=0, desc=f"{sample.title}: making it", cancel_callback=self._cancel.cancel)

    def start(self) -> None:
        self._pending.add(self)
        threading.Thread(target=self._make, name="zvview-sample", daemon=True).start()

    def _make(self) -> None:
        try:
            place = prepare_sample(self._sample, self._tell, self._cancel)
            self._courier.send(open_stores(str(place), keep_order=self._keep_order))
        except ZvviewError as error:
            self._courier.send(error)

    def _tell(self, done: int, total: int, text: str) -> None:
        self._courier.send((done, total, text))

    def _arrived(self, answer: tuple[int, int, str] | list[OpenedStore] | ZvviewError) -> None:
        """On the thread of the window."""
        if isinstance(answer, tuple):
            done, total, text = answer
            self._bar.total = total
            self._bar.update(done - self._bar.n)
            self._bar.set_description(f"{self._sample.name}: {text}")
            return
        self._pending.discard(self)
        self._bar.close()
        viewer = None if self._viewer is None else self._viewer()
        if isinstance(answer, Cancelled):
            show_info(f"{self._sample.title}: stopped")
        elif isinstance(answer, ZvviewError):
            show_error(f"{self._sample.title}: {answer}")
        elif viewer is not None:
            add_sample(viewer, self._sample, answer)
            show_info(self._sample.about)
