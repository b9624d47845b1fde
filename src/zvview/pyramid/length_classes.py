"""Which lengths the objects of a level have, kept so that an edit need not look at all of them again.

Of each class of length (by powers of two) the object of the least hash stays. So the few least ones of each are kept:
those below a limit that follows from the number of objects in the class, so that what is kept depends on nothing but
the objects that there are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format.sequences import distinct
from zvview.format.values import as_mapping
from zvview.pyramid.line_survey import Survey
from zvview.pyramid.object_choice import hash_objects, rank_objects
from zvview.store.hierarchy import fingerprint

__all__ = ["NOT_SEEN", "LengthClasses", "class_of", "sum_lengths"]

Ints = NDArray[np.int64]

NOT_SEEN = -(1 << 20)
"""Stands for the class of an object that no chunk holds anything of."""


def class_of(lengths: Ints) -> Ints:
    """Class of each length, by powers of two."""
    return np.frexp(lengths.astype(np.float64))[1].astype(np.int64)


def sum_lengths(survey: Survey) -> tuple[Ints, Ints]:
    """Objects of a survey, ascending, and the length of each in all its chunks."""
    ids, row = np.unique(survey.ids, return_inverse=True)
    lengths = np.zeros(len(ids), np.int64)
    np.add.at(lengths, row, survey.lengths)
    return ids, lengths


@dataclass(frozen=True, slots=True, eq=False)
class LengthClasses:
    """Classes of length that objects of a level have.

    Attributes
    ----------
    counts : mapping of int to int
        Objects of each class that there is.
    heads : mapping of int to (n,) int64
        Those of its objects with the least hashes, some dozens, ascending.
    seed : int
    """

    counts: Mapping[int, int]
    heads: Mapping[int, Ints]
    seed: int

    @classmethod
    def of(cls, survey: Survey, seed: int) -> LengthClasses:
        """The classes of all objects of a level."""
        ids, lengths = sum_lengths(survey)
        classes, hashes = class_of(lengths), hash_objects(ids, seed)
        known, numbers = np.unique(classes, return_counts=True)
        counts = dict(zip(known.tolist(), numbers.tolist(), strict=True))
        heads = {c: ids[(classes == c) & (hashes < _limit(count))] for c, count in counts.items()}
        return cls(counts, heads, seed)

    def winners(self) -> Ints:
        """The object of each class that has the least hash, ascending; of several the one of the least id."""
        found = [ids[np.argmin(rank_objects(hash_objects(ids, self.seed)))] for ids in self.heads.values()]
        return distinct(np.array(found, np.int64))

    def moved(self, ids: Ints, before: Ints, after: Ints) -> LengthClasses | None:
        """The classes after some objects went from one to another; None where all objects must be asked.

        Parameters
        ----------
        ids : (n,) int64
            Distinct.
        before, after : (n,) int64
            Class of each, or :data:`NOT_SEEN`.
        """
        hashes = hash_objects(ids, self.seed)
        counts, heads = dict(self.counts), dict(self.heads)
        for number in distinct(np.concatenate((before, after))[np.tile(before != after, 2)]).tolist():
            came, went = (after == number) & (before != number), (before == number) & (after != number)
            if number == NOT_SEEN:
                continue
            had = counts.pop(number, 0)
            count = had + int(came.sum()) - int(went.sum())
            listed = heads.pop(number, ids[:0])
            if count < 0 or (had and _limit(count) > _limit(had)):
                return None
            if count:
                joined = np.concatenate((np.setdiff1d(listed, ids[went]), ids[came & (hashes < _limit(count))]))
                joined = distinct(joined[hash_objects(joined, self.seed) < _limit(count)])
                if not len(joined):
                    return None
                counts[number], heads[number] = count, joined
        return LengthClasses(counts, heads, self.seed)

    def document(self) -> dict[str, Any]:
        """As it is kept in JSON, with a checksum."""
        own: dict[str, Any] = {"seed": self.seed}
        own["classes"] = [[c, count, self.heads[c].tolist()] for c, count in sorted(self.counts.items())]
        return {**own, "check": _check(own)}

    @classmethod
    def parse(cls, document: object) -> LengthClasses:
        """What :meth:`document` gave.

        Raises
        ------
        DamagedError
        """
        part = "classes of length"
        given = dict(as_mapping(document, part, "classes"))
        if given.pop("check", None) != _check(given):
            raise DamagedError(part, found="another checksum", expected="what zvview writes")
        counts = {int(c): int(count) for c, count, _ in given["classes"]}
        heads = {int(c): np.array(ids, np.int64) for c, _, ids in given["classes"]}
        return cls(counts, heads, int(given["seed"]))


def _limit(count: int) -> int:
    """Below which hash objects of a class of so many are listed: of large classes 32 to 64, as chance has it."""
    return (1 << 32) >> max(0, count.bit_length() - 6)


def _check(own: Mapping[str, Any]) -> str:
    return fingerprint(json.dumps(own, sort_keys=True).encode())
