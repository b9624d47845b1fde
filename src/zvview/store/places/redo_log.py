"""The redo log of a commit in a folder: which keys get which staged files, and which keys are no more.

It lies in the store, in a folder of zvview's own group, where no other reader looks and nothing warns::

    zvview/commit/log          there: the commit is final, and readers see it whole; not there: nothing happened
    zvview/commit/<name>/log   the same file before it was renamed, which is the moment that decides
    zvview/commit/<name>/0...  staged: new content of the keys, in the log's order

It is one line that tells form, checksum and size of the rest, and JSON. What it says is checked before it is believed:
keys are plain relative paths, and files can be staged in its own folder only.

At an address nothing can be renamed; there the log is one object, whose coming is the moment that decides, with all
contents behind it, and a lock lies beside it.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from zvview.errors import DamagedError, InvalidInputError
from zvview.format import names
from zvview.store.places.source import Request, check_keys, clip_range

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "COMMIT_FOLDER",
    "LOCK_KEY",
    "LOG_KEY",
    "LOG_REQUEST",
    "Bundle",
    "RedoLog",
    "Staged",
    "damaged_log",
    "is_log",
    "staged_key",
]

COMMIT_FOLDER: Final = f"{names.INDEX}/commit"
LOG_KEY: Final = f"{COMMIT_FOLDER}/log"
LOCK_KEY: Final = f"{COMMIT_FOLDER}/lock"

LOG_REQUEST: Final[Request] = (LOG_KEY, (0, 7))
"""Its answer tells whether there is a log, also where a server has an answer to every question."""

_HEAD = re.compile(rb"zvview commit 1 ([0-9a-f]{8}) (\d{1,12})\n")
_NAME = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Staged:
    """The new content of one key.

    Attributes
    ----------
    key : str
        Of the staged file, which is gone once it was renamed onto its cell.
    size : int
        Bytes.
    crc32 : int
    """

    key: str
    size: int
    crc32: int


@dataclass(frozen=True, slots=True)
class RedoLog:
    """All that a commit does.

    Attributes
    ----------
    name : str
        Of the folder with the staged files; never the same twice.
    staged : mapping of str to Staged
        By key, in the order of their replacement.
    removed : frozenset of str
        Keys that are no more.
    """

    name: str
    staged: Mapping[str, Staged]
    removed: frozenset[str]

    @property
    def folder(self) -> str:
        """Path of the folder with the staged files, from the root of the store."""
        return f"{COMMIT_FOLDER}/{self.name}"

    @classmethod
    def describe(
        cls,
        name: str,
        contents: Mapping[str, bytes],
        removed: frozenset[str],
        sums: Mapping[str, int] = MappingProxyType({}),
    ) -> RedoLog:
        """The log of a commit that gives keys these contents, in this order; `sums` are checksums known already."""
        staged = {
            key: Staged(staged_key(name, number), len(data), sums[key] if key in sums else zlib.crc32(data))
            for number, (key, data) in enumerate(contents.items())
        }
        return cls(name, staged, removed)

    def encode(self) -> bytes:
        """The bytes of the log."""
        puts = [[key, entry.size, entry.crc32] for key, entry in self.staged.items()]
        told = {"name": self.name, "put": puts, "removed": sorted(self.removed)}
        body = json.dumps(told, separators=(",", ":")).encode()
        return b"zvview commit 1 %08x %d\n" % (zlib.crc32(body), len(body)) + body

    @classmethod
    def parse(cls, data: bytes) -> RedoLog:
        """What a log says.

        Raises
        ------
        DamagedError
            It is not as it was written.
        """
        head = _HEAD.match(data)
        if head is None:
            raise damaged_log("no first line of a log")
        body = data[head.end() :]
        if len(body) != int(head[2]) or zlib.crc32(body) != int(head[1], 16):
            raise damaged_log(f"{len(body)} bytes with crc32 {zlib.crc32(body):08x}")
        try:
            told = json.loads(body)
            name, puts, removed = told["name"], told["put"], told["removed"]
            keys = [key for key, _, _ in puts]
            check_keys([*keys, *removed])
        except (ValueError, TypeError, KeyError, RecursionError, InvalidInputError) as error:
            raise damaged_log(f"{type(error).__name__} in what it says") from error
        is_sound = isinstance(name, str) and _NAME.fullmatch(name) and isinstance(puts, list)
        if not is_sound or not isinstance(removed, list) or len({*keys, *removed}) < len(keys) + len(removed):
            raise damaged_log("a name that is none, or a key twice")
        if not all(type(n) is int and 0 <= n < 1 << 62 for _, *numbers in puts for n in numbers):
            raise damaged_log("sizes and checksums that are none")
        staged = {key: Staged(staged_key(name, number), size, crc32) for number, (key, size, crc32) in enumerate(puts)}
        return cls(name, staged, frozenset(removed))


@dataclass(frozen=True, slots=True)
class Bundle:
    """A log and what it is to put in place, as one object.

    Attributes
    ----------
    log : RedoLog
    contents : mapping of str to bytes-like
        By key, in the log's order.
    """

    log: RedoLog
    contents: Mapping[str, Buffer]

    def encode(self) -> bytes:
        """The bytes of the object."""
        return b"".join([self.log.encode(), *self.contents.values()])

    def lay_over(self, key: str, span: tuple[int, int] | None, stored: Buffer | None) -> Buffer | None:
        """An object, or a range of it, as it is with the commit; `stored` is what is at its place."""
        if key in self.log.removed:
            return None
        if key not in self.contents:
            return stored
        view = memoryview(self.contents[key])
        return view[slice(*clip_range(span, view.nbytes))]

    @classmethod
    def parse(cls, data: Buffer) -> Bundle:
        """What an object holds, as views of it.

        Raises
        ------
        DamagedError
            It is not as it was written.
        """
        view = memoryview(data).cast("B").toreadonly()
        head = _HEAD.match(view)
        if head is None:
            raise damaged_log("no first line of a log")
        at = head.end() + int(head[2])
        log = RedoLog.parse(bytes(view[:at]))
        contents: dict[str, Buffer] = {}
        for key, entry in log.staged.items():
            contents[key] = view[at : at + entry.size]
            at += entry.size
            if (at > view.nbytes) or zlib.crc32(contents[key]) != entry.crc32:
                raise damaged_log(f"other bytes for {key!r}")
        if at != view.nbytes:
            raise damaged_log(f"{view.nbytes} bytes instead of {at}")
        return cls(log, contents)


def is_log(answer: Buffer | None) -> bool:
    """Whether the answer to :data:`LOG_REQUEST` is the beginning of a log."""
    return answer is not None and bytes(answer) == b"zvview "


def damaged_log(found: str) -> DamagedError:
    """The error for a commit that is final and cannot be read; nobody may guess what it was to do."""
    return DamagedError(
        "log of a commit that was interrupted",
        found=found,
        expected="it as it was written; if no copy of the store can be restored, removing the folder "
        f"{COMMIT_FOLDER!r} in the store gives that commit up, of which some cells may be in their place already",
        array=LOG_KEY,
    )


def staged_key(name: str, number: int) -> str:
    """Key of the staged file of one key in the order of a log."""
    return f"{COMMIT_FOLDER}/{name}/{number}"
