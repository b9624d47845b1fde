"""Units done by one thread, by two, or by several processes, each of which opens the stores for itself.

Most of the time goes to array operations and compression, which two threads do at once: they share what was read, and
take a fifth less than two processes do. More of them would wait for each other.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final

from zvview.cancel import CancelToken
from zvview.errors import ConflictError, UnreachableError, ZvviewError
from zvview.neuroglancer.exporting.contents import Contents
from zvview.neuroglancer.exporting.planning import Unit
from zvview.neuroglancer.exporting.record import Entry
from zvview.neuroglancer.exporting.writing import Folder, Written, write_unit

__all__ = ["MOST_THREADS", "Order", "perform_all"]

MOST_THREADS: Final = 2

_WAIT_SECONDS = 0.2  # between looks at the cancellation token
_WAITING = 2  # orders for each worker, so that none runs out of work


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """A unit to be written.

    Attributes
    ----------
    folder : Folder
    unit : Unit
    known : mapping of str to Entry
        What is there, of its files.
    info : str
        Digest of the document of its source: another one is of another state of the store.
    """

    folder: Folder
    unit: Unit
    known: Mapping[str, Entry]
    info: str

    def perform(self, contents: Contents) -> Written:
        """Write the unit.

        Raises
        ------
        ConflictError
            The store is not what it was when the unit was planned.
        """
        source = contents.source(self.unit.source)
        if contents.digest_of_info(self.unit.source) != self.info:
            raise ConflictError(f"{self.unit.source} changed during the export")
        return write_unit(self.folder, source, self.unit, self.known)


def perform_all(
    orders: Iterable[Order], place: Any, contents: Contents, *, workers: int = 0, cancel: CancelToken | None = None
) -> Iterator[tuple[Unit, Written]]:
    """Do all orders; what is done is told in any order.

    Parameters
    ----------
    orders : iterable of Order
    place : str or path
        What processes open.
    contents : Contents
        The same, opened, for this one.
    workers : int
        0 and 1 do everything here, 2 by threads; more of them are processes.
    cancel : CancelToken, optional

    Raises
    ------
    ConflictError
        A store changed.
    ZvviewError
        A process ended before its time.
    Cancelled
    """
    if workers <= 1:
        for order in orders:
            if cancel is not None:
                cancel.raise_if_cancelled()
            yield order.unit, order.perform(contents)
        return
    pool, perform = _pool(place, contents, workers)
    waiting: dict[Future[Written], Unit] = {}
    try:
        remaining = iter(orders)
        while True:
            for order in islice(remaining, _WAITING * workers - len(waiting)):
                waiting[pool.submit(perform, order)] = order.unit
            if not waiting:
                return
            done, _ = wait(waiting, timeout=_WAIT_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), future.result()
            if cancel is not None:
                cancel.raise_if_cancelled()
    except BrokenProcessPool as error:
        raise ZvviewError(
            "a process of the export ended before its time. Is there enough memory? Run the export again: it goes on "
            "where it was; fewer workers take less memory."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _pool(place: Any, contents: Contents, workers: int) -> tuple[Executor, Callable[[Order], Written]]:
    """Workers, and what they do with an order."""
    if workers <= MOST_THREADS:
        return ThreadPoolExecutor(workers, "zvview-export"), partial(Order.perform, contents=contents)
    context = multiprocessing.get_context("spawn")  # forked children would share locks and event loops
    begun = (place, contents.with_levels)
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=begun), _perform


_contents: Contents | None = None  # of a process that lives as long as its export


def _begin(place: Any, with_levels: bool) -> None:
    global _contents
    threading.Thread(target=_end_with_parent, name="zvview-parent", daemon=True).start()
    _contents = Contents(place, with_levels=with_levels)


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _perform(order: Order) -> Written:
    assert _contents is not None
    try:
        return order.perform(_contents)
    except (ConflictError, UnreachableError):
        raise
    except ZvviewError as error:  # others have fields, without which they cannot be told to another process
        raise ZvviewError(str(error)) from None
