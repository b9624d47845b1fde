"""The frame that the caller states for an input: a scale or an affine map of its space axes. Nothing is guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import InvalidInputError
from zvview.format.metadata import Axis
from zvview.geometry.arguments import to_array
from zvview.geometry.batches import Batch, Mesh

__all__ = ["Frame", "frame_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """``position' = matrix @ position + shift`` over the space axes; all other axes stay.

    Attributes
    ----------
    columns : (S,) int64
        The space axes.
    matrix : (S, S) float64
    shift : (S,) float64
    lengths : tuple of str
        Vertex attributes that are scaled along with the positions, by :attr:`length_factor`.
    """

    columns: NDArray[np.int64]
    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]
    lengths: tuple[str, ...] = ()

    @property
    def length_factor(self) -> float:
        """The S-th root of the volume that a unit of volume becomes; of a uniform scale the scale itself."""
        diagonal = np.diagonal(self.matrix)
        if (self.matrix == np.diag(diagonal)).all() and (np.abs(diagonal) == abs(diagonal[0])).all():
            return float(abs(diagonal[0]))
        return float(abs(np.linalg.det(self.matrix)) ** (1 / len(self.matrix)))

    def apply(self, batch: Batch) -> Batch:
        """The batch in the stated frame; its dtype stays. Faces turn round where the map is a reflection."""
        positions = batch.positions.copy()
        moved = batch.positions[:, self.columns].astype(np.float64) @ self.matrix.T + self.shift
        with np.errstate(over="ignore"):  # what gets infinite is refused by the writer, which names the vertex
            positions[:, self.columns] = moved
        changes: dict[str, Any] = {"positions": positions}
        if scaled := [name for name in self.lengths if name in batch.attributes]:
            changes["attributes"] = dict(batch.attributes) | {n: self._scale(batch.attributes[n]) for n in scaled}
        if isinstance(batch, Mesh) and np.linalg.det(self.matrix) < 0:
            changes["faces"] = batch.faces[:, ::-1]
        return replace(batch, **changes)

    def document(self) -> dict[str, Any]:
        """What is stated, as it is kept with the store."""
        affine = np.column_stack((self.matrix, self.shift)).tolist()
        scaled = {"lengths": list(self.lengths), "length_factor": self.length_factor} if self.lengths else {}
        return {"affine": affine, **scaled}

    def _scale(self, values: NDArray[Any]) -> NDArray[Any]:
        dtype = values.dtype if values.dtype.kind == "f" else np.dtype(np.float64)
        return np.asarray(values * self.length_factor, dtype)


def frame_of(
    axes: Sequence[Axis],
    scale: Sequence[float] | None = None,
    affine: ArrayLike | None = None,
    lengths: Sequence[str] = (),
) -> Frame | None:
    """The frame that a scale or an affine map states; None where neither is given.

    Parameters
    ----------
    axes : sequence of Axis
        Of the input.
    scale : sequence of float, optional
        One factor for all space axes, or one for each.
    affine : (S, S + 1) or (S + 1, S + 1) array_like, optional
        The last row of the latter must be 0, ..., 0, 1.
    lengths : sequence of str
        Vertex attributes that are lengths.

    Raises
    ------
    InvalidInputError
        Both are given, another number of factors, no such matrix, or one that is singular.
    """
    if scale is None and affine is None:
        return None
    if scale is not None and affine is not None:
        raise InvalidInputError("give a scale or an affine map, not both")
    columns = np.flatnonzero([axis.type == "space" for axis in axes])
    count = len(columns)
    if scale is not None:
        factors = _finite(list(scale), "scale")
        if factors.shape not in ((1,), (count,)):
            raise InvalidInputError(f"scale {factors.tolist()}: expected one number, or {count} for the space axes")
        matrix, shift = np.diag(np.broadcast_to(factors, count)), np.zeros(count)
    else:
        full = _finite(affine, "affine")
        if full.shape == (count + 1, count + 1) and full[-1].tolist() == [0.0] * count + [1.0]:
            full = full[:-1]
        if full.shape != (count, count + 1):
            raise InvalidInputError(
                f"affine of shape {full.shape}: expected ({count}, {count + 1}), or ({count + 1}, {count + 1}) "
                "with a last row of zeros and a 1"
            )
        matrix, shift = full[:, :-1], full[:, -1]
    if not count or np.linalg.matrix_rank(matrix) < count:
        raise InvalidInputError(f"the map {matrix.tolist()} is singular: it would flatten the geometry")
    return Frame(columns, np.array(matrix), np.array(shift), tuple(lengths))


def _finite(values: ArrayLike | None, what: str) -> NDArray[np.float64]:
    array = to_array(values, what) if values is not None else np.empty(0)
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise InvalidInputError(f"{what} {values!r:.80}: expected finite numbers")
    return array.astype(np.float64)
