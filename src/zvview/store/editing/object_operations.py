"""Operations on what is said of objects: their attributes and their groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format.sequences import distinct, is_among
from zvview.store.editing.edits import Edits, GroupEdits

__all__ = ["forget_objects", "regroup", "set_object_attribute"]


def set_object_attribute(edits: Edits, name: str, ids: Sequence[int], values: NDArray[Any]) -> Edits:
    """Objects with other values, one row each, of an object attribute; the last word on an object counts."""
    known = edits.object_attributes.get(name, {})
    changed = {**known, **dict(zip(ids, values, strict=True))}
    return replace(edits, object_attributes={**edits.object_attributes, name: changed})


def regroup(edits: Edits, group: int, ids: NDArray[np.int64], members: NDArray[np.int64], *, belong: bool) -> Edits:
    """Objects in a group, or out of it.

    Parameters
    ----------
    edits : Edits
    group : int
    ids : (n,) int64 array
    members : (m,) int64 array
        Ids of the members of the group as stored.
    belong : bool
        Whether they shall belong to it.
    """
    known = edits.groups.get(group)
    none = np.empty(0, np.int64)
    added, removed = (none, none) if known is None else (known.added, known.removed)
    is_member = np.isin(ids, members[is_among(members, distinct(ids))])
    if belong:
        added, removed = np.union1d(added, ids[~is_member]), np.setdiff1d(removed, ids)
    else:
        added, removed = np.setdiff1d(added, ids), np.union1d(removed, ids[is_member])
    groups = {number: entry for number, entry in edits.groups.items() if number != group}
    if len(added) or len(removed):
        groups[group] = GroupEdits(added, removed)
    return replace(edits, groups=groups)


def forget_objects(edits: Edits, ids: frozenset[int]) -> Edits:
    """Without any word on new objects that are no more; `ids` are among the new ones."""
    if not ids:
        return edits
    attributes: dict[str, Mapping[int, NDArray[Any]]] = {}
    for name, values in edits.object_attributes.items():
        kept = {number: value for number, value in values.items() if number not in ids}
        if kept:
            attributes[name] = kept
    gone = np.array(sorted(ids), np.int64)
    groups = {}
    for number, entry in edits.groups.items():
        kept_ids = np.setdiff1d(entry.added, gone)
        if len(kept_ids) or len(entry.removed):
            groups[number] = GroupEdits(kept_ids, entry.removed)
    return replace(edits, new_objects=edits.new_objects - ids, object_attributes=attributes, groups=groups)
