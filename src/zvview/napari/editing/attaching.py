"""The one that edits the store of a layer: made when it is first asked for, gone with the layer."""

from __future__ import annotations

from typing import Any

from napari.layers import Layer

from zvview.format import names
from zvview.napari.binding import StreamBinding
from zvview.napari.editing.closing import guard
from zvview.napari.editing.editing import Editing
from zvview.napari.editing.handles import HandleEditing
from zvview.napari.editing.points import PointEditing
from zvview.napari.layers import is_fast

_KINDS = (
    *(names.POINT_CLOUD, names.LINE, names.POLYLINE, names.STREAMLINE),
    *(names.GRAPH, names.SKELETON, names.MESH),
)

__all__ = ["editing_of", "find_editing"]


def find_editing(layer: Any) -> Editing | None:
    """The one that there is; None where nobody asked to edit the layer yet."""
    stream = getattr(layer, "stream", None)
    found = stream.editing if isinstance(stream, StreamBinding) else None
    return found if isinstance(found, Editing) else None


def editing_of(layer: Layer) -> Editing | None:
    """The one that edits the store of a layer; None for layers that show none, or of a kind that is not edited here."""
    stream = getattr(layer, "stream", None)
    if not isinstance(stream, StreamBinding) or not is_fast(layer):
        return None
    if stream.editing is None and stream.store.kind in _KINDS:
        made = PointEditing if stream.store.kind == names.POINT_CLOUD else HandleEditing
        stream.editing = made(layer, stream, guard)
    return find_editing(layer)
