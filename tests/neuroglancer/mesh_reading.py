"""Reading encoded meshes by the letter of the specification."""

from __future__ import annotations

import struct
from typing import Any

import DracoPy
import numpy as np

from zvview.neuroglancer.encoding.meshes import EncodedMesh

Piece = tuple[tuple[int, ...], Any, Any, Any]


def read(mesh: EncodedMesh, bits: int = 16) -> list[list[Piece]]:
    """For each level its pieces: node, vertices as stored, faces, and positions, by the letter of the specification."""
    data, at = mesh.manifest, 0

    def take(count: int, code: str) -> Any:
        nonlocal at
        found = struct.unpack_from(f"<{count}{code}", data, at)
        at += 4 * count
        return np.array(found)

    shape, origin = take(3, "f"), take(3, "f")
    (count,) = take(1, "I")
    scales, offsets, pieces = take(count, "f"), take(3 * count, "f").reshape(-1, 3), take(count, "I")
    assert (scales > 0).all() and (np.diff(scales) >= 0).all() and not offsets.any()
    out, start = [], 0
    for lod in range(count):
        nodes, sizes = take(3 * pieces[lod], "I").reshape(3, -1).T, take(pieces[lod], "I")
        level = []
        for node, size in zip(nodes, sizes.tolist(), strict=True):
            if not size:
                continue
            decoded = DracoPy.decode(mesh.fragments[start : start + size])
            (attribute,) = decoded.attributes
            assert attribute["data_type"] == 5, "the client takes int32 and float32 only"
            stored, faces = np.asarray(decoded.points).astype(np.int64), np.asarray(decoded.faces).astype(np.int64)
            start += size
            places = origin + shape * 2**lod * (node + stored / (2**bits - 1))
            level.append((tuple(node.tolist()), stored, faces, places))
        out.append(level)
    assert at == len(data) and start == (len(mesh.fragments) if start else 0)
    return out
