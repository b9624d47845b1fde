"""How many chunks one read takes: as many as come in a quarter of a second, or in twice the way there and back.

A source far away answers a read of hundreds of small chunks after seconds: nothing of it can be shown until then, and a
view that changes meanwhile waits for it. From a folder the same read takes milliseconds.
"""

from __future__ import annotations

from typing import Final

import numpy as np

__all__ = ["MOST_CHUNKS", "Portions"]

MOST_CHUNKS: Final = 512
"""Of one read: more of them gain nothing."""

_AIM_S = 0.25
_FIRST = {True: 64, False: 8}  # chunks of the first read, of a local source and of others
_MOST_AIM_S = 0.75
_WAYS = 2.0  # times the way there and back, which every read waits for: of shorter reads most is waiting
_LEAST_WAYS = 1.5  # also where that is longer than pictures should come apart
_FORGETTING = 1.05  # the way may become longer: the shortest read counts for so much more with each that follows
_GROWTH = 2.0


class Portions:
    """Learns from the reads of one streamer; used by its thread only.

    Parameters
    ----------
    is_local : bool
        Whether the source is a folder, a zip or memory.
    """

    def __init__(self, is_local: bool) -> None:
        self._limit = float(_FIRST[is_local])
        self._shortest_s = self._way_s = np.inf

    @property
    def chunks(self) -> int:
        """Most chunks of the next read."""
        return int(self._limit)

    def learn(self, chunks: int, seconds: float) -> None:
        """Take in how long a read of so many chunks took."""
        seconds = max(seconds, 1e-6)
        self._shortest_s = min(self._shortest_s, seconds)
        self._way_s = min(self._way_s * _FORGETTING, seconds)
        aim_s = max(min(max(_AIM_S, _WAYS * self._way_s), _MOST_AIM_S), _LEAST_WAYS * self._shortest_s)
        fitting = chunks * aim_s / seconds
        if seconds > aim_s:
            self._limit = max(1.0, min(self._limit, fitting))
        elif _GROWTH * chunks >= self.chunks:  # one that was far smaller tells nothing about larger ones
            self._limit = min(MOST_CHUNKS, max(self._limit, min(fitting, _GROWTH * self._limit), 1.0 + chunks))
