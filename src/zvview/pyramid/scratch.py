"""A folder for what is made on the way: dataclasses of arrays by name, mapped into memory when they are read again."""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from zvview.errors import UnreachableError

__all__ = ["Scratch"]

_SMALL = 1 << 14  # arrays below it are kept inside the pickle: a file each would cost more
_FULL = "disk-full"  # file that tells that a value could not be saved for want of space


class Scratch:
    """Values by name in a folder that several processes may use at once, each under its own names.

    A value appears whole or not at all. What lies here was written by zvview on this machine and is read by it only.

    Parameters
    ----------
    folder : str
        Is made when it is not there, for this user alone.
    most_kept : int
        Bytes of arrays that stay in memory instead; for a folder that this process alone uses.

    Raises
    ------
    UnreachableError
        By all methods as well: the folder cannot be written or read.
    """

    def __init__(self, folder: str, most_kept: int = 0) -> None:
        self.folder, self._left = folder, most_kept
        self._kept: dict[str, tuple[Any, list[np.ndarray[Any, Any]]]] = {}
        with self._reported("write"):
            os.makedirs(folder, 0o700, exist_ok=True)

    def __reduce__(self) -> tuple[type[Scratch], tuple[str]]:
        return Scratch, (self.folder,)

    @property
    def is_full(self) -> bool:
        """Whether the disk was full when a value was to be saved, by whatever process."""
        return os.path.exists(self._path(_FULL))

    def save(self, name: str, value: Any) -> str:
        """Keep a value (dataclasses, mappings, sequences and arrays in each other) under `name`, which is returned."""
        blobs: list[np.ndarray[Any, Any]] = []
        packed = _pack(value, blobs)
        if self._keep(name, packed, blobs):
            return name
        token = secrets.token_hex(4)
        part = self._path(f"{name}.{token}.part")
        files = [self._path(f"{name}.{token}.{i}.npy") for i in range(len(blobs))]
        with self._reported("write"):
            try:
                for path, blob in zip(files, blobs, strict=True):
                    np.save(path, blob)
                with open(part, "wb") as file:
                    pickle.dump((token, packed), file, protocol=5)
                os.replace(part, self._path(f"{name}.pickle"))
            except BaseException as error:
                self._clean_up([*files, part], error)
                raise
        return name

    def load(self, name: str) -> Any:
        """The value of `name`; large arrays are read-only, mostly maps of their files."""
        if name in self._kept:
            packed, blobs = self._kept[name]
            return _unpack(packed, blobs.__getitem__)
        with self._reported("read"):
            with open(self._path(f"{name}.pickle"), "rb") as file:
                token, packed = pickle.load(file)
            return _unpack(packed, lambda i: np.load(self._path(f"{name}.{token}.{i}.npy"), mmap_mode="r"))

    def has(self, name: str) -> bool:
        """Whether a value was saved under `name`."""
        return name in self._kept or os.path.exists(self._path(f"{name}.pickle"))

    def drop(self, name: str) -> None:
        """Forget a value and its files; maps of them must not be used any more."""
        self._let_go(name)
        prefix = f"{name}."
        with self._reported("write"):
            for entry in os.listdir(self.folder):
                if entry.startswith(prefix):
                    os.remove(self._path(entry))

    def _keep(self, name: str, packed: Any, blobs: Sequence[np.ndarray[Any, Any]]) -> bool:
        """Keep a value in memory, if there is room for it; whether there was."""
        self._let_go(name)
        size = sum(blob.nbytes for blob in blobs)
        if size >= self._left or os.path.exists(self._path(f"{name}.pickle")):  # not two values of one name
            return False
        own = [blob.copy() if _is_part(blob) else blob.view() for blob in blobs]
        for blob in own:
            blob.flags.writeable = False
        self._kept[name] = packed, own
        self._left -= size
        return True

    def _let_go(self, name: str) -> None:
        if name in self._kept:
            self._left += sum(blob.nbytes for blob in self._kept.pop(name)[1])

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _clean_up(self, files: Sequence[str], error: BaseException) -> None:
        for path in files:
            with contextlib.suppress(OSError):
                os.remove(path)
        # numpy tells of a short write without a number
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None), None):
            with contextlib.suppress(OSError), open(self._path(_FULL), "wb"):
                pass

    @contextlib.contextmanager
    def _reported(self, verb: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UnreachableError(f"cannot {verb} {self.folder!r}: {error.strerror or error}") from error


def _is_part(array: np.ndarray[Any, Any]) -> bool:
    """Whether an array holds more memory than it tells."""
    return array.base is not None and (not isinstance(array.base, np.ndarray) or array.base.nbytes > array.nbytes)


class _Blob:
    """Stands in a pickle for an array that has a file of its own."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


def _pack(value: Any, blobs: list[np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, np.ndarray):
        if value.nbytes < _SMALL:
            return np.array(value)
        blobs.append(value)
        return _Blob(len(blobs) - 1)
    if isinstance(value, dict):
        return {key: _pack(v, blobs) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_pack(v, blobs) for v in value)
    if is_dataclass(value) and not isinstance(value, type):
        return _Packed(type(value), {f.name: _pack(getattr(value, f.name), blobs) for f in fields(value)})
    return value


class _Packed:
    """Stands in a pickle for a dataclass that holds arrays."""

    __slots__ = ("kind", "values")

    def __init__(self, kind: type[Any], values: dict[str, Any]) -> None:
        self.kind, self.values = kind, values


def _unpack(value: Any, blob: Any) -> Any:
    if isinstance(value, _Blob):
        return blob(value.index)
    if isinstance(value, dict):
        return {key: _unpack(v, blob) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_unpack(v, blob) for v in value)
    if isinstance(value, _Packed):
        return value.kind(**{name: _unpack(v, blob) for name, v in value.values.items()})
    return value
