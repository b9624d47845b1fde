"""Stores in memory: a dictionary of bytes, or zarr's ``MemoryStore``; reading copies nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from zarr.core.buffer import Buffer as ZarrBuffer
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from zvview.cancel import CancelToken
from zvview.errors import InvalidInputError
from zvview.store.places.source import ROOT_KEY, Request, check_keys, child_names, clip_range, folder_prefix

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["MemorySink", "MemorySource"]


class _Guard:
    """What all sources of one mapping share: they agree when it was changed as one."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changes = 0

    def __reduce__(self) -> tuple[type[_Guard], tuple[()]]:
        return _Guard, ()  # a copy of the mapping in another process is another one


_guards: WeakValueDictionary[int, _Guard] = WeakValueDictionary()  # by identity of a mapping that a source holds
_guards_lock = threading.Lock()


class MemorySource:
    """Reads a store from memory.

    Parameters
    ----------
    held : mutable mapping of str to bytes, or zarr.storage.MemoryStore
        Read as it is at each call; later changes are seen.

    Raises
    ------
    InvalidInputError
        A key that is not text; a value that is not bytes, when it is read.
    """

    is_local = True
    can_list = True

    def __init__(self, held: MutableMapping[str, Any] | MemoryStore) -> None:
        self._objects = _mapping(held)
        self._wrap = default_buffer_prototype().buffer.from_bytes if isinstance(held, MemoryStore) else bytes
        with _guards_lock:
            self._guard = _guards.setdefault(id(self._objects), _Guard())
        self.place = "memory"
        if isinstance(held, dict):  # other mappings may have to ask for their keys
            self._keys()

    def get_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.get_many`; the answers are read-only views."""
        check_keys([key for key, _ in requests])
        if cancel is not None:
            cancel.raise_if_cancelled()
        return [self._get(key, span) for key, span in requests]

    async def aget_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """As :meth:`get_many`: nothing here takes long enough to leave the loop for."""
        return self.get_many(requests, cancel)

    def stamp(self) -> object:
        """The root's document and how often :meth:`change` was called; None where there is no root.

        It waits while there are changes under way, so that no read begins or ends among them.
        """
        with self._guard.lock:
            root = self._objects.get(ROOT_KEY)
            return None if root is None else (root, self._guard.changes)

    def versions(self, keys: Sequence[str]) -> list[object]:
        """Of each key what is another after its object was set again; None where there is none."""
        check_keys(keys)
        return [self._objects.get(key) for key in keys]

    def change(self, changes: Mapping[str, bytes | None]) -> None:
        """Set and remove objects as one: reads that tell by :meth:`stamp` what they rest on see all of it or nothing.

        Parameters
        ----------
        changes : mapping of str to bytes or None
            None for keys that shall be no more.
        """
        written = {key: self._wrap(data) for key, data in changes.items() if data is not None}
        with self._guard.lock:
            before = {key: self._objects.get(key) for key in changes}
            self._guard.changes += 1
            try:
                self._set({**dict.fromkeys(changes), **written})
            except BaseException:
                self._set(before)
                raise

    @property
    def mapping(self) -> MutableMapping[str, Any]:
        """The objects by key, as the caller holds them."""
        return self._objects

    def _set(self, values: Mapping[str, Any]) -> None:
        """Set objects; None removes."""
        self._objects.update({key: value for key, value in values.items() if value is not None})
        for key, value in values.items():
            if value is None:
                self._objects.pop(key, None)

    def list_names(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_names`."""
        return child_names(self._keys(), path)

    def list_keys(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_keys`."""
        prefix = folder_prefix(path)
        return sorted(key for key in self._keys() if key.startswith(prefix))

    def stat_many(self, keys: Sequence[str]) -> list[int | None]:
        """See :meth:`zvview.store.places.source.Source.stat_many`."""
        check_keys(keys)
        found = [(key, self._objects.get(key)) for key in keys]
        return [None if value is None else _view(key, value).nbytes for key, value in found]

    def close(self) -> None:
        """Nothing is held open."""

    def _keys(self) -> list[str]:
        keys = list(self._objects)
        for key in keys:
            if not isinstance(key, str):
                raise InvalidInputError(f"{key!r:.80} is a key of the dictionary; expected text, like {ROOT_KEY!r}")
        return keys

    def _get(self, key: str, span: tuple[int, int] | None) -> Buffer | None:
        value = self._objects.get(key)
        if value is None:
            return None
        view = _view(key, value)
        start, stop = clip_range(span, view.nbytes)
        return view[start:stop]


class MemorySink:
    """Writes a new store into memory; the mapping changes at :meth:`commit` only, the root last.

    Parameters
    ----------
    held : mutable mapping of str to bytes, or zarr.storage.MemoryStore
        What it holds is replaced as a whole.
    """

    is_local = True

    def __init__(self, held: MutableMapping[str, Any] | MemoryStore) -> None:
        self._objects = _mapping(held)
        self._wrap = default_buffer_prototype().buffer.from_bytes if isinstance(held, MemoryStore) else bytes
        self._written: dict[str, bytes] = {}
        self.place = "memory"

    def put_many(self, items: Iterable[tuple[str, Sequence[Buffer]]]) -> None:
        """See :meth:`zvview.store.places.source.Sink.put_many`."""
        for key, pieces in items:
            check_keys([key])
            if key in self._written:
                raise InvalidInputError(f"key {key!r} is written twice")
            self._written[key] = b"".join(pieces)

    def commit(self) -> None:
        """Replace what the mapping holds by what was written."""
        root = self._written.pop(ROOT_KEY, None)
        self._objects.pop(ROOT_KEY, None)
        self._objects.clear()
        self._objects.update({key: self._wrap(value) for key, value in self._written.items()})
        if root is not None:
            self._objects[ROOT_KEY] = self._wrap(root)
        self._written.clear()

    def abort(self) -> None:
        """Forget what was written; the mapping was not touched."""
        self._written.clear()


def _mapping(held: MutableMapping[str, Any] | MemoryStore) -> MutableMapping[str, Any]:
    return held._store_dict if isinstance(held, MemoryStore) else held


def _view(key: str, value: Any) -> memoryview:
    held: Any = value.as_numpy_array() if isinstance(value, ZarrBuffer) else value
    try:
        view = memoryview(held)
        return (view if view.contiguous and view.nbytes else memoryview(view.tobytes())).toreadonly().cast("B")
    except TypeError as error:
        raise InvalidInputError(f"{key!r} in the dictionary is {type(value).__name__}; expected bytes") from error
