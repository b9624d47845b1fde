"""One thread that does the latest of the jobs that it is given."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

__all__ = ["LatestWorker"]

_LOG = logging.getLogger(__name__)


class LatestWorker:
    """Runs jobs one after the other; of those that wait only the last one, since it alone still matters.

    The thread is a daemon and starts with the first job. All methods may be called from any thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._condition = threading.Condition()
        self._job: Callable[[], None] | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def submit(self, job: Callable[[], None]) -> None:
        """Run `job` when the one that runs is done, unless another one comes first. Ignored after :meth:`close`."""
        with self._condition:
            if self._is_closed:
                return
            self._job = job
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._condition.notify()

    def close(self, timeout_s: float = 2.0) -> None:
        """Drop what waits and end the thread; what runs is waited for, from another thread, but not for ever."""
        with self._condition:
            self._is_closed, self._job = True, None
            self._condition.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._condition:
                while self._job is None and not self._is_closed:
                    self._condition.wait()
                if self._is_closed:
                    return
                job, self._job = self._job, None
            try:
                assert job is not None
                job()
            except Exception:
                _LOG.exception("a background job of %s failed", self._name)
            del job  # what it holds, such as a whole batch, would else live until the next one comes
