"""Stable sorting of non-negative integer keys, by radix: numpy sorts 16-bit keys in linear time, wider ones not."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

__all__ = ["invert", "rank_rows", "rows_of_one", "run_starts", "stable_order", "unrank_rows"]

_DIGIT_BITS = 16
_MOST_KEYS = 1 << 62


def stable_order(keys: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Indices that sort `keys`, equal ones in the order given.

    Parameters
    ----------
    keys : (n,) int64
        All ``0 <= key < limit``.
    limit : int
        Decides the number of passes: one for each 16 bits, 12 ms per million keys each.

    Returns
    -------
    (n,) int64
    """
    order = np.argsort((keys & 0xFFFF).astype(np.uint16), kind="stable")
    shift = _DIGIT_BITS
    while (limit - 1) >> shift > 0:
        digits = ((keys[order] >> shift) & 0xFFFF).astype(np.uint16)
        order = order[np.argsort(digits, kind="stable")]
        shift += _DIGIT_BITS
    return order


def rank_rows(table: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Keys (n,) of the rows of an (n, k) table that sort as its rows do, first column slowest, and a bound above them.

    Equal rows have equal keys. The keys are dense where a table of small integers allows it, ranks otherwise.
    """
    if not len(table):
        return np.empty(0, np.int64), 1
    low, spans = _extent(table)
    limit = prod(spans)
    if limit < _MOST_KEYS:
        keys = np.zeros(len(table), np.int64)
        for column, least, span in zip(table.T, low, spans, strict=True):
            keys *= span
            keys += column - least
        return keys, limit
    order = np.lexsort(table.T[::-1])
    ordered = table[order]
    keys = np.zeros(len(table), np.int64)
    keys[order[1:]] = np.cumsum((ordered[1:] != ordered[:-1]).any(axis=1))
    return keys, len(table)


def unrank_rows(table: NDArray[np.int64], keys: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows that some of the keys, ascending, stand for which :func:`rank_rows` gave the rows of a table, (m, k)."""
    if not len(table):
        return table[:0]
    low, spans = _extent(table)
    if prod(spans) >= _MOST_KEYS:
        order = np.argsort(keys)
        return np.asarray(table[order[np.searchsorted(keys, wanted, sorter=order)]])
    out = np.empty((len(wanted), table.shape[1]), np.int64)
    rest = wanted
    for column in range(table.shape[1] - 1, -1, -1):
        rest, out[:, column] = np.divmod(rest, spans[column])
        out[:, column] += low[column]
    return out


def _extent(table: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """Least value of each column, and how many there are from it to the greatest."""
    low = [int(column.min()) for column in table.T]
    return low, [int(column.max()) - least + 1 for column, least in zip(table.T, low, strict=True)]


def run_starts(*columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Starts of the runs of equal rows, (r,) int64: 0, and where a value of any column differs from the one before."""
    if not len(columns[0]):
        return np.empty(0, np.int64)
    fresh = columns[0][1:] != columns[0][:-1]
    for column in columns[1:]:
        fresh |= column[1:] != column[:-1]
    return np.concatenate(([0], np.flatnonzero(fresh) + 1))


def invert(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Place of each index in a permutation."""
    out = np.empty(len(order), np.int64)
    out[order] = np.arange(len(order))
    return out


def rows_of_one(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows that only one of two tables has, neither of which has any row twice."""
    joined = np.concatenate((first, second))
    keys, _ = rank_rows(joined)
    order = np.argsort(keys, kind="stable")
    starts = run_starts(keys[order])
    is_alone = np.diff(np.append(starts, len(keys))) == 1
    alone: NDArray[np.int64] = joined[order[starts[is_alone]]]
    return alone
