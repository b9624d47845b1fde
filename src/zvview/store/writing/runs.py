"""Runs: batches sorted by chunk, in memory or, past a budget, as files of a temporary folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["LinkRun", "Run", "Spool", "count_bytes"]

_SMALL = 1 << 16  # arrays below it stay in memory: a file costs more
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True, eq=False)
class LinkRun:
    """Link records of a run as they are stored, by array, source chunk and (inside a chunk) vertex fragment.

    Attributes
    ----------
    offsets : (S, L - 1, sid) int64
        Of each array; all zero in the array of records inside one chunk, if there are any.
    cells : (S + 1,) int64
        Cells of array s are ``cells[s] : cells[s + 1]``.
    sources : (K, sid) int64
        Source chunk of each cell, numbers ascending within an array.
    first : (K + 1,) int64
        Records of each cell.
    loose : (K,) int64
        How many of them, at the end, are between vertex fragments; 0 where records cross chunks.
    records : (M, 1 + L) int64
        Permutation code (0 where the array has none) and rows, local to the run's part of the endpoint's chunk.
    columns : mapping of str to (M,) or (M, C)
        Link attributes.
    """

    offsets: NDArray[np.int64]
    cells: NDArray[np.int64]
    sources: NDArray[np.int64]
    first: NDArray[np.int64]
    loose: NDArray[np.int64]
    records: NDArray[np.int64]
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Vertices sorted by chunk and fragment.

    Attributes
    ----------
    chunks : (C, sid) int64
        Distinct, numbers ascending.
    rows, fragments : (C + 1,) int64
        Rows and fragments of each chunk.
    counts : (F,) int64
        Rows of each fragment; fragments tile the rows.
    keys : (F,) int64 or None
        What fragments of a chunk are merged and ordered by: bin, or object of points. None: they stay apart, in order.
    objects : (F,) int64 or None
        Owner of each fragment.
    ranks : (F,) int64 or None
        Order of an object's fragments; None: by chunk and place in it.
    positions : (N, D)
    columns : mapping of str to (N,) or (N, C)
    fragment_links : (F,) int64 or None
        Link records that lie inside each fragment.
    links : LinkRun or None
    """

    chunks: NDArray[np.int64]
    rows: NDArray[np.int64]
    fragments: NDArray[np.int64]
    counts: NDArray[np.int64]
    positions: NDArray[np.floating]
    columns: Mapping[str, NDArray[Any]]
    keys: NDArray[np.int64] | None = None
    objects: NDArray[np.int64] | None = None
    ranks: NDArray[np.int64] | None = None
    fragment_links: NDArray[np.int64] | None = None
    links: LinkRun | None = None


def count_bytes(value: object) -> int:
    """Bytes of all arrays in memory below a dataclass or mapping."""
    if isinstance(value, np.ndarray):
        return 0 if _is_mapped(value) else value.nbytes
    if isinstance(value, Mapping):
        return sum(map(count_bytes, value.values()))
    if is_dataclass(value):
        return sum(count_bytes(getattr(value, f.name)) for f in fields(value))
    return 0


class Spool:
    """A temporary folder, made when first needed, and the arrays put there.

    Parameters
    ----------
    folder : path, optional
        Where it is made; default the system's place for temporary files.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self._parent = folder
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._files = 0

    @property
    def files(self) -> int:
        """Number of arrays that were put on disk."""
        return self._files

    def spill(self, value: _V) -> _V:
        """The dataclass with its large arrays on disk, mapped into memory page by page as they are read."""
        changes = {f.name: self._spill_one(getattr(value, f.name)) for f in fields(value)}  # type: ignore[arg-type]
        return replace(value, **changes)  # type: ignore[type-var]

    def close(self) -> None:
        """Remove the folder; mapped arrays must not be used any more."""
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.cleanup()

    def _spill_one(self, value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.nbytes >= _SMALL and not _is_mapped(value):
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(
                    prefix="zvview-", dir=self._parent, ignore_cleanup_errors=True
                )
            path = os.path.join(self._folder.name, f"{self._files}.npy")
            self._files += 1
            np.save(path, value)
            return np.load(path, mmap_mode="r")
        if isinstance(value, Mapping):
            return {name: self._spill_one(v) for name, v in value.items()}
        return self.spill(value) if is_dataclass(value) and not isinstance(value, type) else value


def _is_mapped(array: NDArray[Any]) -> bool:
    """Whether an array is the content of a file. What is taken of such a one is in memory, though of its class."""
    return isinstance(array, np.memmap) and array.filename is not None
