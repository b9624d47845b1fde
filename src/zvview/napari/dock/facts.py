"""What the dock knows of a store: what there is to colour by, to filter by and to look for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from zvview.format import names
from zvview.store.store import Store
from zvview.style import colour_axes, sample_values

__all__ = ["Label", "StoreFacts", "read_facts"]

_WITH_DIRECTION: Final = (names.LINE, names.POLYLINE, names.STREAMLINE)
_MOST_CHANNELS: Final = 4


@dataclass(frozen=True, slots=True)
class Label:
    """Something that can be ticked.

    Attributes
    ----------
    text : str or None
        None stands for a missing value.
    count : int or None
        Vertices of a category, or objects of a group; None where the store does not tell.
    """

    text: str | None
    count: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class StoreFacts:
    """What there is to colour by, to filter by and to look for.

    Attributes
    ----------
    numbers : tuple of (str, int)
        Attributes that are numbers, and their channels, 0 for those without.
    ranges : mapping of str to (float, float)
        Least and greatest value of the attributes of one channel. From the index of the store; without one from a
        sample, so that there may be values beyond.
    wholes : frozenset of str
        Those of them whose values are whole numbers.
    units : mapping of str to str
    categories : mapping of str to tuple of Label
        In the order of their codes, the missing value last.
    groups : tuple of Label
        In the order of their numbers.
    has_objects : bool
    directions : tuple of str
        Names of the axes that direction colours show as red, green and blue; empty for kinds without directions.
    levels : tuple of int
    is_space : tuple of bool
        Of each axis, in the store's order.
    """

    numbers: tuple[tuple[str, int], ...] = ()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    wholes: frozenset[str] = frozenset()
    units: Mapping[str, str] = field(default_factory=dict)
    categories: Mapping[str, tuple[Label, ...]] = field(default_factory=dict)
    groups: tuple[Label, ...] = ()
    has_objects: bool = False
    directions: tuple[str, ...] = ()
    levels: tuple[int, ...] = ()
    is_space: tuple[bool, ...] = ()


def read_facts(store: Store) -> StoreFacts:
    """The facts of a store; reads its index, its groups and its object ids.

    Raises
    ------
    ZvviewError
        Something of it cannot be read.
    """
    attributes, statistics = store.attributes, store.statistics
    finest = statistics[min(statistics)] if statistics else {}
    numbers, ranges, categories = [], {}, {}
    for name, known in attributes.items():
        channels = int(np.prod(known.row_shape)) if known.row_shape else 0
        if known.categories is not None:
            if not channels:
                categories[name] = _labels(known.categories, finest.get(name, {}).get("counts"))
        elif known.dtype.kind in "biuf" and channels <= _MOST_CHANNELS:
            numbers.append((name, channels))
            if not channels and (ends := _range(store, name, finest.get(name, {}))) is not None:
                ranges[name] = ends
    level = store.level(store.levels[0]) if store.levels else None
    groups = None if level is None else level.groups
    sizes = [] if groups is None else [len(members) for members in groups.members]
    directions = tuple(store.axes[axis].name for axis in colour_axes(store.axes))
    titles = groups.names if groups is not None and groups.names else [str(number) for number in range(len(sizes))]
    return StoreFacts(
        tuple(numbers),
        ranges,
        frozenset(name for name in ranges if attributes[name].dtype.kind != "f"),
        {name: known.unit for name, known in attributes.items() if known.unit},
        categories,
        tuple(Label(title, size) for title, size in zip(titles, sizes, strict=True)),
        level is not None and level.object_ids is not None,
        directions if store.kind in _WITH_DIRECTION else (),
        store.levels,
        tuple(axis.type == "space" for axis in store.axes),
    )


def _labels(known: Any, counts: Any) -> tuple[Label, ...]:
    told = counts if isinstance(counts, Mapping) else {}
    labels = [Label(text, told.get(text, 0) if told else None) for text in known.labels]
    return (*labels, *([Label(None)] if known.missing is not None else []))


def _range(store: Store, name: str, entry: Mapping[str, Any]) -> tuple[float, float] | None:
    ends = entry.get("min"), entry.get("max")
    if not all(isinstance(end, int | float) and np.isfinite(end) for end in ends):
        values = sample_values(store, name)
        values = None if values is None else values[np.isfinite(values)]
        if values is None or not len(values):
            return None
        ends = values.min(), values.max()
    return float(ends[0]), float(ends[1])  # type: ignore[arg-type]
