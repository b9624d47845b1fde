"""A few annotations that are all held in memory, in one cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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

__all__ = ["FixedAnnotations", "FixedColumns"]


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
        self.frame, self.properties, self._ids = frame, columns, ids
        self.schema = AnnotationSchema(kind, frame.space.rank, columns.specs)
        self._records = encode_records(self.schema, geometry, columns.values)
        lower, upper = frame.space.bounds(*(corner - frame.origin for corner in bounds))
        self._notes = tuple(notes)
        shape = (1,) * self.schema.rank
        level = SpatialLevel("spatial0", shape, tuple(np.maximum(upper - lower, 1e-9).tolist()), len(ids))
        self.info: Mapping[str, Any] = annotation_info(self.schema, frame.space.dimensions, lower, upper, [level])
        self.sections = (Section("spatial0", shape, ("spatial", 0)), Section("by_id", None, ("by_id",)))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out or not exact."""
        return (*self.frame.notes, *self._notes)

    def keys(self, section: Section) -> Iterator[NDArray[np.uint64]]:
        """Numbers of all contents: the one cell, or all annotations."""
        yield self._ids if section.grid_shape is None else np.zeros(1, np.uint64)

    def read(self, section: Section, keys: NDArray[np.uint64]) -> Block:
        """The cell, or single annotations."""
        if section.grid_shape is None:
            rows = np.flatnonzero(np.isin(self._ids, keys))
            return Block(self._ids[rows], self._records.take(rows))
        if not (keys == 0).any() or not len(self._ids):
            return Block.of((), [])
        return Block.of([0], [encode_list(self._records, self._ids)])
