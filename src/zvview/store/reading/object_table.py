"""Objects of a level: rows by id, manifests, and the way back from a fragment to the objects that own it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError, InvalidInputError, MissingError
from zvview.format import names
from zvview.format.grid import ChunkTable
from zvview.format.manifests import Manifests
from zvview.geometry.arguments import as_list, to_array
from zvview.store.layout import ObjectRows
from zvview.store.object_ids import ObjectIds
from zvview.store.table_chunks import ByteRows

__all__ = ["ObjectTable", "as_object_ids"]


@dataclass(frozen=True, slots=True, eq=False)
class _Owners:
    """All pieces of all objects in the order of (chunk, fragment, object row)."""

    chunks: ChunkTable
    per_chunk: int
    keys: NDArray[np.int64]
    rows: NDArray[np.int64]

    def keys_of(self, chunks: ChunkTable, first: NDArray[np.int64]) -> NDArray[np.int64]:
        """Key of each fragment of some chunks, of which chunk c has ``first[c]:first[c + 1]``; -1 where none has it."""
        counts = np.diff(first)
        number = np.repeat(self.chunks.find(chunks.coords), counts)
        fragment = np.arange(first[-1]) - np.repeat(first[:-1], counts)
        return np.where((number >= 0) & (fragment < self.per_chunk), number * self.per_chunk + fragment, -1)


def as_object_ids(ids: ArrayLike | Iterable[int]) -> NDArray[np.int64]:
    """Object ids as (n,) int64; beside unsigned labels numpy would compare as float64, and mistake long ones.

    Raises
    ------
    InvalidInputError
        They are no integers.
    MissingError
        One is greater than any that the format can store.
    """
    is_array = isinstance(ids, np.ndarray | np.integer | int)
    array = to_array(ids if is_array else as_list(ids, "object ids", "integers"), "object ids")  # type: ignore[arg-type]
    if array.size and array.dtype.kind not in "iu":
        raise InvalidInputError(f"object ids are {array.dtype}, expected integers")
    if array.size and array.max() > np.iinfo(np.int64).max:
        raise MissingError("object", int(array.max()))
    return array.reshape(-1).astype(np.int64)


class ObjectTable:
    """The object index of one level, with what was read of it kept.

    Thread-safe: what is kept is built once, under a lock.
    """

    def __init__(self, rows: ObjectRows, path: str) -> None:
        self._rows, self._path = rows, path
        self._lock = threading.RLock()
        self._manifests: Manifests | None = None
        self._owners: _Owners | None = None

    @property
    def ids(self) -> NDArray[np.int64]:
        """Object id of each row, (M,) int64; all of them are read for it."""
        return self._rows.ids.whole

    @property
    def known(self) -> ObjectIds:
        """The ids, of which only those are read that are asked for."""
        return self._rows.ids

    def __len__(self) -> int:
        return len(self._rows.ids)

    @property
    def stored_rows(self) -> ByteRows | None:
        """The manifests as they are stored; None where they are not stored row by row."""
        return self._rows.stored_rows

    def rows_of(self, ids: int | NDArray[Any] | Iterable[int]) -> NDArray[np.int64]:
        """Row of each object id.

        Raises
        ------
        InvalidInputError
            The ids are no integers.
        MissingError
            The level has no object of such an id.
        """
        wanted = as_object_ids(ids)
        rows = self.find_rows(wanted)
        if (bad := rows < 0).any():
            first = self.known.at(np.arange(min(len(self), 21)))
            raise MissingError("object", int(wanted[bad][0]), first.tolist())
        return rows

    def find_rows(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Row of each object id, (n,); -1 where the level has no object of such an id."""
        with self._lock:
            return self._rows.ids.find(ids)

    def has(self, number: int) -> bool:
        """Whether the level has an object of this id."""
        return bool(self.find_rows(np.array([number]))[0] >= 0)

    def manifests(self, rows: NDArray[np.int64] | None = None, cancel: CancelToken | None = None) -> Manifests:
        """Manifests of `rows`, or of all rows, which are then kept."""
        if self._manifests is not None:
            return self._manifests if rows is None else self._manifests.select(rows)
        if rows is not None:
            return self._rows.read_manifests(rows, cancel)
        with self._lock:
            if self._manifests is None:
                self._manifests = self._rows.read_manifests(None, cancel)
        return self._manifests

    def present_ids(self) -> NDArray[np.int64]:
        """Ids of the objects that have a piece in the level, ascending."""
        return np.sort(self.ids[np.diff(self.manifests().offsets) > 0])

    def first_chunks(self, ids: NDArray[np.int64], chunks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Chunk in which each object begins, (n, sid); that of the first of the level's `chunks` for absent ones."""
        rows = self.rows_of(ids)
        manifests = self.manifests(rows) if len(rows) < len(self) // 4 else self.manifests().select(rows)
        out = np.zeros((len(ids), chunks.shape[1]), np.int64)
        if len(chunks):
            out[:] = chunks[0]
        there = np.flatnonzero(np.diff(manifests.offsets))
        out[there] = manifests.chunks[manifests.offsets[:-1][there]]
        return out

    def owners_of(
        self,
        chunks: ChunkTable,
        first: NDArray[np.int64],
        *,
        among: NDArray[np.int64] | None = None,
        cancel: CancelToken | None = None,
    ) -> NDArray[np.int64]:
        """Id of the object that owns each fragment of some chunks.

        Parameters
        ----------
        chunks : ChunkTable
        first : (C + 1,) int64 array
            Fragments of chunk c are ``first[c]:first[c + 1]``.
        among : (n,) int64 array, optional
            Ids of the only objects that count; of several of them that own a fragment the first is told.

        Returns
        -------
        (F,) int64 array
            -1 where no object owns the fragment, or several do.
        """
        owners = self._reverse(cancel)
        key = owners.keys_of(chunks, first)
        keys, rows = owners.keys, owners.rows
        if among is not None:
            counted = np.isin(self.ids, among)[rows]
            keys, rows = keys[counted], rows[counted]
        left, right = (np.searchsorted(keys, key, side=side) for side in ("left", "right"))
        out = np.full(len(key), names.OWNER_NONE, np.int64)
        found = np.flatnonzero(right > left)
        least, most = rows[left[found]], rows[right[found] - 1]
        out[found] = np.where((least == most) | (among is not None), self.ids[least], names.OWNER_NONE)
        return out

    def are_owned(
        self, chunks: ChunkTable, first: NDArray[np.int64], cancel: CancelToken | None = None
    ) -> NDArray[np.bool_]:
        """Whether any object owns each fragment of some chunks, given as for :meth:`owners_of`: (F,)."""
        owners = self._reverse(cancel)
        key = owners.keys_of(chunks, first)
        return np.asarray(np.searchsorted(owners.keys, key, side="right") > np.searchsorted(owners.keys, key))

    def piece_rows(self) -> NDArray[np.int64]:
        """Object row of each piece of :meth:`manifests`."""
        offsets = self.manifests().offsets
        return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))

    def _reverse(self, cancel: CancelToken | None) -> _Owners:
        with self._lock:
            if self._owners is None:
                manifests = self.manifests(cancel=cancel)
                rows = self.piece_rows()
                chunks = ChunkTable.of(manifests.chunks)
                per_chunk = int(manifests.fragments.max(initial=0)) + 1
                if per_chunk * max(len(chunks), 1) >= 2**62:
                    found = f"fragment {per_chunk - 1}"
                    raise DamagedError("manifest", found=found, expected="a fragment of a chunk", array=self._path)
                keys = chunks.find(manifests.chunks) * per_chunk + manifests.fragments
                order = np.lexsort((rows, keys))
                self._owners = _Owners(chunks, per_chunk, keys[order], rows[order])
        return self._owners
