"""Nodes of a tree that is grown branch by branch: neurons and vessels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Branching"]


class Branching:
    """A tree under way. Each parent stands before its children; row 0 is the root.

    Parameters
    ----------
    root : (3,) float64 array
    radius : float
    kind : int
        A code for what the node belongs to.
    """

    def __init__(self, root: NDArray[np.float64], radius: float, kind: int = 0) -> None:
        self._parts: list[tuple[NDArray[Any], ...]] = []
        self._count = 0
        self._append(root[None], np.array([-1]), radius, kind)

    def add(
        self, starts: NDArray[np.int64], branches: NDArray[np.float64], radius: float, kind: int = 0
    ) -> NDArray[np.int64]:
        """Append branches (B, V, 3) that begin at nodes `starts` (B,); gives the rows of their nodes, (B, V)."""
        count, nodes, _ = branches.shape
        rows: NDArray[np.int64] = self._count + np.arange(count * nodes).reshape(count, nodes)
        parents = np.column_stack((starts, rows[:, :-1]))
        self._append(branches.reshape(-1, 3), parents.ravel(), radius, kind)
        return rows

    def _append(self, positions: NDArray[np.float64], parents: NDArray[np.int64], radius: float, kind: int) -> None:
        count = len(positions)
        self._parts.append((positions, parents, np.full(count, radius), np.full(count, kind, np.uint8)))
        self._count += count

    @property
    def positions(self) -> NDArray[np.float64]:
        """Of the nodes, (N, 3)."""
        return self._joined(0)

    @property
    def parents(self) -> NDArray[np.int64]:
        """Row of the parent of each node, (N,), -1 for the root."""
        return self._joined(1)

    @property
    def radii(self) -> NDArray[np.float64]:
        """Of the nodes, (N,)."""
        return self._joined(2)

    @property
    def kinds(self) -> NDArray[np.uint8]:
        """Codes of the nodes, (N,)."""
        return self._joined(3)

    def _joined(self, column: int) -> NDArray[Any]:
        return np.concatenate([part[column] for part in self._parts])
