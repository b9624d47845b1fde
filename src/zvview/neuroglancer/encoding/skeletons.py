"""Skeletons: vertices, edges and values of vertices of one object in one file, many at once.

Format: ``neuroglancer_skeletons``. The numbers of vertices and edges, positions, edges, then each attribute in the
order of the document.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.neuroglancer.encoding.records import EncodedRecords, Part, interleave, words_of

__all__ = ["VertexAttribute", "encode_skeleton", "encode_skeletons", "skeleton_info"]

_MOST: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class VertexAttribute:
    """A value, or a few, that every vertex of a source of skeletons has: always float32.

    The format has integers too, but the shaders of the client up to 2.41 do not compile with them, and it then waits
    for ever.

    Attributes
    ----------
    id : str
        Its name in shaders; see :func:`zvview.neuroglancer.encoding.columns.attribute_id`.
    num_components : int
        1 to 4.
    """

    id: str
    num_components: int = 1

    def __post_init__(self) -> None:
        if not self.id or not 1 <= self.num_components <= 4:
            raise InvalidInputError(f"{self}: no attribute that a skeleton can have")

    def document(self) -> dict[str, Any]:
        """The attribute as it stands in ``info``."""
        return {"id": self.id, "data_type": "float32", "num_components": self.num_components}


def skeleton_info(
    attributes: Sequence[VertexAttribute] = (),
    transform: Sequence[float] = (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0),
    segment_properties: str | None = None,
) -> dict[str, Any]:
    """The ``info`` document of a source of skeletons, without ``sharding``, which is the exporter's.

    Parameters
    ----------
    attributes : sequence of VertexAttribute
    transform : (12,) float
        From stored positions to nanometres, three rows of four.
    segment_properties : str, optional
        Folder of the properties of objects.
    """
    if len(transform) != 12 or len({a.id for a in attributes}) < len(attributes):
        raise InvalidInputError("a transform has 12 numbers, and attributes have different names")
    out = {
        "@type": "neuroglancer_skeletons",
        "transform": [float(v) for v in transform],
        "vertex_attributes": [a.document() for a in attributes],
    }
    return out if segment_properties is None else out | {"segment_properties": segment_properties}


def encode_skeleton(
    positions: NDArray[Any],
    edges: NDArray[np.integer[Any]],
    attributes: Sequence[tuple[VertexAttribute, NDArray[Any]]] = (),
) -> bytes:
    """One skeleton; parameters as those of :func:`encode_skeletons`."""
    offsets, edge_offsets = np.array([0, len(positions)]), np.array([0, len(edges)])
    return encode_skeletons(positions, offsets, edges, edge_offsets, attributes).content(0)


def encode_skeletons(
    positions: NDArray[Any],
    vertex_offsets: NDArray[np.int64],
    edges: NDArray[np.integer[Any]],
    edge_offsets: NDArray[np.int64],
    attributes: Sequence[tuple[VertexAttribute, NDArray[Any]]] = (),
) -> EncodedRecords:
    """Many skeletons.

    Parameters
    ----------
    positions : (V, 3) array
        Become float32.
    vertex_offsets : (n + 1,) int64 array
        Bounds of each skeleton in `positions`.
    edges : (E, 2) integer array
        Rows of `positions`; both of the skeleton that the edge belongs to.
    edge_offsets : (n + 1,) int64 array
        Bounds of each skeleton in `edges`.
    attributes : sequence of (VertexAttribute, values)
        In the order of the document; values (V,) or (V, num_components).

    Raises
    ------
    InvalidInputError
        Shapes do not fit each other, or an edge leads out of its skeleton.
    """
    counts, edge_counts = np.diff(vertex_offsets), np.diff(edge_offsets)
    _check(positions, vertex_offsets, edges, edge_offsets)
    local = edges - np.repeat(vertex_offsets[:-1], edge_counts)[:, None]
    if local.size and ((local < 0) | (local >= np.repeat(counts, edge_counts)[:, None])).any():
        raise InvalidInputError("an edge leads to a vertex of another skeleton")
    with np.errstate(over="ignore"):  # beyond float32 there is infinity, which draws nothing
        parts: list[Part] = [
            (words_of(np.stack((counts, edge_counts), axis=1), "<u4"), 2),
            (words_of(positions, "<f4"), 3 * counts),
            (words_of(local, "<u4"), 2 * edge_counts),
        ]
        for attribute, values in attributes:
            width = attribute.num_components
            if values.shape not in (
                {(len(positions),), (len(positions), 1)} if width == 1 else {(len(positions), width)}
            ):
                raise InvalidInputError(
                    f"attribute {attribute.id!r}: values of shape {values.shape} for {len(positions)} vertices"
                )
            parts.append((words_of(values, "<f4"), width * counts))
    return interleave(parts)


def _check(
    positions: NDArray[Any],
    vertex_offsets: NDArray[np.int64],
    edges: NDArray[np.integer[Any]],
    edge_offsets: NDArray[np.int64],
) -> None:
    for what, rows, width, offsets in (
        ("positions", positions, 3, vertex_offsets),
        ("edges", edges, 2, edge_offsets),
    ):
        fits = len(offsets) == len(vertex_offsets) and len(offsets) and offsets[0] == 0 and offsets[-1] == len(rows)
        if rows.ndim != 2 or rows.shape[1] != width or not fits or (np.diff(offsets) < 0).any():
            raise InvalidInputError(f"{what} of shape {rows.shape} do not fit {len(offsets)} offsets")
        if len(rows) >= _MOST:
            raise InvalidInputError(f"{len(rows)} {what} at once: 2^32 - 1 at most")
