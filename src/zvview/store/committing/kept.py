"""A source that keeps what was read of it, so that a commit in a folder or at an address asks for nothing twice.

A commit opens the store several times, for each level that it makes anew. While it runs nobody else changes the store,
or it is refused (:mod:`zvview.store.committing.watched`), so one answer serves all.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from zvview.cancel import CancelToken
from zvview.store.places.source import Request, Source

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["KeptSource"]

_MOST_BYTES: Final = 256 << 20
_OF_NONE: Final = 64  # bytes that a missing object counts for


class KeptSource:
    """Reads from another source, and keeps the answers until it is told to forget them.

    Parameters
    ----------
    source : Source
    most_bytes : int
        What comes when so much is kept is not kept.
    """

    def __init__(self, source: Source, most_bytes: int = _MOST_BYTES) -> None:
        self._source, self._left = source, most_bytes
        self.place, self.is_local, self.can_list = source.place, source.is_local, source.can_list
        self._answers: dict[Request, Buffer | None] = {}
        self._lock = threading.Lock()

    def forget(self, keys: Iterable[str]) -> None:
        """Read objects anew from now on."""
        gone = set(keys)
        with self._lock:
            self._answers = {request: kept for request, kept in self._answers.items() if request[0] not in gone}

    def get_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.get_many`."""
        missing = self._missing(requests)
        return self._together(requests, missing, self._source.get_many(missing, cancel) if missing else [])

    async def aget_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.aget_many`."""
        missing = self._missing(requests)
        return self._together(requests, missing, await self._source.aget_many(missing, cancel) if missing else [])

    def list_names(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_names`."""
        return self._source.list_names(path)

    def list_keys(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_keys`."""
        return self._source.list_keys(path)

    def stat_many(self, keys: Sequence[str]) -> list[int | None]:
        """See :meth:`zvview.store.places.source.Source.stat_many`."""
        return self._source.stat_many(keys)

    def close(self) -> None:
        """The source below stays open: it is its owner's to close."""

    def _missing(self, requests: Sequence[Request]) -> list[Request]:
        with self._lock:
            return [request for request in dict.fromkeys(requests) if request not in self._answers]

    def _together(
        self, requests: Sequence[Request], asked: Sequence[Request], answers: Sequence[Buffer | None]
    ) -> list[Buffer | None]:
        new = dict(zip(asked, answers, strict=True))
        with self._lock:
            for request, answer in new.items():
                size = _OF_NONE if answer is None else memoryview(answer).nbytes
                if size <= self._left:
                    self._answers[request] = answer
                    self._left -= size
            found = {request: self._answers[request] for request in requests if request not in new}
        return [new[request] if request in new else found[request] for request in requests]
