"""Picking for layers that show joined vertices: what napari asks about the cursor, answered in milliseconds."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.napari.camera import LayerPlacement, ViewerState
from zvview.napari.cursor import Cursor
from zvview.napari.picking import find_ray, pick_face, pick_segment
from zvview.napari.picking_index import ElementIndex

__all__ = ["Content", "PickedByRay", "Sight"]

_REST_S: Final = 0.2  # more than passes between two updates of what streams


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """How a viewer sees a layer: its camera, and where the layer lies in its world."""

    state: ViewerState
    placement: LayerPlacement


@dataclass(slots=True, eq=False)
class Content:
    """What a layer shows, as one value: threads that ask about the cursor must not see half of a swap.

    Attributes
    ----------
    positions : (N, D) float32 array
    elements : (M, 2) or (M, 3) int array
        Segments or faces, as rows of `positions`.
    columns : mapping of str to (N,) array
        Values of the vertices.
    """

    positions: NDArray[np.float32]
    elements: NDArray[np.integer]
    columns: Mapping[str, NDArray[Any]]
    _since: float = field(default_factory=time.monotonic)
    _indices: dict[tuple[int, ...], tuple[NDArray[np.float32], ElementIndex]] = field(default_factory=dict)

    @property
    def is_at_rest(self) -> bool:
        """Whether asking what lies somewhere is quick, or not in vain: what streams is replaced in a moment."""
        return bool(self._indices) or time.monotonic() - self._since > _REST_S

    def along(self, axes: tuple[int, ...]) -> tuple[NDArray[np.float32], ElementIndex]:
        """Positions along some axes, and the index of the elements there; made when first asked for."""
        known = self._indices.get(axes)
        if known is None:  # two threads may both make it, which does no harm
            positions = np.ascontiguousarray(self.positions[:, list(axes)])
            known = self._indices[axes] = positions, ElementIndex.of(positions, self.elements)
        return known

    def values_of(self, vertex: int) -> dict[str, Any]:
        """Values of a vertex by name."""
        return {name: column[vertex].item() for name, column in self.columns.items()}


class PickedByRay:
    """Mixin that stands before the napari layer in the bases of a class.

    The class keeps `_content` up to date; whoever puts the layer into a viewer keeps :attr:`sight` so. All methods may
    be called from any thread.
    """

    _content: Content
    _picks: Literal["segments", "faces"]
    sight: Sight | None = None
    visible: bool

    @property
    def is_at_rest(self) -> bool:
        """Whether what is shown has not changed for a moment."""
        return self._content.is_at_rest

    def get_value(
        self,
        position: ArrayLike,
        *,
        view_direction: ArrayLike | None = None,
        dims_displayed: Sequence[int] | None = None,
        world: bool = False,
    ) -> int | None:
        """The vertex under the cursor, as a row of what is shown; None where there is none.

        Parameters are those of :meth:`napari.layers.Layer.get_value`. Other than napari's own it minds the units of
        the viewer, which are not always those of the layer.
        """
        return self._find(self._content, Cursor(position, view_direction, dims_displayed, world))

    def pick_values(self, cursor: Cursor) -> dict[str, Any] | None:
        """Values of the vertex under the cursor, by name; None where there is none."""
        content = self._content
        vertex = self._find(content, cursor)
        return None if vertex is None else content.values_of(vertex)

    def _find(self, content: Content, cursor: Cursor) -> int | None:
        sight = self.sight
        if sight is None or not self.visible or not len(content.elements):
            return None
        state, placement = sight.state, sight.placement
        point = np.asarray(cursor.position, np.float64)
        along = None if cursor.view_direction is None else np.asarray(cursor.view_direction, np.float64)
        if not cursor.is_in_world:
            point, along = _to_world(point, along, placement)
        shown = cursor.dims_displayed if cursor.is_in_world else None
        is_same = shown is None or tuple(shown) == state.displayed
        if len(point) != len(state.point) or not is_same or state.is_3d != (along is not None):
            return None  # the view changed a moment ago, and what is drawn will follow
        axes = tuple(axis - placement.first_axis for axis in state.displayed if axis >= placement.first_axis)
        positions, index = content.along(axes)
        ray = find_ray(state, placement, point, along)
        if self._picks == "faces":
            return pick_face(positions, content.elements, index, ray)
        return pick_segment(positions, content.elements, index, ray, width_px=getattr(self, "edge_width", 1.0))

    def _get_value(self, position: Any) -> None:
        """Napari asks :meth:`get_value` alone, which answers by itself."""


def _to_world(
    point: NDArray[np.float64], along: NDArray[np.float64] | None, placement: LayerPlacement
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """A point and a direction (D,) of the layer's data in world coordinates, (V,)."""
    before = np.zeros(placement.first_axis)
    world = np.concatenate((before, placement.matrix @ point + placement.offset))
    if along is None:
        return world, None
    turned = placement.matrix @ along
    return world, np.concatenate((before, turned / np.linalg.norm(turned)))
