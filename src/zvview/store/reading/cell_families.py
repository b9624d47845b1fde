"""Which arrays of a level a read takes cells from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format.attributes import AttributeMetadata, Categories
from zvview.store.cell_arrays import CellArray
from zvview.store.waves import CellAsk

__all__ = ["CellFamilies", "ChunkAttribute"]


@dataclass(frozen=True, slots=True, eq=False)
class ChunkAttribute:
    """The attribute that chunks are split by: all vertices of a chunk have the value of its leading coordinate (4.4).

    Attributes
    ----------
    metadata : AttributeMetadata
    values : (V,) array
        Value, or code of the label, of each leading coordinate.
    """

    metadata: AttributeMetadata
    values: NDArray[Any]

    @classmethod
    def of(cls, name: str, values: tuple[Any, ...]) -> ChunkAttribute:
        """The attribute from its entry in the level's metadata: numbers as such, all else as labels."""
        if values and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            numbers = np.array(values, np.float64 if any(isinstance(v, float) for v in values) else np.int64)
            return cls(AttributeMetadata(name, numbers.dtype), numbers)
        codes = np.arange(len(values), dtype=np.min_scalar_type(max(len(values) - 1, 0)))
        labels = Categories(tuple(map(str, values)))
        return cls(AttributeMetadata(name, codes.dtype, categories=labels), codes)

    def spread(self, coords: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[Any]:
        """The value of each vertex of the chunks at `coords` (C, sid), of which each has `counts` (C,).

        Raises
        ------
        DamagedError
            A leading coordinate without a value.
        """
        leading = coords[:, 0]
        if (bad := (leading < 0) | (leading >= len(self.values))).any():
            found = f"leading coordinate {leading[bad][0]}"
            expected = f"0 to {len(self.values) - 1}, one of the values of {self.metadata.name!r}"
            raise DamagedError("chunk", found=found, expected=expected)
        return np.repeat(self.values[leading], counts)


@dataclass(frozen=True, slots=True, eq=False)
class CellFamilies:
    """The arrays of a level that a read takes cells from.

    Attributes
    ----------
    vertices : CellArray
    dtype : numpy.dtype
        Of the coordinates.
    ndim : int
        D.
    fragments, owners : CellArray or None
        The fragment index, and the fragment attribute that tells the owner.
    attributes : mapping of str to (CellArray, AttributeMetadata)
        Vertex attributes.
    chunk_attribute : ChunkAttribute or None
        A vertex attribute that is stored in no array of its own.
    is_draco : bool
        Whether vertices are Draco bitstreams rather than rows of coordinates.
    """

    vertices: CellArray
    dtype: np.dtype[Any]
    ndim: int
    fragments: CellArray | None
    owners: tuple[CellArray, AttributeMetadata] | None
    attributes: Mapping[str, tuple[CellArray, AttributeMetadata]]
    chunk_attribute: ChunkAttribute | None = None
    is_draco: bool = False

    def asks(self, coords: NDArray[np.int64]) -> list[CellAsk]:
        """Everything of the chunks at `coords`."""
        optional = [a for a in (self.fragments, self.owners and self.owners[0]) if a is not None]
        return [(a, coords) for a in (self.vertices, *optional, *(a for a, _ in self.attributes.values()))]

    def without_fragments(self) -> CellFamilies:
        """The same but for the fragments, so that each chunk is one piece of all its vertices."""
        return replace(self, fragments=None, owners=None)
