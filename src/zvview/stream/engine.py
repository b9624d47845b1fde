"""The streamer's own thread: takes in views and what was read, decides what to read next, and delivers.

All state below is that thread's; views, ended jobs and wishes come in through one inbox, under one lock.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from zvview.store.store import Store
from zvview.stream.delivery import Delivery, Request, Scene
from zvview.stream.facts import levels_between
from zvview.stream.frame import compose_frame
from zvview.stream.giving_way import can_patch
from zvview.stream.health import SourceHealth
from zvview.stream.holdings import Holdings
from zvview.stream.jobs import Job, Jobs
from zvview.stream.knowledge import Knowledge
from zvview.stream.ledger import Ledger
from zvview.stream.plan import Order, Plan, plan_ahead, plan_view
from zvview.stream.reads import ReadGroup, Reads
from zvview.stream.settings import StreamSettings
from zvview.stream.statistics import StreamStatistics
from zvview.stream.update import Update
from zvview.stream.view import ViewState, moved

__all__ = ["Engine"]

_CLOSING_S = 1.0  # how long threads are waited for; one that hangs in a source is left behind
_FRAME_S = 0.01  # views do not follow each other faster than they are drawn
_FINER_EXCESS = 2.0  # times the budget that finer chunks may take while they stand in

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Inbox:
    """What other threads have to say; guarded by the condition of the engine."""

    request: Request | None = None
    ended: list[Job] = field(default_factory=list)
    is_retry: bool = False
    is_closed: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to take in."""
        return self.request is None and not (self.ended or self.is_retry or self.is_closed)


