"""Stores in zip files: the entries' places from the directory once, then ranged reads of the file itself.

Stored entries are read in place, ranges of them too; deflated ones are inflated whole, never further than the size that
the directory announces. Of entries of the same name the last one counts, as for zarr's ``ZipStore``. A zip that takes
the place of the one that was opened is opened in its turn when somebody asks whether there is one.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from typing import TYPE_CHECKING
from weakref import finalize

from zvview.cancel import CancelToken
from zvview.errors import DamagedError, NotZarrVectorsError, UnreachableError, UnsupportedError
from zvview.store.places.source import (
    ROOT_KEY,
    Request,
    aget_in_thread,
    check_keys,
    child_names,
    clip_range,
    folder_prefix,
    refuse_oversized,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ZipSource"]

_LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, ..., length of the name, length of the extra field
_MOST_INFLATED, _MOST_EXPANSION = 1 << 30, 1032  # the latter is deflate's own bound
_ENCRYPTED = -1


@dataclass(frozen=True, slots=True)
class _Entry:
    header_at: int
    stored: int
    size: int
    crc: int
    method: int


@dataclass(frozen=True, eq=False)
class _Archive:
    """One zip file, opened, and what its directory says."""

    file: BufferedReader
    identity: object
    size: int
    entries: Mapping[str, _Entry]
    prefix: str


class ZipSource:
    """Reads a store from a zip file whose root, or whose only folder, is the store's root.

    Parameters
    ----------
    path : str
        The file; kept open until :meth:`close`, or until nobody holds the source.

    Attributes
    ----------
    path : str
        Absolute.

    Raises
    ------
    NotZarrVectorsError
        Not a zip file.
    UnreachableError
        It cannot be opened.
    """

    is_local = True
    can_list = True

    def __init__(self, path: str) -> None:
        self.place = path
        self.path = os.path.abspath(path)
        self._lock = threading.Lock()
        self._archive = _open(self.path, path)

    def get_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.get_many`.

        Raises
        ------
        DamagedError
            An entry that does not lie where and as the directory says; ``cells`` has its index in `requests`.
        """
        check_keys([key for key, _ in requests])
        archive = self._archive
        answers: list[Buffer | None] = []
        for i, (key, span) in enumerate(requests):
            if cancel is not None:
                cancel.raise_if_cancelled()
            entry = archive.entries.get(archive.prefix + key)
            answers.append(None if entry is None else self._read(archive, entry, key, span, i))
        return answers

    async def aget_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.aget_many`; one thread hop per wave."""
        return await aget_in_thread(self.get_many, requests, cancel)

    def list_names(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_names`."""
        archive = self._archive
        return child_names(archive.entries, archive.prefix + folder_prefix(path))

    def list_keys(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_keys`."""
        archive = self._archive
        prefix = archive.prefix + folder_prefix(path)
        return sorted(name[len(archive.prefix) :] for name in archive.entries if name.startswith(prefix))

    def stat_many(self, keys: Sequence[str]) -> list[int | None]:
        """See :meth:`zvview.store.places.source.Source.stat_many`."""
        check_keys(keys)
        archive = self._archive
        found = [archive.entries.get(archive.prefix + key) for key in keys]
        return [None if entry is None else entry.size for entry in found]

    def stamp(self) -> object:
        """Which file the zip is; when another is in its place that one is read from now on.

        One that cannot be opened yet, or is no zip, is passed over: what is open goes on being read.
        """
        try:
            is_same = _identity(os.stat(self.path)) == self._archive.identity
        except OSError:
            is_same = True
        if not is_same:
            with self._lock, contextlib.suppress(NotZarrVectorsError, UnreachableError):
                self._archive = _open(self.path, self.place)
        return self._archive.identity

    def close(self) -> None:
        """Close the file."""
        self._archive.file.close()

    def _read(self, archive: _Archive, entry: _Entry, key: str, span: tuple[int, int] | None, index: int) -> bytes:
        def damaged(found: str, expected: str) -> DamagedError:
            return DamagedError("zip entry", found=found, expected=expected, cells=[index], array=key)

        at = self._content_at(archive, entry)
        if at is None or at + entry.stored > archive.size:
            raise damaged(
                f"{entry.stored} bytes at {entry.header_at}", f"an entry in the {archive.size} bytes of the file"
            )
        start, stop = clip_range(span, entry.size)
        refuse_oversized(key, stop - start, index)
        if entry.method == zipfile.ZIP_STORED:
            if entry.stored != entry.size:
                raise damaged(f"{entry.stored} bytes stored as they are", f"{entry.size}, as announced")
            content = self._pread(archive, at + start, stop - start)
            if stop - start == entry.size and zlib.crc32(content) != entry.crc:
                raise damaged(f"crc32 {zlib.crc32(content):#010x}", f"{entry.crc:#010x}")
            return content
        if entry.method != zipfile.ZIP_DEFLATED:
            how = "encrypted" if entry.method == _ENCRYPTED else f"compressed by method {entry.method}"
            raise UnsupportedError(f"{key!r} of {self.place} is {how}; zvview reads stored and deflated zip entries")
        refuse_oversized(key, entry.stored, index)
        if entry.size > min(_MOST_INFLATED, _MOST_EXPANSION * entry.stored + 64):
            raise damaged(f"{entry.size} bytes announced for {entry.stored} deflated ones", "no more than deflate can")
        engine = zlib.decompressobj(-15)
        try:
            content = engine.decompress(self._pread(archive, at, entry.stored), entry.size + 1)
        except zlib.error as error:
            raise damaged(str(error), "deflated bytes") from error
        if len(content) != entry.size or not engine.eof:
            raise damaged(f"{len(content)} bytes or more inflated", f"{entry.size}, as announced")
        if zlib.crc32(content) != entry.crc:
            raise damaged(f"crc32 {zlib.crc32(content):#010x}", f"{entry.crc:#010x}")
        return content[start:stop]

    def _content_at(self, archive: _Archive, entry: _Entry) -> int | None:
        """Where an entry's bytes begin: behind its local header, whose name and extra field may differ in length."""
        if not 0 <= entry.header_at <= archive.size - _LOCAL_HEADER.size:
            return None
        signature, name_size, extra_size = _LOCAL_HEADER.unpack(
            self._pread(archive, entry.header_at, _LOCAL_HEADER.size)
        )
        if signature != b"PK\x03\x04":
            return None
        return int(entry.header_at + _LOCAL_HEADER.size + name_size + extra_size)

    def _pread(self, archive: _Archive, start: int, size: int) -> bytes:
        try:
            if hasattr(os, "pread"):
                content = os.pread(archive.file.fileno(), size, start)
            else:
                with self._lock:
                    archive.file.seek(start)
                    content = archive.file.read(size)
        except (OSError, ValueError) as error:
            raise UnreachableError(f"cannot read {self.place}: {error}") from error
        if len(content) != size:
            raise UnreachableError(f"{self.place} was cut while it was being read")
        return content


