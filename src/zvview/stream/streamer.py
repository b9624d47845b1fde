"""A view followed over time: views in, batches out."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Self

from zvview.errors import InvalidInputError
from zvview.geometry.arguments import check_type
from zvview.store.store import Store
from zvview.stream.engine import Engine
from zvview.stream.settings import StreamSettings
from zvview.stream.statistics import StreamStatistics
from zvview.stream.update import Update
from zvview.stream.view import ViewState

__all__ = ["Streamer"]


class Streamer:
    """Streams one store for one viewer. All methods return at once and may be called from any thread.

    Parameters
    ----------
    store : Store
        Stays open: it belongs to the caller, and must outlive the streamer.
    settings : StreamSettings, optional
    on_update : callable
        Called with each :class:`~zvview.stream.update.Update` from the streamer's own thread, one at a time: what it
        does holds up nothing but the next update. Of a view that is not settled at most one comes in
        ``settings.update_interval_s``. Updates carry the generation of their view, so that late ones can be told.

    Notes
    -----
    A streamer that is forgotten ends its threads as :meth:`close` does, unless `on_update` keeps it alive.

    Examples
    --------
    >>> import threading
    >>> from zvview.testing import make_store
    >>> settled = threading.Event()
    >>> store = make_store({}, "point_cloud", size=5000)
    >>> with Streamer(store, on_update=lambda update: update.is_settled and settled.set()) as streamer:
    ...     _ = streamer.look(ViewState((0, 0, 0), (1000, 1000, 1000), zoom_px_per_unit=1.0))
    ...     settled.wait(10)
    True
    """

    def __init__(
        self, store: Store, *, settings: StreamSettings | None = None, on_update: Callable[[Update], None]
    ) -> None:
        check_type(store, "store", Store, "an open zvview.Store; of a collection stream each child")
        self._ndim = store.metadata.ndim
        self._engine = Engine(store, settings or StreamSettings(), on_update)
        self._finalizer = weakref.finalize(self, Engine.close, self._engine)

    def look(self, view: ViewState) -> int:
        """Show `view` from now on; returns the generation that its updates will carry.

        Raises
        ------
        InvalidInputError
            The view has another number of axes than the store.
        """
        if view.ndim != self._ndim:
            raise InvalidInputError(f"a view with {view.ndim} axes of a store with {self._ndim}")
        return self._engine.look(view)

    def retry(self) -> None:
        """Forget what failed, what is damaged and what is in memory, and read all that the view needs anew."""
        self._engine.retry()

    @property
    def stats(self) -> StreamStatistics:
        """Counters so far, as a value that does not change."""
        return self._engine.statistics

    def close(self, *, wait: bool = True) -> None:
        """End all threads and free the memory; no update comes once this has returned, unless called from one.

        Parameters
        ----------
        wait : bool
            Without it this returns at once: the threads end by themselves, and an update may still be on its way.
        """
        self._finalizer.detach()
        self._engine.close(wait=wait)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
