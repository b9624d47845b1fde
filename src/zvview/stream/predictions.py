"""How many vertices a chunk holds, and what one takes in memory: told by an index, or learned as chunks arrive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zvview.stream.facts import StoreFacts

__all__ = ["Predictions"]

_UNKNOWN_CHUNK = 10_000.0
"""Vertices of a chunk of which nobody says anything."""


class Predictions:
    """What is known of the chunks of a store. One thread at a time."""

    def __init__(self, facts: StoreFacts) -> None:
        self._known = [
            np.full(len(level.chunks), -1, np.int64) if level.counts is None else level.counts.copy()
            for level in facts.levels
        ]
        self._declared = [level.declared / max(len(level.chunks), 1) for level in facts.levels]
        self._vertex_bytes = np.array([level.vertex_bytes for level in facts.levels])
        self._learned = np.zeros((len(facts.levels), 2))
        self._expected: list[NDArray[np.float64]] | None = None

    def learn(self, level: int, row: int, vertices: int, nbytes: int) -> None:
        """Take in what a chunk that was read holds."""
        if self._known[level][row] != vertices:
            self._known[level][row], self._expected = vertices, None
        self._learned[level] += vertices, nbytes

    @property
    def vertices(self) -> list[NDArray[np.float64]]:
        """Expected number of vertices of each chunk, one array for each level.

        Of chunks that nobody knows it is the mean of those of their level, else what the level's metadata declares,
        else the mean of the next coarser level.
        """
        if self._expected is None:
            self._expected = self._expect()
        return self._expected

    def bytes_of(self, keys: NDArray[np.int64]) -> NDArray[np.float64]:
        """What each of some chunks, (n, 2) pairs of level and row, is expected to take, (n,)."""
        vertices = self.vertices
        counts = np.array([vertices[level][row] for level, row in keys.tolist()], np.float64)
        return np.asarray(counts * self.bytes_per_vertex[keys[:, 0]])

    def _expect(self) -> list[NDArray[np.float64]]:
        out: list[NDArray[np.float64]] = []
        fallback = _UNKNOWN_CHUNK
        for known, declared in zip(reversed(self._known), reversed(self._declared), strict=True):
            told = known >= 0
            mean = float(known[told].mean()) if told.any() else declared or fallback
            fallback = mean or fallback
            out.append(np.where(told, known, mean))
        return out[::-1]

    @property
    def bytes_per_vertex(self) -> NDArray[np.float64]:
        """What a vertex takes, (L,): learned once a thousand of the level were read."""
        counts, sizes = self._learned.T
        learned = sizes / np.maximum(counts, 1)
        return np.where(counts >= 1000, learned, self._vertex_bytes)
