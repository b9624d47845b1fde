"""From the engine's updates to swaps: prepared on one thread, handed to the thread of the window, never queued up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakMethod

from zvview.geometry.batches import Batch
from zvview.napari.courier import Courier
from zvview.napari.latest import LatestWorker
from zvview.napari.preparing import Prepared
from zvview.stream import Update

__all__ = ["Delivery", "Pipeline"]


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """What arrives on the thread of the window.

    Attributes
    ----------
    update : Update
    prepared : Prepared or None
        None where only the status changed.
    """

    update: Update
    prepared: Prepared | None


class Pipeline:
    """Takes updates on any thread and delivers the latest.

    Parameters
    ----------
    prepare : bound method of one Batch
        Called on a thread of its own; held weakly.
    deliver : bound method of one Delivery
        Called on the thread that made the pipeline; held weakly.
    """

    def __init__(self, prepare: Callable[[Batch], Prepared], deliver: Callable[[Delivery], None]) -> None:
        self._prepare, self._deliver = WeakMethod(prepare), WeakMethod(deliver)
        self._courier = Courier(self._arrive)
        self._worker = LatestWorker("zvview-prepare")
        self._lock = threading.Lock()
        self._mail: Delivery | None = None
        self._latest: Update | None = None
        self._prepared_batch: Batch | None = None

    def take(self, update: Update) -> None:
        """Prepare an update and deliver it, unless another one comes before its turn."""
        self._latest = update
        self._worker.submit(self._work)

    def renew(self) -> None:
        """Prepare the latest update again, because what it depends on was changed."""
        with self._lock:
            self._prepared_batch = None
        self._worker.submit(self._work)

    def close(self, *, wait: bool = True) -> None:
        """Drop everything and end the thread; without `wait` it ends when what it does is done."""
        self._worker.close(2.0 if wait else 0.0)
        with self._lock:
            self._mail = self._latest = self._prepared_batch = None

    def _work(self) -> None:
        """Prepare what is the latest by now: whoever asked may have been overtaken."""
        prepare, update = self._prepare(), self._latest
        if prepare is None or update is None:
            return
        with self._lock:
            is_known, self._prepared_batch = update.batch is self._prepared_batch, update.batch
        prepared = None if is_known else prepare(update.batch)
        with self._lock:
            if prepared is None and self._mail is not None:  # what is still on its way must not get lost
                prepared = self._mail.prepared
            is_first, self._mail = self._mail is None, Delivery(update, prepared)
        if is_first:
            self._courier.send(None)

    def _arrive(self, _: Any) -> None:
        with self._lock:
            mail, self._mail = self._mail, None
        deliver = self._deliver()
        if mail is not None and deliver is not None:
            deliver(mail)
