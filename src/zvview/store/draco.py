"""Vertices that are Draco bitstreams: the meshes of single chunks, best effort (format reference 12.4).

Draco quantises positions and may merge and reorder vertices, so that what names vertices by their row from outside the
bitstream (links across chunks, vertex attributes, objects in a chunk) cannot be trusted. The decoder is an extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError, UnsupportedError

__all__ = ["DRACO_NOTE", "decode_draco"]

DRACO_NOTE = (
    "vertices are compressed with Draco, which may reorder them: faces inside chunks are shown; faces across chunks "
    "and vertex attributes cannot be trusted and are left out, and the objects of a chunk cannot be told apart"
)

_MAGIC = b"DRACO"


def decode_draco(cells: Sequence[NDArray[np.uint8]]) -> tuple[list[NDArray[np.float32]], list[NDArray[np.int64]]]:
    """Positions, (N, 3) float32, and faces, (F, 3) rows of them, of each cell; nothing for an empty one.

    Raises
    ------
    UnsupportedError
        DracoPy is not installed.
    DamagedError
        Its ``cells`` is the first one that is no Draco bitstream.
    """
    decoder = _import_decoder()
    positions, faces = [], []
    for number, cell in enumerate(cells):
        data = cell.tobytes()
        if not data:
            positions.append(np.empty((0, 3), np.float32))
            faces.append(np.empty((0, 3), np.int64))
            continue
        try:
            if not data.startswith(_MAGIC):
                raise ValueError(f"it starts with {data[:5]!r}")
            decoded = decoder.decode(data)
            points = np.asarray(decoded.points, np.float32).reshape(-1, 3)
            triangles = np.asarray(getattr(decoded, "faces", ()), np.int64).reshape(-1, 3)
            if triangles.size and (triangles.min() < 0 or triangles.max() >= len(points)):
                raise ValueError("a face names a vertex that there is not")
        except Exception as error:  # whatever the decoder raises over bytes that it cannot read
            found = f"{type(error).__name__}: {error}"[:160]
            raise DamagedError("vertices", found=found, expected="a Draco bitstream", cells=[number]) from error
        positions.append(points)
        faces.append(triangles)
    return positions, faces


def _import_decoder() -> ModuleType:
    try:
        import DracoPy  # type: ignore[import-not-found]
    except ImportError as error:
        raise UnsupportedError(
            "the vertices are compressed with Draco; install zvview with the extra 'draco' to read them"
        ) from error
    return DracoPy  # type: ignore[no-any-return]
