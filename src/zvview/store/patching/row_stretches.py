"""Rows that stand and are moved together: most pieces of a chunk stay side by side when others are replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format.sequences import offsets_of

__all__ = ["MovedRows", "gather_rows"]

Ints = NDArray[np.int64]

_LONG = 16  # rows from which on, on average, stretches are copied one by one


def gather_rows(sources: Sequence[NDArray[Any]], starts: Ints, counts: Ints) -> NDArray[Any]:
    """Stretches of rows one after the other, each from one of some arrays, one at least.

    Parameters
    ----------
    sources : sequence of (N, ...) arrays
        Their rows are counted through all of them.
    starts, counts : (n,) int64
    """
    bases = offsets_of([len(source) for source in sources])
    is_first = np.ones(len(starts), bool)
    is_first[1:] = (starts[1:] != starts[:-1] + counts[:-1]) | np.isin(starts[1:], bases)
    first = np.flatnonzero(is_first)
    before = offsets_of(counts)
    sizes = np.diff(before[np.append(first, len(starts))])
    if int(before[-1]) < _LONG * len(first):
        rows = np.repeat(starts[first] - before[first], sizes)
        rows += np.arange(len(rows))
        return (sources[0] if len(sources) == 1 else np.concatenate(sources)).take(rows, axis=0)
    of = np.minimum(np.searchsorted(bases, starts[first], side="right"), len(sources)) - 1
    local = starts[first] - bases[of]
    spans = zip(of.tolist(), local.tolist(), (local + sizes).tolist(), strict=True)
    return np.concatenate([sources[k][a:b] for k, a, b in spans] or [sources[0][:0]])


@dataclass(frozen=True, slots=True, eq=False)
class MovedRows:
    """Where rows stand now that stood in some stretches before.

    Attributes
    ----------
    starts, counts : (n,) int64
        The stretches, ascending; none share a row.
    firsts : (n,) int64
        Where the first row of each stands now.
    """

    starts: Ints
    counts: Ints
    firsts: Ints

    @classmethod
    def of(cls, starts: Ints, counts: Ints, firsts: Ints) -> MovedRows:
        """From stretches in any order, of which some may be empty."""
        if not counts.all():
            starts, counts, firsts = starts[counts > 0], counts[counts > 0], firsts[counts > 0]
        if (starts[1:] < starts[:-1]).any():
            order = np.argsort(starts, kind="stable")
            starts, counts, firsts = starts[order], counts[order], firsts[order]
        is_first = np.ones(len(starts), bool)
        is_first[1:] = (starts[1:] != starts[:-1] + counts[:-1]) | (firsts[1:] != firsts[:-1] + counts[:-1])
        first = np.flatnonzero(is_first)
        sizes = np.diff(offsets_of(counts)[np.append(first, len(starts))])
        return cls(starts[first], sizes, firsts[first])

    def find(self, rows: Ints) -> Ints:
        """Where each of some rows, of any shape, stands now; -1 for those of no stretch."""
        if not len(self.starts):
            return np.full(rows.shape, -1, np.int64)
        at = np.searchsorted(self.starts, rows, side="right") - 1
        local = rows - self.starts[at]
        is_there = (at >= 0) & (local < self.counts[at])
        return np.where(is_there, self.firsts[at] + local, -1)
