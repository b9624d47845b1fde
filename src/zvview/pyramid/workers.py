"""Running tasks: here, or in processes that may die without more than their task being lost.

A task's result is kept in scratch by whoever ran it. So the driver only asks which results are still missing: after a
worker was killed, and after the whole build was.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from zvview.cancel import CancelToken
from zvview.errors import InvalidInputError, ZvviewError
from zvview.pyramid.design import LevelDesign
from zvview.pyramid.kind import TaskContext
from zvview.pyramid.scratch import Scratch
from zvview.pyramid.stage import Stage
from zvview.store.writing.partition import Tiling

__all__ = ["Setting", "Workers"]

_MOST_DEATHS = 3  # of workers in a row without a task being finished
_WAIT_SECONDS = 0.2  # between looks at the cancellation token


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """What the tasks of one level have in common; kept in scratch, from where each process takes it once."""

    stage: Stage
    level: int
    design: LevelDesign
    tiling: Tiling
    has_old: bool = False

    def open(self, scratch: Scratch) -> TaskContext:
        """What a task works with."""
        store = self.stage.open()
        old = store.level(self.design.level) if self.has_old else None
        return TaskContext(store.level(self.level), self.design, self.tiling, scratch, old)


@dataclass(frozen=True, slots=True)
class _Order:
    """One task to be done."""

    folder: str
    setting: str
    task: Callable[[TaskContext, Any], Any]
    part: Any
    result: str


class Workers:
    """Runs tasks of one build, in this process or in `count` others. A context manager.

    Parameters
    ----------
    scratch : Scratch
    count : int
        0 and 1 run everything here.
    cancel : CancelToken, optional
        Looked at between tasks.

    Raises
    ------
    InvalidInputError
        A number below 0.
    """

    def __init__(self, scratch: Scratch, count: int = 0, cancel: CancelToken | None = None) -> None:
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise InvalidInputError(f"workers = {count!r}, expected a number of processes")
        self._scratch, self._count, self._cancel = scratch, count, cancel
        self._pool: ProcessPoolExecutor | None = None
        self._bench = _Bench()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def run_all(
        self,
        setting: str,
        task: Callable[[TaskContext, Any], Any],
        parts: Sequence[Any],
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Any]:
        """The results of ``task(context, part)`` for each part, in order.

        Parameters
        ----------
        setting : str
            Name in scratch of a :class:`Setting`.
        task : callable
            A module-level function.
        parts : sequence
        progress : callable, optional
            Called with the number of parts done and of all.

        Raises
        ------
        ZvviewError
            Workers die again and again. What a task raises comes through.
        Cancelled
        """
        orders = [_Order(self._scratch.folder, setting, task, p, _result_name(setting, task, p)) for p in parts]
        missing = [order for order in orders if not self._scratch.has(order.result)]
        done = len(orders) - len(missing)
        for _ in self._perform(missing):
            done += 1
            if progress is not None:
                progress(done, len(orders))
        return [self._scratch.load(o.result) for o in orders]

    def _perform(self, orders: Sequence[_Order]) -> Iterable[None]:
        if self._count <= 1:
            for order in orders:
                self._check()
                self._bench.perform(order)
                yield
            return
        yield from self._perform_elsewhere(orders)

    def _perform_elsewhere(self, orders: Sequence[_Order]) -> Iterator[None]:
        missing, deaths = list(orders), 0
        while missing:
            try:
                for _ in self._wave(missing):
                    deaths = 0
                    yield
            except BrokenProcessPool as error:
                self._stop()
                deaths += 1
                if deaths >= _MOST_DEATHS:
                    raise ZvviewError(
                        f"worker processes ended {deaths} times in a row without finishing a task; the last one ran "
                        f"{missing[0].task.__name__}. Is there enough memory? Try fewer workers, or none."
                    ) from error
            missing = [order for order in missing if not self._scratch.has(order.result)]

    def _wave(self, orders: Sequence[_Order]) -> Iterator[None]:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")  # forked children would share locks and event loops
            self._pool = ProcessPoolExecutor(self._count, mp_context=context)
        waiting: set[Future[None]] = {self._pool.submit(_perform_here, order) for order in orders}
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=_WAIT_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                    yield
                self._check()
        finally:
            for future in waiting:
                future.cancel()

    def _check(self) -> None:
        if self._cancel is not None:
            self._cancel.raise_if_cancelled()

    def _stop(self) -> None:
        self._bench = _Bench()  # files that it maps could not be removed on Windows
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)


class _Bench:
    """Does tasks of one build; the level that they read stays open from one to the next."""

    def __init__(self) -> None:
        self._setting: str | None = None
        self._context: TaskContext | None = None

    def perform(self, order: _Order) -> None:
        """Do one task and keep its result."""
        scratch = Scratch(order.folder)
        if self._context is None or self._setting != order.setting:
            self._setting, self._context = order.setting, scratch.load(order.setting).open(scratch)
        scratch.save(order.result, order.task(self._context, order.part))


_bench = _Bench()  # of a worker, which lives as long as its build


def _perform_here(order: _Order) -> None:
    _bench.perform(order)


def _result_name(setting: str, task: Callable[..., Any], part: Any) -> str:
    digest = hashlib.sha256(pickle.dumps(part, protocol=5)).hexdigest()
    return f"{setting}-{task.__name__.strip('_')}-{digest[:20]}"
