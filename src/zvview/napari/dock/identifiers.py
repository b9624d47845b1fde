"""Object ids as people type them: ``1-5, 9``. Pure."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.format.sequences import distinct

__all__ = ["MOST_IDS", "format_ids", "parse_ids"]

MOST_IDS: Final = 1_000_000
"""Most ids that a text may stand for: ``0-999999999`` is a slip of the finger."""

_PART: Final = re.compile(r"(\d{1,18})(?:\s*-\s*(\d{1,18}))?", re.ASCII)


def parse_ids(text: str) -> NDArray[np.int64] | None:
    """The ids that a text names, ascending and each once; None where it is empty.

    Raises
    ------
    InvalidInputError
        Something in it is neither a number nor a range of numbers, or it names more than :data:`MOST_IDS`.
    """
    parts = [part for part in re.split(r"[,;]|(?<=\d)\s+(?=\d)", text.strip()) if part.strip()]
    if not parts:
        return None
    ranges = []
    for part in parts:
        found = _PART.fullmatch(part.strip())
        if found is None:
            raise InvalidInputError(f"{part.strip()[:40]!r} is no object id: write ids and ranges, such as 1-5, 9")
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise InvalidInputError(f"{part.strip()!r} runs backwards: write {last}-{first}")
        ranges.append((first, last))
    if sum(last - first + 1 for first, last in ranges) > MOST_IDS:
        raise InvalidInputError(f"more than {MOST_IDS:,} object ids")
    return distinct(np.concatenate([np.arange(first, last + 1, dtype=np.int64) for first, last in ranges]))


def format_ids(ids: NDArray[np.int64]) -> str:
    """The shortest text that :func:`parse_ids` reads as these ids, which ascend."""
    if not len(ids):
        return ""
    breaks = np.flatnonzero(np.diff(ids) != 1)
    firsts, lasts = ids[np.append(0, breaks + 1)], ids[np.append(breaks, len(ids) - 1)]
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(firsts.tolist(), lasts.tolist(), strict=True))
