"""Folders of a store of which all objects are written anew: those that do not come again are no more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from zvview.format import names
from zvview.store.patching.overlay import Overlay

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Rewriting"]


class Rewriting:
    """Takes all objects of some folders of a store anew: those that are not put again are no more.

    Documents are none of its business.

    Parameters
    ----------
    overlay : Overlay
    folders : sequence of str
    """

    def __init__(self, overlay: Overlay, folders: Sequence[str]) -> None:
        self._overlay = overlay
        stored = (key for folder in folders for key in overlay.list_keys(folder))
        self._left = {key for key in stored if key.rpartition("/")[2] != names.ZARR_JSON}

    def put_many(self, items: Iterable[tuple[str, Sequence[Buffer]]]) -> None:
        """See :class:`zvview.store.writing.grid_cells.Putter`."""
        for key, pieces in items:
            self._left.discard(key)
            self._overlay.put(key, b"".join(pieces))

    def finish(self) -> None:
        """Remove what was not put again."""
        self._overlay.remove(sorted(self._left))
        self._left.clear()
