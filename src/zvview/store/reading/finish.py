"""The last step of a read: from stored to world coordinates."""

from __future__ import annotations

from dataclasses import replace

from zvview.format.metadata import RootMetadata
from zvview.geometry.batches import Batch

__all__ = ["finish"]


def finish(batch: Batch, root: RootMetadata) -> Batch:
    """`batch` with the store's ``coordinate_offset`` added; positions are then float64, which the sum needs."""
    return batch if root.offset is None else replace(batch, positions=batch.positions + root.offset)
