"""Thumbnails are drawn when what streams has come to rest: each makes Qt lay out its list of layers anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from qtpy.QtCore import QTimer

from zvview.napari.watching import weakly

__all__ = ["ThumbnailAtRest"]

_REST_MS: Final = 250


class ThumbnailAtRest:
    """Mixin that stands before the napari layer in the bases of a class."""

    _update_thumbnail: Callable[[], None]
    _thumbnail_timer: QTimer | None = None

    def ask_for_thumbnail(self) -> None:
        """Draw the thumbnail soon, unless it is asked for again before; on the thread of the window."""
        if self._thumbnail_timer is None:
            self._thumbnail_timer = QTimer()
            self._thumbnail_timer.setSingleShot(True)
            self._thumbnail_timer.setInterval(_REST_MS)
            self._thumbnail_timer.timeout.connect(weakly(self._draw_thumbnail))
        self._thumbnail_timer.start()

    def _draw_thumbnail(self) -> None:
        self._update_thumbnail()
