"""Stores at http(s), s3 and gs addresses, through obstore, a wave at a time.

Why obstore: the width decides, not the library. Four hundred objects of 20 kB over loopback, 64 in flight, took 421 ms
at 20 ms latency (fsspec 412, through zarr's wrappers 428 and 416) and 840 ms at 80 ms (fsspec 837); 312 ms at none,
for all of them (``benchmarks/http_sources.py``). So the cleaner one: one client for http, s3 and gs, bound to no event
loop, where fsspec leaves unclosed connections when a loop ends and needs a package for each scheme. How many requests
a server takes, and which are made again, :mod:`zvview.store.places.pace` decides for all that is read.

What a commit that was interrupted holds is laid over the cells, where a reader has been told to look for one, and for
as long as it is there. A commit that begins later is not noticed: that would cost every wave a request.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from zvview.cancel import CancelToken
from zvview.errors import InvalidInputError, UnreachableError, UnsupportedError
from zvview.store.places.bucket import Bucket
from zvview.store.places.http_index import read_index
from zvview.store.places.io_loop import await_on_loop, gather_bounded, run_on_loop
from zvview.store.places.pace import pace_of
from zvview.store.places.pending import visible_keys, visible_names
from zvview.store.places.redo_log import RedoLog
from zvview.store.places.remote_config import CONNECT_S, connect
from zvview.store.places.remote_errors import REFUSED, is_past_end, tell
from zvview.store.places.remote_pending import RemotePending
from zvview.store.places.source import ROOT_KEY, Request, check_keys, clip_range, folder_prefix, refuse_oversized

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["RemoteSink", "RemoteSource"]

T = TypeVar("T")
_PUT_BYTES = 64 << 20  # handed over in one wave, so that a writer's memory stays bounded


class RemoteSource:
    """Reads a store from an address.

    Parameters
    ----------
    address : str
        ``http(s)://``, ``s3://`` or ``gs://``.
    storage_options : mapping, optional
        See :func:`zvview.store.places.remote_config.connect`.
    """

    is_local = False

    def __init__(self, address: str, storage_options: Mapping[str, Any] | None = None) -> None:
        self.place = address.rstrip("/")
        self._is_http = self.place.lower().startswith("http")
        self._pace = pace_of(self.place)
        self._connect = partial(connect, self.place, storage_options, retries=0)
        self._clients = {CONNECT_S: self._connect()}
        self._headers = dict((storage_options or {}).get("headers") or {})
        self._lists: bool | None = None if self._is_http else True
        self._pending = RemotePending(self._ask)
        self._changes = 0
        self._lock = threading.Lock()

    @property
    def can_list(self) -> bool:
        """Buckets list; a web server does where its index of the root links to ``zarr.json`` (asked once)."""
        with self._lock:
            if self._lists is None:
                self._lists = ROOT_KEY in (read_index(self.place, self._headers) or ())
            return self._lists

    def get_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.get_many`.

        Notes
        -----
        Buckets that may not be listed answer 403 for keys that do not exist, so a refusal means no such key, as long as
        the root can be read; it is asked again in the same call where a wave met refusals.
        """
        return _run(self.place, self._wave(requests), cancel)

    async def aget_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.aget_many`."""
        from obstore.exceptions import BaseError

        try:
            return await await_on_loop(self._wave(requests), cancel)
        except BaseError as error:
            raise tell(self.place, error) from error

    def get_versioned(
        self, requests: Sequence[Request], cancel: CancelToken | None = None
    ) -> tuple[list[Buffer | None], list[object]]:
        """Answers as of :meth:`get_many`, and the versions of what they hold, by the same requests."""
        found: list[object] = [None] * len(requests)
        return _run(self.place, self._wave(requests, found), cancel), found

    async def aget_versioned(
        self, requests: Sequence[Request], cancel: CancelToken | None = None
    ) -> tuple[list[Buffer | None], list[object]]:
        """As :meth:`get_versioned`."""
        from obstore.exceptions import BaseError

        found: list[object] = [None] * len(requests)
        try:
            return await await_on_loop(self._wave(requests, found), cancel), found
        except BaseError as error:
            raise tell(self.place, error) from error

    def list_names(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_names`."""
        log = self._log()
        return visible_names(self._list_names(path), path, log, self._list_keys)

    def list_keys(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_keys`; on web servers one page per folder."""
        log = self._log()
        return visible_keys(self._list_keys(path), path, log)

    def stat_many(self, keys: Sequence[str]) -> list[int | None]:
        """See :meth:`zvview.store.places.source.Source.stat_many`."""
        check_keys(keys)
        log = self._log()
        sizes = [None if found is None else int(found["size"]) for found in self._heads(keys)]
        if log is None:
            return sizes
        return [
            None if key in log.removed else log.staged[key].size if key in log.staged else size
            for key, size in zip(keys, sizes, strict=True)
        ]

    def versions(self, keys: Sequence[str]) -> list[object]:
        """Of each key what is another after its object was written again; None where there is none."""
        check_keys(keys)
        return [None if found is None else _version_of(found) for found in self._heads(keys)]

    def stamp(self) -> object:
        """How often the store was changed through this source; of what others change an address tells nothing."""
        return self._changes

    def note_change(self) -> None:
        """Let open stores read again: what they know may be old from now on."""
        self._changes += 1

    def look_for_commit(self) -> None:
        """Read from now on what a commit that was interrupted was to put in place, if there is one.

        Raises
        ------
        DamagedError
            Its log is not as it was written.
        """
        _run(self.place, self._pending.look())

    def bucket(self) -> Bucket:
        """The objects at the address, to be written.

        Raises
        ------
        UnsupportedError
            A web server.
        """
        if self._is_http:
            raise UnsupportedError(
                f"{self.place}: web servers are read only; copy the store, edit the copy, and copy it back"
            )
        return Bucket(self.place, self._connect(retries=3))

    def close(self) -> None:
        """Connections close with the client when the source goes."""

    def _list_names(self, path: str) -> list[str]:
        prefix = folder_prefix(path)
        self._refuse_unlisted()
        if self._is_http:
            return [name.rstrip("/") for name in self._index(prefix)]
        found = _run(self.place, self._ask(lambda store: store.list_with_delimiter_async(prefix=prefix or None)))
        paths = [*found["common_prefixes"], *(entry["path"] for entry in found["objects"])]
        return sorted({path.rstrip("/")[len(prefix) :] for path in paths} - {""})

    def _list_keys(self, path: str) -> list[str]:
        prefix = folder_prefix(path)
        self._refuse_unlisted()
        if not self._is_http:
            return sorted(_run(self.place, self._ask(partial(_all_keys, prefix=prefix))))
        keys: list[str] = []
        folders = [prefix]
        for folder in folders:  # grows while it is walked
            names = self._index(folder)
            keys += [folder + name for name in names if not name.endswith("/")]
            folders += [folder + name for name in names if name.endswith("/")]
        return sorted(keys)

    def _index(self, prefix: str) -> list[str]:
        return read_index(f"{self.place}/{prefix}".rstrip("/"), self._headers) or []

    def _refuse_unlisted(self) -> None:
        if not self.can_list:
            raise UnsupportedError(f"{self.place} cannot list what it holds: a web server without index pages")

    async def _wave(self, requests: Sequence[Request], versions: list[object] | None = None) -> list[Buffer | None]:
        """The answers to requests; the versions of what they hold go into `versions`, one for each."""
        check_keys([key for key, _ in requests])
        if self._pending.bundle is None:
            return await self._get_wave(requests, versions)
        answers, bundle = await asyncio.gather(self._get_wave(requests, versions), self._pending.look())
        if bundle is None:  # what it covered is in its place now, and was not before
            return await self._get_wave(requests, versions)
        return [bundle.lay_over(*request, answer) for request, answer in zip(requests, answers, strict=True)]

    def _log(self) -> RedoLog | None:
        """The log of the commit that is pending, None where none is."""
        bundle = None if self._pending.bundle is None else _run(self.place, self._pending.look())
        return None if bundle is None else bundle.log

    async def _get_wave(self, requests: Sequence[Request], versions: list[object] | None) -> list[Buffer | None]:
        refused: list[str] = []
        answers = await gather_bounded(
            [partial(self._get, i, key, span, refused, versions) for i, (key, span) in enumerate(requests)]
        )
        if refused and ROOT_KEY not in refused:
            await self._get(len(requests), ROOT_KEY, (0, 1), refused)
        if ROOT_KEY in refused:
            raise UnreachableError(f"{self.place} {REFUSED}")
        return answers

    async def _get(
        self,
        index: int,
        key: str,
        span: tuple[int, int] | None,
        refused: list[str],
        versions: list[object] | None = None,
    ) -> Buffer | None:
        from obstore.exceptions import GenericError, NotSupportedError, PermissionDeniedError

        try:
            return await self._ask(partial(_read, index=index, key=key, span=span, versions=versions))
        except FileNotFoundError:
            return None
        except PermissionDeniedError:
            refused.append(key)
            return None
        except NotSupportedError:  # a server that knows no ranges
            whole = await self._get(index, key, None, refused, versions)
            return None if whole is None else memoryview(whole)[slice(*clip_range(span, memoryview(whole).nbytes))]
        except GenericError as error:
            if span is not None and is_past_end(error):
                return b""
            raise

    async def _ask(self, call: Callable[[Any], Awaitable[T]]) -> T:
        """What `call` gets of the store, at the pace of its server."""
        return await self._pace.ask(lambda: call(self._client()))

    def _client(self) -> Any:
        connect_s = self._pace.connect_s
        if connect_s not in self._clients:
            self._clients[connect_s] = self._connect(connect_s=connect_s)
        return self._clients[connect_s]

    def _heads(self, keys: Sequence[str]) -> list[Mapping[str, Any] | None]:
        return _run(self.place, gather_bounded([partial(self._head, key) for key in keys]))

    async def _head(self, key: str) -> Mapping[str, Any] | None:
        from obstore.exceptions import PermissionDeniedError

        try:
            return await self._ask(lambda store: store.head_async(key))
        except (FileNotFoundError, PermissionDeniedError):
            return None


