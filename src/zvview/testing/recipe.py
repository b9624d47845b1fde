"""What is asked of a batch, checked, and the draws that all families share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError

__all__ = ["EXTENT", "Recipe", "draw_directions", "fold", "share_out"]

EXTENT: Final = 1000.0
"""Edge of the cube at the origin that holds all vertices, in micrometres where a unit is named."""

F = TypeVar("F", np.float32, np.float64)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a family makes a batch from.

    Attributes
    ----------
    size : int
        Vertices.
    ndim : int
        Axes.
    seed : int
    n_objects : int or None
        Objects; each family has a default.
    with_attributes : bool
    form : str or None
        One of the forms of the family; its first by default.
    """

    size: int
    ndim: int = 3
    seed: int = 0
    n_objects: int | None = None
    with_attributes: bool = True
    form: str | None = None

    def __post_init__(self) -> None:
        if self.size < 1 or self.ndim < 1:
            raise InvalidInputError(f"size = {self.size}, ndim = {self.ndim}: expected 1 or more of each")
        if self.n_objects is not None and self.n_objects < 1:
            raise InvalidInputError(f"n_objects = {self.n_objects}, expected 1 or more")

    @property
    def rng(self) -> np.random.Generator:
        """A generator that gives the same draws each time it is asked for."""
        return np.random.default_rng(self.seed)

    def choose(self, *forms: str) -> str:
        """The form that was asked for, of those that there are.

        Raises
        ------
        InvalidInputError
            There is no such form.
        """
        form = forms[0] if self.form is None else self.form
        if form not in forms:
            raise InvalidInputError(f"form {form!r}, expected one of {', '.join(forms)}")
        return form

    def count_objects(self, default: int, least: int) -> int:
        """How many objects there are when each takes `least` vertices.

        Raises
        ------
        InvalidInputError
            More objects, or more vertices for one, than `size` allows.
        """
        count = max(1, min(default, self.size // least)) if self.n_objects is None else self.n_objects
        if count * least > self.size:
            raise InvalidInputError(f"{self.size} vertices are too few for {count} objects of {least} or more")
        return count

    def need_axes(self, least: int, most: int) -> None:
        """Refuse numbers of axes in which the family has no sense.

        Raises
        ------
        InvalidInputError
        """
        if not least <= self.ndim <= most:
            raise InvalidInputError(f"ndim = {self.ndim}, expected {least} to {most} for this kind")


def share_out(
    rng: np.random.Generator, total: int, parts: int, *, least: int, spread: float = 0.6
) -> NDArray[np.int64]:
    """Lognormal sizes of `parts` parts, each at least `least` and together exactly `total`, (parts,) int64."""
    ends = np.cumsum(rng.lognormal(0.0, spread, parts))
    ends = np.rint(ends / ends[-1] * (total - parts * least)).astype(np.int64)
    sizes: NDArray[np.int64] = least + np.diff(ends, prepend=0)
    return sizes


def fold(positions: NDArray[F]) -> NDArray[F]:
    """Positions inside the extent: what leaves it is mirrored back, so that lines stay in one piece."""
    edge = positions.dtype.type(EXTENT)
    out = np.abs(edge - np.mod(positions, 2 * edge))
    return np.subtract(edge, out, out=out)


def draw_directions(rng: np.random.Generator, count: int, ndim: int) -> NDArray[np.float64]:
    """Unit vectors in all directions alike, (count, ndim)."""
    out = rng.standard_normal((count, ndim))
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
    return out
