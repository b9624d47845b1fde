"""From a batch of the store to the arrays that a layer swaps in: permuted and coloured. Pure, on any thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.geometry.batches import Batch, Mesh, Points
from zvview.napari.frame import Frame
from zvview.napari.polygons import Filler
from zvview.stream.editing import VERTEX
from zvview.style.colouring import Colouring, colour_vertices, object_of_vertices, segments_of
from zvview.style.membership import Membership

__all__ = ["Prepared", "colours_in", "prepare"]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What a layer shows.

    Attributes
    ----------
    positions : (N, D) float32 array
        In the layer's data coordinates; nobody else holds it. Those of elements lie in memory with their columns in
        reverse order, as a vertex buffer takes them.
    colours : (N, 4) float32 array
    elements : (M, 2) uint32 array of segments, (M, 3) uint32 array of faces, or None for points
    features : mapping of str to (N,) array
        ``id`` is the object of a vertex, -1 where it has none.
    triangles : (T, 3) uint32 array or None
        That fill closed lines, where they were asked for.
    vertices : (N,) int64 array or None
        Names of points (:data:`zvview.stream.editing.VERTEX`), where the view asked for them.
    """

    positions: NDArray[np.float32]
    colours: NDArray[np.float32]
    elements: NDArray[Any] | None
    features: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    triangles: NDArray[np.uint32] | None = None
    vertices: NDArray[np.int64] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        arrays = [self.positions, self.colours, self.elements, self.triangles, *self.features.values()]
        return sum(a.nbytes for a in arrays if a is not None)


def prepare(
    batch: Batch,
    frame: Frame,
    by: Colouring,
    *,
    membership: Membership | None = None,
    colour_axes: Sequence[int] = (0, 1, 2),
    filler: Filler | None = None,
) -> Prepared:
    """What a layer shows of a batch.

    Parameters
    ----------
    batch : Batch
        In the store's coordinates.
    colour_axes : sequence of int
        The store's axes that are red, green and blue of direction colours.
    filler : Filler, optional
        Where closed lines are to be filled.
    """
    colours = colour_vertices(batch, by, membership=membership, axes=colour_axes)
    elements = None
    if isinstance(batch, Mesh):
        elements = _triangles(batch.faces).astype(np.uint32)
    elif not isinstance(batch, Points):
        elements = segments_of(batch).astype(np.uint32)
    triangles = None if filler is None else filler.fill(batch)
    positions = frame.to_layer(batch.positions)
    if elements is not None:
        positions = np.ascontiguousarray(positions[:, ::-1])[:, ::-1]
    vertices = batch.attributes.get(VERTEX)
    return Prepared(positions, _owned(colours), elements, _features(batch), triangles, vertices)


def colours_in(features: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.float32] | None:
    """The attribute of four channels that is among features, (N, 4) from 0 to 1; None if it is not."""
    found = [features[channel] for number in range(4) if (channel := f"{name}[{number}]") in features]
    if len(found) < 4:
        return None
    return np.clip(np.nan_to_num(np.stack(found, axis=1).astype(np.float32)), 0, 1)


def _owned(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    return colours if colours.flags.writeable else colours.copy()


def _features(batch: Batch) -> dict[str, NDArray[Any]]:
    """Values that a vertex has, by name; channels of an attribute become columns of their own."""
    out: dict[str, NDArray[Any]] = {}
    ids = object_of_vertices(batch)
    if ids is not None:
        out["id"] = ids
    for name, values in batch.attributes.items():
        if name == VERTEX:
            continue
        if values.ndim == 1:
            out[name] = values
        else:
            out.update({f"{name}[{c}]": values[:, c] for c in range(values.shape[1])})
    return out


def _triangles(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Faces of L corners as fans of L - 2 triangles."""
    if faces.shape[1] == 3:
        return faces
    fans = [faces[:, [0, c, c + 1]] for c in range(1, faces.shape[1] - 1)]
    return np.concatenate(fans)
