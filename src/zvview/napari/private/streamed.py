"""What the layers that stream have in common: a constant extent, a status of their own, a small thumbnail."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from napari.layers import Layer
from napari.layers.utils.layer_utils import Extent
from napari.utils.status_messages import generate_layer_status_strings
from numpy.typing import ArrayLike, NDArray

from zvview.napari.cursor import Cursor

__all__ = ["Streamed"]


class Streamed:
    """Mixin that stands before the napari layer in the bases of a class; `_constant_extent` must be set."""

    _constant_extent: NDArray[np.float64]
    _streaming_status = ""
    _thumbnail_shape: tuple[int, int, int]
    _slider_step: NDArray[np.float64] | None = None
    _clear_extent: Callable[[], None]
    describe: Callable[[dict[str, Any]], object] | None = None
    """What turns the values of a vertex into words; set by what binds the layer to its store."""
    ndim: int
    scale: NDArray[np.float64]

    @property
    def slider_step(self) -> NDArray[np.float64] | None:
        """What sliders of the viewer move by, (D,), in data units; None for the one of all layers."""
        return self._slider_step

    @slider_step.setter
    def slider_step(self, step: NDArray[np.float64] | None) -> None:
        self._slider_step = step
        self._clear_extent()

    @cached_property
    def extent(self) -> Extent:
        """As of all layers, with the step of this one."""
        return self._stepped(super().extent)  # type: ignore[misc]

    @cached_property
    def _extent_augmented(self) -> Extent:
        return self._stepped(super()._extent_augmented)  # type: ignore[misc]

    def _stepped(self, extent: Extent) -> Extent:
        return extent if self._slider_step is None else extent._replace(step=extent.step * self._slider_step)

    @property
    def streaming_status(self) -> str:
        """What is drawn of the store, such as ``level 2 of 4 · 12,000 of 48,000,000 points``."""
        return self._streaming_status

    @streaming_status.setter
    def streaming_status(self, text: str) -> None:
        self._streaming_status = text

    @property
    def _extent_data(self) -> NDArray[np.float64]:
        return self._constant_extent.copy()  # napari writes into it

    @property
    def _extent_data_augmented(self) -> NDArray[np.float64]:
        return self._constant_extent.copy()

    @property
    def is_at_rest(self) -> bool:
        """Whether it is worth to look what lies under the mouse."""
        return True

    @abstractmethod
    def pick_values(self, cursor: Cursor) -> dict[str, Any] | None:
        """Values by name of what is under the cursor; None where there is nothing."""

    def get_status(
        self,
        position: ArrayLike | None = None,
        *,
        view_direction: ArrayLike | None = None,
        dims_displayed: list[int] | None = None,
        world: bool = False,
        value: Any = None,
    ) -> dict[str, str]:
        """The status that napari gives of the layer under the cursor: what lies there, and what is drawn of the store.

        Napari asks on a thread of its own whenever the cursor moves.
        """
        status: dict[str, str] = Layer.get_status(self)
        words = self._streaming_status
        if position is not None:
            cursor = Cursor(position, view_direction, dims_displayed, world)
            values = self.pick_values(cursor) if self.is_at_rest else None
            text = "" if values is None or self.describe is None else str(self.describe(values))
            digits = max(int(np.ceil(-np.log10(np.abs(self.scale))).max()), -2) + 2
            status["coords"], _ = generate_layer_status_strings(np.asarray(position)[-self.ndim :], None, digits)
            words = f"{text}  ({words})" if text and words else text or (f"({words})" if words else "")
        status["value"] = words
        status["coordinates"] = ": ".join(part for part in (status["coords"], words) if part)
        return status

    def draw_thumbnail(
        self, positions: NDArray[np.floating], colours: NDArray[np.float32], displayed: Sequence[int]
    ) -> None:
        """Draw a few positions (n, 2) of the axes `displayed` (rows, columns) as single pixels into the thumbnail."""
        height, width = self._thumbnail_shape[:2]
        picture = np.zeros((height, width, 4), np.float32)
        picture[..., 3] = 1
        low, high = self._constant_extent[:, list(displayed)]
        edge = max(float((high - low).max()), 1e-30)
        at = (positions - low) / edge * (np.array([height, width]) - 1)
        at = np.clip(np.rint(at), 0, [height - 1, width - 1]).astype(np.intp)
        picture[at[:, 0], at[:, 1]] = colours
        self.thumbnail = picture
