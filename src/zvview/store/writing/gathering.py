"""Intakes become runs as they arrive, within a budget of memory; what does not fit waits in a temporary folder."""

from __future__ import annotations

from zvview.store.writing.intake import Intake, join_intakes
from zvview.store.writing.partition import Tiling, partition
from zvview.store.writing.runs import Run, Spool, count_bytes

__all__ = ["Gathering"]


class Gathering:
    """Keeps what was appended to one level until it is written.

    Small intakes are joined before they are sorted: the number of runs goes with the bytes and not with the calls.

    Parameters
    ----------
    memory_bytes : int
        Kept in memory, in round figures: a third for what is not sorted yet, half for runs.
    spool : Spool
        Takes the rest.
    """

    def __init__(self, memory_bytes: int, spool: Spool) -> None:
        self._memory, self._spool = memory_bytes, spool
        self._pending: list[Intake] = []
        self._pending_bytes = 0  # counted once: writers append many small batches
        self._unsorted: list[Intake] = []
        self._runs: list[Run] = []

    def add(self, intake: Intake, tiling: Tiling | None) -> None:
        """Take an intake; without a tiling it stays unsorted until :meth:`finish` brings one."""
        self._pending.append(intake)
        self._pending_bytes += count_bytes(intake)
        if self._pending_bytes <= self._memory // 3:
            return
        joined = self._take_pending()
        if tiling is None:
            self._unsorted.append(self._spool.spill(joined))
        else:
            self._add_run(partition(joined, tiling))

    def finish(self, tiling: Tiling) -> list[Run]:
        """All runs; the gathering is empty afterwards."""
        while self._unsorted:
            self._add_run(self._spool.spill(partition(self._unsorted.pop(0), tiling)))
        if self._pending:
            self._add_run(partition(self._take_pending(), tiling))
        runs, self._runs = self._runs, []
        return runs

    def clear(self) -> None:
        """Let go of everything."""
        self._pending, self._pending_bytes, self._unsorted, self._runs = [], 0, [], []

    def _take_pending(self) -> Intake:
        parts, self._pending, self._pending_bytes = self._pending, [], 0
        return join_intakes(parts)

    def _add_run(self, run: Run) -> None:
        self._runs.append(run)
        if sum(map(count_bytes, self._runs)) > self._memory // 2:
            self._runs = [self._spool.spill(r) for r in self._runs]
