"""Attributes and groups of objects as properties of the annotations that show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format.attributes import Categories
from zvview.neuroglancer.encoding.annotations import Property
from zvview.neuroglancer.encoding.columns import ColumnPlan, plan_column
from zvview.store.level import Level
from zvview.style.membership import Membership

__all__ = ["ObjectColumns"]

GROUP: Final = "group"
_MOST_LABELS: Final = 1 << 16
_MOST: Final = 32  # properties: those of vertices come beside


@dataclass(frozen=True, slots=True, eq=False)
class ObjectColumns:
    """A table of objects.

    Attributes
    ----------
    ids : (n,) int64 array
        Objects, ascending.
    plans : tuple of ColumnPlan
    values : mapping of str to (n + 1,) or (n + 1, C) array
        Of each plan's attribute; the last row is that of objects that are not known.
    membership : Membership or None
    notes : tuple of str
    """

    ids: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    plans: tuple[ColumnPlan, ...] = ()
    values: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    membership: Membership | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, level: Level, taken: tuple[str, ...] = ("direction", "object")) -> ObjectColumns:
        """What the finest level of a store tells of its objects; reads all of that.

        Parameters
        ----------
        level : Level
        taken : tuple of str
            Ids that other properties have.
        """
        notes: list[str] = []
        groups, membership = None, None
        try:
            groups = level.groups
        except DamagedError as error:
            notes.append(f"groups are left out: {error}")
        attributes = level.object_attribute_names
        ids = level.object_ids if attributes or groups is not None else None
        if ids is None:
            return cls(notes=tuple(notes))
        order = np.argsort(ids, kind="stable")
        used = set(taken)
        plans: list[ColumnPlan] = []
        values: dict[str, NDArray[Any]] = {}
        if groups is not None and len(groups):
            membership = Membership.of(groups.members, groups.names)
            labels = membership.labels
            plan = plan_column(GROUP, np.int64, taken=used, labels=labels, absent=len(labels), description="Group")
            plans.append(plan)
            used.update(p.id for p in plan.properties)
            members = membership.groups_of(ids[order])
            values[GROUP] = np.append(np.where(members < 0, len(labels), members), len(labels))
            if len(membership.objects) > len(np.unique(membership.objects)):
                notes.append("of objects in several groups the first is shown")
        for name in attributes:
            try:
                column = _column_of(name, level.object_attribute(name), len(ids))
            except DamagedError as error:
                notes.append(f"attribute {name!r} of objects is left out: {error}")
                continue
            if isinstance(column, str) or len(used) > _MOST or name in values:
                notes.append(column if isinstance(column, str) else f"attribute {name!r} of objects is left out")
                continue
            plan = plan_column(
                name,
                column.values.dtype,
                column.values.shape[1:],
                taken=used,
                value_range=column.value_range,
                labels=None if column.categories is None else column.categories.labels,
                absent=column.absent,
            )
            plans.append(plan)
            used.update(p.id for p in plan.properties)
            notes += plan.notes
            values[name] = column.values[np.append(order, len(ids))]
        return cls(ids[order], tuple(plans), values, membership, tuple(notes))

    @property
    def specs(self) -> tuple[Property, ...]:
        """All properties."""
        return tuple(p for plan in self.plans for p in plan.properties)

    @property
    def by_attribute(self) -> dict[str, tuple[Property, ...]]:
        """Those of each attribute; groups are called ``"group"``."""
        return {plan.name: plan.properties for plan in self.plans}

    def encode(self, ids: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Values of all properties for some objects, (m,), by id; known ones or not."""
        if not self.plans:
            return {}
        rows = np.full(len(ids), len(self.ids), np.int64)
        if len(self.ids):
            at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
            rows = np.where(self.ids[at] == ids, at, rows)
        out: dict[str, NDArray[Any]] = {}
        for plan in self.plans:
            out.update(plan.encode(self.values[plan.name][rows]))
        return out


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    """Values, (n + 1, ...), the last for objects that are not known, and what they are."""

    values: NDArray[Any]
    value_range: tuple[float, float] | None = None
    categories: Categories | None = None
    absent: int | None = None


def _column_of(name: str, found: np.ma.MaskedArray[Any, Any], count: int) -> _Column | str:
    """An attribute of objects as numbers; why there are none, where there are none."""
    data, mask = np.ma.getdata(found), np.ma.getmaskarray(found)
    if len(data) != count:
        return f"attribute {name!r} of objects has {len(data)} rows for {count} objects, and is left out"
    if data.dtype.kind in "UOST":
        texts = np.where(mask, "", data).astype(str)
        labels = np.unique(texts[~mask])
        if len(labels) >= _MOST_LABELS or texts.ndim > 1:
            return f"attribute {name!r} of objects has too many different values, and is left out"
        codes = np.where(mask, len(labels), np.searchsorted(labels, texts))
        return _Column(np.append(codes, len(labels)), None, Categories(tuple(labels.tolist())), len(labels))
    if data.dtype.kind == "b":
        data = data.astype(np.int8)
    if data.dtype.kind == "f":
        values = np.where(mask, np.nan, data.astype(np.float64))
        return _Column(np.concatenate((values, np.full((1, *data.shape[1:]), np.nan))))
    known = data[~mask]
    low, high = (int(known.min()), int(known.max())) if known.size else (0, 0)
    if high >= np.iinfo(np.int64).max:
        return f"attribute {name!r} of objects has numbers beyond 63 bits, and is left out"
    values = np.where(mask, 0, data).astype(np.int64)
    values = np.concatenate((np.where(mask, high + 1, values), np.full((1, *data.shape[1:]), high + 1)))
    return _Column(values, (low, high), None, high + 1)
