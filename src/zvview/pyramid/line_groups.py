"""The least object of each group, of which a coarser level keeps one at least.

After an edit only those groups are read whose least object was edited, or that an edited object may lead now, and those
of which the members changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.sequences import distinct, is_among
from zvview.pyramid.object_ranks import hash_objects
from zvview.store.level import Level

__all__ = ["GroupRows", "find_leaders", "renew_leaders"]

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Leaders = tuple[int | None, ...]

_FIRST_LOOK = 4  # members of a group that are looked up at once: mostly the first is there


class GroupRows(Sequence[Ints]):
    """The members of each group of a level, of which only those are read that are asked for.

    Parameters
    ----------
    level : Level
    """

    def __init__(self, level: Level) -> None:
        reader = level._reader
        self._path = f"{reader.layout.path}/{names.GROUPS}"
        self._hierarchy, self._stored = reader.hierarchy, reader.layout.stored_groups()

    def __len__(self) -> int:
        return 0 if self._stored is None else len(self._stored)

    def __getitem__(self, number: Any) -> Any:
        return self.read(np.array([range(len(self))[number]]))[0]

    def read(self, numbers: Ints) -> Sequence[Ints]:
        """The members of some groups."""
        return () if self._stored is None else self._stored.read(numbers)

    def unlike(self, other: GroupRows) -> Ints:
        """Numbers of the groups, ascending, that may have other members than in another level.

        Cells that are the same bytes are not decoded.
        """
        shared = min(len(self), len(other))
        numbers = np.arange(shared)
        cells, per = self._encoded(), self._rows_per_cell()
        if per and per == other._rows_per_cell():
            alike = [a is not None and a == b for a, b in zip(cells, other._encoded(), strict=False)]
            numbers = numbers[~np.append(alike, False).astype(bool)[numbers // per]]
        members = zip(numbers.tolist(), self.read(numbers), other.read(numbers), strict=True)
        changed = [number for number, now, before in members if not np.array_equal(now, before)]
        return np.array([*changed, *range(shared, max(len(self), len(other)))], np.int64)

    def _rows_per_cell(self) -> int:
        """Of cells that alone tell of their groups; else 0."""
        document = self._hierarchy.document(self._path)
        if document is None or document["attributes"].get("group_ranges"):
            return 0
        return int(document["chunk_grid"]["configuration"]["chunk_shape"][0])

    def _encoded(self) -> list[bytes | None]:
        per = self._rows_per_cell()
        keys = [f"{self._path}/c/{i}" for i in range(-(-len(self) // per))] if per else []
        found = self._hierarchy.source.get_many([(key, None) for key in keys])
        return [None if data is None else bytes(data) for data in found]


def find_leaders(groups: Sequence[Ints], seed: int, are_there: Callable[[Ints], Flags]) -> Leaders:
    """The member of each group that has the least hash, of those that are there: ``are_there(ids)``, ascending."""
    leaders: list[int | None] = [None] * len(groups)
    hashes = [hash_objects(members, seed) for members in groups]
    open_ones, start, count = list(range(len(groups))), 0, _FIRST_LOOK
    while open_ones:
        some = [_first_members(groups[i], hashes[i], start + count)[start:] for i in open_ones]
        asked = distinct(np.concatenate(some))
        there = asked[are_there(asked)]
        found = [members[is_among(members, there)] for members in some]
        for i, members in zip(open_ones, found, strict=True):
            leaders[i] = int(members[0]) if len(members) else None
        start, count = start + count, 4 * count
        open_ones = [i for i in open_ones if leaders[i] is None and start < len(groups[i])]
    return tuple(leaders)


def renew_leaders(
    before: Leaders,
    old: Sequence[Ints],
    groups: Sequence[Ints],
    changed: Ints,
    edited: Ints,
    seen: Flags,
    seed: int,
    are_there: Callable[[Ints], Flags],
) -> Leaders:
    """The leaders after an edit.

    A leader that is still a member, and there, gives way only to an edited object, or to a new member. So only where
    one is gone are all members asked.

    Parameters
    ----------
    before : tuple of int or None
    old, groups : sequence of (m,) int64
        Members of each group before and now; only those are looked at that are wanted.
    changed : (c,) int64
        Numbers of the groups of which members came or went.
    edited : (n,) int64
        Objects that were edited, ascending.
    seen : (n,) bool
        Whether each is there now.
    seed : int
    are_there : callable
    """
    led = np.array([leader is not None for leader in before], bool)
    known = np.array([0 if leader is None else leader for leader in before], np.int64)
    is_stale = np.ones(len(groups), bool)
    kept = min(len(before), len(old), len(groups))
    gone, come = edited[~seen], edited[seen]
    is_stale[:kept] = led[:kept] & is_among(known[:kept], gone)
    limits = np.where(led[:kept], hash_objects(known[:kept], seed).astype(np.int64), 1 << 32)
    leaders = [*before[:kept], *([None] * (len(groups) - kept))]
    hashes = hash_objects(come, seed)
    is_near = ~is_stale[:kept] & (np.searchsorted(np.sort(hashes), limits, side="right") > 0)
    is_near[changed[changed < kept]] = True
    for i in np.flatnonzero(is_near & ~is_stale[:kept]).tolist():
        members = groups[i]
        rivals = members[is_among(members, come[hashes <= limits[i]])]
        if i in changed:
            if led[i] and not (members == known[i]).any():
                is_stale[i] = True
                continue
            new = members[~is_among(members, np.sort(old[i]))]
            new = np.sort(new[(hash_objects(new, seed) <= limits[i]) & ~is_among(new, edited)])
            rivals = np.concatenate((rivals, new[are_there(new)])) if len(new) else rivals
        candidates = np.append(rivals, known[i]) if led[i] else rivals
        if len(candidates):
            leaders[i] = int(_first_members(candidates, hash_objects(candidates, seed), 1)[0])
    stale = np.flatnonzero(is_stale).tolist()
    for i, leader in zip(stale, find_leaders([groups[i] for i in stale], seed, are_there), strict=True):
        leaders[i] = leader
    return tuple(leaders)


def _first_members(members: Ints, hashes: NDArray[np.uint32], count: int) -> Ints:
    """The first `count` members by hash, then by id; the rest of them is not sorted."""
    near = np.arange(len(members))
    if count < len(members):
        near = np.flatnonzero(hashes <= np.partition(hashes, count - 1)[count - 1])
    first: Ints = members[near[np.lexsort((members[near], hashes[near]))[:count]]]
    return first
