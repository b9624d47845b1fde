"""The status of a layer in words that are true: of a filter, only what is known is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zvview.stream import Filter, Status

__all__ = ["count_matching", "status_text"]


def count_matching(filter: Filter, statistics: Mapping[int, Mapping[str, Any]]) -> int | None:
    """How many vertices of the finest level pass a filter; None where it cannot be told without reading them.

    It can where the filter asks for labels of one attribute and nothing else, and the index of the store counts them.

    Parameters
    ----------
    filter : Filter
    statistics : mapping
        As :attr:`zvview.Store.statistics`.
    """
    if filter.ranges or filter.names_objects or len(filter.categories) != 1 or not statistics:
        return None
    ((name, labels),) = filter.categories.items()
    counts = statistics[min(statistics)].get(name, {}).get("counts")
    if not isinstance(counts, Mapping) or not counts or None in labels:
        return None
    found = [counts.get(label, 0) for label in labels]
    return sum(found) if all(isinstance(n, int) for n in found) else None


def status_text(status: Status, filter: Filter, statistics: Mapping[int, Mapping[str, Any]]) -> str:
    """A status in one line; with a filter, vertices are those that pass, of as many as are known to."""
    if filter.is_empty:
        return str(status)
    matching = count_matching(filter, statistics)
    said = "matching vertices" if matching is not None else "matching vertices of an unknown number"
    return str(replace(status, vertices_total=matching)).replace("vertices", said, 1)
