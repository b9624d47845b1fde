"""Checking what stands beside objects: their attributes, groups of them, and the attributes of groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.store.check.objects import Ownership
from zvview.store.check.scope import LevelScope

__all__ = ["check_groups"]


def check_groups(scope: LevelScope, ownership: Ownership | None) -> None:
    """Check object attributes, groups and group attributes of a level."""
    path = scope.path(names.GROUPS)
    count = None if ownership is None else len(ownership.ids)
    _check_rows(
        scope, names.OBJECT_ATTRIBUTES, "object-rows", "objects", count, lambda n: scope.layout.object_attribute(n)[0]
    )
    groups = None
    with scope.report.guard(path):
        groups = scope.layout.groups()
        if groups is not None:
            _check_members(scope, path, groups.members, ownership)
            _check_names(scope, path, len(groups))
    number = None if groups is None else len(groups)
    _check_rows(scope, names.GROUP_ATTRIBUTES, "group-rows", "groups", number, scope.layout.group_attribute)


def _check_rows(
    scope: LevelScope, family: str, code: str, what: str, count: int | None, read: Callable[[str], NDArray[np.generic]]
) -> None:
    """Every attribute of a family has one row for each of `count` things."""
    found: list[str] = []
    with scope.report.guard(scope.path(family)):
        found = scope.layout.attribute_names(family)
    for name in found:
        path = scope.path(family, name)
        with scope.report.guard(path):
            rows = len(read(name))
            if count is not None and rows != count:
                scope.report.add(code, path, f"{rows} rows, expected one for each of {count} {what}")


def _check_members(
    scope: LevelScope, path: str, members: tuple[NDArray[np.int64], ...], ownership: Ownership | None
) -> None:
    if ownership is None:
        return
    sizes = [len(m) for m in members]
    joined = np.concatenate([np.empty(0, np.int64), *members])
    group = np.repeat(np.arange(len(members)), sizes)
    lost = ~np.isin(joined, ownership.ids)
    numbers, first, counts = np.unique(group[lost], return_index=True, return_counts=True)
    for number, at, count in zip(numbers.tolist(), first.tolist(), counts.tolist(), strict=True):
        found = f"{count} members, such as {joined[lost][at]}, expected ids of objects"
        scope.report.add("group-member", path, found, cell=f"group {number}")


def _check_names(scope: LevelScope, path: str, count: int) -> None:
    attributes = scope.hierarchy.attributes(path) or {}
    declared = attributes.get("num_groups")
    if isinstance(declared, int) and declared != count:
        scope.report.add("num-groups", path, f"num_groups = {declared} beside {count} groups")
    labels = attributes.get("group_names")
    if not isinstance(labels, list) or not labels:
        return
    if len(labels) != count:
        scope.report.add("group-names", path, f"{len(labels)} names for {count} groups")
    repeated = [name for name, times in Counter(map(str, labels)).items() if times > 1]
    if repeated:
        scope.report.add("group-names", path, f"the name {repeated[0]!r} is given to several groups")
