"""Links between chunks, found apart from the vertices of these, as a run of a level that holds nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import sort_chunks
from zvview.format.links import file_links
from zvview.format.sequences import offsets_of
from zvview.store.writing.runs import LinkRun, Run

__all__ = ["CrossingLinks", "make_link_run"]


@dataclass(frozen=True, slots=True, eq=False)
class CrossingLinks:
    """Links between chunks of a level.

    Attributes
    ----------
    chunks : (n, L, D) int64
        Of all their ends, as coordinates.
    rows : (n, L) int64
        Of these in their chunks.
    columns : mapping of str to (n,) or (n, C)
    """

    chunks: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: Mapping[str, NDArray[Any]]


def make_link_run(links: CrossingLinks, like: Run) -> Run:
    """Links as a run of a level, without vertices; it must come before all other runs, each chunk being in one of them.

    Parameters
    ----------
    links : CrossingLinks
    like : Run
        Another run of the level, for the columns that it has.
    """
    segments = file_links(links.chunks, links.rows)
    counts = np.concatenate([s.counts for s in segments])
    order = np.concatenate([s.order for s in segments])
    filed = LinkRun(
        offsets=np.stack([s.offsets for s in segments]),
        cells=offsets_of([len(s.coords) for s in segments]),
        sources=np.concatenate([s.coords for s in segments]),
        first=offsets_of(counts),
        loose=np.zeros(len(counts), np.int64),
        records=np.concatenate([s.rows for s in segments]),
        columns={name: values.take(order, axis=0) for name, values in links.columns.items()},
    )
    chunks = sort_chunks(links.chunks.reshape(-1, links.chunks.shape[2]))
    nothing = np.zeros(len(chunks) + 1, np.int64)
    none = np.empty(0, np.int64)
    return Run(
        chunks=chunks,
        rows=nothing,
        fragments=nothing,
        counts=none,
        positions=np.array(like.positions[:0]),
        columns={name: np.array(values[:0]) for name, values in like.columns.items()},
        objects=None if like.objects is None else none,
        fragment_links=none,
        links=filed,
    )
