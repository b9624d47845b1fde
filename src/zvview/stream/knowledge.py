"""What must be known of a store before a view can be planned, gathered in the background: facts and filters."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from zvview.errors import Cancelled, ConflictError
from zvview.store.store import Store
from zvview.stream.facts import StoreFacts, gather_facts
from zvview.stream.filtering import Filter
from zvview.stream.health import SOURCE_FAILURES, SourceHealth
from zvview.stream.holdings import Holdings
from zvview.stream.jobs import Job, Jobs
from zvview.stream.reach import find_spans
from zvview.stream.restriction import Restriction, restrict
from zvview.stream.settings import StreamSettings

__all__ = ["Knowledge"]


@dataclass(frozen=True, slots=True, eq=False)
class _Opening:
    """The purpose of gathering the facts."""


@dataclass(frozen=True, slots=True, eq=False)
class _Restricting:
    """The purpose of finding the chunks that a filter concerns."""

    facts: StoreFacts
    filter: Filter


@dataclass(frozen=True, slots=True, eq=False)
class _Spanning:
    """The purpose of finding the links that lead past chunks."""

    facts: StoreFacts


class Knowledge:
    """What a streamer knows of its store; used by its thread only.

    The coarsest level comes first, so that it can be shown while the chunks of finer ones are still being told.

    Attributes
    ----------
    holdings : Holdings or None
        None until the first facts are there.
    restriction : Restriction
        Of the filter that was asked for last and is known.
    fault : str or None
        What cannot be had, and will not be without a change.
    notes : dict of str
    """

    def __init__(self, store: Store, settings: StreamSettings, jobs: Jobs, health: SourceHealth) -> None:
        self._store, self._settings, self._jobs, self._health = store, settings, jobs, health
        self._filter = Filter()
        self.holdings: Holdings | None = None
        self.restriction = Restriction()
        self.fault: str | None = None
        self.notes: dict[str, None] = {}

    def begin(self) -> None:
        """Forget everything, and start with the facts of the coarsest level."""
        for job in self._jobs.active:
            self._jobs.abandon(job)
        if self.holdings is not None:
            self.holdings.close()
        self.holdings, self.fault = None, None
        self._gather(is_partial=True)

    def proceed(self, not_before: float) -> float | None:
        """Gather what is lacking; returns when, if that must wait.

        Parameters
        ----------
        not_before : float
            Until when the coarsest level goes first.
        """
        if self.holdings is not None and not self.holdings.facts.is_partial:
            return None
        if self.fault or any(isinstance(job.purpose, _Opening) for job in self._jobs.active):
            return None
        due = max(self._health.retry_at, 0.0 if self.holdings is None else not_before)
        if time.perf_counter() < due:
            return due
        self._gather(is_partial=self.holdings is None)
        return None

    def _gather(self, *, is_partial: bool) -> None:
        store, wanted = self._store, self._settings.attributes
        self._jobs.start(_Opening(), lambda token: gather_facts(store, wanted, is_partial=is_partial))

    def concerns(self, wanted: Filter) -> bool:
        """Whether :attr:`restriction` is that of `wanted`; where it is not it will be."""
        holdings = self.holdings
        assert holdings is not None
        if wanted == self._filter:
            return True
        if not wanted.names_objects:
            self._filter, self.restriction = wanted, Restriction()
            return True
        for job in self._jobs.active:
            if isinstance(job.purpose, _Restricting):
                if job.purpose.facts is holdings.facts and job.purpose.filter == wanted:
                    return False
                job.cancel()
        if time.perf_counter() >= self._health.retry_at:
            store, facts = self._store, holdings.facts
            self._jobs.start(_Restricting(facts, wanted), lambda token: restrict(store, facts, wanted, token))
        return False

    def take_in(self, job: Job) -> bool:
        """What a job came to; returns whether plans must be made from scratch."""
        purpose, holdings = job.purpose, self.holdings
        is_late = not isinstance(purpose, _Opening) and (holdings is None or purpose.facts is not holdings.facts)
        if job.is_abandoned or is_late or isinstance(job.error, Cancelled):
            return False
        if isinstance(job.error, ConflictError):  # what was read would not fit what is in memory
            self.begin()
            return True
        if isinstance(purpose, _Spanning):
            assert holdings is not None
            if job.error is not None:
                self.notes[f"links that lead past chunks may be missing: {job.error}"] = None
            holdings.set_spans(() if job.result is None else job.result)
            return False
        elif isinstance(job.error, SOURCE_FAILURES):
            self._health.fail(str(job.error), time.perf_counter())
        elif isinstance(purpose, _Restricting):
            self._filter, self.restriction = purpose.filter, job.result
            if job.error is not None:  # a group that is not there, for example: nothing passes
                self.notes[str(job.error)] = None
                self.restriction = Restriction(np.empty(0, np.int64))
        elif job.error is not None:
            self.fault = str(job.error)
        else:
            self._health.recover()
            self._set_up(job.result)
        return True

    def _set_up(self, facts: StoreFacts) -> None:
        store, before = self._store, self.holdings
        self.holdings = Holdings(facts, self._settings)
        self._filter, self.restriction = Filter(), Restriction()
        if before is not None:
            self.holdings.take_over(before)
        if not self.holdings.is_reach_known:
            self._jobs.start(_Spanning(facts), lambda token: find_spans(store, facts, token))
