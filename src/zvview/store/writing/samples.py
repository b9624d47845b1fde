"""A bounded, evenly spaced sample of rows that arrive in parts; the same rows give the same sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["StrideSample"]


class StrideSample:
    """Keeps every ``step``-th row; where more than `limit` are kept, every second of them goes and the step doubles.

    Parameters
    ----------
    limit : int
        Most rows kept.
    """

    __slots__ = ("_kept", "_parts", "_seen", "_step", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._step = 1
        self._seen = 0
        self._kept = 0
        self._parts: list[NDArray[Any]] = []

    def add(self, rows: NDArray[Any]) -> None:
        """Offer rows, of the shape and dtype of those before."""
        while len(rows) > self.limit * self._step:
            self._thin()
        picked = rows[-self._seen % self._step :: self._step].copy()
        self._seen += len(rows)
        self._parts.append(picked)
        self._kept += len(picked)
        while self._kept > self.limit:
            self._thin()

    def rows(self) -> NDArray[Any]:
        """The sample."""
        self._parts = [np.concatenate(self._parts)] if self._parts else []
        return self._parts[0] if self._parts else np.empty(0)

    def _thin(self) -> None:
        self._step *= 2
        if self._parts:
            self._parts = [np.concatenate(self._parts)[::2]]
            self._kept = len(self._parts[0])
