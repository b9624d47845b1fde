"""Commands of the menus: begin to edit the active layer, save and discard its edits."""

from __future__ import annotations

import napari
from napari.utils.notifications import show_info

from zvview.napari.editing.attaching import editing_of, find_editing
from zvview.napari.editing.editing import Editing, Phase

__all__ = ["discard_edits", "edit_layer", "save_edits"]


def edit_layer() -> None:
    """Begin to edit the store of the active layer where it is in view, or end that."""
    viewer = napari.current_viewer()
    layer = None if viewer is None else viewer.layers.selection.active
    editing = None if layer is None else editing_of(layer)
    if editing is None:
        show_info("the active layer shows no store that can be edited here")
    elif editing.phase is Phase.OFF:
        editing.start()
    else:
        editing.stop()


def save_edits() -> None:
    """Write the edits of the layers of the current viewer into their stores."""
    changed = _changed_ones()
    for editing in changed:
        editing.save()
    if not changed:
        show_info("there are no edits to save")


def discard_edits() -> None:
    """Take back all edits of the active layer."""
    viewer = napari.current_viewer()
    editing = None if viewer is None else find_editing(viewer.layers.selection.active)
    if editing is None or not editing.is_changed:
        show_info("the active layer has no edits to discard")
    else:
        editing.discard()


def _changed_ones() -> list[Editing]:
    viewer = napari.current_viewer()
    found = [find_editing(layer) for layer in (() if viewer is None else viewer.layers)]
    return [editing for editing in found if editing is not None and editing.is_changed]
