"""The commit that is pending at an address: once a reader knows of it, it is asked for again as long as it is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from zvview.store.places.redo_log import LOG_KEY, Bundle
from zvview.store.places.source import refuse_oversized

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["RemotePending"]

T = TypeVar("T")


class _Ask(Protocol):
    async def __call__(self, call: Callable[[Any], Awaitable[T]]) -> T: ...


class RemotePending:
    """Knows the pending commit of a store at an address; all but its attributes is for the I/O loop.

    Parameters
    ----------
    ask : async callable
        Gives what a callable gets of the obstore client.

    Attributes
    ----------
    bundle : Bundle or None
        What is known; nothing before the first look.
    """

    def __init__(self, ask: _Ask) -> None:
        self._ask, self._version = ask, ""
        self.bundle: Bundle | None = None

    async def look(self) -> Bundle | None:
        """What is pending now; it is read again when it is another than the one that is known.

        Raises
        ------
        DamagedError
            Its log is not as it was written.
        """
        from obstore.exceptions import PermissionDeniedError

        try:
            if self.bundle is not None:
                found = await self._ask(lambda store: store.head_async(LOG_KEY))
                if str(found["e_tag"]) == self._version:
                    return self.bundle
            version, data = await self._ask(_read_whole)
        except (FileNotFoundError, PermissionDeniedError):
            self.bundle = None
        else:
            self._version, self.bundle = version, Bundle.parse(data)
        return self.bundle


async def _read_whole(store: Any) -> tuple[str, Buffer]:
    answer = await store.get_async(LOG_KEY)
    refuse_oversized(LOG_KEY, answer.meta["size"], 0)
    return str(answer.meta["e_tag"]), memoryview(await answer.bytes_async())
