"""A commit in a folder: written once, aside; made final by one rename; then put in its place file by file.

1. New content goes into staged files in the store, the log that names them beside them; all of it is synced.
2. What was read is looked at once more; then the log is renamed. From here on the commit counts: readers of zvview see
   it whole (:mod:`zvview.store.places.pending`), and whoever dies leaves it to the next writer
   (:mod:`zvview.store.committing.finishing`).
3. Each staged file is renamed onto its cell, the root's document last of all, also where it stays as it is: it is
   what tells readers that the store is another. Removed keys and folders that became empty go. Folders are synced.
4. The log goes.

A rename gives a name another file: a cell that is hard-linked into another store stays there as it was.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import zlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from zvview.errors import ConflictError, UnreachableError
from zvview.format import names
from zvview.store.committing.applied import Applied
from zvview.store.committing.disk import Disk, Owner
from zvview.store.committing.finishing import GROUP, GROUP_KEY, drop, finish, tell_why
from zvview.store.committing.kept import KeptSource
from zvview.store.committing.keys import check_changes, refuse_elsewhere, refuse_read_only
from zvview.store.committing.watched import WatchedSource
from zvview.store.places.folder import FolderSource
from zvview.store.places.redo_log import COMMIT_FOLDER, LOG_KEY, RedoLog, staged_key
from zvview.store.places.source import ROOT_KEY, Source

__all__ = ["FolderCommit"]

_BLOCK = 4096
_MOST_KEPT = 64 << 20  # bytes that are read: the same cells are asked for by many, each of whom would open files
_MOST_OF_ENTRY, _MOST_OF_LETTER = 64, 6  # bytes of a log: size and checksum of a key; what JSON makes of a letter
_LARGE = 1 << 18  # bytes that take longer to sum up than two threads take to take turns
_SPARE = 1 << 20  # for folders, and the tables of the file system


class FolderCommit:
    """Changes the store in a folder, whose writer lock the caller holds and in which nothing is pending.

    Parameters
    ----------
    folder : FolderSource
    disk : Disk, optional
    """

    def __init__(self, folder: FolderSource, disk: Disk | None = None) -> None:
        self._top, self._place = os.path.realpath(folder.folder), folder.place
        self._disk = Disk() if disk is None else disk
        self._watched = WatchedSource(folder)
        self._kept = KeptSource(self._watched, _MOST_KEPT)
        refuse_read_only(self._top, self._place, ())

    @property
    def source(self) -> Source:
        """See :class:`~zvview.store.committing.applied.Commit`."""
        return self._kept

    def apply(self, changes: Mapping[str, bytes | None]) -> Applied:
        """See :class:`~zvview.store.committing.applied.Commit`."""
        check_changes(changes)
        if not changes:
            return Applied(0, 0, 0)
        refuse_elsewhere(self._top, self._place, changes)
        refuse_read_only(self._top, self._place, changes)
        contents = {key: data for key, data in changes.items() if data is not None and key != ROOT_KEY}
        contents[ROOT_KEY] = self._root(changes)
        removed = [key for key, data in changes.items() if data is None]
        log = self._stage(contents, removed)
        note = self._finish(log)
        for source in (self._watched, self._kept):
            source.forget([*log.staged, *log.removed])
        return Applied(len(contents), len(removed), sum(map(len, contents.values())), note)

    def _root(self, changes: Mapping[str, bytes | None]) -> bytes:
        root = changes.get(ROOT_KEY) or self._kept.get_many([(ROOT_KEY, None)])[0]
        if root is None:
            raise ConflictError(f"{self._place} has lost its {ROOT_KEY} since it was opened; nothing was overwritten")
        return bytes(root)

    def _stage(self, contents: Mapping[str, bytes], removed: Iterable[str]) -> RedoLog:
        """Write everything aside and make it final; where that fails the store is as it was."""
        disk, top = self._disk, self._top
        has_group = os.path.lexists(self._path(GROUP_KEY))
        gone = frozenset(removed) if has_group or GROUP_KEY in contents else frozenset({*removed, GROUP_KEY})
        name = secrets.token_hex(8)
        try:
            most_of_log = sum(_MOST_OF_ENTRY + _MOST_OF_LETTER * len(key) for key in (*contents, *gone))
            self._refuse_full([most_of_log, *map(len, contents.values())])
            owner, within = Owner.of(top), f"{COMMIT_FOLDER}/{name}"
            for folder in (names.INDEX, COMMIT_FOLDER, within):
                disk.make_folder(self._path(folder), owner)
            if not has_group:
                self._make_group(within)
            log = self._write_aside(name, contents, gone)
            waiting = f"{log.folder}/log"
            disk.write(self._path(waiting), log.encode(), Owner.of(self._path(ROOT_KEY)))
            files = [*(entry.key for entry in log.staged.values()), waiting]
            folders = [log.folder, COMMIT_FOLDER, names.INDEX, ""]
            disk.sync(top, [self._path(path) for path in (*files, *folders)])
            self._watched.refuse_changed()
            disk.rename(self._path(waiting), self._path(LOG_KEY))
        except BaseException as error:
            if not os.path.exists(self._path(LOG_KEY)):
                with contextlib.suppress(OSError):
                    drop(top, disk)
                if isinstance(error, OSError) and not isinstance(error, UnreachableError):
                    raise UnreachableError(f"cannot write {self._place}: {tell_why(error)}; it is as it was") from error
            raise
        return log

    def _write_aside(self, name: str, contents: Mapping[str, bytes], removed: frozenset[str]) -> RedoLog:
        """Write the staged files; another thread takes the checksums of large ones meanwhile."""
        owners = _Owners(self._top)
        large = [key for key, data in contents.items() if len(data) >= _LARGE]
        with ThreadPoolExecutor(1) as aside:
            sums = aside.map(zlib.crc32, [contents[key] for key in large])
            for number, (key, data) in enumerate(contents.items()):
                self._disk.write(self._path(staged_key(name, number)), data, owners.of(key))
            return RedoLog.describe(name, contents, removed, dict(zip(large, sums, strict=True)))

    def _make_group(self, folder: str) -> None:
        """Put a document in the folder around the commit's, without which others wonder what that folder is."""
        aside = self._path(f"{folder}/group")
        self._disk.write(aside, GROUP, Owner.of(self._path(ROOT_KEY)))
        self._disk.sync(self._top, [aside])
        self._disk.rename(aside, self._path(GROUP_KEY))
        for source in (self._watched, self._kept):
            source.forget([GROUP_KEY])

    def _finish(self, log: RedoLog) -> str:
        """Put everything in its place; a note where that has to wait."""
        try:
            finish(self._top, log, self._disk)
        except OSError as error:
            return (
                f"{self._place}: the changes are saved, but not all could be put in their place: {tell_why(error)}. "
                "zvview reads them all the same; the next that writes the store finishes this, when it can"
            )
        return ""

    def _refuse_full(self, sizes: Iterable[int]) -> None:
        needed = sum(-(-size // _BLOCK) * _BLOCK for size in sizes) + _SPARE
        free = self._disk.free_bytes(self._top)
        if free < needed:
            raise UnreachableError(
                f"cannot write {self._place}: disk full, {free // 1000:,} kB are free and "
                f"{-(-needed // 1000):,} kB needed; it is as it was"
            )

    def _path(self, key: str) -> str:
        return os.path.join(self._top, key)


class _Owners:
    """Whose the new files of a store shall be: as the cells that they replace, or as new files in those folders."""

    def __init__(self, top: str) -> None:
        self._top = top
        self._groups: dict[str, Owner | None] = {}

    def of(self, key: str) -> Owner | None:
        """Owner and mode for the new content of `key`; None where a new file is right as it comes."""
        return Owner.of(os.path.join(self._top, key)) or self._inherited(key.rpartition("/")[0])

    def _inherited(self, folder: str) -> Owner | None:
        """What a folder, or the nearest one above that exists, hands down."""
        if folder not in self._groups:
            try:
                found = os.stat(os.path.join(self._top, folder))
            except OSError:
                self._groups[folder] = self._inherited(folder.rpartition("/")[0]) if folder else None
            else:
                hands_down = bool(found.st_mode & stat.S_ISGID)
                self._groups[folder] = Owner(group=found.st_gid) if hands_down else None
        return self._groups[folder]
