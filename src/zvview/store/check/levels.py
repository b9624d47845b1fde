"""Checking levels against each other and against the root: numbers, chunks, bins and what is declared of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.metadata import LevelMetadata, RootMetadata
from zvview.store.check.report import Report
from zvview.store.check.scope import LevelFacts, LevelScope

__all__ = ["check_declared", "check_level_metadata", "check_pyramid"]

_OTHER_NAMES = {"attributes": names.VERTEX_ATTRIBUTES, names.CROSS_CHUNK_LINKS: names.LINKS}


def _is_multiple(values: NDArray[np.float64], unit: NDArray[np.float64]) -> bool:
    """Whether each value is a whole number, one or more, of its unit."""
    with np.errstate(all="ignore"):
        ratio = values / unit
        whole = np.rint(ratio)
        return bool(np.isfinite(ratio).all() and (whole >= 1).all() and (np.abs(ratio - whole) <= 1e-6 * whole).all())


def check_level_metadata(
    report: Report, root: RootMetadata, metadata: LevelMetadata, path: str, levels: Sequence[int]
) -> None:
    """Check what a level's group says."""
    own = metadata.raw.get(names.LEVEL)
    if not isinstance(own, dict):
        report.add("level-metadata", path, f"no attribute {names.LEVEL!r}")
        own = {}
    if not _is_multiple(metadata.chunk_shape, root.chunk_shape):
        found = (
            f"chunk_shape = {metadata.chunk_shape.tolist()}, expected whole multiples of {root.chunk_shape.tolist()}"
        )
        report.add("chunk-shape", path, found)
    with np.errstate(all="ignore"):
        bins = root.base_bin_shape * root.scales.get(str(metadata.level), np.ones(root.ndim))
    smaller = bins < metadata.chunk_shape * (1 - 1e-9)
    if smaller.any() and not _is_multiple(metadata.chunk_shape[smaller], bins[smaller]):
        found = f"bins of {bins.tolist()} in chunks of {metadata.chunk_shape.tolist()}, expected bins that divide them"
        report.add("bin-shape", path, found, severity="error" if metadata.level == 0 else "warning")
    parent = metadata.parent_level
    if "parent_level" in own or metadata.level:
        good = (
            parent is None
            if metadata.level == 0
            else parent is not None and parent < metadata.level and parent in levels
        )
        if not good:
            expected = "null" if metadata.level == 0 else "a finer level"
            report.add("parent-level", path, f"parent_level = {parent}, expected {expected}")
    if not 0 < metadata.object_sparsity <= 1:
        report.add(
            "object-sparsity", path, f"object_sparsity = {metadata.object_sparsity}, expected more than 0, at most 1"
        )


def check_pyramid(report: Report, levels: Sequence[int], facts: Mapping[int, LevelFacts]) -> None:
    """Check that levels follow each other without a gap and do not grow."""
    if not levels:
        report.add("no-levels", "", "no level, expected at least level 0")
        return
    if list(levels) != list(range(len(levels))):
        report.add("level-gap", "", f"levels {list(levels)}, expected {list(range(len(levels)))}")
    known = [n for n in levels if n in facts and not facts[n].is_damaged.any()]
    for fine, coarse in pairwise(known):
        if facts[coarse].vertex_count > facts[fine].vertex_count:
            found = f"{facts[coarse].vertex_count} vertices, more than the {facts[fine].vertex_count} of level {fine}"
            report.add("counts-increase", str(coarse), found)


def check_declared(scope: LevelScope, facts: LevelFacts) -> None:
    """Check what a level declares of its own content."""
    metadata, path = scope.layout.metadata, scope.layout.path
    own = metadata.raw.get(names.LEVEL)
    if not isinstance(own, dict):
        return
    if not facts.is_damaged.any() and metadata.vertex_count != facts.vertex_count:
        found = f"vertex_count = {metadata.vertex_count} beside {facts.vertex_count} vertices"
        scope.report.add("vertex-count", path, found)
    declared = {_OTHER_NAMES.get(name, name) for name in metadata.arrays_present}
    families = names.LEVEL_FAMILIES
    there = {name for name in families if scope.hierarchy.names(scope.path(name)) or _has_document(scope, name)}
    known = declared.intersection(families)
    if known != there and not scope.root.is_old_layout:
        parts = [f"does not name {', '.join(sorted(there - known))}"] if there - known else []
        parts += [f"names {', '.join(sorted(known - there))}, which is not there"] if known - there else []
        scope.report.add("arrays-present", path, "arrays_present " + " and ".join(parts))


def _has_document(scope: LevelScope, name: str) -> bool:
    return scope.hierarchy.document(scope.path(name)) is not None