class Engine:
    """What a streamer runs; the two are apart so that a forgotten streamer can end its engine."""

    def __init__(self, store: Store, settings: StreamSettings, on_update: Callable[[Update], None]) -> None:
        self._settings = settings
        self._inbox, self._wake = _Inbox(), threading.Condition()
        self._generation = 0
        self._ledger, self._health = Ledger(settings.cache_bytes), SourceHealth(settings.backoff_s)
        self._jobs = Jobs("zvview-read", self._hand_in)
        self._knowledge = Knowledge(store, settings, self._jobs, self._health)
        self._reads = Reads(store, settings, self._jobs, self._health, self._ledger)
        self._on_update = on_update
        self._delivery = Delivery(store, settings, self._ledger, self._send)
        self._request: Request | None = None
        self._scene: Scene | None = None
        self._ahead: Order | None = None
        self._motion, self._motion_s = np.zeros(store.metadata.ndim), np.inf
        self._fault: str | None = None
        self._statistics = self._ledger.snapshot()
        self._thread = threading.Thread(target=self._run, name="zvview-stream", daemon=True)
        self._thread.start()

    # From any thread.

    def look(self, view: ViewState) -> int:
        """Ask for a view; returns its generation."""
        with self._wake:
            self._generation += 1
            self._inbox.request = Request(self._generation, view, time.perf_counter())
            self._wake.notify()
            return self._generation

    def retry(self) -> None:
        """Ask again for what failed."""
        with self._wake:
            self._inbox.is_retry = True
            self._wake.notify()

    @property
    def statistics(self) -> StreamStatistics:
        """The latest snapshot."""
        return self._statistics

    def close(self, *, wait: bool = True) -> None:
        """End all threads and let go of everything; no update comes once this has returned, if it is to `wait`."""
        with self._wake:
            self._inbox.is_closed = True
            self._wake.notify()
        if wait and threading.current_thread() is not self._thread:
            self._thread.join(2 * _CLOSING_S)

    def _hand_in(self, job: Job) -> None:
        with self._wake:
            self._inbox.ended.append(job)
            self._wake.notify()

    # From here on the engine's own thread.

    def _run(self) -> None:
        due: float | None = None
        self._knowledge.begin()
        while not (inbox := self._receive(due)).is_closed:
            try:
                due = self._step(inbox)
            except Exception as error:  # a fault of one view must not end all
                _log.exception("a view could not be streamed")
                self._fault, self._scene, due = f"{type(error).__name__}: {error}", None, None
                with suppress(Exception):  # it may be the receiver that fails
                    due = self._deliver()
        self._jobs.close(_CLOSING_S)
        if self._knowledge.holdings is not None:
            self._knowledge.holdings.close()
        del self._delivery, self._on_update, self._knowledge
        self._scene = None

    def _receive(self, due: float | None) -> _Inbox:
        with self._wake:
            if self._inbox.is_empty:
                self._wake.wait(None if due is None else max(0.0, due - time.perf_counter()))
            inbox, self._inbox = self._inbox, _Inbox(is_closed=self._inbox.is_closed)
            return inbox

    def _step(self, inbox: _Inbox) -> float | None:
        """One round; returns when the next is due if nothing comes in."""
        if inbox.is_retry:
            self._begin_again()
        is_changed = bool([job for job in inbox.ended if self._take_in(job)])
        if inbox.request is not None:
            self._adopt(inbox.request)
        times = [self._follow(is_changed), self._read(), self._deliver()]
        times += [self._knowledge.proceed(self._wait_for_coarse()), self._read_ahead()]
        self._statistics = self._take_stock()
        return min((t for t in times if t is not None), default=None)

    def _wait_for_coarse(self) -> float:
        """Until when only the coarsest level is read: until it is shown, but no longer than updates may take."""
        if self._request is None or self._scene is None or self._scene.frame.is_complete:
            return 0.0
        return self._request.asked + self._settings.update_interval_s

    def _begin_again(self) -> None:
        self._health.recover()
        self._fault, self._scene = None, None
        self._reads.notes.clear()
        self._knowledge.notes.clear()
        self._start_over()

    def _start_over(self) -> None:
        self._ledger.rebase({})
        self._knowledge.begin()

    def _adopt(self, request: Request) -> None:
        if self._request is not None:
            self._motion = moved(self._request.view, request.view)
            self._motion_s = request.asked - self._request.asked
        self._request, self._fault, self._ahead = request, None, None
        self._knowledge.notes.clear()
        self._ledger.count(views=1)
        self._delivery.expect(request)

    def _take_in(self, job: Job) -> bool:
        """What a job came to; returns whether there is something new in memory."""
        self._jobs.end(job)
        holdings = self._knowledge.holdings
        if not isinstance(job.purpose, ReadGroup):
            if self._knowledge.take_in(job):
                self._scene = None
            if holdings is not None and self._knowledge.holdings is not holdings:
                self._reads.rebase(self._knowledge.holdings)
                now = self._knowledge.holdings
                self._ledger.rebase({} if now is None else levels_between(holdings.facts, now.facts))
            return True
        if holdings is None or job.purpose.facts is not holdings.facts:
            return False
        if self._reads.take_in(holdings, job, job.purpose):
            self._scene = None
            self._start_over()
        return True

    def _follow(self, is_changed: bool) -> float | None:
        """Bring the plan and the frame up to the latest view; returns when to try again what failed."""
        request, holdings = self._request, self._knowledge.holdings
        if request is None or holdings is None:
            return None
        if not self._knowledge.concerns(request.view.filter):
            return self._health.retry_at if time.perf_counter() < self._health.retry_at else None
        before = None if self._scene is None else self._scene.plan
        if before is None or before.view is not request.view:
            plan = self._plan(holdings, request.view, before)
            self._reads.cancel_unless(holdings.is_wanted)
            there = holdings.count_there(plan.order)
            self._ledger.count(cache_hits=there, cache_misses=len(plan.order) - there)
        elif is_changed:
            is_known = holdings.is_indexed and not holdings.is_reach_new and not before.is_guessed
            plan = before if is_known else self._plan(holdings, request.view, before)
        else:
            return None
        self._compose(holdings, plan)
        return None

    def _plan(self, holdings: Holdings, view: ViewState, before: Plan | None) -> Plan:
        limits = holdings.limits(view.axes)
        holdings.is_reach_new = False
        interval_s, motion = self._settings.update_interval_s, None
        if self._motion_s < interval_s:
            motion = self._motion * (interval_s / max(self._motion_s, _FRAME_S))
        plan = plan_view(holdings.tree, view, limits, before, self._knowledge.restriction.chunks, motion)
        holdings.want(plan.needed, plan.order)
        return plan

    def _compose(self, holdings: Holdings, plan: Plan) -> None:
        has_patches = can_patch(holdings.facts)
        frame = compose_frame(holdings.tree, plan, holdings.is_there, with_patches=has_patches)
        vertices = zip(holdings.predictions.vertices, frame.chunks, strict=True)
        if sum(float(v[mask].sum()) for v, mask in vertices) > _FINER_EXCESS * plan.view.budget_vertices:
            frame = compose_frame(holdings.tree, plan, holdings.is_there, with_finer=False, with_patches=has_patches)
        holdings.show(frame.chunks)
        self._scene = Scene(holdings, plan, frame, self._knowledge.restriction)

    def _read(self) -> float | None:
        """Begin the reads that the view needs; returns when to look after them."""
        now, scene, holdings = time.perf_counter(), self._scene, self._knowledge.holdings
        if holdings is None:
            return None
        watch = self._reads.watch(holdings, now)
        if scene is None or scene.frame.is_complete:
            return watch
        if now < self._health.retry_at:
            return self._health.retry_at
        self._reads.start(holdings, scene.plan.order, is_ahead=False)
        return watch if watch is not None else self._reads.watch(holdings, now)

    def _deliver(self) -> float | None:
        if self._request is None:
            return None
        problem = self._fault or self._knowledge.fault or self._health.problem
        notes = [*self._knowledge.notes, *self._reads.notes]
        return self._delivery.deliver(self._request, self._scene, problem, notes)

    def _read_ahead(self) -> float | None:
        """Read what may be wanted next, once the view is settled and has rested; returns when that is."""
        scene, settled, settings = self._scene, self._delivery.settled_at, self._settings
        if scene is None or settled is None or not settings.prefetch_margin:
            return None
        now = time.perf_counter()
        due = max(settled + settings.idle_s, self._health.retry_at)
        if now < due:
            return due
        if self._ahead is None:
            limits = scene.holdings.limits(scene.plan.view.axes)
            chunks = scene.restriction.chunks
            order = plan_ahead(scene.holdings.tree, scene.plan, limits, settings.prefetch_margin, self._motion, chunks)
            self._ahead = scene.holdings.affordable(order, settings.cache_bytes * settings.prefetch_share)
        self._reads.start(scene.holdings, self._ahead, is_ahead=True)
        return None

    def _send(self, update: Update) -> None:
        self._statistics = self._take_stock()  # so that the receiver sees what the update counts
        self._on_update(update)

    def _take_stock(self) -> StreamStatistics:
        holdings = self._knowledge.holdings
        return (
            self._ledger.snapshot()
            if holdings is None
            else self._ledger.snapshot(holdings.cache.nbytes, holdings.is_wanted)
        )
