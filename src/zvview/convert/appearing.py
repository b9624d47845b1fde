"""Files that appear whole or not at all: written under another name beside their place, then renamed."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from zvview.convert.contract import Format
from zvview.errors import ExistsError, UnreachableError

__all__ = ["appear", "check_free", "replace_file"]


@contextmanager
def appear(path: Path) -> Iterator[Path]:
    """A path beside `path`, of the same suffix, to write to; what is there is renamed when the context ends well.

    Folders above `path` that are missing are made, and go again where it does not end well.

    Raises
    ------
    ExistsError
        Something is at `path`, or came there in the meantime.
    UnreachableError
        The folder cannot be made or written.
    """
    check_free(path)
    missing = [folder for folder in path.parents if not os.path.exists(folder)]
    aside = path.with_name(f".{uuid.uuid4().hex[:12]}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        check_free(path)
        os.rename(aside, path)
    except BaseException as error:
        _remove(aside)
        _remove_empty(missing)
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ExistsError):
            raise UnreachableError(f"{path} cannot be written: {error.strerror}") from error
        raise


def check_free(path: Path) -> None:
    """Refuse a place that is taken.

    Raises
    ------
    ExistsError
    """
    if os.path.lexists(path):
        raise ExistsError(f'{path} exists; mode "w" replaces a file of the same format')


@contextmanager
def replace_file(path: Path, form: Format) -> Iterator[Path]:
    """As :func:`appear`, in place of the file that is at `path`, or of a folder of nothing but files of `form`.

    A link stays, and what it leads to is replaced.

    Raises
    ------
    ExistsError
        Something else is there, which is never removed.
    """
    if path.is_dir():
        strangers = [entry.name for entry in os.scandir(path) if not _is_of(entry, form)]
        if strangers:
            raise ExistsError(f"{path} holds {strangers[0]!r}, which is no {form.name} file: it is not replaced")
    elif path.exists() and not path.is_file():
        raise ExistsError(f"{path} is no file and is not replaced")
    token, name = uuid.uuid4().hex[:12], path.name  # the link's name, whose suffix tells writers what is wanted
    path = Path(os.path.realpath(path))
    aside, old = path.with_name(f".{token}-{name}"), path.with_name(f".{token}-old-{name}")
    try:
        yield aside
        if path.is_dir():
            os.rename(path, old)
        os.replace(aside, path)
    except BaseException:
        _remove(aside)
        if old.exists() and not path.exists():
            os.rename(old, path)
        raise
    _remove(old)


def _is_of(entry: os.DirEntry[str], form: Format) -> bool:
    return entry.is_file(follow_symlinks=False) and entry.name.lower().endswith(form.suffixes)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        path.unlink(missing_ok=True)


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders from the innermost outwards, up to one that holds something."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
