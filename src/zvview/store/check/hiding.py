"""A source without some folders: what cannot be read is taken away, so that the rest can be opened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from zvview.cancel import CancelToken
from zvview.store.places.source import Request, Source

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["HidingSource"]


class HidingSource:
    """What `source` holds, but for the folders at `paths`. Closing it leaves `source` open."""

    def __init__(self, source: Source, paths: Iterable[str]) -> None:
        self._source, self._hidden = source, frozenset(paths)
        self._prefixes = tuple(f"{path}/" for path in self._hidden)
        self.place, self.is_local, self.can_list = source.place, source.is_local, source.can_list

    def get_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.get_many`."""
        return self._spread(requests, self._source.get_many(self._shown(requests), cancel))

    async def aget_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.aget_many`."""
        return self._spread(requests, await self._source.aget_many(self._shown(requests), cancel))

    def _is_hidden(self, key: str) -> bool:
        return bool(self._prefixes) and key.startswith(self._prefixes)

    def _shown(self, requests: Sequence[Request]) -> Sequence[Request]:
        return [r for r in requests if not self._is_hidden(r[0])] if self._prefixes else requests

    def _spread(self, requests: Sequence[Request], answers: list[Buffer | None]) -> list[Buffer | None]:
        if not self._prefixes:
            return answers
        rest = iter(answers)
        return [None if self._is_hidden(key) else next(rest) for key, _ in requests]

    def list_names(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_names`."""
        found = self._source.list_names(path)
        return found if path.strip("/") else [name for name in found if name not in self._hidden]

    def list_keys(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_keys`."""
        return [key for key in self._source.list_keys(path) if not self._is_hidden(key)]

    def stat_many(self, keys: Sequence[str]) -> list[int | None]:
        """See :meth:`zvview.store.places.source.Source.stat_many`."""
        return self._source.stat_many(keys)

    def close(self) -> None:
        """Nothing: whoever opened the source closes it."""
