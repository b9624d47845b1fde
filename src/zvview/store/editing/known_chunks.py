"""The chunks that an edit session looked at: of all what tells whether they changed, of the latest what they hold.

Whoever browses with edits going on looks at one chunk after the other. The digest of each must stay: edits rely on what
a chunk was when it was looked at, not on what it has become. What it holds can be read again, and the digest tells
whether that is still the same.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from zvview.errors import ConflictError
from zvview.store.editing.bases import ChunkBase, read_bases
from zvview.store.editing.edits import ChunkKey
from zvview.store.editing.host import EditHost

__all__ = ["KnownChunks"]

_MOST_BYTES = 128 << 20


class KnownChunks:
    """Chunks of a store as they were when they were looked at.

    Parameters
    ----------
    host : EditHost
    most_bytes : int
        Of what chunks hold; those that were asked for longest ago are read again.
    """

    def __init__(self, host: EditHost, most_bytes: int = _MOST_BYTES) -> None:
        self._host, self._most_bytes, self._bytes = host, most_bytes, 0
        self._digests: dict[ChunkKey, bytes] = {}
        self._held: dict[ChunkKey, ChunkBase] = {}

    def __contains__(self, key: ChunkKey) -> bool:
        return key in self._digests

    def digest_of(self, key: ChunkKey) -> bytes:
        """What tells whether a chunk, which was looked at, is still as it was."""
        return self._digests[key]

    def look_at(self, keys: Collection[ChunkKey]) -> dict[ChunkKey, ChunkBase]:
        """What some chunks hold; those that were never looked at are from now on.

        Raises
        ------
        ConflictError
            One that had to be read again is another than it was.
        """
        found = {key: self._held.pop(key) for key in keys if key in self._held}
        self._held |= found  # behind all others
        missing = sorted(set(keys) - found.keys())
        read = self._read(missing)
        for key in missing:
            if key in self._digests and self._digests[key] != read[key].digest:
                chunk = ".".join(map(str, key))
                raise ConflictError(
                    f"{self._host.place}: another program has changed chunk {chunk} since this session looked at it; "
                    "nothing was edited. Reload the edits, then go on"
                )
        self._keep(read)
        return found | read

    def look_anew(self, keys: Collection[ChunkKey]) -> None:
        """Know chunks as they are now."""
        self._keep(self._read(sorted(keys)))

    def _read(self, keys: list[ChunkKey]) -> dict[ChunkKey, ChunkBase]:
        if not keys:
            return {}
        coords: NDArray[np.int64] = np.array(keys, np.int64)
        return dict(zip(keys, self._host.retry(lambda: read_bases(self._host.reader(0), coords)), strict=True))

    def _keep(self, bases: dict[ChunkKey, ChunkBase]) -> None:
        for key, base in bases.items():
            self._digests[key] = base.digest
            self._drop(key)
            self._held[key] = base.apart()
            self._bytes += base.nbytes
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._held)))

    def _drop(self, key: ChunkKey) -> None:
        base = self._held.pop(key, None)
        self._bytes -= 0 if base is None else base.nbytes