class RemoteSink:
    """Writes a new store into a bucket; the root's ``zarr.json`` comes last.

    Parameters
    ----------
    address : str
        ``s3://`` or ``gs://``.
    storage_options : mapping, optional
        See :func:`zvview.store.places.remote_config.connect`.

    Notes
    -----
    A bucket has no rename: what lies at the address is deleted before the first object is written, its root first, and
    an aborted overwrite leaves nothing.
    """

    is_local = False

    def __init__(self, address: str, storage_options: Mapping[str, Any] | None = None) -> None:
        self.place = address.rstrip("/")
        if self.place.lower().startswith("http"):
            raise UnsupportedError(f"{self.place}: web servers are read only; write a folder, a zip or a bucket")
        self._store = connect(self.place, storage_options)
        self._written: set[str] = set()
        self._root: bytes | None = None
        _run(self.place, self._clear())

    def put_many(self, items: Iterable[tuple[str, Sequence[Buffer]]]) -> None:
        """See :meth:`zvview.store.places.source.Sink.put_many`."""
        wave: list[Callable[[], Awaitable[Exception | None]]] = []
        held = 0
        for key, pieces in items:
            check_keys([key])
            if key in self._written:
                raise InvalidInputError(f"key {key!r} is written twice")
            self._written.add(key)
            content = b"".join(pieces)
            if key == ROOT_KEY:
                self._root = content
                continue
            wave.append(partial(self._try_put, key, content))
            held += len(content)
            if held > _PUT_BYTES:
                _run(self.place, self._put_wave(wave))
                wave, held = [], 0
        _run(self.place, self._put_wave(wave))

    def commit(self) -> None:
        """Write the root, which makes it a store."""
        if self._root is not None:
            _run(self.place, self._put(ROOT_KEY, self._root))
        self._written.clear()

    def abort(self) -> None:
        """Delete what was written."""
        if self._written:
            _run(self.place, self._clear())
        self._written.clear()

    async def _put(self, key: str, content: bytes) -> None:
        await self._store.put_async(key, content)

    async def _put_wave(self, wave: Sequence[Callable[[], Awaitable[Exception | None]]]) -> None:
        """Write a wave to its end, then raise the first error: what is dropped in flight may still arrive, and stay."""
        errors = [error for error in await gather_bounded(wave) if error is not None]
        if errors:
            raise errors[0]

    async def _try_put(self, key: str, content: bytes) -> Exception | None:
        try:
            await self._put(key, content)
        except Exception as error:  # told when the whole wave is through
            return error
        return None

    async def _clear(self) -> None:
        keys = await _all_keys(self._store, "")
        if ROOT_KEY in keys:
            await self._store.delete_async(ROOT_KEY)  # first, so that what is left of an interrupted one does not open
            keys.remove(ROOT_KEY)
        if keys:
            await self._store.delete_async(keys)


