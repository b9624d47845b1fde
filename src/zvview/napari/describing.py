"""What a vertex is, in words: its object, its values with units and labels, and the groups of its object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from zvview.format.attributes import AttributeMetadata
from zvview.style import Membership

__all__ = ["Description", "describe"]

_CHANNEL: Final = re.compile(r"(?P<name>.+)\[\d+\]")


@dataclass(frozen=True, slots=True)
class Description:
    """A vertex in words.

    Attributes
    ----------
    object_id : int or None
        None where it belongs to no object.
    values : tuple of (str, str)
        Name and value of each attribute.
    groups : tuple of str
        That its object is a member of.
    """

    object_id: int | None
    values: tuple[tuple[str, str], ...]
    groups: tuple[str, ...]

    def __str__(self) -> str:
        parts = [] if self.object_id is None else [f"object {self.object_id}"]
        parts += [f"{name} {value}" for name, value in self.values]
        if self.groups:
            parts.append(f"group {', '.join(self.groups)}")
        return " \u00b7 ".join(parts)


def describe(
    values: Mapping[str, Any], attributes: Mapping[str, AttributeMetadata], membership: Membership | None
) -> Description:
    """The description of a vertex.

    Parameters
    ----------
    values : mapping of str to number
        As layers hold them: ``id`` is the object, -1 for none; the channels of an attribute are ``name[0]`` and so on.
    attributes : mapping of str to AttributeMetadata
        Of the store.
    membership : Membership or None
        None where there are no groups, or where they are not known yet.
    """
    found: dict[str, list[str]] = {}
    object_id = None
    for column, value in values.items():
        if column == "id" and "id" not in attributes:
            object_id = int(value) if value >= 0 else None
            continue
        channel = _CHANNEL.fullmatch(column)
        name = channel["name"] if channel and channel["name"] in attributes else column
        found.setdefault(name, []).append(_word(value, attributes.get(name)))
    texts = ((name, words[0] if len(words) == 1 else f"({', '.join(words)})") for name, words in found.items())
    units = {name: known.unit for name, known in attributes.items() if known.unit}
    groups = () if membership is None or object_id is None else membership.all_of(object_id)
    return Description(
        object_id,
        tuple((name, f"{text} {units[name]}" if name in units else text) for name, text in texts),
        tuple(membership.name_of(group) for group in groups) if membership is not None else (),
    )


def _word(value: Any, known: AttributeMetadata | None) -> str:
    categories = None if known is None else known.categories
    if categories is not None and isinstance(value, int):
        labels = categories.labels
        if value == categories.missing:
            return "missing"
        return labels[value] if 0 <= value < len(labels) else f"unknown code {value}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
