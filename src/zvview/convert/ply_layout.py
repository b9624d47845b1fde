"""What the properties of PLY files mean: positions, colours and normals with channels, object ids; what zvview adds.

PLY has no place for units, labels and wide integers. zvview tells them in one comment, ``zvview {...}`` with JSON,
which other programs pass over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.convert.ply_header import Element, Header
from zvview.errors import BadFileError
from zvview.format.attributes import Categories
from zvview.store.writing.options import AttributeSpec

__all__ = ["COMMENT", "OBJECT_ID", "Note", "Part", "find_parts"]

COMMENT = "zvview "
"""What the comment of zvview begins with."""

OBJECT_ID = "object_id"
"""Property of vertices that tells their object, where a file holds several."""

_CHANNELS = {
    "color": (("red", "green", "blue", "alpha"), ("red", "green", "blue")),
    "normal": (("nx", "ny", "nz"),),
}


@dataclass(frozen=True, slots=True)
class Part:
    """An attribute and the properties that make it up, one for each channel."""

    name: str
    properties: tuple[str, ...]

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of its channels, none of a single number."""
        return self.properties if len(self.properties) > 1 else ()

    def read(self, rows: Mapping[str, NDArray[Any]] | NDArray[Any]) -> NDArray[Any]:
        """Its values, (n,) or (n, C), in the byte order of the machine."""
        columns = [np.asarray(rows[p]) for p in self.properties]
        columns = [c.astype(c.dtype.newbyteorder("="), copy=False) for c in columns]
        return np.stack(columns, axis=1) if len(columns) > 1 else np.ascontiguousarray(columns[0])


@dataclass(frozen=True, slots=True)
class Note:
    """What the comment of zvview tells.

    Attributes
    ----------
    axes : list of dict
    attributes : dict of str to dict
        ``dtype``, ``labels``, ``missing``, ``is_ordered``, ``unit``, ``description``, ``properties`` of vertex
        attributes.
    link_attributes : dict of str to dict
    """

    axes: Sequence[Mapping[str, Any]] = ()
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    link_attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, header: Header, place: str) -> Note:
        """The note of a file, an empty one where there is none.

        Raises
        ------
        BadFileError
        """
        text = next((c for c in header.comments if c.startswith(COMMENT + "{")), None)
        if text is None:
            return cls()
        try:
            found = json.loads(text.removeprefix(COMMENT))
            out = cls(found["axes"], found["attributes"], found["link_attributes"])
            for entry in (*out.axes, *out.attributes.values(), *out.link_attributes.values()):
                dict(entry)
            for name in (*out.attributes, *out.link_attributes):
                out.spec(name), out.categories(name), out.dtype(name)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise BadFileError(place, f"the comment of zvview in its header is damaged: {error}") from error
        return out

    def encode(self) -> str:
        """As a comment."""
        found = {"axes": self.axes, "attributes": self.attributes, "link_attributes": self.link_attributes}
        return COMMENT + json.dumps(found)

    def spec(self, name: str) -> AttributeSpec:
        """Unit, description and order of labels."""
        entry = self.attributes.get(name, {})
        return AttributeSpec(entry.get("unit"), entry.get("description"), (), bool(entry.get("is_ordered")))

    def categories(self, name: str) -> Categories | None:
        """Labels of an attribute that is codes."""
        entry = self.attributes.get(name, {})
        if "labels" not in entry:
            return None
        return Categories(tuple(entry["labels"]), entry.get("missing"), bool(entry.get("is_ordered")))

    def dtype(self, name: str, *, of_links: bool = False) -> np.dtype[Any] | None:
        """The dtype that an attribute had in the store."""
        entry = (self.link_attributes if of_links else self.attributes).get(name, {})
        if "dtype" not in entry:
            return None
        dtype = np.dtype(str(entry["dtype"]))
        if dtype.kind not in "biuf" or dtype.itemsize > 8:
            raise ValueError(f"dtype {dtype}")
        return dtype


def find_parts(element: Element, note: Mapping[str, Mapping[str, Any]], without: Sequence[str] = ()) -> list[Part]:
    """The attributes of an element: as zvview told, colours and normals together, all else by itself; no lists."""
    left = [p.name for p in element.properties if p.count_type is None and p.name not in without]
    known = {p.name: p.type for p in element.properties}
    wanted = {name: tuple(entry["properties"]) for name, entry in note.items() if "properties" in entry}
    for name, choices in _CHANNELS.items():
        found = next((c for c in choices if set(c) <= set(left) and len({known[p] for p in c}) == 1), None)
        if found is not None and name not in known and name not in wanted:
            wanted[name] = found
    parts: dict[str, Part] = {}
    for name, properties in wanted.items():
        if properties and set(properties) <= set(left):
            parts[properties[0]] = Part(name, properties)
            left = [p for p in left if p not in properties[1:]]
    return [parts.get(p, Part(p, (p,))) for p in left]
