"""What a precomputed source is: one document and numbered contents, the same for the live server and for exports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import ConflictError
from zvview.format.sequences import offsets_of
from zvview.neuroglancer.encoding.records import EncodedRecords

__all__ = ["Block", "Section", "Source", "StaleLevelsError"]


class StaleLevelsError(ConflictError):
    """Coarse levels are not parts of the finest, as they tell: the source is made anew without them."""


@dataclass(frozen=True, slots=True)
class Section:
    """A folder of a source, whose contents are told apart by a number; what a shard file may hold together.

    Attributes
    ----------
    key : str
        Path below the source, such as ``"spatial0"``; ``""`` for skeletons and meshes, which lie beside the document.
    grid_shape : tuple of int or None
        Of spatial cells, which are numbered by compressed Morton code, and whose files are named ``i_j_k``; None where
        numbers are ids, and files are named by them.
    place : tuple of str and int
        Where the document tells of this section, and its ``sharding`` belongs: keys and indices from its top.
    """

    key: str
    grid_shape: tuple[int, ...] | None = None
    place: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some contents of a section.

    Attributes
    ----------
    keys : (n,) uint64 array
        Numbers of those that are there, in no order.
    contents : EncodedRecords
        One for each.
    heads : (n,) int64 array
        Bytes at the beginning of each content that are a file of their own, named by the number, while the rest is
        named ``<number>.index``; in a shard file they stand right before it. Only meshes have any.
    """

    keys: NDArray[np.uint64]
    contents: EncodedRecords
    heads: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        if len(self.heads) != len(self.keys):
            object.__setattr__(self, "heads", np.zeros(len(self.keys), np.int64))

    @classmethod
    def of(cls, keys: ArrayLike, contents: Sequence[bytes]) -> Block:
        """Of contents that are separate."""
        buffer = np.frombuffer(b"".join(contents), np.uint8)
        return cls(np.asarray(keys, np.uint64), EncodedRecords(buffer, offsets_of([len(c) for c in contents])))

    def __len__(self) -> int:
        return len(self.keys)

    def content(self, row: int) -> tuple[bytes, bytes]:
        """Head and rest of one."""
        whole, middle = self.contents.content(row), int(self.heads[row])
        return whole[:middle], whole[middle:]


class Source(Protocol):
    """A precomputed source over a store. Thread-safe; reading takes bounded memory.

    When the store changed so that what was told before no longer holds, reads raise
    :class:`~zvview.errors.ConflictError`: the source is then made anew.
    """

    @property
    def info(self) -> Mapping[str, Any]:
        """The ``info`` document, without shards."""
        ...

    @property
    def sections(self) -> tuple[Section, ...]:
        """Its folders."""
        ...

    def read(self, section: Section, keys: NDArray[np.uint64]) -> Block:
        """Contents by number, (n,); those that are not there are left out."""
        ...

    def keys(self, section: Section) -> Iterator[NDArray[np.uint64]]:
        """Numbers of all contents, those that are read together cheaply at once; some of them may be empty."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out or not exact, in plain words, as far as it is known by now."""
        ...