def _open(path: str, place: str) -> _Archive:
    try:
        file = open(path, "rb")  # noqa: SIM115 - open as long as somebody holds the archive
    except OSError as error:
        raise UnreachableError(f"cannot open {place}: {error.strerror or error}") from error
    try:
        found = os.fstat(file.fileno())
        with zipfile.ZipFile(file) as zipped:
            infos = {info.filename: info for info in zipped.infolist() if not info.is_dir()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error, OverflowError) as error:
        file.close()
        raise NotZarrVectorsError(f"{place} is not a zip file, or a broken one: {error}") from error
    entries = {_normal(name): _entry(info) for name, info in infos.items()}
    archive = _Archive(file, _identity(found), found.st_size, entries, _root_prefix(entries))
    finalize(archive, file.close)
    return archive


def _identity(found: os.stat_result) -> object:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _normal(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./").lstrip("/")


def _entry(info: zipfile.ZipInfo) -> _Entry:
    method = _ENCRYPTED if info.flag_bits & 0x1 else info.compress_type
    return _Entry(info.header_offset, info.compress_size, info.file_size, info.CRC, method)


def _root_prefix(names: Collection[str]) -> str:
    """Where the store's root is: the zip's root, or the single folder that everything lies in."""
    tops = {name.split("/", 1)[0] for name in names if not name.startswith("__MACOSX/")}
    top = next(iter(tops), "") + "/"
    return top if ROOT_KEY not in names and len(tops) == 1 and top + ROOT_KEY in names else ""
