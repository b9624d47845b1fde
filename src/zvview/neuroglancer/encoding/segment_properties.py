"""Properties of objects, which Neuroglancer lists, searches and filters: labels, tags, numbers and texts.

Format: ``neuroglancer_segment_properties``, inline. The client reads all of it at the start, so it is for up to about a
million objects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.format.sequences import distinct, offsets_of
from zvview.neuroglancer.encoding.columns import least_type

__all__ = ["SegmentProperties", "encode_segment_properties", "tag_names"]

_MOST_TAGS: Final = 1 << 16  # the client keeps a tag as one UTF-16 unit
_LARGE_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class SegmentProperties:
    """The document, and what to tell about it.

    Attributes
    ----------
    document : mapping
    nbytes : int
        Size of the document as JSON, about.
    notes : tuple of str
    """

    document: Mapping[str, Any]
    nbytes: int
    notes: tuple[str, ...]


def encode_segment_properties(
    ids: NDArray[np.integer[Any]],
    *,
    labels: Sequence[str] | None = None,
    descriptions: Sequence[str] | None = None,
    tags: Mapping[str, NDArray[np.integer[Any]]] | None = None,
    numbers: Mapping[str, NDArray[Any]] | None = None,
    texts: Mapping[str, Sequence[str]] | None = None,
) -> SegmentProperties:
    """What is known of objects.

    Parameters
    ----------
    ids : (n,) integer array
        As segments are numbered.
    labels, descriptions : sequence of str, optional
        One for each object.
    tags : mapping of str to (k,) integer array, optional
        Rows of `ids` that have each tag; names may be any, see :func:`tag_names`.
    numbers : mapping of str to (n,) array, optional
        Integers that 32 bits cannot hold become texts, so that they stay exact.
    texts : mapping of str to sequence of str, optional

    Raises
    ------
    InvalidInputError
        A property has another number of values than there are objects; ids occur twice.
    """
    count, notes = len(ids), list[str]()
    if len(distinct(ids)) < count or (count and ids.min() < 0):
        raise InvalidInputError("ids of objects occur twice or are negative")
    properties: list[dict[str, Any]] = []
    for kind, given in (("label", labels), ("description", descriptions)):
        if given is not None:
            properties.append({"id": kind, "type": kind, "values": [str(text) for text in given]})
    if tags:
        properties.append(_tags(tags, count, notes))
    for name, values in (numbers or {}).items():
        properties += _number(name, np.asarray(values), notes)
    for name, given in (texts or {}).items():
        properties.append({"id": name, "type": "string", "values": [str(text) for text in given]})
    for p in properties:
        if len(p["values"]) != count:
            raise InvalidInputError(f"property {p['id']!r}: {len(p['values'])} values for {count} objects")
    document = {
        "@type": "neuroglancer_segment_properties",
        "inline": {"ids": np.asarray(ids).astype(np.uint64).astype(str).tolist(), "properties": properties},
    }
    nbytes = _size_of(document)
    if nbytes > _LARGE_BYTES:
        notes.append(
            f"properties of {count:,} objects take about {nbytes >> 20:,} MiB, which every viewer loads at once"
        )
    return SegmentProperties(document, nbytes, tuple(notes))


def tag_names(names: Sequence[str]) -> list[str]:
    """Tags for any names: without spaces and a leading ``#``, and different without regard to capitals."""
    out: list[str] = []
    taken: set[str] = set()
    for name in names:
        plain = re.sub(r"\s+", "_", name.strip().lstrip("#").strip()) or "tag"
        tag, number = plain, 2
        while tag.lower() in taken:
            tag, number = f"{plain}_{number}", number + 1
        taken.add(tag.lower())
        out.append(tag)
    return out


def _tags(tags: Mapping[str, NDArray[np.integer[Any]]], count: int, notes: list[str]) -> dict[str, Any]:
    given = list(tags)[:_MOST_TAGS]
    if len(tags) > _MOST_TAGS:
        notes.append(f"{len(tags) - _MOST_TAGS:,} groups have no tag: there can be {_MOST_TAGS:,}")
    names = tag_names(given)
    if changed := [f"{old!r} is {new}" for old, new in zip(given, names, strict=True) if old != new]:
        notes.append(f"tags have no spaces: {', '.join(changed[:5])}{', …' if len(changed) > 5 else ''}")
    sizes = [len(tags[name]) for name in given]
    rows = np.concatenate([np.empty(0, np.int64), *(np.asarray(tags[name], np.int64) for name in given)])
    if len(rows) and (rows.min() < 0 or rows.max() >= count):
        raise InvalidInputError(f"a tag is of an object beyond the {count} that there are")
    pairs = distinct(rows * len(given) + np.repeat(np.arange(len(given)), sizes))  # by object, tags ascending
    owners, numbers = np.divmod(pairs, max(1, len(given)))
    bounds = offsets_of(np.bincount(owners, minlength=count)).tolist()
    flat = numbers.tolist()
    values = [flat[a:b] for a, b in pairwise(bounds)]
    return {
        "id": "tags",
        "type": "tags",
        "tags": names,
        "tag_descriptions": [old if old != new else "" for old, new in zip(given, names, strict=True)],
        "values": values,
    }


def _number(name: str, values: NDArray[Any], notes: list[str]) -> list[dict[str, Any]]:
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        raise InvalidInputError(f"property {name!r}: values of shape {values.shape} and type {values.dtype}")
    if values.dtype.kind == "f":
        return _floats(name, values, notes)
    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    kind = least_type(int(values.min()), int(values.max())) if len(values) else "uint8"
    if kind is None:
        notes.append(f"{name!r} has numbers of 64 bits, which are kept as texts")
        return [{"id": name, "type": "string", "values": values.astype(str).tolist()}]
    return [{"id": name, "type": "number", "data_type": kind, "values": values.tolist()}]


def _floats(name: str, values: NDArray[Any], notes: list[str]) -> list[dict[str, Any]]:
    """As float32, each by the fewest digits that tell it.

    JSON has no NaN. The client makes an array of what it finds by JavaScript's conversion, to which null is 0 and the
    text ``"NaN"`` is NaN; a filter on the property then leaves these objects out.
    """
    with np.errstate(over="ignore"):
        short = values.astype(np.float32)
    is_known = np.isfinite(short)
    if not is_known.any() and len(values):
        notes.append(f"{name!r} has no finite value and is left out")
        return []
    if np.isinf(short).any():
        notes.append(f"{name!r} has infinite values, which are shown as missing")
    texts = np.where(is_known, short, 0).astype(np.float32).astype(str).astype(np.float64)
    shown: list[Any] = texts.tolist()
    for row in np.flatnonzero(~is_known).tolist():
        shown[row] = "NaN"
    return [{"id": name, "type": "number", "data_type": "float32", "values": shown}]


def _size_of(document: Mapping[str, Any]) -> int:
    """Bytes as JSON, from a thousand objects spread over all."""
    inline = document["inline"]
    count = len(inline["ids"])
    step = max(1, count // 1000)
    few = {
        "ids": inline["ids"][::step],
        "properties": [{**p, "values": p["values"][::step]} for p in inline["properties"]],
    }
    fixed = len(json.dumps({"properties": [{**p, "values": []} for p in inline["properties"]]}))
    sampled = len(json.dumps(few)) - fixed
    return fixed + sampled * count // max(1, len(few["ids"]))
