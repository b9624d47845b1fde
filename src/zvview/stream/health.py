"""How a source is doing: what is wrong with it in plain words, and when to ask it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from zvview.errors import NotZarrVectorsError, UnreachableError

__all__ = ["SOURCE_FAILURES", "SourceHealth"]

SOURCE_FAILURES: Final = (UnreachableError, OSError, NotZarrVectorsError)
"""What speaks of the source, not of a chunk: it may pass. A store that was open and is none has been moved away."""

_LONGEST_WAIT = 30.0  # seconds


@dataclass(slots=True)
class SourceHealth:
    """Waits twice as long after each failure in a row. Times are those of ``time.perf_counter()``.

    Attributes
    ----------
    backoff_s : float
        The first wait.
    problem : str or None
    retry_at : float
        Nothing is asked before.
    """

    backoff_s: float
    problem: str | None = None
    retry_at: float = 0.0
    _failures: int = 0

    def fail(self, reason: str, now: float) -> None:
        """A read failed because of the source."""
        wait = min(self.backoff_s * 2**self._failures, _LONGEST_WAIT)
        if now >= self.retry_at:  # of reads in flight together one counts
            self._failures += 1
            self.retry_at = now + wait
        self.problem = f"{reason}; the next attempt is in {wait:.1f} s or when asked for"

    def stall(self, seconds: float) -> None:
        """A read has been in flight for long."""
        self.problem = f"the source has not answered for {seconds:.0f} s"

    def recover(self) -> None:
        """A read went well, or a new attempt is asked for."""
        self.problem, self.retry_at, self._failures = None, 0.0, 0
