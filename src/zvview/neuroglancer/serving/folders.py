"""Files on this machine, such as those of an image in OME-Zarr or of an export: read only, and nothing beside them."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from typing import Final

from zvview.errors import InvalidInputError
from zvview.neuroglancer.serving.answers import Answer, asked_range, parse_range, refuse
from zvview.store.places.source import check_keys

__all__ = ["ServedFile", "ServedFolder"]

MOST_BYTES: Final = 256 << 20
"""Of one answer: chunks of images are far smaller."""

_MOST_PATH: Final = 1024


class ServedFolder:
    """Answers for the files of a folder.

    Parameters
    ----------
    folder : str

    Raises
    ------
    InvalidInputError
        There is no such folder.
    """

    def __init__(self, folder: str) -> None:
        self._top = os.path.realpath(folder)
        if not os.path.isdir(self._top):
            raise InvalidInputError(f"{folder!r}: there is no such folder")

    def answer(self, path: str, headers: Mapping[str, str]) -> Answer:
        """The answer to a GET of a path within the folder; any thread."""
        if len(path) > _MOST_PATH:
            return refuse(414, "the path is too long")
        try:
            check_keys([path])
            file = os.path.realpath(os.path.join(self._top, *path.split("/")))
        except (InvalidInputError, ValueError):
            return refuse(400, "expected a plain path")
        if os.path.commonpath((self._top, file)) != self._top:  # behind a link
            return refuse(404, "nothing there")
        return _answer_with(file, headers)


class ServedFile:
    """Answers for one file.

    Parameters
    ----------
    file : str
    name : str
        What it is called here.
    """

    def __init__(self, file: str, name: str) -> None:
        self._file, self._name = os.path.realpath(file), name

    def answer(self, path: str, headers: Mapping[str, str]) -> Answer:
        """The answer to a GET of a path; any thread."""
        return _answer_with(self._file, headers) if path == self._name else refuse(404, "nothing there")


def _answer_with(file: str, headers: Mapping[str, str]) -> Answer:
    try:
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return refuse(404, "nothing there")
    try:
        return _answer(handle, headers)
    except OSError:
        return refuse(404, "nothing there")
    finally:
        os.close(handle)


def _answer(handle: int, headers: Mapping[str, str]) -> Answer:
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        return refuse(404, "nothing there")
    told = f"{found.st_ino} {found.st_size} {found.st_mtime_ns}".encode()
    tag = f'"{hashlib.sha256(told).hexdigest()[:24]}"'
    if headers.get("If-None-Match") == tag:
        return Answer(304, headers={"ETag": tag})
    common = {
        "ETag": tag,
        "Cache-Control": "no-cache",
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
    }
    span = parse_range(asked_range(headers, tag), found.st_size)
    start, end = (0, found.st_size) if span is None else span
    if span is not None and start >= end:
        return Answer(416, headers={"Content-Range": f"bytes */{found.st_size}"})
    if end - start > MOST_BYTES:
        return refuse(413, f"more than {MOST_BYTES >> 20} MB at once")
    os.lseek(handle, start, os.SEEK_SET)
    body = bytearray()
    while len(body) < end - start and (piece := os.read(handle, end - start - len(body))):
        body += piece
    if span is None:
        return Answer(200, bytes(body), common)
    return Answer(206, bytes(body), {**common, "Content-Range": f"bytes {start}-{end - 1}/{found.st_size}"})
