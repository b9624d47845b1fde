"""Meshes of several levels of detail, in pieces that Draco compresses.

Format: ``neuroglancer_multilod_draco``. Level 0 is the finest; the nodes of each further level are twice as large along
each axis. The pieces of all levels lie one after the other in one file; the manifest tells where, and its size is found
from the other end, so that a shard holds both as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError, UnsupportedError
from zvview.neuroglancer.encoding.mesh_pieces import COORDINATE_BITS, Pieces, cut_pieces

__all__ = ["EncodedMesh", "check_draco", "encode_mesh", "mesh_info"]

_COMPRESSION: Final = 7  # half the bytes of 1 in less time; 10 takes four times as long for a tenth less
_SLACK: Final = 1 + 2.0**-20  # so that the greatest vertex lies in the last node however float32 rounds


@dataclass(frozen=True, slots=True)
class EncodedMesh:
    """A mesh as two files.

    Attributes
    ----------
    manifest : bytes
        The file ``<id>.index``.
    fragments : bytes
        The file ``<id>``; in a shard, what stands right before the manifest.
    faces : tuple of int
        Triangles at each level, after cutting.
    """

    manifest: bytes
    fragments: bytes
    faces: tuple[int, ...]


def mesh_info(
    transform: Sequence[float] = (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0),
    *,
    bits: int = 16,
    lod_scale_multiplier: float = 1.0,
    segment_properties: str | None = None,
) -> dict[str, Any]:
    """The ``info`` document of a source of meshes, without ``sharding``, which is the exporter's.

    Parameters
    ----------
    transform : (12,) float
        From stored positions to nanometres, three rows of four.
    bits : {10, 16}
        Of a coordinate in a piece.
    lod_scale_multiplier : float
        More than 1 shows coarser levels sooner.
    segment_properties : str, optional
        Folder of the properties of objects.
    """
    if len(transform) != 12 or bits not in (10, 16):
        raise InvalidInputError("a transform has 12 numbers, and coordinates have 10 or 16 bits")
    out = {
        "@type": "neuroglancer_multilod_draco",
        "vertex_quantization_bits": bits,
        "transform": [float(v) for v in transform],
        "lod_scale_multiplier": float(lod_scale_multiplier),
    }
    return out if segment_properties is None else out | {"segment_properties": segment_properties}


def encode_mesh(lods: Sequence[tuple[NDArray[Any], NDArray[np.integer[Any]]]], *, bits: int = 16) -> EncodedMesh:
    """A surface at several levels of detail.

    Parameters
    ----------
    lods : sequence of (vertices, faces)
        The finest first: (V, 3) positions and (F, 3) rows of them. Levels without triangles are left out; a mesh of
        none has one piece that is empty, and a byte that is part of nothing, so that there is a file. Each level should
        have about a quarter of the triangles of the finer one; the client shows a level where the median of its edges
        is about a pixel.
    bits : {10, 16}
        Of a coordinate in a piece; with 16 there can be 6 levels, with 10 there can be 12.

    Raises
    ------
    InvalidInputError
        A face names a vertex that there is not, a position is not finite, there are more levels than lattice.
    UnsupportedError
        DracoPy is not installed.
    """
    draco = _import_draco()
    given = [_checked(vertices, faces) for vertices, faces in lods]
    surfaces = [(v, f) for v, f in given if len(f)]
    most = COORDINATE_BITS - bits + 1  # a lattice of the finest level has that many bits along the coarsest node
    if bits not in (10, 16) or len(surfaces) > most:
        raise InvalidInputError(f"{len(surfaces)} levels of {bits} bits: 10 or 16 bits and {most} levels at most")
    if not surfaces:
        return _nothing()
    low, high = (np.stack([end(v, axis=0) for v, _ in surfaces]) for end in (np.min, np.max))
    origin = _at_most(low.min(axis=0))
    edge = _edge(float((high.max(axis=0) - origin).max()), origin, len(surfaces))
    steps = (1 << bits) - 1
    levels, blobs, sizes = [], list[list[bytes]](), list[float]()
    for lod, (vertices, faces) in enumerate(surfaces):
        nodes = 1 << (len(surfaces) - 1 - lod)
        step = edge * (1 << lod) / steps
        lattice = np.clip(np.rint((vertices - origin) / step), 0, steps * nodes).astype(np.int64)
        pieces = cut_pieces(lattice, faces, steps, nodes, is_halved=lod > 0)
        if not len(pieces.faces):  # all of it within one step
            break
        levels.append(pieces)
        blobs.append(_compress(draco, pieces))
        sizes.append(max(_median_edge(vertices, faces), *sizes[-1:], step))
    if not levels:
        return _nothing()
    manifest = _manifest(np.full(3, edge), origin, sizes, levels, blobs)
    fragments = b"".join(blob for level in blobs for blob in level)
    return EncodedMesh(manifest, fragments, tuple(len(pieces.faces) for pieces in levels))


def check_draco() -> None:
    """Refuse to begin what needs Draco.

    Raises
    ------
    UnsupportedError
        DracoPy is not installed.
    """
    _import_draco()


def _nothing() -> EncodedMesh:
    """A mesh of one piece that is empty: manifests without a level or a piece are errors to the client."""
    none = np.empty((0, 3), np.int64)
    piece = Pieces(np.zeros((1, 3), np.int64), none, np.zeros(2, np.int64), none, np.zeros(2, np.int64))
    return EncodedMesh(_manifest(np.ones(3), np.zeros(3), [1.0], [piece], [[b""]]), b"\0", (0,))


def _import_draco() -> ModuleType:
    try:
        import DracoPy  # type: ignore[import-not-found]
    except ImportError as error:
        raise UnsupportedError(
            "meshes for Neuroglancer are compressed with Draco; install zvview with the extra 'draco'"
        ) from error
    return DracoPy  # type: ignore[no-any-return]


def _checked(vertices: NDArray[Any], faces: NDArray[np.integer[Any]]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The vertices that faces use, and the faces."""
    if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        raise InvalidInputError(f"vertices of shape {vertices.shape} and faces of shape {faces.shape}, expected (n, 3)")
    if len(faces) and (faces.min() < 0 or faces.max() >= len(vertices)):
        raise InvalidInputError(f"a face names a vertex beyond the {len(vertices)} that there are")
    is_used = np.zeros(len(vertices), bool)
    is_used[faces] = True
    used = np.asarray(vertices[is_used], np.float64)
    if not np.isfinite(used).all():
        raise InvalidInputError("a vertex of a face is not finite")
    return used, (np.cumsum(is_used) - 1)[faces]


