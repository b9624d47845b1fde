"""The designs that a store's levels were made with, read back and looked over before anything is done with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from zvview.errors import DamagedError, UnsupportedError
from zvview.format import names
from zvview.format.values import wrong
from zvview.pyramid.design import LevelDesign
from zvview.pyramid.line_design import LineRules
from zvview.pyramid.thinning import Thinning
from zvview.store.store import Store

__all__ = ["read_designs"]


def read_designs(store: Store, kind: str) -> list[LevelDesign]:
    """Designs of all coarse levels, in order.

    Raises
    ------
    UnsupportedError
        Levels are missing between others.
    DamagedError
        Levels that zvview did not make, parameters that cannot be, chunks that are no multiples of the finer level's.
    """
    if store.levels != tuple(range(len(store.levels))):
        raise UnsupportedError(f"{store.place} has levels {list(store.levels)}, of which some are missing between")
    designs = [LevelDesign.parse(store.reader(number).layout.metadata) for number in store.levels[1:]]
    finer = store.level(0).chunk_shape if store.levels else np.empty(0)
    for design in designs:
        part = f"metadata of level {design.level}"
        ratio = design.chunk / finer
        if not ((ratio >= 0.5) & (np.abs(ratio - np.rint(ratio)) < 1e-9 * ratio)).all():
            raise wrong(part, "chunk_shape", list(design.chunk_shape), f"multiples of {finer.tolist()}")
        finer = design.chunk
        try:
            _CHECKS[kind](design.parameters, len(finer))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            expected = f"those of a level of {kind} that zvview made"
            raise DamagedError(f"{part}, parameters", found=repr(error)[:120], expected=expected) from error
    return designs


def _check_points(parameters: Mapping[str, Any], ndim: int) -> None:
    thinning = Thinning.parse(parameters)
    _check_lengths(ndim, thinning.unit)


def _check_lines(parameters: Mapping[str, Any], ndim: int) -> None:
    rules = LineRules.parse(parameters)
    _check_lengths(ndim, rules.is_space, rules.instants, *([] if rules.selection is None else [rules.selection]))
    _check_numbers(rules.seed, rules.threshold, rules.tolerance, *rules.instants, *(rules.selection or ()))
    if not (rules.unit > 0 and all(edge > 0 for edge in rules.selection or ()) and any(rules.is_space)):
        raise ValueError("edges and units above 0")


def _check_trees(parameters: Mapping[str, Any], ndim: int) -> None:
    _check_numbers(parameters["tolerance"], parameters["object_share"], parameters["seed"])
    _check_axes(parameters["other_axes"], ndim)
    if not all(isinstance(name, str) for name in (*parameters["labels"], parameters["radius"] or "")):
        raise TypeError("names of attributes")


def _check_meshes(parameters: Mapping[str, Any], ndim: int) -> None:
    _check_numbers(parameters["density"], parameters["tolerance"], *parameters["block_shape"])
    _check_lengths(ndim, parameters["block_shape"])
    _check_axes(parameters["space_axes"], ndim)
    if min(parameters["block_shape"]) <= 0:
        raise ValueError("block edges above 0")


def _check_lengths(ndim: int, *values: Any) -> None:
    if any(len(value) != ndim for value in values):
        raise ValueError(f"one value for each of {ndim} axes")


def _check_numbers(*values: Any) -> None:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise TypeError(f"{value!r} is no number")


def _check_axes(axes: Any, ndim: int) -> None:
    if not all(type(axis) is int and 0 <= axis < ndim for axis in axes):
        raise ValueError(f"{axes!r} are no axes")


_CHECKS: Mapping[str, Callable[[Mapping[str, Any], int], None]] = {
    names.POINT_CLOUD: _check_points,
    names.LINE: _check_lines,
    names.POLYLINE: _check_lines,
    names.STREAMLINE: _check_lines,
    names.SKELETON: _check_trees,
    names.GRAPH: _check_trees,
    names.MESH: _check_meshes,
}
