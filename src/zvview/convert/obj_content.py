"""What an OBJ file holds, as arrays; and its keywords."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLORS_OF_WIDTH", "PASSED_OVER", "STATEMENTS", "ObjContent", "Statement"]

STATEMENTS = ("o", "g", "usemtl")
"""Keywords that tell of the faces behind them."""

PASSED_OVER = {
    **dict.fromkeys(("vt",), "texture coordinates"),
    **dict.fromkeys(("p", "l"), "points and lines"),
    **dict.fromkeys(("s", "mg"), ""),
    **dict.fromkeys(("mtllib", "maplib", "usemap", "shadow_obj", "trace_obj"), ""),
    **dict.fromkeys(("bevel", "c_interp", "d_interp", "lod", "call", "csh"), ""),
    **dict.fromkeys(("vp", "cstype", "deg", "bmat", "step", "curv", "curv2", "surf"), "curves and surfaces"),
    **dict.fromkeys(("parm", "trim", "hole", "scrv", "sp", "end", "con", "ctech", "stech"), "curves and surfaces"),
}
"""All other keywords, and what is told of each: what a mesh has no place for; nothing of how it is shown."""

COLORS_OF_WIDTH = {3: 0, 4: 0, 6: 3, 7: 4}
"""Channels of the colour of a vertex by how many values it has: x y z, x y z w, x y z r g b, x y z r g b a."""


@dataclass(frozen=True, slots=True)
class Statement:
    """An ``o``, ``g`` or ``usemtl``, and how many vertices and faces stand before it."""

    keyword: str
    text: str
    vertices: int
    faces: int


@dataclass(frozen=True, slots=True, eq=False)
class ObjContent:
    """The content of a file.

    Attributes
    ----------
    positions : (V, 3) float64
    colors : (V, C) float64
        C is 3 or 4, 0 where no vertex has a colour; NaN where this one has none.
    normals : (N, 3) float64
    counts : (F,) int64
        Corners of each face, at least 3.
    corners, corner_normals : (sum of counts,) int64
        Rows of `positions` and of `normals`; -1 where a corner has no normal.
    statements : tuple of Statement
    comments : str
        A line each, without the sign.
    passed_over : tuple of str
        What the file holds and this value does not.
    """

    positions: NDArray[np.float64]
    colors: NDArray[np.float64]
    normals: NDArray[np.float64]
    counts: NDArray[np.int64]
    corners: NDArray[np.int64]
    corner_normals: NDArray[np.int64]
    statements: tuple[Statement, ...] = ()
    comments: str = ""
    passed_over: tuple[str, ...] = ()

    @property
    def vertex_normals(self) -> NDArray[np.float64] | None:
        """The normal of each vertex, (V, 3); None where a vertex has none, or several at its faces."""
        if not len(self.normals):
            return None
        of_vertex = np.full(len(self.positions), -1, np.int64)
        of_vertex[self.corners] = self.corner_normals
        is_one = (of_vertex >= 0).all() and (of_vertex[self.corners] == self.corner_normals).all()
        return self.normals[of_vertex] if is_one else None
