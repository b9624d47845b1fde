"""The form of a journal: a head, then records, each with its size and checksum; and the names that journals have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import blake2b

__all__ = [
    "COMMIT",
    "ENDING",
    "FRESH_ENDING",
    "HEAD",
    "LOCK_ENDING",
    "TAKEN_UP",
    "key_of",
    "measure_record",
    "seal_record",
    "split_records",
]

HEAD = b"zvview journal 1\n"
"""How a journal begins."""
ENDING, LOCK_ENDING, FRESH_ENDING = ".journal", ".lock", ".new"
"""What the name of a journal ends with; and of the lock beside it, and of one that is being written, after that."""
COMMIT = "commit"
"""Key of a record that tells the name of a commit that is tried."""
TAKEN_UP = "taken_up"
"""Key in the first record of the names of other journals: what could be kept of these stands in this one."""

_DIGEST_BYTES = 16
_SIZE_BYTES = 8


def seal_record(record: bytes) -> bytes:
    """A record as it stands in a file."""
    return len(record).to_bytes(_SIZE_BYTES, "little") + _digest(record) + record


def measure_record(record: bytes) -> int:
    """Bytes that a record takes in a file."""
    return _SIZE_BYTES + _DIGEST_BYTES + len(record)


def split_records(data: bytes) -> Iterator[bytes]:
    """The records of a journal, up to the first that is torn or changed."""
    at = len(HEAD)
    while at + measure_record(b"") <= len(data):
        size = int.from_bytes(data[at : at + _SIZE_BYTES], "little")
        start = at + measure_record(b"")
        record = data[start : start + size]
        if len(record) < size or _digest(record) != data[at + _SIZE_BYTES : start]:
            return
        yield record
        at = start + size


def key_of(place: str) -> str:
    """What the names of the journals of a store begin with: told from its place, links resolved."""
    text = place if "://" in place else os.path.realpath(place)
    return blake2b(text.encode(errors="surrogateescape"), digest_size=12).hexdigest()


def _digest(record: bytes) -> bytes:
    return blake2b(record, digest_size=_DIGEST_BYTES).digest()
