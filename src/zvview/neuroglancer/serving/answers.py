"""From the path of a request to its answer: no web server in sight, so that each rule can be tested by itself.

Paths are ``<source>/info``, ``<source>/<section>/<cell or id>``, ``<source>/<id>`` and ``<source>/<id>.index``. They
name nothing but contents of sources: no path of a request ever reaches a file system.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from cachetools import LRUCache

from zvview.errors import InvalidInputError
from zvview.neuroglancer.encoding.morton import encode_morton
from zvview.neuroglancer.sources.contract import Section, Source

__all__ = ["Answer", "Answers", "asked_range", "parse_range", "refuse"]

_CACHE_BYTES = 128 << 20
_MOST_PATH = 512
_CELL = re.compile(r"[0-9]{1,10}(_[0-9]{1,10})*", re.ASCII)
_ID = re.compile(r"(0|[1-9][0-9]{0,19})(\.index)?", re.ASCII)
_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})", re.ASCII)
_BINARY = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request gets.

    Attributes
    ----------
    status : int
        Of HTTP.
    body : bytes
    headers : mapping of str to str
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def refuse(status: int, why: str) -> Answer:
    """An answer that tells why there is no other."""
    return Answer(status, f"{why}\n".encode(), {"Content-Type": "text/plain; charset=utf-8"})


class Answers:
    """Answers for the sources of one state of a store.

    Parameters
    ----------
    sources : mapping of str to Source
        By the name that paths begin with.
    version : str
        Tells this state of the store from others; part of all entity tags.
    cache_bytes : int
        Budget of the contents that are kept.
    """

    def __init__(self, sources: Mapping[str, Source], version: str, cache_bytes: int = _CACHE_BYTES) -> None:
        self.sources, self.version = dict(sources), version
        self._infos = {name: json.dumps(source.info).encode() for name, source in self.sources.items()}
        self._held: LRUCache[tuple[str, str, int], tuple[bytes, bytes] | None] = LRUCache(cache_bytes, _size_of)
        self._lock = threading.Lock()

    def answer(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a GET.

        Parameters
        ----------
        path : str
            Behind the token of the store, without a slash at its beginning.
        headers : mapping of str to str
            Of the request; ``Range``, ``If-Range`` and ``If-None-Match`` count.

        Raises
        ------
        ConflictError
            The store is another one now.
        UnreachableError
        """
        if len(path) > _MOST_PATH:
            return refuse(414, "the path is too long")
        name, rest = self._split(path)
        source = self.sources.get(name)
        if source is None:
            return refuse(404, "no such source")
        given = {} if headers is None else headers
        tag = f'"{hashlib.sha256(f"{self.version}/{path}".encode()).hexdigest()[:24]}"'
        if given.get("If-None-Match") == tag:
            return Answer(304, headers={"ETag": tag})
        common = {"ETag": tag, "Cache-Control": "no-cache"}
        if rest == "info":
            return Answer(200, self._infos[name], {"Content-Type": "application/json", **common})
        try:
            section, key, is_index = _parse(source, rest)
        except InvalidInputError as error:
            return refuse(400, str(error))
        if section is None:
            return refuse(404, "no such content")
        content = self._content(name, source, section, key)
        if content is None:
            return refuse(404, "nothing there")
        head, body = content
        is_head = bool(head) and not is_index
        if is_index and not head:
            return refuse(404, "nothing there")
        return _ranged(head if is_head else body, asked_range(given, tag), {**_BINARY, **common})

    def _split(self, path: str) -> tuple[str, str]:
        """Name of the source that a path begins with, which may lie in the folder of another one, and the rest."""
        name, _, rest = path.partition("/")
        within, _, deeper = rest.partition("/")
        nested = f"{name}/{within}"
        return (nested, deeper) if nested in self.sources else (name, rest)

    def _content(self, name: str, source: Source, section: Section, key: int) -> tuple[bytes, bytes] | None:
        wanted = (name, section.key, key)
        with self._lock:
            if wanted in self._held:
                return self._held[wanted]
        block = source.read(section, np.array([key], np.uint64))
        content = block.content(0) if len(block) else None
        with self._lock:
            if _size_of(content) <= self._held.maxsize:
                self._held[wanted] = content
        return content


def _size_of(content: tuple[bytes, bytes] | None) -> int:
    return 256 + (0 if content is None else len(content[0]) + len(content[1]))


def _parse(source: Source, path: str) -> tuple[Section | None, int, bool]:
    """Section, number, and whether the index of a mesh is asked for.

    Raises
    ------
    InvalidInputError
        A name that no content of the section can have.
    """
    folder, _, name = path.rpartition("/")
    section = next((s for s in source.sections if s.key == folder), None)
    if section is None:
        return None, 0, False
    if section.grid_shape is None:
        found = _ID.fullmatch(name)
        if found is None or int(found[1]) >= 1 << 64:
            raise InvalidInputError("expected a number below 2^64")
        return section, int(found[1]), found[2] is not None
    if _CELL.fullmatch(name) is None or name.count("_") + 1 != len(section.grid_shape):
        raise InvalidInputError(f"expected {len(section.grid_shape)} numbers")
    cell = np.array([[int(part) for part in name.split("_")]], np.int64)
    if (cell >= section.grid_shape).any():
        return None, 0, False
    return section, int(encode_morton(cell, section.grid_shape)[0]), False


def asked_range(headers: Mapping[str, str], tag: str) -> str | None:
    """The ``Range`` header of a request; None where it is for what had another tag (RFC 9110, 13.1.5).

    A browser that holds a part asks for the rest of the same content, or for all of the one that took its place.
    """
    return headers.get("Range") if headers.get("If-Range", tag) == tag else None


def parse_range(asked: str | None, size: int) -> tuple[int, int] | None:
    """First byte and end of what a ``Range`` header names of a content (RFC 9110, 14.1.2); None for all of it.

    Other units and several ranges may be left aside. A range that holds nothing ends before it begins.
    """
    found = None if asked is None else _RANGE.fullmatch(asked.strip())
    if found is None:
        return None
    first, last = found.groups()
    if first:
        return int(first), min(int(last) + 1 if last else size, size)
    return max(0, size - int(last or 0)), size


def _ranged(body: bytes, asked: str | None, headers: Mapping[str, str]) -> Answer:
    """All of a content, or the part that a ``Range`` header names."""
    headers = {**headers, "Accept-Ranges": "bytes"}
    size = len(body)
    span = parse_range(asked, size)
    if span is None:
        return Answer(200, body, headers)
    start, end = span
    if start >= end:
        return Answer(416, headers={"Content-Range": f"bytes */{size}"})
    return Answer(206, body[start:end], {**headers, "Content-Range": f"bytes {start}-{end - 1}/{size}"})
