"""What planning must know of a store: values gathered once, from metadata alone; no vertex is read for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import ConflictError, DamagedError, UnsupportedError
from zvview.format import names
from zvview.format.attributes import AttributeMetadata
from zvview.format.grid import ChunkTable
from zvview.store.hierarchy import Hierarchy
from zvview.store.index_view import IndexView
from zvview.store.level import Level
from zvview.store.reading.reader import LevelReader, ReadOptions
from zvview.store.store import Store

__all__ = ["LevelFacts", "StoreFacts", "are_alike", "check_same", "gather_facts", "levels_between"]

_ROW_BYTES = 8  # of the object id of a vertex, or its share of pieces and links
_FACE_BYTES = 72  # three int64 rows for each of two faces a vertex, and what crosses chunks


@dataclass(frozen=True, slots=True, eq=False)
class LevelFacts:
    """One level.

    Attributes
    ----------
    number : int
        0 is the finest.
    chunk_shape, bin_shape : (D,) float64 arrays
        In coordinate units.
    chunks : (C, sid) int64 array
        Those that hold vertices, in numeric order.
    is_added : bool
        Whether this is only what the next coarser level lacks.
    sparsity : float
        Declared share of the finest level's objects that the level holds.
    lacks : tuple of str
        What the finest level has and this one does not: names of attributes, ``"links"``.
    counts : (C,) int64 array or None
        Vertices of each chunk where zvview's own index tells; -1 where it does not know the chunk.
    declared : int
        What the metadata says of all vertices; foreign writers leave it stale.
    vertex_bytes : float
        Estimate of what a vertex takes in memory.
    """

    number: int
    chunk_shape: NDArray[np.float64]
    bin_shape: NDArray[np.float64]
    chunks: NDArray[np.int64]
    is_added: bool = False
    sparsity: float = 1.0
    lacks: tuple[str, ...] = ()
    counts: NDArray[np.int64] | None = None
    declared: int = 0
    vertex_bytes: float = 24.0


@dataclass(frozen=True, slots=True, eq=False)
class StoreFacts:
    """A store.

    Attributes
    ----------
    kind : str
    offset : (D,) float64 array
        From stored to world coordinates.
    levels : tuple of LevelFacts
        The finest first; those that cannot be read are left out.
    is_spatial : (D,) bool array
        Axes along which levels are coarsened; times are not.
    attributes : mapping of str to AttributeMetadata
        Vertex attributes of the finest level: what batches carry, whatever level they come from.
    total_vertices : int or None
        Of the finest level; None where nobody says, or it was not looked at.
    notes : tuple of str
    origin : Hierarchy or None
        Another one for the store that takes the place of this one.
    is_partial : bool
        Whether there are finer levels than those told here.
    level_count : int
        Levels that there are.
    """

    kind: str
    offset: NDArray[np.float64]
    levels: tuple[LevelFacts, ...]
    is_spatial: NDArray[np.bool_]
    attributes: Mapping[str, AttributeMetadata]
    total_vertices: int | None
    notes: tuple[str, ...] = ()
    origin: Hierarchy | None = None
    is_partial: bool = False
    level_count: int = 1

    @property
    def ndim(self) -> int:
        """Number of axes, D."""
        return len(self.offset)


def gather_facts(store: Store, attributes: tuple[str, ...] | None = None, *, is_partial: bool = False) -> StoreFacts:
    """The facts of an open store.

    Parameters
    ----------
    store : Store
    attributes : tuple of str, optional
        Those that are wanted; all by default.
    is_partial : bool
        Of the coarsest level only, without the index: what the first picture needs. The chunks of fine levels are so
        many that telling them takes longer than reading the coarsest.

    Raises
    ------
    DamagedError
        No level can be read.
    """
    metadata = store.metadata
    levels: list[LevelFacts] = []
    notes: list[str] = list(metadata.notes)
    finest: LevelReader | None = None
    index = None
    numbers = store.levels[-1:] if is_partial else store.levels
    for number in numbers:
        try:
            reader, level = store.reader(number), store.level(number)
            index = store.index if finest is None and not is_partial else index
            levels.append(_level_facts(level, reader, finest or reader, index, attributes))
            notes += reader.layout.notes
            finest = finest or reader
        except (DamagedError, UnsupportedError) as error:
            notes.append(f"level {number} is left out: {error}")
    if finest is None and is_partial:
        return gather_facts(store, attributes)
    if finest is None:
        raise DamagedError("store", found="; ".join(notes) or "no level", expected="a level that can be read")
    counts = levels[0].counts
    is_partial &= len(store.levels) > 1
    total = levels[0].declared or None if counts is None or counts.min(initial=0) < 0 else int(counts.sum())
    return StoreFacts(
        store.kind,
        np.zeros(metadata.ndim) if metadata.offset is None else metadata.offset,
        tuple(levels),
        np.array([axis.type != "time" for axis in store.axes], bool),
        {n: m for n, m in finest.attributes.items() if attributes is None or n in attributes},
        None if is_partial else total,
        tuple(dict.fromkeys(notes)),
        finest.hierarchy,
        is_partial,
        len(store.levels),
    )


def levels_between(one: StoreFacts, other: StoreFacts) -> dict[int, int]:
    """Index of each level of `one` and of the same level of `other`; none where these are of another store."""
    if not are_alike(one, other):
        return {}
    index = {level.number: k for k, level in enumerate(other.levels)}
    return {k: index[level.number] for k, level in enumerate(one.levels) if level.number in index}


def are_alike(one: StoreFacts, other: StoreFacts) -> bool:
    """Whether both are of the very same store, and what was read by one can be used by the other."""
    told = [{n: (m.dtype, m.categories) for n, m in facts.attributes.items()} for facts in (one, other)]
    return one.origin is other.origin and told[0] == told[1]


def check_same(store: Store, facts: StoreFacts, reader: LevelReader) -> None:
    """Refuse to read for facts what belongs to a store that took the place of theirs.

    Raises
    ------
    ConflictError
    """
    if reader.hierarchy is not facts.origin:
        raise ConflictError(f"{store.place} is not what it was")


def _level_facts(
    level: Level, reader: LevelReader, finest: LevelReader, index: IndexView | None, wanted: tuple[str, ...] | None
) -> LevelFacts:
    own = reader.attributes
    reader.families(ReadOptions(()))  # what all reads need: a level that lacks it is better left out as a whole
    if reader.is_linked or reader.has_true_bridges:
        reader.links()
    lacks = [n for n in finest.attributes if n not in own and (wanted is None or n in wanted)]
    if _is_connected(finest) and not _is_connected(reader):
        lacks.append("links")
    shown = [m for n, m in own.items() if wanted is None or n in wanted]
    values = sum(m.dtype.itemsize * int(np.prod(m.row_shape or (1,))) for m in shown)
    spare = _FACE_BYTES if reader.kind == names.MESH else 2 * _ROW_BYTES if reader.is_linked else _ROW_BYTES
    itemsize = 8 if reader.root.offset is not None else reader.layout.vertex_dtype.itemsize
    return LevelFacts(
        level.number,
        level.chunk_shape,
        level.resolution,
        level.chunks,
        level.refinement == names.REFINEMENT_ADD,
        level.object_sparsity,
        tuple(lacks),
        None if index is None else _indexed_counts(index, level),
        level.declared_vertex_count,
        float(reader.root.ndim * itemsize + values + spare),
    )


def _is_connected(reader: LevelReader) -> bool:
    """Whether vertices are joined at all, where the kind wants them to be."""
    if not reader.is_linked or reader.is_draco or reader.root.links_convention != names.EXPLICIT:
        return True
    return reader.layout.links(0) is not None


def _indexed_counts(index: IndexView, level: Level) -> NDArray[np.int64] | None:
    """What the index says of each chunk, -1 where it knows none; a stale index steers plans badly and hides nothing."""
    known: Any = index.chunks.get(level.number)
    if known is None or not len(known) or known.shape[1] != level.chunks.shape[1]:
        return None
    counts = np.clip(index.counts[level.number], 0, 2**40)
    if np.array_equal(known, level.chunks):
        return counts
    table = ChunkTable.of(known)
    if len(table) != len(known) or not np.array_equal(table.coords, known):
        return None
    at = table.find(level.chunks)
    return np.where(at >= 0, counts[at], -1)
