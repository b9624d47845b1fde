"""Decoded chunks of tables, shared by all who read the same bytes.

A commit reads the object tables of each level again and again, by readers that know nothing of each other; ids and
groups are mostly the same bytes in all levels. What a chunk decodes to depends on nothing but its bytes and its codecs:
so that is what chunks are found by, and nothing can become stale.
"""

from __future__ import annotations

from collections.abc import Hashable
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Decoded", "DecodedChunks"]

_MOST_BYTES = 64 << 20


class Decoded(Protocol):
    """An array, or several ones."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        ...


class DecodedChunks:
    """What chunks decode to, by how they are encoded and their bytes; those that were asked for longest ago go first.

    Whoever owns a source that many readers read from for a while keeps one beside it, as ``decoded``; it lives as long
    as that source. Safe for use from several threads; in another process it begins empty.

    Parameters
    ----------
    most_bytes : int
        Encoded and decoded ones together.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes, self._bytes = most_bytes, 0
        self._kept: dict[tuple[Hashable, bytes], tuple[Decoded, int]] = {}
        self._lock = Lock()

    @classmethod
    def of(cls, source: object) -> DecodedChunks | None:
        """Those beside a source; None where nobody keeps any."""
        found = getattr(source, "decoded", None)
        return found if isinstance(found, cls) else None

    def __reduce__(self) -> tuple[type[DecodedChunks], tuple[int]]:
        return DecodedChunks, (self._most_bytes,)

    def find(self, how: Hashable, encoded: Buffer) -> Any:
        """What a chunk decodes to, None where that is not known. It must not be changed."""
        key = how, bytes(encoded)
        with self._lock:
            found = self._kept.pop(key, None)
            if found is None:
                return None
            self._kept[key] = found  # behind all others
            return found[0]

    def keep(self, how: Hashable, encoded: Buffer, decoded: Decoded) -> None:
        """Keep what a chunk decodes to; it must hold no more memory than it tells."""
        key = how, bytes(encoded)
        size = len(key[1]) + decoded.nbytes
        with self._lock:
            if size > self._most_bytes or key in self._kept:
                return
            self._kept[key] = decoded, size
            self._bytes += size
            while self._bytes > self._most_bytes:
                _, least = self._kept.pop(next(iter(self._kept)))
                self._bytes -= least
