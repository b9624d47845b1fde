"""Stores in zip files: the entries' places from the directory once, then ranged reads of the file itself.

Stored entries are read in place, ranges of them too; deflated ones are inflated whole, never further than the size that
the directory announces. Of entries of the same name the last one counts, as for zarr's ``ZipStore``.
"""

from __future__ import annotations

import os
import struct
import threading
import zipfile
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
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


class ZipSource:
    """Reads a store from a zip file whose root, or whose only folder, is the store's root.

    Parameters
    ----------
    path : str
        The file; kept open until :meth:`close`, or until nobody holds the source.

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
        self._lock = threading.Lock()
        try:
            self._file = open(path, "rb")  # noqa: SIM115 - open as long as the source
        except OSError as error:
            raise UnreachableError(f"cannot open {path}: {error.strerror or error}") from error
        finalize(self, self._file.close)
        try:
            self._size = os.fstat(self._file.fileno()).st_size
            with zipfile.ZipFile(self._file) as archive:
                entries = {info.filename: info for info in archive.infolist() if not info.is_dir()}
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error, OverflowError) as error:
            self._file.close()
            raise NotZarrVectorsError(f"{path} is not a zip file, or a broken one: {error}") from error
        self._entries = {_normal(name): _entry(info) for name, info in entries.items()}
        self._prefix = _root_prefix(self._entries)

    def get_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.get_many`.

        Raises
        ------
        DamagedError
            An entry that does not lie where and as the directory says; ``cells`` has its index in `requests`.
        """
        check_keys([key for key, _ in requests])
        answers: list[Buffer | None] = []
        for i, (key, span) in enumerate(requests):
            if cancel is not None:
                cancel.raise_if_cancelled()
            entry = self._entries.get(self._prefix + key)
            answers.append(None if entry is None else self._read(entry, key, span, i))
        return answers

    async def aget_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.aget_many`; one thread hop per wave."""
        return await aget_in_thread(self.get_many, requests, cancel)

    def list_names(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_names`."""
        return child_names(self._entries, self._prefix + folder_prefix(path))

    def list_keys(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_keys`."""
        prefix = self._prefix + folder_prefix(path)
        return sorted(name[len(self._prefix) :] for name in self._entries if name.startswith(prefix))

    def stat_many(self, keys: Sequence[str]) -> list[int | None]:
        """See :meth:`zvview.store.places.source.Source.stat_many`."""
        check_keys(keys)
        found = [self._entries.get(self._prefix + key) for key in keys]
        return [None if entry is None else entry.size for entry in found]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, entry: _Entry, key: str, span: tuple[int, int] | None, index: int) -> bytes:
        def damaged(found: str, expected: str) -> DamagedError:
            return DamagedError("zip entry", found=found, expected=expected, cells=[index], array=key)

        at = self._content_at(entry)
        if at is None or at + entry.stored > self._size:
            raise damaged(
                f"{entry.stored} bytes at {entry.header_at}", f"an entry in the {self._size} bytes of the file"
            )
        start, stop = clip_range(span, entry.size)
        refuse_oversized(key, stop - start, index)
        if entry.method == zipfile.ZIP_STORED:
            if entry.stored != entry.size:
                raise damaged(f"{entry.stored} bytes stored as they are", f"{entry.size}, as announced")
            content = self._pread(at + start, stop - start)
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
            content = engine.decompress(self._pread(at, entry.stored), entry.size + 1)
        except zlib.error as error:
            raise damaged(str(error), "deflated bytes") from error
        if len(content) != entry.size or not engine.eof:
            raise damaged(f"{len(content)} bytes or more inflated", f"{entry.size}, as announced")
        if zlib.crc32(content) != entry.crc:
            raise damaged(f"crc32 {zlib.crc32(content):#010x}", f"{entry.crc:#010x}")
        return content[start:stop]

    def _content_at(self, entry: _Entry) -> int | None:
        """Where an entry's bytes begin: behind its local header, whose name and extra field may differ in length."""
        if not 0 <= entry.header_at <= self._size - _LOCAL_HEADER.size:
            return None
        signature, name_size, extra_size = _LOCAL_HEADER.unpack(self._pread(entry.header_at, _LOCAL_HEADER.size))
        if signature != b"PK\x03\x04":
            return None
        return int(entry.header_at + _LOCAL_HEADER.size + name_size + extra_size)

    def _pread(self, start: int, size: int) -> bytes:
        try:
            if hasattr(os, "pread"):
                content = os.pread(self._file.fileno(), size, start)
            else:
                with self._lock:
                    self._file.seek(start)
                    content = self._file.read(size)
        except (OSError, ValueError) as error:
            raise UnreachableError(f"cannot read {self.place}: {error}") from error
        if len(content) != size:
            raise UnreachableError(f"{self.place} was cut while it was being read")
        return content


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
