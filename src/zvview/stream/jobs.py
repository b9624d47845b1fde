"""Work in the background: each piece in a thread of its own, so that one that hangs holds up nothing but itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from zvview.cancel import CancelToken
from zvview.errors import Cancelled

__all__ = ["Job", "Jobs"]


@dataclass(slots=True, eq=False)
class Job:
    """One piece of work.

    Attributes
    ----------
    purpose : object
        What its owner knows it by.
    started, cancelled, ended : float
        ``time.perf_counter()``; 0 where it was not cancelled, or goes on.
    result : object
        What the work gave; None until then.
    error : Exception or None
        :class:`~zvview.errors.Cancelled` where it stopped because it was asked to.
    is_abandoned : bool
        Whether it is waited for no longer.
    """

    purpose: Any
    token: CancelToken = field(default_factory=CancelToken)
    started: float = field(default_factory=time.perf_counter)
    cancelled: float = 0.0
    ended: float = 0.0
    result: Any = None
    error: Exception | None = None
    is_abandoned: bool = False

    def cancel(self) -> None:
        """Ask it to stop."""
        if not self.cancelled:
            self.cancelled = time.perf_counter()
            self.token.cancel()


class Jobs:
    """Jobs in flight. Its methods are for one thread; `on_end` is called from the threads of the jobs."""

    def __init__(self, name: str, on_end: Callable[[Job], None]) -> None:
        self._name, self._on_end = name, on_end
        self._threads: dict[Job, threading.Thread] = {}

    def start(self, purpose: object, work: Callable[[CancelToken], object]) -> Job:
        """Begin `work`, which is given a token that tells it to stop."""
        job = Job(purpose)
        thread = threading.Thread(target=_run, args=(job, work, self._on_end), name=self._name, daemon=True)
        self._threads[job] = thread
        thread.start()
        return job

    @property
    def active(self) -> list[Job]:
        """Jobs whose end was not taken in yet, without those that were given up."""
        return [job for job in self._threads if not job.is_abandoned]

    @property
    def hung(self) -> int:
        """How many of those that were given up have not come back."""
        return sum(job.is_abandoned for job in self._threads)

    def end(self, job: Job) -> None:
        """Take in that a job has ended."""
        self._threads.pop(job, None)

    def abandon(self, job: Job) -> None:
        """Wait for a job no longer; what it may yet give is dropped."""
        job.cancel()
        job.is_abandoned = True

    def close(self, timeout_s: float) -> None:
        """Ask all to stop and wait for them, but no longer than that altogether."""
        for job in self._threads:
            job.cancel()
        deadline = time.perf_counter() + timeout_s
        for thread in self._threads.values():
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.perf_counter()))
        self._threads.clear()


def _run(job: Job, work: Callable[[CancelToken], object], on_end: Callable[[Job], None]) -> None:
    try:
        job.token.raise_if_cancelled()
        job.result = work(job.token)
    except Cancelled as error:
        job.error = error
    except Exception as error:  # whatever it is, the owner decides
        job.error = error.with_traceback(None)
    job.ended = time.perf_counter()
    on_end(job)