def _at_most(corner: NDArray[np.float64]) -> NDArray[np.float64]:
    """The greatest float32 that are not above."""
    rounded = corner.astype(np.float32)
    below = np.where(rounded > corner, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    return below.astype(np.float64)


def _edge(extent: float, origin: NDArray[np.float64], levels: int) -> float:
    """Edge of a node of the finest level, a float32: so that one node of the coarsest holds all."""
    least = max(float(np.abs(origin).max()) * 2.0**-20, 1e-20)  # what lies in one place still needs a node
    return float(np.float32(max(extent, least) / (1 << (levels - 1)) * _SLACK))


def _median_edge(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> float:
    """Median length of an edge, from some thousand faces spread over all."""
    few = faces[:: max(1, len(faces) // 5_000)]
    ends = vertices[few]
    return float(np.median(np.linalg.norm(ends - np.roll(ends, 1, axis=1), axis=2)))


def _compress(draco: ModuleType, pieces: Pieces) -> list[bytes]:
    """Each piece by Draco, without its own quantisation: the client takes coordinates as they stand."""
    vertices, faces = pieces.vertices.astype(np.int32), pieces.faces.astype(np.uint32)
    bounds = zip(pairwise(pieces.vertex_offsets.tolist()), pairwise(pieces.face_offsets.tolist()), strict=True)
    return [
        draco.encode(
            vertices[a:b],
            faces=faces[c:d],
            quantization_bits=0,
            compression_level=_COMPRESSION,
            preserve_order=False,
            create_metadata=False,
        )
        for (a, b), (c, d) in bounds
    ]


def _manifest(
    edges: NDArray[np.float64],
    origin: NDArray[np.float64],
    scales: Sequence[float],
    levels: Sequence[Pieces],
    blobs: Sequence[Sequence[bytes]],
) -> bytes:
    parts: list[NDArray[Any]] = [
        edges.astype("<f4"),
        origin.astype("<f4"),
        np.array([len(levels)], "<u4"),
        np.array(scales, "<f4"),
        np.zeros((len(levels), 3), "<f4"),
        np.array([len(level.nodes) for level in levels], "<u4"),
    ]
    for level, level_blobs in zip(levels, blobs, strict=True):
        parts += [level.nodes.T.astype("<u4"), np.array([len(blob) for blob in level_blobs], "<u4")]
    return b"".join(part.tobytes() for part in parts)
