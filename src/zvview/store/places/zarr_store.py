"""Stores behind any other zarr ``Store`` object: Icechunk sessions, fsspec and obstore wrappers, users' own.

Waves run on zarr's event loop, not on ours: such an object belongs to the loop it was first used on, and whoever made
it may have read it through zarr already.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from zarr.abc.store import ByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import _get_loop

from zvview.cancel import CancelToken
from zvview.errors import InvalidInputError, UnreachableError, UnsupportedError, ZvviewError
from zvview.store.places.io_loop import await_on_loop, gather_bounded, run_on_loop
from zvview.store.places.source import ROOT_KEY, Request, check_keys, clip_range, folder_prefix, refuse_oversized

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ZarrStoreSink", "ZarrStoreSource"]

T = TypeVar("T")
_PUT_TOGETHER = 256  # objects handed over in one wave


class ZarrStoreSource:
    """Reads through a zarr store object.

    Parameters
    ----------
    store : zarr.abc.store.Store
        Opened if it is not yet. Not closed by :meth:`close`: it is its maker's.

    Raises
    ------
    UnreachableError
        The object cannot be opened.
    """

    is_local = False

    def __init__(self, store: Store) -> None:
        self._store = store
        self.place = str(store)
        self.can_list = bool(store.supports_listing)
        _run(self.place, store._ensure_open())

    def get_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.get_many`."""
        return _run(self.place, gather_bounded(self._calls(requests)), cancel)

    async def aget_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.aget_many`."""
        try:
            return await await_on_loop(gather_bounded(self._calls(requests)), cancel, _get_loop())
        except Exception as error:
            raise _told(self.place, error) from error

    def list_names(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_names`."""
        self._refuse_unlisted()
        names = _run(self.place, _collect(self._store.list_dir, folder_prefix(path)))
        return sorted({name.strip("/") for name in names} - {""})

    def list_keys(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_keys`."""
        self._refuse_unlisted()
        return sorted(_run(self.place, _collect(self._store.list_prefix, folder_prefix(path))))

    def stat_many(self, keys: Sequence[str]) -> list[int | None]:
        """See :meth:`zvview.store.places.source.Source.stat_many`."""
        check_keys(keys)
        return _run(self.place, gather_bounded([partial(self._size, key) for key in keys]))

    def close(self) -> None:
        """The store object stays open."""

    def _refuse_unlisted(self) -> None:
        if not self.can_list:
            raise UnsupportedError(f"{self.place} cannot list what it holds")

    def _calls(self, requests: Sequence[Request]) -> list[Callable[[], Awaitable[Buffer | None]]]:
        check_keys([key for key, _ in requests])
        return [partial(self._get, key, span, i) for i, (key, span) in enumerate(requests)]

    async def _get(self, key: str, span: tuple[int, int] | None, index: int) -> Buffer | None:
        wanted: ByteRequest | None = None
        if span is not None:
            size = await self._size(key)  # stores disagree about ranges that pass the end
            if size is None:
                return None
            start, stop = clip_range(span, size)
            if start == stop:
                return b""
            refuse_oversized(key, stop - start, index)
            wanted = SuffixByteRequest(size - start) if stop == size and start else RangeByteRequest(start, stop)
        found = await self._store.get(key, default_buffer_prototype(), wanted)
        return None if found is None else memoryview(found.to_bytes())

    async def _size(self, key: str) -> int | None:
        try:
            return await self._store.getsize(key)
        except (FileNotFoundError, KeyError):
            return None


class ZarrStoreSink:
    """Writes a new store through a zarr store object; the root's ``zarr.json`` comes last.

    Parameters
    ----------
    store : zarr.abc.store.Store
        Must be writable; opened if it is not yet. What it holds is removed first, so that an aborted overwrite leaves
        nothing: such places have no rename.
    """

    is_local = False

    def __init__(self, store: Store) -> None:
        self._store = store
        self.place = str(store)
        self._written: set[str] = set()
        self._root: bytes | None = None
        _run(self.place, self._clear())

    def put_many(self, items: Iterable[tuple[str, Sequence[Buffer]]]) -> None:
        """See :meth:`zvview.store.places.source.Sink.put_many`."""
        wave: list[Callable[[], Awaitable[None]]] = []
        for key, pieces in items:
            check_keys([key])
            if key in self._written:
                raise InvalidInputError(f"key {key!r} is written twice")
            self._written.add(key)
            if key == ROOT_KEY:
                self._root = b"".join(pieces)
                continue
            wave.append(partial(self._put, key, b"".join(pieces)))
            if len(wave) == _PUT_TOGETHER:
                _run(self.place, gather_bounded(wave))
                wave = []
        if wave:
            _run(self.place, gather_bounded(wave))

    def commit(self) -> None:
        """Write the root, which makes it a store."""
        if self._root is not None:
            _run(self.place, self._put(ROOT_KEY, self._root))
        self._written.clear()

    def abort(self) -> None:
        """Delete what was written."""
        if self._written and self._store.supports_deletes:
            keys = sorted(self._written - {ROOT_KEY})
            _run(self.place, gather_bounded([partial(self._store.delete, key) for key in keys]))
        self._written.clear()

    async def _put(self, key: str, content: bytes) -> None:
        await self._store.set(key, default_buffer_prototype().buffer.from_bytes(content))

    async def _clear(self) -> None:
        await self._store._ensure_open()
        if self._store.supports_deletes and await self._store.exists(ROOT_KEY):
            await self._store.delete(ROOT_KEY)  # first, so that what is left of an interrupted one does not open
        await self._store.clear()


async def _collect(names: Callable[[str], AsyncIterator[str]], prefix: str) -> list[str]:
    return [name async for name in names(prefix)]  # called here, since zarr's ObjectStore needs a running loop for it


def _run(place: str, work: Coroutine[Any, Any, T], cancel: CancelToken | None = None) -> T:
    try:
        return run_on_loop(work, cancel, _get_loop())
    except Exception as error:
        raise _told(place, error) from error


def _told(place: str, error: Exception) -> ZvviewError:
    """A foreign store's failure, whatever its class, in our words."""
    if isinstance(error, ZvviewError):
        return error
    return UnreachableError(f"{place}: {type(error).__name__}: {error}")
