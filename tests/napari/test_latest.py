"""Of the jobs that wait only the last one runs; a worker that is closed runs none."""

from __future__ import annotations

import threading
import time

from zvview.napari.latest import LatestWorker


def test_only_the_latest_of_what_waits_is_done() -> None:
    worker, done, gate, begun = LatestWorker("test"), [], threading.Event(), threading.Event()
    last = threading.Event()

    def first() -> None:
        begun.set()
        gate.wait(5)
        done.append(0)

    worker.submit(first)
    assert begun.wait(5)
    for number in range(1, 10):
        worker.submit(lambda number=number: done.append(number))
    worker.submit(last.set)
    gate.set()
    assert last.wait(5)
    assert done == [0]
    worker.close()


def test_a_job_that_fails_does_not_end_the_worker(caplog: object) -> None:
    worker, done = LatestWorker("test"), threading.Event()
    worker.submit(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    deadline = time.monotonic() + 5
    while not caplog.records and time.monotonic() < deadline:  # type: ignore[attr-defined]
        time.sleep(0.01)
    worker.submit(done.set)
    assert done.wait(5)
    worker.close()
    assert "failed" in caplog.text  # type: ignore[attr-defined]


def test_a_closed_worker_ends_its_thread_and_does_nothing_more() -> None:
    worker, done = LatestWorker("test-closed"), []
    worker.submit(lambda: None)
    worker.close()
    worker.submit(lambda: done.append(1))
    worker.close()
    time.sleep(0.05)
    assert done == []
    assert "test-closed" not in {thread.name for thread in threading.enumerate()}


def test_a_worker_may_close_itself() -> None:
    worker, closed = LatestWorker("test"), threading.Event()

    def close() -> None:
        worker.close()
        closed.set()

    worker.submit(close)
    assert closed.wait(5)
