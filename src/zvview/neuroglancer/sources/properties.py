"""The properties of a store's annotations: which attributes become which, and their values chunk by chunk."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format.attributes import AttributeMetadata
from zvview.neuroglancer.encoding.annotations import Property
from zvview.neuroglancer.encoding.columns import ColumnPlan, plan_column

__all__ = ["Properties"]

_MOST = 64  # properties: the client makes an input of a shader of each, of which there is a bounded number


@dataclass(frozen=True, slots=True)
class Properties:
    """How attributes become properties.

    Attributes
    ----------
    plans : tuple of ColumnPlan
    notes : tuple of str
        What is left out or not exact, in plain words.
    """

    plans: tuple[ColumnPlan, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        attributes: Mapping[str, AttributeMetadata],
        statistics: Mapping[str, Any] | None = None,
        *,
        taken: Collection[str] = (),
    ) -> Properties:
        """Of the attributes of a store.

        Parameters
        ----------
        attributes : mapping of str to AttributeMetadata
        statistics : mapping of str to mapping, optional
            ``min`` and ``max`` of attributes, where they are known for certain.
        taken : collection of str
            Ids that other properties of the same annotations have.
        """
        plans: list[ColumnPlan] = []
        notes: list[str] = []
        used = set(taken)
        for name, metadata in attributes.items():
            told = (statistics or {}).get(name)
            known = metadata.categories
            plan = plan_column(
                name,
                metadata.dtype,
                metadata.row_shape,
                taken=used,
                value_range=None if told is None else (told["min"], told["max"]),
                labels=None if known is None else known.labels,
                channels=metadata.channel_names,
                absent=None if known is None else known.missing,
                description=_describe(metadata),
            )
            if len(used) + len(plan.properties) > _MOST:
                notes.append(f"{name!r} is left out: Neuroglancer takes no more than {_MOST} properties")
                continue
            used.update(p.id for p in plan.properties)
            plans.append(plan)
            notes += plan.notes
        return cls(tuple(plans), tuple(notes))

    @property
    def specs(self) -> tuple[Property, ...]:
        """All properties, in order."""
        return tuple(p for plan in self.plans for p in plan.properties)

    @property
    def by_attribute(self) -> dict[str, tuple[Property, ...]]:
        """Those of each attribute."""
        return {plan.name: plan.properties for plan in self.plans}

    def encode(self, values: Mapping[str, NDArray[Any]], count: int) -> dict[str, NDArray[Any]]:
        """Values of all properties of `count` annotations, by id.

        Attributes that are missing in `values`, which coarse levels of others may lack, are not a number, or the code
        of "no value", or 0.
        """
        out: dict[str, NDArray[Any]] = {}
        for plan in self.plans:
            out.update(plan.encode(values[plan.name]) if plan.name in values else _absent(plan, count))
        return out


def _describe(metadata: AttributeMetadata) -> str:
    unit = f" ({metadata.unit})" if metadata.unit else ""
    return f"{metadata.description or metadata.name}{unit}"


def _absent(plan: ColumnPlan, count: int) -> dict[str, NDArray[Any]]:
    out: dict[str, NDArray[Any]] = {}
    for p in plan.properties:
        if p.type in ("rgb", "rgba"):
            out[p.id] = np.zeros((count, len(p.type)), np.uint8)
        elif p.type == "float32":
            out[p.id] = np.full(count, np.nan, np.float32)
        else:
            code = plan.absent if plan.absent_as is None else plan.absent_as
            out[p.id] = np.full(count, 0 if code is None else code, p.type)
    return out
