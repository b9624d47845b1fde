"""Wavefront OBJ meshes, in and out; see :mod:`zvview.convert.obj_reading` and :mod:`zvview.convert.obj_writing`."""

from __future__ import annotations

from zvview.convert.contract import Format
from zvview.convert.obj_reading import SUFFIXES, open_obj
from zvview.convert.obj_writing import write_obj
from zvview.format import names

__all__ = ["FORMATS"]

FORMATS: tuple[Format, ...] = (Format("obj", "OBJ meshes", SUFFIXES, (names.MESH,), open_obj, write_obj),)
