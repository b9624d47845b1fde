"""Links between blocks of chunks that were thinned apart: both sides name their nodes in the same order, so they fit.

A block knows the nodes that its links lead to outside only by position. But the nodes of block A that are linked to B,
in the order of the finer level, are what B knows as its far ends in A, in that order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format.grid import ChunkTable
from zvview.format.sequences import distinct
from zvview.store.patching.link_runs import CrossingLinks

__all__ = ["Border", "link_blocks"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Border:
    """What a block tells of its links to others, and of those between its own chunks.

    Attributes
    ----------
    blocks : (K, D) int64
        The chunks of the level that the block makes.
    near, far : (n, D), (f, D)
        Positions of its nodes with links to other blocks, and of the nodes there, both in the order of the finer level.
    near_chunks, far_chunks : (n, D), (f, D) int64
        Chunk of each in the level that is made.
    near_rows : (n,) int64
        Row of each in its chunk, -1 for those that are left out.
    links : (m, 2) int64
        Numbers of a near and a far node.
    is_inward : (m,) bool
        Links that lead from the far node to the near one.
    columns : mapping of str to (m,) or (m, C)
    own : CrossingLinks
        Links between chunks of the block.
    """

    blocks: Ints
    near: NDArray[np.floating]
    far: NDArray[np.floating]
    near_chunks: Ints
    far_chunks: Ints
    near_rows: Ints
    links: Ints
    is_inward: NDArray[np.bool_]
    columns: Mapping[str, NDArray[Any]]
    own: CrossingLinks


def link_blocks(borders: Sequence[Border]) -> CrossingLinks | None:
    """All links between chunks, in the order of their nodes; None where there are none.

    Raises
    ------
    DamagedError
        Two blocks do not agree on the links between them.
    """
    block_of = ChunkTable.of(np.concatenate([b.blocks for b in borders]))
    number = np.empty(len(block_of), np.int64)
    for i, border in enumerate(borders):
        number[block_of.find(border.blocks)] = i
    far_blocks = []
    for border in borders:
        found = block_of.find(border.far_chunks)
        far_blocks.append(np.where(found >= 0, number[found], -1) if len(number) else found)
    parts = [border.own for border in borders]
    for i, border in enumerate(borders):
        for j in distinct(far_blocks[i]).tolist():
            if j < 0:
                raise _disagreement(border.far[far_blocks[i] < 0])
            ours = _near_to(borders[j], far_blocks[j] == i)
            theirs = np.flatnonzero(far_blocks[i] == j)
            if len(ours) != len(theirs) or not np.array_equal(borders[j].near[ours], border.far[theirs]):
                raise _disagreement(border.far[theirs])
            if i < j:
                parts.append(_resolve(border, borders[j], theirs, ours))
    parts = [part for part in parts if len(part.rows)]
    if not parts:
        return None
    chunks, rows = np.concatenate([p.chunks for p in parts]), np.concatenate([p.rows for p in parts])
    order = np.lexsort((*rows.T, *chunks.reshape(len(rows), -1).T))
    columns = {name: np.concatenate([p.columns[name] for p in parts])[order] for name in parts[0].columns}
    return CrossingLinks(chunks[order], rows[order], columns)


def _near_to(border: Border, is_far: NDArray[np.bool_]) -> Ints:
    """Near nodes with a link to any of some far ones, ascending."""
    return distinct(border.links[is_far[border.links[:, 1]], 0])


def _resolve(border: Border, other: Border, theirs: Ints, ours: Ints) -> CrossingLinks:
    """The links of a block to another one whose far nodes `theirs` are the near nodes `ours` of that one."""
    twin = np.full(len(border.far), -1, np.int64)
    twin[theirs] = ours
    at = twin[border.links[:, 1]]
    near = border.links[:, 0]
    kept = np.flatnonzero((at >= 0) & (border.near_rows[near] >= 0))
    kept = kept[other.near_rows[at[kept]] >= 0]
    near, at = near[kept], at[kept]
    chunks = np.stack((border.near_chunks[near], other.near_chunks[at]), axis=1)
    rows = np.stack((border.near_rows[near], other.near_rows[at]), axis=1)
    inward = np.flatnonzero(border.is_inward[kept])
    chunks[inward], rows[inward] = chunks[inward, ::-1], rows[inward, ::-1]
    return CrossingLinks(chunks, rows, {name: values[kept] for name, values in border.columns.items()})


def _disagreement(far: NDArray[np.floating]) -> DamagedError:
    found = f"a link to a vertex at {far[0].tolist()}" if len(far) else "links from one side only"
    return DamagedError("link", found=found, expected="vertices in the chunks that they are in, linked from both sides")
