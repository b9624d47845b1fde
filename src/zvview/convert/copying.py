"""A level of a store, or a selection of it, as the content of a new store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.convert.contract import Extras, Incoming, Outgoing
from zvview.convert.selecting import is_whole, read_selected, selected_ids
from zvview.format.attributes import AttributeMetadata
from zvview.format.metadata import Axis
from zvview.geometry.batches import Batch, Pieces, Points, Polylines
from zvview.store.level import Level
from zvview.store.writing.object_ids import first_appearances
from zvview.store.writing.options import AttributeSpec

__all__ = ["CUT_FROM", "LevelInput", "spec_of"]

CUT_FROM = "cut_from"
"""Object attribute that tells of which object a line is a part, where a box cut some into several."""


@dataclass(slots=True, eq=False)
class LevelInput:
    """A selection of a level in the form of an input, so that it is written like the files of a foreign format.

    A line that leaves the box and comes back becomes several lines: the first keeps the id, the others get new ones
    above the largest, and :data:`CUT_FROM` tells of all which line they were part of.
    """

    outgoing: Outgoing
    batch_bytes: int = 64 << 20
    _origins: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = field(default_factory=list)
    _read: dict[str, np.ma.MaskedArray[Any, Any]] | None = None

    @property
    def level(self) -> Level:
        """The level that is copied."""
        return self.outgoing.level

    @property
    def kind(self) -> str:
        """Kind of the store."""
        return self.outgoing.store.kind

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Axes of the store."""
        return self.outgoing.store.axes

    @property
    def attribute_specs(self) -> Mapping[str, AttributeSpec]:
        """Units, channels and order of the vertex attributes."""
        return {name: spec_of(metadata) for name, metadata in self.level.attributes.items()}

    def specs_of(self, scope: str) -> dict[str, AttributeSpec]:
        """Units and descriptions that the root declares of the attributes of ``"object"`` or ``"link"``."""
        declared = self.outgoing.store.metadata.attribute_specs.get(scope, {})
        out = {}
        for name, entry in declared.items():
            texts = {key: entry[key] for key in ("unit", "description") if isinstance(entry.get(key), str)}
            out[name] = AttributeSpec(**texts)
        return out

    def batches(self) -> Iterator[Incoming]:
        """What is selected, each object whole in one batch."""
        for batch in read_selected(self.outgoing, self.batch_bytes):
            whole, cut = _separate_lines(batch, self._largest)
            ids: NDArray[np.int64] | None = getattr(whole, "object_ids", None)
            if ids is None or self.level.object_ids is None:
                yield Incoming(whole)
                continue
            distinct = first_appearances(ids)
            origins = cut.get(distinct)
            values = self._object_attributes(origins)
            if cut.ids.size:
                values[CUT_FROM] = origins
            self._origins.append((distinct, origins))
            yield Incoming(whole, values)
        if self.outgoing.box is None and self.kind != Points.kind and not self.level.number:
            yield from self._absent()  # a coarser level lacks objects on purpose

    def extras(self) -> Extras:
        """Groups with the members that were copied, headers and what applications keep."""
        store, groups = self.outgoing.store, self.level.groups
        out = Extras(headers=store.headers, user_metadata=store.user_metadata)
        if groups is None or not self._origins:
            return out
        ids, origins = (np.concatenate(column) for column in zip(*self._origins, strict=True))
        members = [np.unique(ids[np.isin(origins, m)]) for m in groups.members]
        keep = [i for i, m in enumerate(members) if len(m) or is_whole(self.outgoing)]
        names = groups.names or tuple(str(i) for i in range(len(members)))
        return replace(
            out,
            groups={names[i]: members[i] for i in keep},
            group_attributes={n: self.level.group_attribute(n)[keep] for n in self.level.group_attribute_names},
        )

    def _absent(self) -> Iterator[Incoming]:
        """Objects without a vertex, which the level lists all the same."""
        selected = selected_ids(self.outgoing)
        wanted = self.level.object_ids if selected is None else selected
        if wanted is None:
            return
        rest = wanted[~np.isin(wanted, np.concatenate([np.empty(0, np.int64), *(ids for ids, _ in self._origins)]))]
        if len(rest):
            self._origins.append((rest, rest))
            yield Incoming(self._empty(rest), self._object_attributes(rest))

    @property
    def _largest(self) -> int:
        known = self.level.object_ids
        return -1 if known is None else int(known.max(initial=-1))

    def _object_attributes(self, ids: NDArray[np.int64]) -> dict[str, Any]:
        """Rows of all object attributes, masked where the level knows no such object."""
        known = self.level.object_ids
        if known is None or not len(known):
            return {}
        order = np.argsort(known, kind="stable")
        rows = order[np.minimum(np.searchsorted(known, ids, sorter=order), len(known) - 1)]
        is_strange = known[rows] != ids
        out = {}
        for name, column in self._columns().items():
            out[name] = column[rows]
            out[name][is_strange] = np.ma.masked
        return out

    def _columns(self) -> dict[str, np.ma.MaskedArray[Any, Any]]:
        if self._read is None:
            self._read = {name: self.level.object_attribute(name) for name in self.level.object_attribute_names}
        return self._read

    def _empty(self, ids: NDArray[np.int64]) -> Batch:
        nothing = self.level.read_objects(ids[:0])
        assert isinstance(nothing, Pieces)
        return replace(nothing, offsets=np.zeros(len(ids) + 1, np.int64), object_ids=ids)


def spec_of(metadata: AttributeMetadata) -> AttributeSpec:
    """What an attribute of a store says of itself beside its values."""
    is_ordered = metadata.categories is not None and metadata.categories.ordered
    return AttributeSpec(metadata.unit, metadata.description, metadata.channel_names, is_ordered)


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """New ids, ascending, of parts of lines, and the lines that they were part of."""

    ids: NDArray[np.int64]
    origins: NDArray[np.int64]

    def get(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The line of each id: itself where it is no new one."""
        if not len(self.ids):
            return ids
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[at] == ids, self.origins[at], ids)


def _separate_lines(batch: Batch, largest: int) -> tuple[Batch, _Cut]:
    """Lines of which each piece is a line of its own; all other batches as they are."""
    none = _Cut(np.empty(0, np.int64), np.empty(0, np.int64))
    if not isinstance(batch, Polylines) or batch.object_ids is None:
        return batch, none
    is_more = np.ones(len(batch.object_ids), bool)
    is_more[np.unique(batch.object_ids, return_index=True)[1]] = False
    if not is_more.any():
        return batch, none
    fresh = largest + 1 + np.arange(int(is_more.sum()), dtype=np.int64)
    ids = batch.object_ids.copy()
    ids[is_more] = fresh
    return replace(batch, object_ids=ids), _Cut(fresh, batch.object_ids[is_more])
