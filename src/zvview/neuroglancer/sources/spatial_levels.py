"""Spatial levels of annotations on grids that share a corner: their sections, and what the ``info`` tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.neuroglancer.encoding.annotations import AnnotationSchema, SpatialLevel, annotation_info
from zvview.neuroglancer.sources.contract import Section
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.related import Related

__all__ = ["SpatialLevels"]


@dataclass(frozen=True, slots=True, eq=False)
class SpatialLevels:
    """The grids of the spatial levels of a source, those that are drawn first first.

    Attributes
    ----------
    frame : SourceFrame
    lower : (D,) float64 array
        Where all grids begin, from the origin of the frame.
    shapes : tuple of (D,) int64 arrays
        Cells of each level along each axis.
    cell_shapes : tuple of (D,) float64 arrays
        Edges of a cell of each level.
    """

    frame: SourceFrame
    lower: NDArray[np.float64]
    shapes: tuple[NDArray[np.int64], ...]
    cell_shapes: tuple[NDArray[np.float64], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Keys of the levels."""
        return tuple(f"spatial{number}" for number in range(len(self.shapes)))

    def sections(self, related: Related | None) -> tuple[Section, ...]:
        """Where the levels are, then the lists of objects, where annotations relate to some, and single annotations."""
        spatial = (
            Section(name, tuple(self.frame.widen(shape, 1)), ("spatial", number))
            for number, (name, shape) in enumerate(zip(self.names, self.shapes, strict=True))
        )
        return (*spatial, *(() if related is None else (related.section,)), Section("by_id", None, ("by_id",)))

    def info(self, schema: AnnotationSchema, densities: Sequence[float]) -> dict[str, Any]:
        """The ``info`` document.

        Parameters
        ----------
        schema : AnnotationSchema
        densities : sequence of float
            Of each level what a cell holds in which one of its annotations, or their vertices, lies, on average: the
            client takes it for how dense they are.
        """
        levels = [
            SpatialLevel(
                name, tuple(self.frame.widen(shape, 1)), tuple(self.frame.widen(edges, 1.0)), max(1, round(density))
            )
            for name, shape, edges, density in zip(self.names, self.shapes, self.cell_shapes, densities, strict=True)
        ]
        spans = [shape * edges for shape, edges in zip(self.shapes, self.cell_shapes, strict=True)]
        lower, upper = self.frame.space.bounds(self.lower, self.lower + np.max(spans, axis=0))
        return annotation_info(schema, self.frame.space.dimensions, lower, upper, levels)
