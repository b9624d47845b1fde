"""The files below a folder, those behind links to folders too: what can be read is listed as well."""

from __future__ import annotations

import os
from collections.abc import Iterator

from zvview.errors import UnreachableError, UnsupportedError

__all__ = ["list_files"]

_MOST_LINKS = 1 << 14  # to folders: those that lead to each other could be followed in exponentially many ways


def list_files(top: str, inner: str, place: str) -> Iterator[str]:
    """Paths of all files in the folder `inner` of `top`, from `top` on, with slashes; nothing where there is no folder.

    Parameters
    ----------
    top : str
    inner : str
        Relative, with slashes; ``""`` is `top` itself.
    place : str
        For messages.

    Raises
    ------
    UnsupportedError
        A link to nothing, or to a folder that it lies in; too many links.
    UnreachableError
        A folder that cannot be read.
    """
    followed = 0
    waiting: list[tuple[str, tuple[str, ...]]] = [(inner, ())]  # each with the folders of the links that lead there
    while waiting:
        path, before = waiting.pop()
        for entry in _scan(os.path.join(top, path), place):
            key = f"{path}/{entry.name}" if path else entry.name
            if not _is_link(entry):
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((key, before))
                else:
                    yield key
            elif os.path.isdir(entry.path):
                followed += 1
                links = (*before, os.path.realpath(os.path.dirname(entry.path)))
                target = os.path.realpath(entry.path)
                if any(_lies_in(link, target) for link in links):
                    raise UnsupportedError(f"{place}: {key} is a link that leads back to itself; remove it")
                if followed > _MOST_LINKS:
                    raise UnsupportedError(f"{place} holds more than {_MOST_LINKS} links to folders, {key} among them")
                waiting.append((key, links))
            elif os.path.exists(entry.path):
                yield key
            else:
                raise UnsupportedError(f"{place}: {key} is a link to nothing; restore what it points to, or remove it")


def _scan(folder: str, place: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):  # never there, or removed since it was seen
        return []
    except OSError as error:
        raise UnreachableError(f"cannot list {folder} of {place}: {error.strerror or error}") from error


def _is_link(entry: os.DirEntry[str]) -> bool:
    return entry.is_symlink() or bool(getattr(entry, "is_junction", bool)())


def _lies_in(folder: str, other: str) -> bool:
    return folder == other or folder.startswith(os.path.join(other, ""))
