"""The few objects of least hash of each bin, class of length and so on: what tells who stays after an edit.

Of each key the object of least hash stays. When that one goes, the next one stays in its place: so the least few are
kept, and whether there are others. They are true of whatever objects there are as long as one of them is left; only
then somebody has to look for others again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.format.cells import spread
from zvview.format.sequences import distinct, is_among, offsets_of
from zvview.pyramid.object_ranks import hash_objects
from zvview.store.writing.sorting import rank_rows, run_starts

__all__ = ["Heads", "changed_winners"]

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """The least objects of some keys.

    Attributes
    ----------
    keys : (n, k) int64
        Distinct, in numeric order. Each has an object at least.
    first : (n + 1,) int64
        Objects of key i are ``ids[first[i] : first[i + 1]]``.
    ids : (m,) int64
        By hash, then by id.
    is_all : (n,) bool
        Whether a key has no other objects.
    """

    keys: Ints
    first: Ints
    ids: Ints
    is_all: Flags

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def none(cls, width: int) -> Heads:
        """Of no keys, which would have so many components."""
        return cls(np.empty((0, width), np.int64), np.zeros(1, np.int64), np.empty(0, np.int64), np.empty(0, bool))

    @classmethod
    def of(cls, keys: Ints, ids: Ints, seed: int, most: int) -> Heads:
        """The least of all pairs, distinct, of a key (p, k) and an object (p,); at most so many of each key."""
        every = cls._sorted(keys, ids, seed)
        return every.cut(np.minimum(np.diff(every.first), most))

    @classmethod
    def _sorted(cls, keys: Ints, ids: Ints, seed: int) -> Heads:
        numbers, _ = rank_rows(keys)
        order = np.lexsort((ids, hash_objects(ids, seed), numbers))
        starts = run_starts(numbers[order])
        return cls(keys[order[starts]], np.append(starts, len(ids)), ids[order], np.ones(len(starts), bool))

    @property
    def winners(self) -> Ints:
        """The least object of each key, (n,)."""
        return self.ids[self.first[:-1]]

    def key_of(self) -> Ints:
        """Number of the key of each object, (m,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.first))

    def select(self, kept: NDArray[np.int64]) -> Heads:
        """Those of some keys, in their order."""
        first, owner, local = spread(np.diff(self.first)[kept])
        return Heads(self.keys[kept], first, self.ids[self.first[kept][owner] + local], self.is_all[kept])

    def cut(self, counts: Ints) -> Heads:
        """The first `counts` of each key, (n,)."""
        first, owner, local = spread(counts)
        is_all = self.is_all & (counts == np.diff(self.first))
        return Heads(self.keys, first, self.ids[self.first[:-1][owner] + local], is_all)

    def edited(self, objects: Ints, keys: Ints, ids: Ints, seed: int, most: int) -> tuple[Heads, Ints]:
        """The heads after some objects were edited, and keys (l, k) of which nobody is known that is left.

        Parameters
        ----------
        objects : (e,) int64
            Ascending; any of them may have been among the heads.
        keys, ids : (p, k), (p,) int64
            All keys that these objects have now.
        seed : int
        most : int
            Heads of a key at most.
        """
        at, owner, stays = _find_keys(self.keys, keys), self.key_of(), ~is_among(self.ids, objects)
        is_touched = np.zeros(len(self), bool)
        is_touched[owner[~stays]] = True
        is_touched[at[at >= 0]] = True
        touched = np.flatnonzero(is_touched)
        rows = np.flatnonzero(is_touched[owner] & stays)
        fits = np.flatnonzero((at < 0) | self._reach(at, ids, seed))
        some = Heads._sorted(
            np.concatenate((self.keys[owner[rows]], keys[fits])),
            np.concatenate((self.ids[rows], ids[fits])),
            seed,
        )
        place = _find_keys(self.keys, some.keys)
        some = Heads(some.keys, some.first, some.ids, (place < 0) | np.append(self.is_all, True)[place])
        some = some.cut(np.minimum(np.diff(some.first), most))
        lost = touched[(_find_keys(some.keys, self.keys[touched]) < 0) & ~self.is_all[touched]]
        rest = self.select(np.flatnonzero(~is_touched))
        return Heads.joined([rest, some]), self.keys[lost]

    def _reach(self, at: Ints, ids: Ints, seed: int) -> Flags:
        """Whether objects belong among the heads of the keys `at`: those that are no greater than the last of them."""
        last = self.ids[self.first[1:] - 1][at] if len(self) else ids
        mine, theirs = hash_objects(ids, seed), hash_objects(last, seed)
        is_all = self.is_all[at] if len(self) else np.ones(len(ids), bool)
        reaches: Flags = is_all | (mine < theirs) | ((mine == theirs) & (ids <= last))
        return reaches

    @classmethod
    def joined(cls, parts: Sequence[Heads]) -> Heads:
        """Those of all parts, one at least, none of which share a key."""
        keys = np.concatenate([part.keys for part in parts])
        order = np.argsort(rank_rows(keys)[0])
        sizes = np.concatenate([np.diff(part.first) for part in parts])
        starts = offsets_of(sizes)[:-1]
        first, owner, local = spread(sizes[order])
        ids = np.concatenate([part.ids for part in parts])[starts[order][owner] + local]
        return cls(keys[order], first, ids, np.concatenate([part.is_all for part in parts])[order])


def changed_winners(before: Heads, after: Heads) -> Ints:
    """Objects, ascending, that win a key in one of two tables only."""
    numbers, _ = rank_rows(np.concatenate((before.keys, after.keys)))
    old, new = numbers[: len(before)], numbers[len(before) :]
    _, a, b = np.intersect1d(old, new, assume_unique=True, return_indices=True)
    is_other = before.winners[a] != after.winners[b]
    gone, come = np.ones(len(before), bool), np.ones(len(after), bool)
    gone[a], come[b] = is_other, is_other
    found: Ints = distinct(np.concatenate((before.winners[gone], after.winners[come])))
    return found


def _find_keys(known: Ints, wanted: Ints) -> Ints:
    """Row among `known` keys, in numeric order, of each wanted one, or -1."""
    numbers, _ = rank_rows(np.concatenate((known, wanted)))
    mine, theirs = numbers[: len(known)], numbers[len(known) :]
    at = np.minimum(np.searchsorted(mine, theirs), max(len(known) - 1, 0))
    return np.where(mine[at] == theirs, at, -1) if len(known) else np.full(len(wanted), -1, np.int64)
