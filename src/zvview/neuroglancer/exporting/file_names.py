"""Names of the files of an export: those that Neuroglancer asks for, all of them allowed on every file system."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.neuroglancer.encoding.morton import decode_morton
from zvview.neuroglancer.sources.contract import Section

__all__ = ["INFO", "PAGE", "STATE", "check_folders", "content_names", "is_content_name", "join", "plain_name"]

INFO: Final = "info"
PAGE: Final = "index.html"
STATE: Final = "state.json"
_PART = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_CONTENT = re.compile(r"[0-9]+(_[0-9]+)*(\.index)?|[0-9a-f]+\.shard", re.ASCII)
_RESERVED = re.compile(r"con|prn|aux|nul|conin|conout|com[0-9]|lpt[0-9]", re.IGNORECASE)
"""Names of devices of Windows, which no file there can have, whatever its suffix."""


def join(*parts: str) -> str:
    """Path of what lies under some folders, of which any may be ``""``."""
    return "/".join(part for part in parts if part)


def content_names(section: Section, keys: NDArray[np.uint64]) -> list[str]:
    """Name of the file of each content, below the folder of its section."""
    if section.grid_shape is None:
        return [str(key) for key in keys.tolist()]
    return ["_".join(map(str, cell)) for cell in decode_morton(keys, section.grid_shape).tolist()]


def is_content_name(name: str) -> bool:
    """Whether a file has the name of a content, or of a shard."""
    return _CONTENT.fullmatch(name) is not None


def plain_name(name: str, taken: Iterable[str]) -> str:
    """A name for a folder from that of a member of a collection, told apart from `taken` whatever their case."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:80] or "store"
    plain = f"{plain}_" if _RESERVED.fullmatch(plain) else plain
    known = {other.casefold() for other in taken}
    found, number = plain, 2
    while found.casefold() in known:
        found, number = f"{plain}_{number}", number + 1
    return found


def check_folders(folders: Iterable[str]) -> None:
    """Refuse folders of sources and sections that could lie elsewhere, or that some file systems cannot have.

    Raises
    ------
    InvalidInputError
        Other characters than letters, digits, ``_`` and ``-``; names of devices; names that differ in case only.
    """
    known: dict[str, str] = {}
    for folder in folders:
        for part in folder.split("/") if folder else ():
            if _PART.fullmatch(part) is None or _RESERVED.fullmatch(part):
                raise InvalidInputError(f"{folder!r:.100} cannot be a folder of an export")
        if known.setdefault(folder.casefold(), folder) != folder:
            raise InvalidInputError(f"{folder!r:.100} and {known[folder.casefold()]!r:.100} differ in case only")
