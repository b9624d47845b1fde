"""Stores that are made aside, with all their levels, and then put whole into the place where they shall be.

A store grows level by level, each of which reads the one before; what is put into a sink cannot be read. So a store of
several levels is made in a folder beside its place, of which the sink takes links where it can and copies elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence

from zvview.cancel import CancelToken
from zvview.errors import ConflictError, DamagedError, UnreachableError
from zvview.store.places.folder import FolderSource
from zvview.store.places.folder_sink import FolderSink
from zvview.store.places.source import ROOT_KEY, Sink, Source, Stamped

__all__ = ["open_stage", "put_copy", "put_stage"]

_WAVE_BYTES, _WAVE_KEYS = 32 << 20, 256


@contextlib.contextmanager
def open_stage(target: object) -> Iterator[str]:
    """Path of an empty folder for stores in the making, which is removed when the block ends.

    Parameters
    ----------
    target : object
        Where they shall be in the end: of a path the folder lies beside it, so that files are linked and not copied.

    Raises
    ------
    UnreachableError
        No folder can be made.
    """
    path = os.path.realpath(os.path.expanduser(target)) if isinstance(target, str | os.PathLike) else ""
    parent, name = os.path.split(os.fspath(path))
    beside = parent if "://" not in str(target) and name and os.path.isdir(parent) else None
    try:
        folder = tempfile.TemporaryDirectory(prefix=f".{name}.zvview-making-" if beside else "zvview-", dir=beside)
    except OSError as error:
        raise UnreachableError(f"{beside or 'the folder for temporary files'} cannot be written: {error}") from error
    with folder as made:
        yield made


def put_stage(folder: str, sink: Sink, *, under: str = "") -> None:
    """Put the store that was made in a folder into a sink, under a path; the folder is of no use afterwards."""
    source = FolderSource(folder)
    keys = source.list_keys("")
    if isinstance(sink, FolderSink):  # which writes the root's document itself, as the last
        sink.link_many((_join(under, key), source.path_of(key)) for key in keys if under or key != ROOT_KEY)
        keys = [] if under else [ROOT_KEY]
    _copy(source, sink, keys, under)


def put_copy(
    source: Source,
    sink: Sink,
    *,
    under: str = "",
    progress: Callable[[int, int], None] | None = None,
    cancel: CancelToken | None = None,
) -> None:
    """Put a store into a sink byte for byte, under a path, all keys and never more than a wave of them in memory.

    Parameters
    ----------
    source : Source
        One that can list its keys.
    progress : callable, optional
        Called with objects copied and all there are.

    Raises
    ------
    ConflictError
        The store was changed meanwhile.
    DamagedError
        An object went away while it was copied.
    Cancelled
        The token was set.
    """
    before = _stamp(source)
    _copy(source, sink, source.list_keys(""), under, progress, cancel)
    if _stamp(source) != before:
        raise ConflictError(f"{source.place} was changed while it was copied; do it again")


def _copy(
    source: Source,
    sink: Sink,
    keys: Sequence[str],
    under: str,
    progress: Callable[[int, int], None] | None = None,
    cancel: CancelToken | None = None,
) -> None:
    done = 0
    for wave in _waves(source, keys):
        objects = source.get_many([(key, None) for key in wave], cancel)
        for key, data in zip(wave, objects, strict=True):
            if data is None:
                raise DamagedError("object", found="nothing any more", expected="what was listed", array=key)
        sink.put_many((_join(under, key), (data,)) for key, data in zip(wave, objects, strict=True) if data is not None)
        done += len(wave)
        if progress is not None:
            progress(done, len(keys))


def _waves(source: Source, keys: Sequence[str]) -> Iterator[list[str]]:
    """Keys in their order, so many at a time that their objects are small in sum; a larger one stands alone."""
    for start in range(0, len(keys), _WAVE_KEYS):
        some = list(keys[start : start + _WAVE_KEYS])
        if not source.is_local:  # each size would be a request
            yield some
            continue
        wave: list[str] = []
        size = 0
        for key, found in zip(some, source.stat_many(some), strict=True):
            if wave and size + (found or 0) > _WAVE_BYTES:
                yield wave
                wave, size = [], 0
            wave.append(key)
            size += found or 0
        yield wave


def _join(under: str, key: str) -> str:
    return f"{under}/{key}" if under else key


def _stamp(source: Source) -> object:
    return source.stamp() if isinstance(source, Stamped) else None
