"""What follows from level 0, made by a part above this one that registers itself here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.store.places.source import Source

__all__ = ["Refresh", "Refreshed", "RefreshedLevel", "refresh_coarser", "set_refresh"]


class RefreshedLevel(Protocol):
    """What became of a coarse level."""

    @property
    def level(self) -> int:
        """Its number."""
        ...

    @property
    def vertex_count(self) -> int:
        """0 where nothing is left of it, and it was dropped with all that are coarser."""
        ...


class Refreshed(Protocol):
    """What a refresh comes to."""

    @property
    def levels(self) -> Sequence[RefreshedLevel]:
        """One for each coarse level that was made again, as a whole or in parts."""
        ...

    @property
    def changes(self) -> Mapping[str, bytes | None]:
        """New objects by key; None for those that are no more."""
        ...


Refresh = Callable[[Source, NDArray[np.int64], "NDArray[np.int64] | None", "CancelToken | None"], Refreshed]
"""Takes a store with level 0 as it shall be, the chunks of it that are others, and the objects, where known."""

_refresh: Refresh | None = None


def set_refresh(refresh: Refresh) -> None:
    """Have commits call `refresh`."""
    global _refresh
    _refresh = refresh


def refresh_coarser(
    source: Source,
    chunks: NDArray[np.int64],
    objects: NDArray[np.int64] | None,
    cancel: CancelToken | None = None,
) -> Refreshed:
    """What has to be written so that all that follows from level 0 fits it again: coarse levels and zvview's index."""
    assert _refresh is not None, "zvview registers it when it is imported"
    return _refresh(source, chunks, objects, cancel)
