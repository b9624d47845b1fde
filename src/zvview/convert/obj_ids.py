"""Ids and names of objects that an OBJ file cannot tell by itself: comments, which other programs pass over.

``# zvview object_id 12: soma`` says that the object called soma is number 12. They stand at the beginning of a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from zvview.convert.object_files import decode_text, number_names

__all__ = ["needed_ids", "read_first", "split_comments", "tell_ids"]

_TOLD = re.compile(r" zvview object_id (\d{1,19}): (\S.*)")
_MOST_LINE_BYTES = 1 << 16


def tell_ids(titles: Mapping[int, str]) -> list[str]:
    """A comment for each object, without its sign."""
    return [f" zvview object_id {number}: {title}" for number, title in titles.items()]


def needed_ids(titles: Mapping[int, str]) -> dict[int, str]:
    """Those of the objects of a file, in the order in which they are written, whose names do not lead to their ids."""
    ids = list(titles)
    if ids == sorted(ids) and number_names(list(titles.values())) == ids:
        return {}
    return {number: title for number, title in titles.items() if number >= 0 and title != str(number)}


def split_comments(comments: str) -> tuple[dict[str, int], str]:
    """Ids by name, and the comments without those that tell them."""
    told: dict[str, int] = {}
    rest = []
    for line in comments.split("\n") if comments else ():
        found = _TOLD.fullmatch(line.rstrip())
        if found is None or int(found[1]) >= 1 << 63:
            rest.append(line)
        else:
            told[found[2]] = int(found[1])
    return told, "\n".join(rest)


def read_first(path: Path) -> int | None:
    """The id that the first line of a file tells, None where it tells none or cannot be read."""
    try:
        with path.open("rb") as file:
            line = decode_text(file.readline(_MOST_LINE_BYTES).removeprefix(b"\xef\xbb\xbf"))
    except OSError:
        return None
    told, _ = split_comments(line.rstrip("\r\n")[1:])
    return next(iter(told.values()), None)
