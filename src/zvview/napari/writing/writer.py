"""The writer that napari calls: layers to a store or a collection, a layer that streams as the store it stands for."""

from __future__ import annotations

import os
from collections.abc import Sequence

from napari.utils.notifications import show_warning

from zvview.errors import UnsupportedError
from zvview.napari.writing.content import LayerTuple
from zvview.napari.writing.plan import plan_saving
from zvview.napari.writing.target import with_suffix
from zvview.napari.writing.waiting import wait_for

__all__ = ["write_layers"]


def write_layers(path: str, layers: Sequence[LayerTuple]) -> list[str]:
    """Save layers at a path: one as a store, several as a collection; napari calls this on the thread of the window.

    Napari waits for it. The work is done on another thread, and what takes long shows how far it is, while the window
    is drawn and can be moved.

    Raises
    ------
    ZvviewError
        Nothing was written then; ``Cancelled`` where the user wants it so. It is never a ``ValueError``, which napari
        would take for the lack of a writer.
    """
    place = with_suffix(os.fspath(path))
    try:
        plan = plan_saving(place, layers)
        notes = [] if plan is None else wait_for(f"saving {os.path.basename(place)}", plan.run)
    except ValueError as error:  # InvalidInputError is one
        raise UnsupportedError(str(error)) from error
    for note in notes:
        show_warning(note)
    return [place]
