"""A store inside another place: the members of a collection share the bytes of the whole."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from zvview.cancel import CancelToken
from zvview.store.places.folder import FolderSource
from zvview.store.places.source import Request, Sink, Source, Stamped, folder_prefix

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["PrefixedSink", "PrefixedSource", "source_within"]


def source_within(source: Source, path: str) -> Source:
    """The source of the store under `path` of `source`; closing it leaves `source` open.

    In a folder it is that of the folder inside, which is changed, and replaced, on its own too.

    Raises
    ------
    InvalidInputError
        `path` is not a plain relative path.
    """
    if isinstance(source, FolderSource):
        inner = folder_prefix(path).rstrip("/")
        return FolderSource(os.path.join(source.folder, inner), f"{source.place.rstrip('/')}/{inner}")
    return PrefixedSource(source, path)


class PrefixedSource:
    """What lies under `path` of `source`; closing it leaves `source` open.

    Raises
    ------
    InvalidInputError
        `path` is not a plain relative path.

    Attributes
    ----------
    whole : Source
    prefix : str
        What is put before each key.
    """

    def __init__(self, source: Source, path: str) -> None:
        self.whole, self.prefix = source, folder_prefix(path)
        self.place = f"{source.place.rstrip('/')}/{path.strip('/')}"
        self.is_local, self.can_list = source.is_local, source.can_list

    def _within(self, requests: Sequence[Request]) -> list[Request]:
        return [(self.prefix + key, span) for key, span in requests]

    def get_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.get_many`."""
        return self.whole.get_many(self._within(requests), cancel)

    async def aget_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.aget_many`."""
        return await self.whole.aget_many(self._within(requests), cancel)

    def list_names(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_names`."""
        return self.whole.list_names(self.prefix + path)

    def list_keys(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_keys`."""
        return [key[len(self.prefix) :] for key in self.whole.list_keys(self.prefix + path)]

    def stat_many(self, keys: Sequence[str]) -> list[int | None]:
        """See :meth:`zvview.store.places.source.Source.stat_many`."""
        return self.whole.stat_many([self.prefix + key for key in keys])

    def stamp(self) -> object:
        """That of the whole collection, which is replaced as a whole."""
        return self.whole.stamp() if isinstance(self.whole, Stamped) else None

    def close(self) -> None:
        """Nothing: the place belongs to the collection."""


class PrefixedSink:
    """Writes under `path` of `sink`, which whoever opened it commits or aborts as a whole."""

    def __init__(self, sink: Sink, path: str) -> None:
        self._sink, self._prefix = sink, folder_prefix(path)
        self.place = f"{sink.place.rstrip('/')}/{path.strip('/')}"
        self.is_local = sink.is_local

    def put_many(self, items: Iterable[tuple[str, Sequence[Buffer]]]) -> None:
        """See :meth:`zvview.store.places.source.Sink.put_many`."""
        self._sink.put_many((self._prefix + key, pieces) for key, pieces in items)

    def commit(self) -> None:
        """Nothing: the collection's sink commits all its members."""

    def abort(self) -> None:
        """Nothing: the collection's sink aborts all its members."""