async def _read(
    store: Any, index: int, key: str, span: tuple[int, int] | None, versions: list[object] | None = None
) -> Buffer:
    """An object or a part of it; its version goes to its place in `versions`, where that is asked for."""
    if span is None or span[0] < 0 or versions is not None:
        options = None if span is None else {"range": {"suffix": -span[0]} if span[0] < 0 else _whole_range(span)}
        answer = await store.get_async(key, options=options)
        start, stop = answer.range
        refuse_oversized(key, stop - start, index)
        if versions is not None:
            versions[index] = _version_of(answer.meta)
        content = memoryview(await answer.bytes_async())
        return content if span is None or span[0] < 0 else content[: max(0, span[1] - span[0])]
    start, stop = span
    refuse_oversized(key, stop - start, index)
    content = await store.get_range_async(key, start=start, end=max(stop, start + 1))
    return memoryview(content)[: max(0, stop - start)]


def _whole_range(span: tuple[int, int]) -> tuple[int, int]:
    """A range of one byte at least: servers know no empty ones."""
    return span[0], max(span[1], span[0] + 1)


def _version_of(found: Mapping[str, Any]) -> object:
    return found["e_tag"] or (found["last_modified"], found["size"])


async def _all_keys(store: Any, prefix: str) -> list[str]:
    return [entry["path"] for entry in await store.list(prefix=prefix or None).collect_async()]


def _run(place: str, work: Coroutine[Any, Any, T], cancel: CancelToken | None = None) -> T:
    from obstore.exceptions import BaseError

    try:
        return run_on_loop(work, cancel)
    except BaseError as error:
        raise tell(place, error) from error
