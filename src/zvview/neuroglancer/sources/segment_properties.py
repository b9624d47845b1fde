"""Attributes, names and groups of objects, which the client lists, searches and filters beside their models."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.neuroglancer.encoding.segment_properties import SegmentProperties, encode_segment_properties
from zvview.neuroglancer.sources.contract import Block, Section
from zvview.neuroglancer.sources.segments import Segments
from zvview.store.level import Level
from zvview.style.membership import Membership

__all__ = ["MOST_OBJECTS", "SegmentPropertySource"]

MOST_OBJECTS: Final = 1_000_000
"""Objects that are told of; the client reads all of them before it shows any."""

_NAMES: Final = ("label", "name")
_EXACT: Final = 1 << 24  # integers up to here are exact in float32


class SegmentPropertySource:
    """What a level tells of its objects; a :class:`~zvview.neuroglancer.sources.contract.Source` of a document only.

    Objects that the level holds nothing of are left out. An attribute of texts called ``label`` or ``name`` becomes the
    label; groups become tags; of objects whose segments have another number, the own one is told.

    Parameters
    ----------
    level : Level
        The finest; all attributes of objects are read.
    segments : Segments
    """

    sections: tuple[Section, ...] = ()

    def __init__(self, level: Level, segments: Segments) -> None:
        self._level, self._segments = level, segments
        self._lock = threading.Lock()
        self._found: SegmentProperties | None = None

    @property
    def info(self) -> Mapping[str, Any]:
        """The ``info`` document, read when it is first asked for."""
        with self._lock:
            if self._found is None:
                self._found = _read(self._level, self._segments)
            return self._found.document

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out or not exact, once it was read."""
        return () if self._found is None else self._found.notes

    def read(self, section: Section, keys: NDArray[np.uint64]) -> Block:
        """Nothing: there is no section."""
        return Block.of((), [])

    def keys(self, section: Section) -> Iterator[NDArray[np.uint64]]:
        """Nothing: there is no section."""
        return iter(())


def _read(level: Level, segments: Segments) -> SegmentProperties:
    present = level.present_object_ids
    present = np.empty(0, np.int64) if present is None else present[present >= 0]
    notes: list[str] = []
    if len(present) > MOST_OBJECTS:
        notes.append(f"properties of the first {MOST_OBJECTS:,} of {len(present):,} objects are listed")
        present = present[:MOST_OBJECTS]
    numbers, texts = _attributes_of(level, present, notes)
    name = next((name for name in texts if name.lower() in _NAMES), None)
    labels = None if name is None else texts.pop(name)
    if labels is not None:
        labels = [text or str(number) for text, number in zip(labels, present.tolist(), strict=True)]
        if segments.shift:
            numbers = {_free("object", {*numbers, *texts}): present, **numbers}
    elif segments.shift:
        labels = present.astype(str).tolist()
    found = encode_segment_properties(
        segments.of_objects(present), labels=labels, tags=_tags_of(level, present), numbers=numbers, texts=texts
    )
    return replace(found, notes=(*notes, *found.notes))


def _attributes_of(
    level: Level, present: NDArray[np.int64], notes: list[str]
) -> tuple[dict[str, NDArray[Any]], dict[str, list[str]]]:
    """Numbers and texts of some objects, (n,), ascending, by name; what is left out is told."""
    ids = level.object_ids
    if ids is None:
        return {}, {}
    order = np.argsort(ids, kind="stable")
    rows = order[np.searchsorted(ids, present, sorter=order)]
    numbers: dict[str, NDArray[Any]] = {}
    texts: dict[str, list[str]] = {}
    for name in level.object_attribute_names:
        try:
            found = level.object_attribute(name)
        except DamagedError as error:
            notes.append(f"attribute {name!r} of objects is left out: {error}")
            continue
        if len(found) != len(ids):
            notes.append(f"attribute {name!r} of objects has {len(found)} rows for {len(ids)} objects, and is left out")
            continue
        values = found[rows].reshape(len(rows), -1) if len(rows) else found[rows].reshape(0, 1)
        for channel in range(values.shape[1]):
            part = _free(f"{name}_{channel}" if values.shape[1] > 1 else name, {*numbers, *texts})
            told = _plain(values[:, channel])
            if isinstance(told, list):
                texts[part] = told
            else:
                numbers[part] = told
    return numbers, texts


def _plain(values: np.ma.MaskedArray[Any, Any]) -> NDArray[Any] | list[str]:
    """Numbers, NaN where there is none; or texts, empty where there is none."""
    data, mask = np.ma.getdata(values), np.ma.getmaskarray(values)
    if data.dtype.kind not in "biuf":
        return [str(text) for text in np.where(mask, "", data.astype(object)).tolist()]
    if not mask.any() or data.dtype.kind == "f":
        return np.where(mask, np.nan, data) if mask.any() else data
    known = data[~mask]
    if known.size and max(abs(int(known.min())), abs(int(known.max()))) > _EXACT:
        return np.where(mask, "", data.astype(str)).tolist()  # type: ignore[no-any-return]
    return np.where(mask, np.nan, data.astype(np.float64))


def _tags_of(level: Level, present: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Rows in `present` of the members of each group."""
    groups = level.groups
    if groups is None or not len(present):
        return {}
    membership = Membership.of(groups.members, groups.names)
    tags: dict[str, NDArray[np.int64]] = {}
    for number, members in enumerate(groups.members):
        at = np.minimum(np.searchsorted(present, members), len(present) - 1)
        tags[_free(membership.name_of(number), tags)] = np.unique(at[present[at] == members])
    return tags


def _free(name: str, taken: Mapping[str, Any] | set[str]) -> str:
    out, number = name, 2
    while out in taken:
        out, number = f"{name}_{number}", number + 1
    return out
