"""Which vertices a user wants to see, by what they carry: pure functions on batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import InvalidInputError
from zvview.format.attributes import Categories
from zvview.format.sequences import distinct
from zvview.geometry.batches import Batch, Pieces, Points, Polylines
from zvview.geometry.select import keep_objects, keep_rows
from zvview.store.layout import Groups

__all__ = ["Filter", "apply_filter", "wanted_objects"]


@dataclass(frozen=True, slots=True, eq=False)
class Filter:
    """What a vertex must be like to be shown; all conditions must hold, an empty filter lets everything pass.

    Attributes
    ----------
    ranges : mapping of str to (lo, hi)
        Vertex attributes by name, inclusive; of several channels all must lie within. NaN never does.
    categories : mapping of str to set of str
        Labels of categorical attributes; None stands for a missing value.
    object_ids : (n,) int64 array or None
        The only objects to show.
    groups : tuple of int or str, or None
        Groups, by number or name, of which the object must be a member.
    """

    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    categories: Mapping[str, Iterable[str | None]] = field(default_factory=dict)
    object_ids: ArrayLike | None = None
    groups: tuple[int | str, ...] | None = None

    def __post_init__(self) -> None:
        ranges = {name: (float(lo), float(hi)) for name, (lo, hi) in self.ranges.items()}
        if bad := [name for name, (lo, hi) in ranges.items() if not lo <= hi]:
            raise InvalidInputError(f"range of {bad[0]!r} is {ranges[bad[0]]}, expected (lo, hi) with lo <= hi")
        labels = {name: frozenset(wanted) for name, wanted in self.categories.items()}
        ids = None if self.object_ids is None else np.asarray(self.object_ids)
        if ids is not None and (ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu")):
            raise InvalidInputError("object_ids must be a list of integers")
        object.__setattr__(self, "ranges", MappingProxyType(ranges))
        object.__setattr__(self, "categories", MappingProxyType(labels))
        object.__setattr__(self, "object_ids", None if ids is None else distinct(ids.astype(np.int64)))
        object.__setattr__(self, "groups", None if self.groups is None else tuple(self.groups))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Filter):
            return NotImplemented
        ours, theirs = self.object_ids, other.object_ids
        are_ids_same = (ours is None) == (theirs is None) and (ours is None or np.array_equal(ours, theirs))  # type: ignore[arg-type]
        same = (self.ranges, self.categories, self.groups) == (other.ranges, other.categories, other.groups)
        return bool(are_ids_same) and same

    __hash__ = None  # type: ignore[assignment]

    @property
    def is_empty(self) -> bool:
        """Whether everything passes."""
        return not (self.ranges or self.categories) and not self.names_objects

    @property
    def names_objects(self) -> bool:
        """Whether only some objects pass."""
        return self.object_ids is not None or self.groups is not None

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """Vertex attributes that it asks about."""
        return tuple(dict.fromkeys((*self.ranges, *self.categories)))


def wanted_objects(filter: Filter, groups: Groups | None) -> NDArray[np.int64] | None:
    """Ids of the only objects that pass, ascending; None where objects do not matter.

    Raises
    ------
    MissingError
        There is no such group.
    """
    ids = None if filter.object_ids is None else np.asarray(filter.object_ids, np.int64)
    if filter.groups is None:
        return ids
    members = np.empty(0, np.int64) if groups is None else groups.members_of(filter.groups)
    return members if ids is None else np.intersect1d(ids, members)


def apply_filter(batch: Batch, filter: Filter, objects: NDArray[np.int64] | None = None) -> Batch:
    """What of `batch` passes.

    A hidden vertex takes its links with it; lines are cut there. Of a batch that lacks an attribute that is asked about
    nothing passes: what cannot be told is not shown.

    Parameters
    ----------
    batch : Batch
    filter : Filter
    objects : (n,) int64 array, optional
        From :func:`wanted_objects`.
    """
    if objects is not None:
        batch = keep_objects(batch, objects)
    rows = np.ones(len(batch), bool)
    for name, (lo, hi) in filter.ranges.items():
        rows &= _within(batch.attributes.get(name), lo, hi)
    for name, labels in filter.categories.items():
        rows &= _labelled(batch.attributes.get(name), batch.categories.get(name), labels)
    return batch if rows.all() else _keep_vertices(batch, rows)


def _within(values: NDArray[Any] | None, lo: float, hi: float) -> NDArray[np.bool_] | bool:
    if values is None:
        return False
    inside = (values >= lo) & (values <= hi)
    return np.asarray(inside if inside.ndim == 1 else inside.all(axis=1))


def _labelled(
    codes: NDArray[Any] | None, known: Categories | None, labels: Iterable[str | None]
) -> NDArray[np.bool_] | bool:
    if codes is None or known is None:
        return False
    wanted = frozenset(labels)
    table = np.array([label in wanted for label in known.labels] + [False], bool)
    is_code = (codes >= 0) & (codes < len(known.labels))
    passed = table[np.where(is_code, codes.astype(np.int64), len(known.labels))]
    if None in wanted and known.missing is not None:
        passed |= codes == known.missing
    return np.asarray(passed if passed.ndim == 1 else passed.all(axis=1))


def _keep_vertices(batch: Batch, rows: NDArray[np.bool_]) -> Batch:
    if isinstance(batch, Points):
        return keep_rows(batch, rows)
    assert isinstance(batch, Pieces)
    if isinstance(batch, Polylines):
        inner = int(batch.offsets[-1])
        begins = np.zeros(inner, bool)
        begins[batch.offsets[:-1][np.diff(batch.offsets) > 0]] = True
        begins |= ~rows[:inner]
        begins[1:] |= ~rows[: max(inner - 1, 0)]
        at = np.flatnonzero(begins)
        owner = np.repeat(np.arange(len(batch.offsets) - 1), np.diff(batch.offsets))[at]
        ids = None if batch.object_ids is None else batch.object_ids[owner]
        links = batch.bridges
        batch = replace(batch, offsets=np.append(at, inner), object_ids=ids)
    else:
        links = getattr(batch, "faces" if hasattr(batch, "faces") else "edges")
    is_far = np.arange(len(batch)) >= batch.offsets[-1]
    served = np.zeros(len(batch), bool)
    served[links[rows[links].all(axis=1)].ravel()] = True
    return keep_rows(batch, rows & (served | ~is_far))
