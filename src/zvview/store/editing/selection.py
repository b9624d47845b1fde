"""Vertices that were found, to be edited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.store.editing.edits import VertexRefs
from zvview.store.editing.identity import take_refs

__all__ = ["Selection"]


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Vertices as they are now, edits that are not saved included.

    Attributes
    ----------
    refs : VertexRefs
        Their names.
    positions : (n, D) float64 array
        World coordinates.
    attributes : mapping of str to (n,) or (n, C) array
        As stored: codes for categories.
    object_ids : (n,) int64 array or None
        None where the store's vertices have no objects; -1 where one belongs to none, or to several.
    links : (m, L) int64 array
        Edges or faces among them, as rows here; (child, parent) of skeletons.
    """

    refs: VertexRefs
    positions: NDArray[np.float64]
    attributes: Mapping[str, NDArray[Any]]
    object_ids: NDArray[np.int64] | None
    links: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.positions)

    def __repr__(self) -> str:
        return f"<zvview selection of {len(self)} vertices>"

    def take(self, index: NDArray[np.generic]) -> Selection:
        """The vertices at `index`, or where it is true, with the links among them."""
        place = np.full(len(self), -1, np.int64)
        chosen = np.arange(len(self))[index]
        place[chosen] = np.arange(len(chosen))
        links = place[self.links]
        return Selection(
            take_refs(self.refs, chosen),
            self.positions[chosen],
            {name: values[chosen] for name, values in self.attributes.items()},
            None if self.object_ids is None else self.object_ids[chosen],
            links[(links >= 0).all(axis=1)],
        )
