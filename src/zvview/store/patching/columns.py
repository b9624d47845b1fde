"""What the columns of vertices and links mean that are written into a level in place of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zvview.format.attributes import AttributeMetadata
from zvview.store.level import Level
from zvview.store.writing.kept_columns import Columns, KeptColumns
from zvview.store.writing.runs import Run

__all__ = ["describe_columns"]


def describe_columns(level: Level, runs: Sequence[Run]) -> tuple[Columns, Columns]:
    """What columns of vertices and of links mean: as in a level that has those of vertices, given runs with both."""
    return KeptColumns(_vertex_columns(level, runs[0])), KeptColumns(_link_columns(runs))


def _vertex_columns(level: Level, run: Run) -> dict[str, AttributeMetadata]:
    """As in a level that has them, with the width that the rows have: what is declared may be wrong (7.1)."""
    known = level.attributes
    return {name: replace(known[name], row_shape=rows.shape[1:]) for name, rows in run.columns.items()}


def _link_columns(runs: Sequence[Run]) -> dict[str, AttributeMetadata]:
    links = next((run.links for run in runs if run.links is not None and len(run.links.records)), None)
    columns = {} if links is None else links.columns
    return {name: AttributeMetadata(name, rows.dtype, rows.shape[1:]) for name, rows in columns.items()}
