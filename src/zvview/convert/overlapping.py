"""Outputs that lie inside of an input, or around one, are refused before anything is read or written."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from zvview.convert.sources import Source
from zvview.errors import InvalidInputError
from zvview.store.places.open import Place, without_store

__all__ = ["refuse_overlap"]

_ROOT_KEY = "zarr.json"  # names the store whose folder it is in


def refuse_overlap(sources: Sequence[Source], target: Place) -> None:
    """Refuse a target inside an input (a store, a collection, a folder of files), or one that an input lies in.

    Links are followed on both sides. A target that is the input itself is none of the two.

    Raises
    ------
    InvalidInputError
    """
    out = _parts(target)
    for source in sources if out else ():
        found = _parts(source.path)
        if found[-1:] == (_ROOT_KEY,):
            found = found[:-1]
        if _is_inside(out, found):
            raise InvalidInputError(f"{_shown(target)} lies inside of the input {source.path}: name a place outside")
        if _is_inside(found, out):
            raise InvalidInputError(
                f"the input {source.path} lies inside of {_shown(target)}, which would be replaced: name another place"
            )


def _is_inside(inner: tuple[str, ...], outer: tuple[str, ...]) -> bool:
    return len(inner) > len(outer) > 0 and inner[: len(outer)] == outer


def _parts(place: object) -> tuple[str, ...]:
    """The real path of a place, or the words of its address, part by part; empty of places in memory."""
    place = without_store(place)
    if not isinstance(place, str | os.PathLike):
        return ()
    text = os.fspath(place)
    if not isinstance(text, str) or "\0" in text:
        return ()  # no place at all, which whoever opens it tells
    scheme, mark, rest = text.partition("://")
    if mark and scheme.lower() == "file":
        text = urllib.request.url2pathname("/" + rest.partition("/")[2])
    elif mark and len(scheme) > 1 and scheme.isalnum():
        return (scheme.lower(), *PurePosixPath(rest).parts)
    return Path(os.path.normcase(os.path.realpath(os.path.expanduser(text)))).parts


def _shown(target: object) -> str:
    return str(without_store(target))
