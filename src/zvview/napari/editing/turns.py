"""One thread that does what is asked of it in the order in which it was asked; answers on the thread of the window."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any
from weakref import WeakMethod

from zvview.napari.courier import Courier

__all__ = ["Turns"]


class Turns:
    """Does one thing after the other, none of them left out.

    An operation of an edit session may read chunks, and waits for others that do: the thread of the window asks here
    and goes on. All methods must be called on that thread. The thread of the turns starts with the first question, also
    with the first after :meth:`finish`.

    Parameters
    ----------
    name : str
        Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._courier = Courier(self._arrive)
        self._jobs: SimpleQueue[Callable[[], object] | None] | None = None
        self._unanswered = 0

    @property
    def is_busy(self) -> bool:
        """Whether an answer is still to come."""
        return self._unanswered > 0

    def ask(self, work: Callable[[], object], answer: Callable[[Any], None]) -> None:
        """Call `work` when its turn comes, and `answer`, a bound method held weakly, with its value or its error."""
        kept, courier = WeakMethod(answer), self._courier

        def job() -> None:
            courier.send((kept, _outcome(work)))

        if self._jobs is None:
            self._jobs = SimpleQueue()
            threading.Thread(target=_run, args=(self._jobs,), name=self._name, daemon=True).start()
        self._unanswered += 1
        self._jobs.put(job)

    def wait(self, timeout_s: float) -> bool:
        """Return when all that was asked before is done, after so many seconds at the latest; gives whether it is."""
        is_done = threading.Event()
        if self._jobs is None:
            return True
        self._jobs.put(is_done.set)
        return is_done.wait(timeout_s)

    def finish(self, last: Callable[[], object], timeout_s: float) -> None:
        """Do `last` when all else is done, and end the thread; returns after so many seconds at the latest."""
        jobs, self._jobs = self._jobs, None
        if jobs is None:
            last()
            return
        is_done = threading.Event()

        def job() -> None:
            try:
                last()
            finally:
                is_done.set()

        jobs.put(job)
        jobs.put(None)
        is_done.wait(timeout_s)

    def close(self) -> None:
        """End the thread when all is done; it is not waited for."""
        jobs, self._jobs = self._jobs, None
        if jobs is not None:
            jobs.put(None)

    def _arrive(self, mail: tuple[WeakMethod[Any], object]) -> None:
        kept, outcome = mail
        self._unanswered -= 1
        answer = kept()
        if answer is not None:
            answer(outcome)


def _run(jobs: SimpleQueue[Callable[[], object] | None]) -> None:
    while (job := jobs.get()) is not None:
        job()
        del job  # what it holds would else live until the next one comes


def _outcome(work: Callable[[], object]) -> object:
    """What it gives, or the error that it raises: a fault of an edit must be told, whatever it is."""
    try:
        return work()
    except Exception as error:
        return error
