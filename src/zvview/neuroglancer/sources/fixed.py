"""Annotations that are all held in memory: levels of one cell each, since they reach far, a fair sample first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.neuroglancer.encoding.annotations import (
    AnnotationSchema,
    Property,
    SpatialLevel,
    annotation_info,
    encode_list,
    encode_records,
)
from zvview.neuroglancer.sources.contract import Block, Section
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.ranks import LIMIT, rank_names

__all__ = ["FixedAnnotations", "FixedColumns"]

_GROWTH: Final = 8  # times as many in the next level


@dataclass(frozen=True, slots=True, eq=False)
class FixedColumns:
    """Properties of some annotations and their values.

    Attributes
    ----------
    by_attribute : mapping of str to tuple of Property
        What each attribute became.
    values : mapping of str to (n,) or (n, C) array
        Of each property by its id.
    """

    by_attribute: Mapping[str, tuple[Property, ...]]
    values: Mapping[str, NDArray[Any]]

    @property
    def specs(self) -> tuple[Property, ...]:
        """All properties, in order."""
        return tuple(p for found in self.by_attribute.values() for p in found)


class FixedAnnotations:
    """Annotations by the numbers that they are given; a :class:`~zvview.neuroglancer.sources.contract.Source`.

    Parameters
    ----------
    frame : SourceFrame
    kind : str
        Type of the annotations.
    geometry : array or (positions, offsets)
        As :func:`~zvview.neuroglancer.encoding.annotations.encode_records` takes it.
    ids : (n,) uint64 array
    columns : FixedColumns
    bounds : (lo, hi)
        World coordinates, (D,) each, in which all annotations lie.
    notes : sequence of str
    """

    def __init__(
        self,
        frame: SourceFrame,
        kind: Any,
        geometry: Any,
        ids: NDArray[np.uint64],
        columns: FixedColumns,
        bounds: tuple[NDArray[np.float64], NDArray[np.float64]],
        notes: Sequence[str] = (),
    ) -> None:
        self.frame, self.properties = frame, columns
        self.schema = AnnotationSchema(kind, frame.space.rank, columns.specs)
        order = np.argsort(rank_names(ids), kind="stable")
        self._ids, self._records = ids[order], encode_records(self.schema, geometry, columns.values).take(order)
        lower, upper = frame.space.bounds(*(corner - frame.origin for corner in bounds))
        self._notes = tuple(notes)
        shape = (1,) * self.schema.rank
        edges = tuple(np.maximum(upper - lower, 1e-9).tolist())
        self._bounds = _split(len(ids))
        levels = [
            SpatialLevel(f"spatial{number}", shape, edges, stop - start)
            for number, (start, stop) in enumerate(pairwise(self._bounds))
        ]
        self.info: Mapping[str, Any] = annotation_info(self.schema, frame.space.dimensions, lower, upper, levels)
        self.sections = (
            *(Section(level.key, shape, ("spatial", number)) for number, level in enumerate(levels)),
            Section("by_id", None, ("by_id",)),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out or not exact."""
        return (*self.frame.notes, *self._notes)

    def keys(self, section: Section) -> Iterator[NDArray[np.uint64]]:
        """Numbers of all contents: the one cell of a level, or all annotations."""
        yield self._ids if section.grid_shape is None else np.zeros(1, np.uint64)

    def read(self, section: Section, keys: NDArray[np.uint64]) -> Block:
        """The cell of a level, or single annotations."""
        if section.grid_shape is None:
            rows = np.flatnonzero(np.isin(self._ids, keys))
            return Block(self._ids[rows], self._records.take(rows))
        if not (keys == 0).any() or not len(self._ids):
            return Block.of((), [])
        rows = np.arange(*self._bounds[self.sections.index(section) :][:2])
        return Block.of([0], [encode_list(self._records.take(rows), self._ids[rows])])


def _split(count: int) -> list[int]:
    """Bounds of the levels among annotations in the order in which they are drawn; at least one level."""
    bounds, size = [0], LIMIT
    while count - bounds[-1] > 2 * size:
        bounds.append(bounds[-1] + size)
        size *= _GROWTH
    return [*bounds, count]
