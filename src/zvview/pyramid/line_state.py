"""What a store keeps of the choice of lines of a level, so that an edit need not look at all of them again.

A line stays for its hash, or as the one of the least hash in a bin, a class of length or a group
(:mod:`~zvview.pyramid.object_choice`). So of bins and classes the least few are kept, and of groups the least one. The
first level keeps as well how many vertices each line has in each chunk: of edits of level 0 perhaps only the chunks are
told, and a line that left one of them is missed by its vertices.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from zvview.errors import DamagedError
from zvview.format.sequences import offsets_of
from zvview.format.values import as_mapping
from zvview.pyramid.line_heads import Heads
from zvview.pyramid.line_survey import Survey
from zvview.store.hierarchy import fingerprint

__all__ = ["Choice", "LineState"]

_PART = "choice of lines"


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What decides of lines beside bins.

    Attributes
    ----------
    classes : Heads
        Of each class of length.
    leaders : tuple of int or None
        The least object of each group; None for a group that has none in the finer level.
    """

    classes: Heads
    leaders: tuple[int | None, ...]

    def document(self) -> dict[str, Any]:
        """As it is kept in JSON, with a checksum."""
        parts = np.split(self.classes.ids, self.classes.first[1:-1])
        listed = zip(self.classes.keys[:, 0].tolist(), self.classes.is_all.tolist(), parts, strict=False)
        own: dict[str, Any] = {"classes": [[number, is_all, ids.tolist()] for number, is_all, ids in listed]}
        own["leaders"] = list(self.leaders)
        return {**own, "check": _check(own)}

    @classmethod
    def parse(cls, document: object) -> Choice:
        """What :meth:`document` gave.

        Raises
        ------
        DamagedError
        """
        given = dict(as_mapping(document, _PART, "choice"))
        if given.pop("check", None) != _check(given):
            raise DamagedError(_PART, found="another checksum", expected="what zvview writes")
        listed = given["classes"]
        return cls(
            Heads(
                np.array([number for number, _, _ in listed], np.int64).reshape(-1, 1),
                offsets_of([len(ids) for _, _, ids in listed]),
                np.array([i for _, _, ids in listed for i in ids], np.int64),
                np.array([is_all for _, is_all, _ in listed], bool),
            ),
            tuple(given["leaders"]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class LineState:
    """What is kept of a level, or of some of its chunks.

    Attributes
    ----------
    counts : Survey
        Vertices of the finer level's objects in each chunk; of the first level only.
    heads : Heads
        Of bins, by chunk and bin; where lines are left out.
    choice : Choice or None
        Where lines are left out, of the whole level.
    """

    counts: Survey
    heads: Heads
    choice: Choice | None = None


def _check(own: Mapping[str, Any]) -> str:
    return fingerprint(json.dumps(own, sort_keys=True).encode())
