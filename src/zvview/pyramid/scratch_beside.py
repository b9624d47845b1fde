"""Scratch beside a store: held by one build at a time, kept when that is killed, taken up by the next one like it."""

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

from zvview.errors import ConflictError, UnreachableError
from zvview.pyramid.file_lock import hold_file
from zvview.pyramid.scratch import Scratch
from zvview.store.places.siblings import remove_stage, sweep_replaced

__all__ = ["note_stage", "open_scratch_beside"]

_STAGE = "stage"  # file in scratch: the name of the folder beside it in which that build makes the store anew
_MOST_NAME_BYTES = 1024
_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})


@contextlib.contextmanager
def open_scratch_beside(target: str, state: str) -> Iterator[Scratch]:
    """Scratch in a hidden folder beside the store; what dead builds left there is removed.

    Scratch holds pickles. So a folder is taken up only where no other user can have written into it.

    Parameters
    ----------
    target : str
        The store's folder, links resolved.
    state : str
        What the scratch is for; that of other states is of no use.

    Raises
    ------
    ConflictError
        Another process builds there.
    UnreachableError
        The parent folder cannot be written.
    """
    parent, name = os.path.split(target)
    prefix = f".{name}.zvview-pyramid-"
    own = prefix + hashlib.sha256(state.encode()).hexdigest()[:16]
    with hold_file(os.path.join(parent, f".{name}.zvview-pyramid.lock")) as is_held:
        if not is_held:
            raise ConflictError(f"another process is building levels of {target}; wait for it or end it")
        for other in _find(parent, prefix):
            folder = os.path.join(parent, other)
            if _is_ours(folder):
                remove_stage(target, _read_stage(folder))
                if other != own:
                    shutil.rmtree(folder, ignore_errors=True)
        sweep_replaced(target)
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


def note_stage(scratch: Scratch, stage: str) -> None:
    """Keep in scratch in which folder the store is made anew, for whoever cleans up after a killed build."""
    try:
        with open(os.path.join(scratch.folder, _STAGE), "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(os.path.basename(stage))
    except OSError as error:
        raise UnreachableError(f"cannot write {scratch.folder}: {error.strerror or error}") from error


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


def _read_stage(folder: str) -> str:
    try:
        with open(os.path.join(folder, _STAGE), encoding="utf-8", errors="surrogateescape") as file:
            return file.read(_MOST_NAME_BYTES)
    except OSError:
        return ""


def _is_of_full_disk(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__
    return False
