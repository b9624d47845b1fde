"""What the layers that stream have in common: a constant extent, a status of their own, a small thumbnail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Streamed"]


class Streamed:
    """Mixin that stands before the napari layer in the bases of a class; `_constant_extent` must be set."""

    _constant_extent: NDArray[np.float64]
    _streaming_status = ""
    _thumbnail_shape: tuple[int, int, int]

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

    def get_status(self, *args: Any, **kwargs: Any) -> dict[str, str]:
        """The status that napari gives of the layer under the cursor, with what is drawn of the store."""
        status: dict[str, str] = super().get_status(*args, **kwargs)  # type: ignore[misc]
        if self._streaming_status:
            for key in ("coordinates", "value"):
                status[key] = f"{status[key]}  ({self._streaming_status})"
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
