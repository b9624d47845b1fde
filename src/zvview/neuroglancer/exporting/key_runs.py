"""Numbers of contents as runs: a plan names hundreds of millions of them in little memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from zvview.format.sequences import distinct, offsets_of

__all__ = ["KeyRuns"]


@dataclass(frozen=True, slots=True, eq=False)
class KeyRuns:
    """Distinct numbers, ascending, as runs of consecutive ones.

    Attributes
    ----------
    starts : (k,) uint64 array
        First number of each run.
    counts : (k,) int64 array
        Numbers of each run.
    """

    starts: NDArray[np.uint64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, keys: NDArray[np.uint64]) -> Self:
        """Of numbers in any order, which may occur more than once."""
        keys = np.asarray(keys, np.uint64)
        steps = keys[1:] - keys[:-1]
        if len(keys) and (steps == 1).all():
            return cls(keys[:1], np.array([len(keys)], np.int64))
        if (keys[1:] <= keys[:-1]).any():
            keys = distinct(keys)
            steps = keys[1:] - keys[:-1]
        begins = np.flatnonzero(np.concatenate(([True], steps != 1))) if len(keys) else np.empty(0, np.int64)
        return cls(keys[begins], np.diff(np.append(begins, len(keys))))

    @classmethod
    def joined(cls, parts: Sequence[KeyRuns]) -> KeyRuns:
        """Of several, each of which comes after those before it."""
        if len(parts) == 1:
            return parts[0]
        return cls(np.concatenate([p.starts for p in parts]), np.concatenate([p.counts for p in parts]))

    def __len__(self) -> int:
        return int(self.counts.sum())

    @property
    def first(self) -> int:
        """The least number; of at least one."""
        return int(self.starts[0])

    @property
    def last(self) -> int:
        """The greatest number; of at least one."""
        return int(self.starts[-1]) + int(self.counts[-1]) - 1

    def keys(self) -> NDArray[np.uint64]:
        """The numbers, (n,), ascending."""
        offsets = offsets_of(self.counts)
        out = np.repeat(self.starts - offsets[:-1].astype(np.uint64), self.counts)
        out += np.arange(len(out), dtype=np.uint64)
        return out

    def take(self, places: NDArray[np.integer[Any]]) -> NDArray[np.uint64]:
        """The numbers at some places, (m,), counted from 0."""
        offsets = offsets_of(self.counts)
        run = np.searchsorted(offsets, places, side="right") - 1
        found: NDArray[np.uint64] = self.starts[run] + (places - offsets[run]).astype(np.uint64)
        return found

    def spread(self, most: int) -> NDArray[np.uint64]:
        """At most `most` of the numbers, evenly from the first to the last."""
        size = len(self)
        return self.take(distinct(np.linspace(0, size - 1, min(most, size)).astype(np.int64)))
