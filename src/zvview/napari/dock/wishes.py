"""One change of a filter or of a colouring, as new values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zvview.napari.dock.facts import Label, StoreFacts
from zvview.stream import Filter
from zvview.style import MISSING_COLOUR, Colouring, LegendEntry, legend_of

__all__ = [
    "colour_choices",
    "legend_entries",
    "same_choice",
    "shown_groups",
    "shown_labels",
    "with_groups",
    "with_labels",
    "with_objects",
    "with_range",
]


def colour_choices(facts: StoreFacts) -> list[tuple[str, Colouring]]:
    """What a store can be coloured by: titles and colourings."""
    out = [("constant", Colouring())]
    if facts.directions:
        out.append(("direction", Colouring("direction")))
    if facts.has_objects:
        out.append(("object", Colouring("object")))
    if facts.groups:
        out.append(("group", Colouring("group")))
    out += [(name, Colouring("category", name)) for name in facts.categories]
    for name, channels in facts.numbers:
        unit = f" ({facts.units[name]})" if name in facts.units else ""
        if not channels:
            out.append((f"{name}{unit}", Colouring("attribute", name)))
        if channels in (3, 4):
            out.append((f"{name} as colours", Colouring("rgba", name)))
        out += [(f"{name}[{c}]{unit}", Colouring("attribute", name, channel=c)) for c in range(channels)]
    return out


def same_choice(one: Colouring, other: Colouring) -> bool:
    """Whether two colourings are by the same, whatever their colours and limits."""
    return (one.mode, one.name, one.channel) == (other.mode, other.name, other.channel)


def shown_labels(filter: Filter, name: str, labels: Sequence[Label]) -> list[bool]:
    """Which labels of a categorical attribute a filter lets pass."""
    wanted = filter.categories.get(name)
    return [wanted is None or label.text in wanted for label in labels]


def shown_groups(filter: Filter, labels: Sequence[Label]) -> list[bool]:
    """Which groups a filter lets pass."""
    wanted = filter.groups
    return [wanted is None or number in wanted or label.text in wanted for number, label in enumerate(labels)]


def with_labels(filter: Filter, name: str, labels: Sequence[Label], shown: Sequence[bool]) -> Filter:
    """The filter with some labels of an attribute; all of them are no condition."""
    others: dict[str, Iterable[str | None]] = {n: wanted for n, wanted in filter.categories.items() if n != name}
    if not all(shown):
        others[name] = {label.text for label, is_shown in zip(labels, shown, strict=True) if is_shown}
    return replace(filter, categories=others)


def with_groups(filter: Filter, shown: Sequence[bool]) -> Filter:
    """The filter with some groups; all of them are no condition, so that objects of no group are shown as well."""
    wanted = tuple(number for number, is_shown in enumerate(shown) if is_shown)
    return replace(filter, groups=None if all(shown) else wanted)


def with_range(filter: Filter, name: str, chosen: tuple[float, float], ends: tuple[float, float]) -> Filter:
    """The filter with a range of an attribute; a side that stands at its end lets everything beyond pass as well."""
    others = {n: known for n, known in filter.ranges.items() if n != name}
    lo = -np.inf if chosen[0] <= ends[0] else chosen[0]
    hi = np.inf if chosen[1] >= ends[1] else chosen[1]
    if np.isfinite(lo) or np.isfinite(hi):
        others[name] = (lo, hi)
    return replace(filter, ranges=others)


def with_objects(filter: Filter, ids: NDArray[np.int64] | None) -> Filter:
    """The filter with some objects alone, or with all."""
    return replace(filter, object_ids=ids)


def legend_entries(facts: StoreFacts, by: Colouring) -> tuple[LegendEntry, ...]:
    """The legend of a colouring, one entry for each label of an attribute or of the groups."""
    if by.mode == "category":
        labels = facts.categories.get(by.name or "", ())
        coded = legend_of(by, labels=[label.text for label in labels if label.text is not None])
        missing = LegendEntry("missing", MISSING_COLOUR)
        return (*coded, *(missing for label in labels if label.text is None))
    groups = [label.text or "" for label in facts.groups]
    return legend_of(by, labels=groups, unit=facts.units.get(by.name or ""), axes=facts.directions)
