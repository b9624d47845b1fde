"""A store with changes laid over it in memory: what a refresh reads from and writes to before anything is touched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from zvview.cancel import CancelToken
from zvview.store.decoded_chunks import DecodedChunks
from zvview.store.places.source import Request, Source, clip_range, folder_prefix

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Overlay"]


class Overlay:
    """A source that answers with what was changed, and with another source's objects otherwise.

    Only what differs from the source is kept: a cell that comes out as it was is no change.

    Parameters
    ----------
    source : Source
        Must be able to list.

    Attributes
    ----------
    decoded : DecodedChunks
        Chunks of tables that readers of this overlay decoded; it shares those of an overlay that it is laid over.
    """

    can_list = True

    def __init__(self, source: Source) -> None:
        self._source = source
        self.place, self.is_local = source.place, source.is_local
        self._changes: dict[str, bytes | None] = {}
        shared = DecodedChunks.of(source)
        self.decoded = DecodedChunks() if shared is None else shared

    @property
    def below(self) -> Source:
        """The source that the changes are laid over."""
        return self._source

    @property
    def changes(self) -> Mapping[str, bytes | None]:
        """New bytes of each key that differs from the source; None for keys that are no more."""
        return dict(self._changes)

    def has_changed(self, key: str) -> bool:
        """Whether a key was changed here, or in overlays that this one is laid over."""
        return key in self._changes or (isinstance(self._source, Overlay) and self._source.has_changed(key))

    def put_many(self, items: Iterable[tuple[str, Sequence[Buffer]]]) -> None:
        """Set each key's object to its pieces one after the other."""
        for key, pieces in items:
            self.put(key, b"".join(pieces))

    def put(self, key: str, data: bytes) -> bool:
        """Set a key's object; whether it is another one than before this call."""
        if key not in self._changes:
            (stored,) = self._source.get_many([(key, None)])
            if stored is not None and bytes(stored) == data:
                return False
            self._changes[key] = data
            return True
        if self._changes[key] == data:
            return False
        self._settle(key, data)
        return True

    def replace(self, key: str, data: bytes | None) -> None:
        """Set, or remove, a key's object that is known to be another one than what this source shows."""
        if key in self._changes:
            self._settle(key, data)
        else:
            self._changes[key] = data

    def remove(self, keys: Iterable[str]) -> None:
        """Let keys be no more."""
        for key in keys:
            self._settle(key, None)

    def _settle(self, key: str, data: bytes | None) -> None:
        (stored,) = self._source.get_many([(key, None)])
        if (None if stored is None else bytes(stored)) == data:
            self._changes.pop(key, None)
        else:
            self._changes[key] = data

    def get_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.get_many`."""
        rest = [request for request in requests if request[0] not in self._changes]
        answers = iter(self._source.get_many(rest, cancel))
        return [self._cut(*r) if r[0] in self._changes else next(answers) for r in requests]

    async def aget_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.aget_many`."""
        rest = [request for request in requests if request[0] not in self._changes]
        answers = iter(await self._source.aget_many(rest, cancel))
        return [self._cut(*r) if r[0] in self._changes else next(answers) for r in requests]

    def _cut(self, key: str, span: tuple[int, int] | None) -> Buffer | None:
        data = self._changes[key]
        if data is None or span is None:
            return data
        start, stop = clip_range(span, len(data))
        return memoryview(data)[start:stop]

    def list_names(self, path: str) -> list[str]:
        """Names under `path`; those of folders of which all was removed may still be among them."""
        prefix = folder_prefix(path)
        below = [key[len(prefix) :].split("/", 1) for key in self._changes if key.startswith(prefix)]
        gone = {rest[0] for rest in below if len(rest) == 1 and self._changes[prefix + rest[0]] is None}
        new = {rest[0] for rest in below} - gone
        return sorted((set(self._source.list_names(path)) - gone) | new)

    def list_keys(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_keys`."""
        prefix = folder_prefix(path)
        changed = {key: data for key, data in self._changes.items() if key.startswith(prefix)}
        kept = [key for key in self._source.list_keys(path) if key not in changed]
        return sorted([*kept, *(key for key, data in changed.items() if data is not None)])

    def stat_many(self, keys: Sequence[str]) -> list[int | None]:
        """See :meth:`zvview.store.places.source.Source.stat_many`."""
        rest = iter(self._source.stat_many([key for key in keys if key not in self._changes]))
        sizes = {key: None if data is None else len(data) for key, data in self._changes.items()}
        return [sizes[key] if key in sizes else next(rest) for key in keys]

    def close(self) -> None:
        """The source below stays open: it is its owner's to close."""
