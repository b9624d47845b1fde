"""Scratch beside a store: kept when the build that used it is killed, and taken up by the next one like it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator

from zvview.errors import UnreachableError
from zvview.pyramid.scratch import Scratch

__all__ = ["open_scratch_beside"]

_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})


@contextlib.contextmanager
def open_scratch_beside(target: str, state: str) -> Iterator[Scratch]:
    """Scratch in a hidden folder beside the store; what dead builds left there is removed.

    Scratch holds pickles. So a folder is taken up only where no other user can have written into it.

    Parameters
    ----------
    target : str
        The store's folder, links resolved. It is locked by this process: builds do not share scratch.
    state : str
        What the scratch is for; that of other states is of no use.

    Raises
    ------
    UnreachableError
        The parent folder cannot be written.
    """
    parent, name = os.path.split(target)
    prefix = f".{name}.zvview-pyramid-"
    own = prefix + hashlib.sha256(state.encode()).hexdigest()[:16]
    for other in _find(parent, prefix):
        folder = os.path.join(parent, other)
        if other != own and _is_ours(folder):
            shutil.rmtree(folder, ignore_errors=True)
    folder = os.path.join(parent, own)
    if os.path.lexists(folder) and not _is_ours(folder):
        folder = os.path.join(parent, prefix + secrets.token_hex(8))
    scratch = Scratch(folder)
    try:
        yield scratch
    except BaseException as error:
        if scratch.is_full or _is_of_full_disk(error):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _find(parent: str, prefix: str) -> list[str]:
    form = re.compile(re.escape(prefix) + "[0-9a-f]{16}")
    try:
        return [name for name in os.listdir(parent) if form.fullmatch(name)]
    except OSError as error:
        raise UnreachableError(f"cannot read {parent}: {error.strerror or error}") from error


def _is_ours(folder: str) -> bool:
    """Whether a folder is this user's, and no other could write into it."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    if not stat.S_ISDIR(found.st_mode):
        return False
    if not hasattr(os, "geteuid"):
        return True
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _is_of_full_disk(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__
    return False
