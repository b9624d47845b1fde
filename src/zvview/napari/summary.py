"""What the thread of the window must know of a store at any moment, also when the store has just gone away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format.attributes import AttributeMetadata
from zvview.format.metadata import Axis
from zvview.store.store import Store

__all__ = ["StoreSummary"]


@dataclass(frozen=True, slots=True, eq=False)
class StoreSummary:
    """Metadata of a store, as it was when it was asked for: asking the store itself may read, and fail.

    Attributes
    ----------
    kind : str
    axes : tuple of Axis
    attributes : mapping of str to AttributeMetadata
        Of the vertices of the finest level.
    chunk_shape : (D,) float64 array
        Of the finest level; zeros where there is no level.
    statistics : mapping
        As :attr:`zvview.Store.statistics`; empty as long as nobody looked.
    """

    kind: str
    axes: tuple[Axis, ...]
    attributes: Mapping[str, AttributeMetadata]
    chunk_shape: NDArray[np.float64]
    statistics: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, store: Store, *, with_statistics: bool = False) -> StoreSummary:
        """The summary of a store; reads metadata, and with statistics the index.

        Raises
        ------
        ZvviewError
        """
        levels = store.levels
        chunk_shape = store.level(levels[0]).chunk_shape if levels else np.zeros(len(store.axes))
        statistics = store.statistics if with_statistics else {}
        return cls(store.kind, store.axes, store.attributes, chunk_shape, statistics)
