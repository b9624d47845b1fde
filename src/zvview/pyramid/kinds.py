"""Which kind of geometry is made coarser by what."""

from __future__ import annotations

from collections.abc import Callable

from zvview.errors import UnsupportedError
from zvview.format import names
from zvview.pyramid.kind import Kind

__all__ = ["kind_of"]


def kind_of(kind: str) -> Kind:
    """What makes levels of a kind.

    Raises
    ------
    UnsupportedError
        A kind that has no levels.
    """
    if kind not in _KINDS:
        raise UnsupportedError(f"no coarser levels are made of kind {kind!r}")
    return _KINDS[kind]()


def _points() -> Kind:
    from zvview.pyramid.points import PointsKind

    return PointsKind()


def _lines() -> Kind:
    from zvview.pyramid.lines import LinesKind

    return LinesKind()


def _trees() -> Kind:
    from zvview.pyramid.trees import TreesKind

    return TreesKind()


def _meshes() -> Kind:
    from zvview.pyramid.meshes import MeshesKind

    return MeshesKind()


_KINDS: dict[str, Callable[[], Kind]] = {
    names.POINT_CLOUD: _points,
    names.LINE: _lines,
    names.POLYLINE: _lines,
    names.STREAMLINE: _lines,
    names.SKELETON: _trees,
    names.GRAPH: _trees,
    names.MESH: _meshes,
}
