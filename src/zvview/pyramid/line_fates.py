"""Which lines a coarser level keeps after an edit, decided from what the edit changed.

A line stays for its hash, or as the one of the least hash in a bin, a class of length or a group
(:mod:`~zvview.pyramid.object_choice`). So only these may change their fate: lines that were edited; lines of which a
chunk that was surveyed anew tells something else than before; and those that were, or are now, the least of a class or
group in which such a line came or went. Whether such a line wins elsewhere the surveys of the chunks tell that it
passes, and no others are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import ChunkTable, sort_chunks
from zvview.format.sequences import distinct, is_among
from zvview.pyramid.kind import Job
from zvview.pyramid.length_classes import NOT_SEEN, LengthClasses, class_of
from zvview.pyramid.line_design import LineRules
from zvview.pyramid.line_survey import Survey, changed_objects, join_surveys
from zvview.pyramid.lines import parents_of
from zvview.pyramid.object_choice import hash_objects
from zvview.pyramid.stored_surveys import StoredSurvey
from zvview.store.level import Level
from zvview.store.patching.line_pieces import LinePieces
from zvview.store.writing.sorting import rank_rows, run_starts

__all__ = ["Fates", "changed_entries", "decide_fates", "present_among"]

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_FIRST_LOOK = 4  # members of a group that are looked up at once: mostly the first is there


@dataclass(frozen=True, slots=True, eq=False)
class Fates:
    """What becomes of lines whose fate may have changed.

    Attributes
    ----------
    ids : (n,) int64
        Ascending.
    stays : (n,) bool
        Whether the level keeps each.
    classes : LengthClasses or None
        Of the level now; None where lines are kept for other reasons only.
    """

    ids: Ints
    stays: Flags
    classes: LengthClasses | None


def present_among(level: Level, ids: Ints) -> Flags:
    """Whether a level holds something of each object, (n,)."""
    objects = level._reader.objects
    assert objects is not None
    rows = objects.find_rows(ids)
    out = np.zeros(len(ids), bool)
    known = np.flatnonzero(rows >= 0)
    out[known] = np.diff(objects.manifests(rows[known]).offsets) > 0
    return out


def changed_entries(before: Survey, after: Survey) -> Ints:
    """Objects, ascending, of which two surveys of the same chunks tell another thing."""
    return changed_objects(before, after, ("is_winner", "lengths", "counts"))


def decide_fates(
    job: Job, old: Level, objects: Ints, surveys: StoredSurvey, before: Survey, after: Survey
) -> Fates | None:
    """The fates of all lines that an edit may have changed.

    Parameters
    ----------
    job : Job
    old : Level
        The coarser level as it was.
    objects : (m,) int64
        Lines that were edited, added or removed.
    surveys : StoredSurvey
        Of the level as it was.
    before, after : Survey
        Of the chunks that were surveyed anew.

    Returns
    -------
    Fates or None
        None where the surveys do not fit the level.
    """
    rules = LineRules.parse(job.design.parameters)
    ids = np.union1d(objects, changed_entries(before, after))
    look = _Look(job, surveys, before, after)
    seen = look.at(ids)
    if seen is None:
        return None
    known = surveys.classes or look.all_classes(rules.seed, is_after=False)
    classes = None if known is None else known.moved(ids, seen.class_before, seen.class_after)
    classes = classes or look.all_classes(rules.seed, is_after=True)
    if known is None or classes is None:
        return None
    was_seen, is_seen = seen.class_before != NOT_SEEN, seen.class_after != NOT_SEEN
    groups = _Groups(job.fine, old, rules.seed)
    others = (known.winners(), classes.winners(), groups.rivals(ids[was_seen != is_seen]))
    more = np.setdiff1d(np.concatenate(others), ids)
    rest = look.at(more)
    if rest is None:
        return None
    ids = np.concatenate((ids, more))
    stays = np.concatenate((seen.wins, rest.wins)) | (hash_objects(ids, rules.seed) < rules.threshold)
    stays |= np.isin(ids, classes.winners())
    is_seen = np.concatenate((is_seen, rest.class_after != NOT_SEEN))
    open_ones = np.flatnonzero(is_seen & ~stays)
    stays[open_ones] = groups.are_least(ids[open_ones])
    order = np.argsort(ids)
    return Fates(ids[order], (stays & is_seen)[order], classes)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What surveys tell of some objects: classes of their lengths before and after, and whether they win a bin now."""

    class_before: Ints
    class_after: Ints
    wins: Flags


