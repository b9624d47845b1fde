"""A source that remembers in which version each object was read, so that a commit can tell what changed since."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from zvview.cancel import CancelToken
from zvview.errors import ConflictError
from zvview.store.places.source import Request, Source

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Telling", "Versioned", "WatchedSource"]

_MOST_NAMED = 5


class Versioned(Source, Protocol):
    """A source whose objects have versions."""

    def versions(self, keys: Sequence[str]) -> list[object]:
        """Of each key what is another after its object was written again; None where there is none."""
        ...


@runtime_checkable
class Telling(Versioned, Protocol):
    """A source whose answers tell the version of what they hold: nobody has to ask for it beside."""

    def get_versioned(
        self, requests: Sequence[Request], cancel: CancelToken | None = None
    ) -> tuple[list[Buffer | None], list[object]]:
        """Answers as of `get_many`, and the version of each object as of `versions`."""
        ...

    async def aget_versioned(
        self, requests: Sequence[Request], cancel: CancelToken | None = None
    ) -> tuple[list[Buffer | None], list[object]]:
        """As :meth:`get_versioned`."""
        ...


class WatchedSource:
    """Reads from another source, and remembers the version of each object from when it was first read, or before.

    Parameters
    ----------
    source : Versioned
    """

    def __init__(self, source: Versioned) -> None:
        self._source = source
        self._telling = source if isinstance(source, Telling) else None  # once: a look takes longer than a small read
        self.place, self.is_local, self.can_list = source.place, source.is_local, source.can_list
        self._seen: dict[str, object] = {}

    def refuse_changed(self, keys: Iterable[str] | None = None) -> None:
        """Raise if any object, or any of these, is another than when it was read.

        Raises
        ------
        ConflictError
            Names them.
        """
        keys = list(self._seen if keys is None else [key for key in keys if key in self._seen])
        now = self._source.versions(keys)
        changed = [key for key, version in zip(keys, now, strict=True) if version != self._seen[key]]
        if changed:
            named = ", ".join(changed[:_MOST_NAMED]) + (", ..." if len(changed) > _MOST_NAMED else "")
            raise ConflictError(
                f"{self.place}: another program that takes no lock has changed {named} since it was read; nothing was "
                "overwritten. Open the store again and repeat the edits that still apply"
            )

    def forget(self, keys: Iterable[str]) -> None:
        """Let objects be read anew: they were replaced by the commit itself."""
        for key in keys:
            self._seen.pop(key, None)

    def _note(self, keys: Iterable[str]) -> None:
        new = [key for key in dict.fromkeys(keys) if key not in self._seen]
        if new:
            self._seen.update(zip(new, self._source.versions(new), strict=True))

    def _remember(self, requests: Sequence[Request], versions: Sequence[object]) -> None:
        for (key, _), version in zip(requests, versions, strict=True):
            self._seen.setdefault(key, version)

    def get_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.get_many`."""
        if self._telling is not None:
            answers, versions = self._telling.get_versioned(requests, cancel)
            self._remember(requests, versions)
            return answers
        self._note(key for key, _ in requests)
        return self._source.get_many(requests, cancel)

    async def aget_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.aget_many`."""
        if self._telling is not None:
            answers, versions = await self._telling.aget_versioned(requests, cancel)
            self._remember(requests, versions)
            return answers
        self._note(key for key, _ in requests)
        return await self._source.aget_many(requests, cancel)

    def list_names(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_names`."""
        return self._source.list_names(path)

    def list_keys(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_keys`."""
        return self._source.list_keys(path)

    def stat_many(self, keys: Sequence[str]) -> list[int | None]:
        """See :meth:`zvview.store.places.source.Source.stat_many`."""
        self._note(keys)
        return self._source.stat_many(keys)

    def close(self) -> None:
        """The source below stays open: it is its owner's to close."""
