"""Contrast limits: from what the store knows of an attribute, so that they mean the same at every level and zoom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["limits_from_statistics", "limits_of_values"]

_TAILS: Final = (0.01, 0.99)  # a single hot pixel would else make everything dark


def limits_from_statistics(entry: Mapping[str, Any], channel: int = 0) -> tuple[float, float] | None:
    """Limits from a statistics entry of zvview's index (``min``, ``max``, ``quantiles``); None where it has none.

    The 1 % and 99 % quantiles where there are some and they differ, else least and greatest value.
    """
    quantiles = entry.get("quantiles")
    if isinstance(quantiles, list) and len(quantiles) > 1 and all(_is_number(q) for q in quantiles):
        low, high = (float(quantiles[round(p * (len(quantiles) - 1))]) for p in _TAILS)
        if low < high:
            return low, high
    ends: list[Any] = [entry.get("min"), entry.get("max")]
    ends = [end[channel] if isinstance(end, list) and channel < len(end) else end for end in ends]
    return (float(ends[0]), float(ends[1])) if all(map(_is_number, ends)) and ends[0] <= ends[1] else None


def limits_of_values(values: NDArray[Any]) -> tuple[float, float]:
    """Limits of values at hand, (N,), by the same rule; (0, 1) where none is finite."""
    numbers = np.asarray(values, np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return 0.0, 1.0
    low, high = (float(q) for q in np.quantile(numbers, _TAILS))
    return (low, high) if low < high else (float(numbers.min()), float(numbers.max()))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
