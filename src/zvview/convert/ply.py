"""PLY files: points and meshes, as text and as bytes of either order; see :mod:`zvview.convert.ply_header`."""

from __future__ import annotations

from zvview.convert.contract import Format
from zvview.convert.ply_reading import SUFFIXES, open_ply
from zvview.convert.ply_writing import write_ply
from zvview.format import names

__all__ = ["FORMATS"]

FORMATS: tuple[Format, ...] = (
    Format("ply", "PLY files", SUFFIXES, (names.POINT_CLOUD, names.MESH), open_ply, write_ply),
)