class _Look:
    """Looks objects up in the surveys of the chunks that they pass."""

    def __init__(self, job: Job, surveys: StoredSurvey, before: Survey, after: Survey) -> None:
        self._job, self._surveys, self._before, self._after = job, surveys, before, after
        self._again = ChunkTable.of(np.concatenate((before.chunks, after.chunks)))

    def at(self, ids: Ints) -> _Seen | None:
        """What is told of the objects `ids`; None where surveys and manifests do not fit each other."""
        order = np.argsort(ids)
        wanted = ids[order]
        pieces = LinePieces.of(self._job.fine, wanted)
        parents = parents_of(self._job.fine, self._job.design, pieces.chunks)
        elsewhere = self._surveys.read(sort_chunks(parents[self._again.find(parents) < 0]))
        if elsewhere is None:
            return None
        now = join_surveys([self._after, elsewhere])
        table = ChunkTable.of(now.chunks)
        passes = _distinct_rows(np.column_stack((table.find(parents), np.searchsorted(wanted, pieces.owners))))
        after = _Sums.of(now, wanted)
        if len(passes) != after.entries or (passes[:, 0] < 0).any():
            return None
        before = _Sums.of(join_surveys([self._before, elsewhere]), wanted)
        back = np.argsort(order)
        return _Seen(before.classes()[back], after.classes()[back], after.wins[back])

    def all_classes(self, seed: int, *, is_after: bool) -> LengthClasses | None:
        """The classes of all objects before or after the edit, for which all surveys are read."""
        whole = self._surveys.read(None)
        if whole is not None and is_after:
            whole = whole.with_chunks(self._again.coords, self._after)
        return None if whole is None else LengthClasses.of(whole, seed)


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Of some objects in a survey: length in all chunks, whether any holds a piece, and whether a bin is won."""

    lengths: Ints
    is_seen: Flags
    wins: Flags
    entries: int

    @classmethod
    def of(cls, survey: Survey, ids: Ints) -> _Sums:
        lengths, is_seen, wins = np.zeros(len(ids), np.int64), np.zeros(len(ids), bool), np.zeros(len(ids), bool)
        if not len(ids):
            return cls(lengths, is_seen, wins, 0)
        at = np.minimum(np.searchsorted(ids, survey.ids), len(ids) - 1)
        mine = np.flatnonzero(ids[at] == survey.ids)
        at = at[mine]
        np.add.at(lengths, at, survey.lengths[mine])
        is_seen[at] = True
        wins[at[survey.is_winner[mine]]] = True
        return cls(lengths, is_seen, wins, len(mine))

    def classes(self) -> Ints:
        return np.where(self.is_seen, class_of(self.lengths), NOT_SEEN)


def _distinct_rows(table: Ints) -> Ints:
    """The different rows of a table of integers."""
    keys, _ = rank_rows(table)
    order = np.argsort(keys, kind="stable")
    return table[order[run_starts(keys[order])]]


class _Groups:
    """Groups of objects, and who is the least of each."""

    def __init__(self, fine: Level, old: Level, seed: int) -> None:
        self._fine, self._old, self._seed = fine, old, seed
        self._now, self._before = (_members(level) for level in (fine, old))

    def rivals(self, ids: Ints) -> Ints:
        """The least objects, before and now, of groups that changed, or in which objects `ids` came or went."""
        found = []
        for number in range(max(len(self._now), len(self._before))):
            now, before = (groups[number] if number < len(groups) else ids[:0] for groups in (self._now, self._before))
            is_same = np.array_equal(now, before)
            if not is_same or is_among(now, ids).any():
                found += [self._least(now, self._fine), self._least(before, self._old)]
        return distinct(np.concatenate([ids[:0], *found]))

    def are_least(self, ids: Ints) -> Flags:
        """Whether each of some objects is the least of a group."""
        out = np.zeros(len(ids), bool)
        if not len(ids):
            return out
        known = np.sort(ids)
        for members in self._now:
            if is_among(members, known).any():
                out |= np.isin(ids, self._least(members, self._fine))
        return out

    def _least(self, members: Ints, level: Level) -> Ints:
        """The member of the least hash of which a level holds something, (1,) or none."""
        hashes = hash_objects(members, self._seed)
        start, count = 0, _FIRST_LOOK
        while start < len(members):
            some = _first_members(members, hashes, start + count)[start:]
            there = np.flatnonzero(present_among(level, some))
            if len(there):
                return some[there[:1]]
            start, count = start + count, 4 * count
        return members[:0]


def _first_members(members: Ints, hashes: NDArray[np.uint32], count: int) -> Ints:
    """The first `count` members by hash, then by id; the rest of them is not sorted."""
    near = np.arange(len(members))
    if count < len(members):
        near = np.flatnonzero(hashes <= np.partition(hashes, count - 1)[count - 1])
    first: Ints = members[near[np.lexsort((members[near], hashes[near]))[:count]]]
    return first


def _members(level: Level) -> Sequence[Ints]:
    groups = level.groups
    return () if groups is None else groups.members
