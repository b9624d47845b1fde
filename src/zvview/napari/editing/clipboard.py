"""Pieces of graphs, skeletons and meshes that were copied, to be pasted where the sliders of the viewer stand then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zvview.napari.editing.handle_layer import HandleLayer
from zvview.napari.editing.vertex_handles import Piece, VertexHandles

__all__ = ["Clipboard"]


class Clipboard:
    """Holds what was copied last."""

    def __init__(self) -> None:
        self._held: tuple[Piece, NDArray[np.float64]] | None = None

    def copy(self, view: HandleLayer) -> bool:
        """Keep the selected vertices with the links among them; returns whether there are any."""
        rows, tool = view.selected, view.tool
        if not len(rows) or not isinstance(tool, VertexHandles):
            return False
        self._held = tool.piece(rows), view.slice_point()
        return True

    def piece(self, view: HandleLayer) -> Piece | None:
        """What was copied, in the slice that is looked at now, and a little aside, where hands can take it."""
        if self._held is None:
            return None
        piece, then = self._held
        return replace(piece, positions=piece.positions + (view.slice_point() - then) + view.aside())
