"""What every place offers: many keys in, their bytes out, in the order asked; and writing one new store as a whole.

Everything above asks for *waves* (all keys that are wanted now) and never for single keys, so that a folder can be
read in one thread without a switch per key and a remote place with all requests in flight at once. Keys are the
Zarr store's own, relative to the root of the store that was opened, with ``/`` between segments.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar, runtime_checkable

from zvview.cancel import CancelToken
from zvview.errors import DamagedError, InvalidInputError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "MAX_OBJECT_BYTES",
    "ROOT_KEY",
    "Request",
    "Sink",
    "Source",
    "Stamped",
    "aget_in_thread",
    "check_keys",
    "child_names",
    "clip_range",
    "folder_prefix",
    "refuse_oversized",
]

Answers = TypeVar("Answers")
Request: TypeAlias = tuple[str, tuple[int, int] | None]
"""A key and a byte range ``(start, stop)``, or None for the whole object.

``start < 0`` asks for the last ``-start`` bytes and ignores `stop`. Ranges are clipped to the object: what lies past
its end is not delivered, as with slices.
"""

ROOT_KEY = "zarr.json"
"""Without it a place is no store: sinks write it last."""

MAX_OBJECT_BYTES = 2**31 - 4096
"""Most bytes one request may deliver: what one ``read`` of Linux returns, twice the largest cell that is decoded.

A sparse file or a lying header of exabytes meets this bound instead of the machine's memory.
"""

_NOT_PLAIN = ("//", "/./", "/../", "\\", "\0")


class Source(Protocol):
    """A place that a store is read from. All methods may be called from any thread but the I/O loop's."""

    @property
    def place(self) -> str:
        """As shown in messages."""
        ...

    @property
    def is_local(self) -> bool:
        """Folder, zip or memory: a request costs microseconds, and cells are written raw by default."""
        ...

    @property
    def can_list(self) -> bool:
        """Whether :meth:`list_names` and :meth:`list_keys` work."""
        ...

    def get_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """The bytes of each request, in order; None where there is no such key.

        Raises
        ------
        InvalidInputError
            A key that is not a plain relative path.
        UnreachableError
            The place does not answer or refuses.
        Cancelled
            `cancel` was set.
        """
        ...

    async def aget_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """The same without blocking the caller's event loop."""
        ...

    def list_names(self, path: str) -> list[str]:
        """Sorted names of what lies directly under `path` (``""`` is the root); ``[]`` where there is nothing.

        Raises
        ------
        UnsupportedError
            The place cannot list.
        """
        ...

    def list_keys(self, path: str) -> list[str]:
        """All keys below `path`, as full keys, sorted."""
        ...

    def stat_many(self, keys: Sequence[str]) -> list[int | None]:
        """Size of each object in bytes, None where there is no such key."""
        ...

    def close(self) -> None:
        """Give back what is held open; nothing may be asked afterwards."""
        ...


@runtime_checkable
class Stamped(Protocol):
    """A source that can tell when the store at its place was replaced by another."""

    def stamp(self) -> object:
        """Equal as long as the root's document is the very same object."""
        ...


class Sink(Protocol):
    """Writes one new store.

    Before :meth:`commit` nothing is seen at the place (folder, zip, memory) or nothing there opens as a store
    (remote): the root's ``zarr.json`` is kept back until then. Each key is written once. One thread at a time.
    """

    @property
    def place(self) -> str:
        """As shown in messages."""
        ...

    @property
    def is_local(self) -> bool:
        """As of the source that reads it."""
        ...

    def put_many(self, items: Iterable[tuple[str, Sequence[Buffer]]]) -> None:
        """Write each key's object as its pieces one after the other."""
        ...

    def commit(self) -> None:
        """Make the store appear."""
        ...

    def abort(self) -> None:
        """Remove what was written; does nothing after :meth:`commit` or a second time."""
        ...


def check_keys(keys: Sequence[str]) -> None:
    """Refuse keys that could leave the root of a store.

    Empty keys, empty, ``.`` and ``..`` segments, absolute paths, backslashes, NUL, and text that is not Unicode. A few
    searches over the joined keys, each as fast as memory, since it runs for every wave.

    Raises
    ------
    InvalidInputError
        Names the first such key.
    """
    if keys and not _are_plain(framed := f"/{'/'.join(keys)}/"):
        bad = next((key for key in keys if not _are_plain(f"/{key}/")), framed)
        raise InvalidInputError(f"{bad!r} is not a key: it must be a relative path of plain names joined by '/'")


def _are_plain(framed: str) -> bool:
    """Whether keys, each between slashes, are what they may be."""
    return not any(text in framed for text in _NOT_PLAIN) and (framed.isascii() or _is_unicode(framed))


def child_names(keys: Iterable[str], path: str) -> list[str]:
    """Sorted names directly under `path`, told from all keys of a store."""
    prefix = folder_prefix(path)
    return sorted({key[len(prefix) :].split("/", 1)[0] for key in keys if key.startswith(prefix)})


def folder_prefix(path: str) -> str:
    """`path` with the slash that all keys below it share, empty for the root."""
    path = path.strip("/")
    if path:
        check_keys([path])
    return path + "/" if path else ""


def clip_range(span: tuple[int, int] | None, size: int) -> tuple[int, int]:
    """Start and stop, ``0 <= start <= stop <= size``, of what a request wants of an object of `size` bytes."""
    if span is None:
        return 0, size
    start, stop = span
    if start < 0:
        return max(0, size + start), size
    start = min(start, size)
    return start, max(start, min(stop, size))


def refuse_oversized(key: str, size: int, index: int) -> None:
    """Raise :class:`DamagedError` for an object or a range that no cell can need; `index` is its place in the wave.

    Raises
    ------
    DamagedError
        More than :data:`MAX_OBJECT_BYTES`.
    """
    if size > MAX_OBJECT_BYTES:
        raise DamagedError(
            "object", found=f"{size} bytes", expected=f"at most {MAX_OBJECT_BYTES}", cells=[index], array=key
        )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


async def aget_in_thread(
    get_many: Callable[[Sequence[Request], CancelToken | None], Answers],
    requests: Sequence[Request],
    cancel: CancelToken | None,
) -> Answers:
    """A whole wave in one other thread, which also stops when the awaiting task is cancelled."""
    token = CancelToken()
    withdraw = cancel.on_cancel(token.cancel) if cancel is not None else None
    try:
        return await asyncio.to_thread(get_many, requests, token)
    except asyncio.CancelledError:
        token.cancel()
        raise
    finally:
        if withdraw is not None:
            withdraw()
