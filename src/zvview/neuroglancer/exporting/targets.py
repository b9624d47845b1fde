"""Where an export goes: a folder, or a zip that grows in a hidden folder beside it. Nothing else is ever replaced."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from zvview.errors import ConflictError, ExistsError, InvalidInputError, UnreachableError
from zvview.neuroglancer.exporting.file_names import STATE
from zvview.neuroglancer.exporting.record import FORMAT, RECORD, VERSION, digest_file, read_index
from zvview.store.places.lock_file import LockFile

__all__ = ["WITHIN", "Target", "held"]

_LOCK, _PARTS = "lock", "parts"
_TELLING: Final = f"{RECORD}.json"
"""Entry of a zip that tells what it is."""

WITHIN: Final = "sources"
"""Folder of a zip that holds the sources: the client does not find what lies beside a source at the top of a zip."""

_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Target:
    """The place of an export.

    Attributes
    ----------
    out : str
        Absolute path, links resolved.
    is_zip : bool
    """

    out: str
    is_zip: bool

    @property
    def folder(self) -> str:
        """Where the files are written."""
        parent, name = os.path.split(self.out)
        return os.path.join(parent, f".{name}.zvview-export") if self.is_zip else self.out

    def refuse(self, stores: Iterable[str]) -> None:
        """Raise where an export must not be written.

        Raises
        ------
        InvalidInputError
            In one of the stores.
        ExistsError
            In place of something that is no export by zvview.
        """
        for store in stores:
            if _lies_in(self.out, store):
                raise InvalidInputError(f"{self.out} lies in the store {store}; choose another place")
        if not os.path.lexists(self.out):
            return
        if self.is_zip:
            if os.path.isdir(self.out) or self.told() is None:
                raise ExistsError(f"{self.out} exists and is no zip that zvview exported; choose another name")
        elif not os.path.isdir(self.out):
            raise ExistsError(f"{self.out} is a file; choose another name, or --format zip")
        elif not _is_own(self.out):
            raise ExistsError(f"{self.out} is not empty and no export by zvview; choose another name")

    def told(self) -> dict[str, Any] | None:
        """What a zip that is there tells of itself; None where it is none of ours."""
        try:
            with zipfile.ZipFile(self.out) as archive:
                document = json.loads(archive.read(_TELLING))
        except (OSError, KeyError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
            return None
        return document if isinstance(document, dict) and document.get("format") == FORMAT else None

    def pack(self, names: Iterable[str], telling: Mapping[str, Any]) -> bool:
        """Put the files of the folder into the zip, uncompressed, so that parts of them can be read in place.

        Returns
        -------
        bool
            Whether it differs from the one that was there.
        """
        part = os.path.join(self.folder, RECORD, "packed.part")
        document = json.dumps({"format": FORMAT, "version": VERSION, **telling}).encode()
        try:
            with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
                archive.writestr(zipfile.ZipInfo(_TELLING, _EPOCH), document)
                for name in sorted(names):
                    info = zipfile.ZipInfo(name if name == STATE else f"{WITHIN}/{name}", _EPOCH)
                    path = os.path.join(self.folder, *name.split("/"))
                    info.file_size = os.path.getsize(path)
                    with open(path, "rb") as file, archive.open(info, "w") as entry:
                        shutil.copyfileobj(file, entry, 1 << 20)
            if os.path.isfile(self.out) and _are_alike(part, self.out):
                return False
            with open(part, "rb+") as written:
                os.fsync(written.fileno())
            os.replace(part, self.out)
        except OSError as error:
            raise UnreachableError(f"cannot write {self.out}: {error.strerror or error}") from error
        return True


@contextlib.contextmanager
def held(target: Target) -> Iterator[None]:
    """Keep other processes from exporting to the same place; what an export that was killed has left half is removed.

    The hidden folder of a zip goes when all went well.

    Raises
    ------
    ConflictError
        Another one is at it.
    UnreachableError
        Nothing can be written there.
    """
    record = os.path.join(target.folder, RECORD)
    try:
        os.makedirs(record, exist_ok=True)
    except OSError as error:
        raise UnreachableError(f"cannot write {target.out}: {error.strerror or error}") from error
    lock = LockFile(os.path.join(record, _LOCK))
    try:
        if not lock.is_held:
            raise ConflictError(f"another process exports to {target.out}")
        shutil.rmtree(os.path.join(record, _PARTS), ignore_errors=True)
        yield
        shutil.rmtree(os.path.join(record, _PARTS), ignore_errors=True)
    finally:
        lock.release()
    if target.is_zip:
        shutil.rmtree(target.folder, ignore_errors=True)


def _is_own(folder: str) -> bool:
    """Whether a folder is empty, or an export, also one that was killed before its first file was whole."""
    names = os.listdir(folder)
    if read_index(folder) is not None or not names:
        return True
    return RECORD in names and (set(names) == {RECORD} or os.path.isfile(os.path.join(folder, RECORD, "log.jsonl")))


def _are_alike(one: str, other: str) -> bool:
    return os.path.getsize(one) == os.path.getsize(other) and digest_file(one) == digest_file(other)


def _lies_in(path: str, folder: str) -> bool:
    try:
        return os.path.commonpath([path, folder]) == folder
    except ValueError:  # of different drives
        return False
