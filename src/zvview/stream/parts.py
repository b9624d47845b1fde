"""One chunk in memory, and many of them joined into one batch with every link once.

A link that leaves its chunk is kept by each chunk that it touches, its ends named by chunk and row. Joined, it is taken
from the first of these chunks that is shown; an end in a chunk that is not shown is a vertex of its own behind all
pieces, once however many links lead to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.attributes import AttributeMetadata
from zvview.format.sequences import distinct, offsets_of
from zvview.geometry.batches import Batch, Points, Polylines, batch_type

__all__ = ["ROW_BITS", "ChunkPart", "Crossing", "join_parts"]

ROW_BITS = 32
"""Rows of a chunk are told by so many bits of the number that names a vertex of a level."""

_OVERHEAD = 512  # bytes of the Python objects of a chunk, beside its arrays


@dataclass(frozen=True, slots=True, eq=False)
class Crossing:
    """Links of a chunk that have an end in another one.

    Attributes
    ----------
    ends : (M, L) int64 array
        Chunk and row of each end in one number, ``chunk << 32 | row``; the chunk is its row among those of the level.
    attributes : mapping of str to (M,) or (M, C) array
    far : (F,) int64 array
        The ends that lie in other chunks, ascending.
    far_positions : (F, D) array
    far_attributes : mapping of str to (F,) or (F, C) array
    extent : (D,) float64 array
        Of the longest link on each axis.
    """

    ends: NDArray[np.int64]
    attributes: Mapping[str, NDArray[Any]]
    far: NDArray[np.int64]
    far_positions: NDArray[np.floating]
    far_attributes: Mapping[str, NDArray[Any]]
    extent: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))


@dataclass(frozen=True, slots=True, eq=False)
class ChunkPart:
    """What one chunk holds, in world coordinates.

    Attributes
    ----------
    positions : (n, D) array
    attributes : mapping of str to (n,) or (n, C) array
    object_ids : (n,) int64 array for points, (P,) for pieces, or None
    offsets : (P + 1,) int64 array
        Bounds of pieces; empty for points.
    links : (m, L) int64 array
        Rows that are joined inside of the chunk.
    link_attributes : mapping of str to (m,) or (m, C) array
    crossing : Crossing or None
    rows : (n,) int64 array or None
        Of points, the rows of the chunk's buffer as it is stored; None where that is what there is, row by row.
    nbytes : int
        True size.
    """

    positions: NDArray[np.floating]
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    object_ids: NDArray[np.int64] | None = None
    offsets: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    links: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    link_attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    crossing: Crossing | None = None
    rows: NDArray[np.int64] | None = None
    nbytes: int = field(init=False)

    def __post_init__(self) -> None:
        own = [self.positions, self.offsets, self.links, *self.attributes.values(), *self.link_attributes.values()]
        own += [held for held in (self.object_ids, self.rows) if held is not None]
        if (c := self.crossing) is not None:
            own += [c.ends, c.far, c.far_positions, *c.attributes.values(), *c.far_attributes.values()]
        object.__setattr__(self, "nbytes", _OVERHEAD + sum(a.nbytes for a in own))

    def __len__(self) -> int:
        """Number of vertices."""
        return len(self.positions)


def join_parts(
    kind: str,
    ndim: int,
    attributes: Mapping[str, AttributeMetadata],
    levels: Sequence[tuple[NDArray[np.int64], Sequence[ChunkPart]]],
    notes: tuple[str, ...] = (),
) -> Batch:
    """One batch of some chunks of some levels.

    Parameters
    ----------
    kind : str
    ndim : int
    attributes : mapping of str to AttributeMetadata
        What the batch carries. A chunk that lacks one has NaN there, or the code for a missing value; where there is
        neither the attribute is left out of the batch.
    levels : sequence of (rows, parts)
        The chunks of each level by their rows among those of the level, ascending, and what they hold.
    notes : tuple of str
    """
    given = _filled(levels)
    parts = [p for _, of_level in given for p in of_level]
    common: dict[str, Any] = {"notes": notes}
    far: list[Crossing] = []
    links, link_values = [], []
    base = 0
    if kind != names.POINT_CLOUD:
        inner = sum(map(len, parts))
        for rows, of_level in given:
            joined = _join_links(rows, of_level, base, inner)
            links += joined.links
            link_values += joined.values
            far.append(joined.far)
            base += sum(map(len, of_level))
            inner += len(joined.far.far)
        common["offsets"] = _join_offsets(parts)
    tails = [(c.far_positions, c.far_attributes) for c in far if len(c.far)]
    sources = [(p.positions, p.attributes) for p in parts] + tails
    positions = np.concatenate([s[0] for s in sources]) if sources else np.empty((0, ndim), np.float32)
    common["attributes"], common["categories"] = _join_attributes(attributes, sources)
    common["object_ids"] = _join_ids(parts)
    batch = batch_type(kind)
    if issubclass(batch, Points):
        return batch(positions, **common)
    width = max((rows.shape[1] for rows, _ in links), default=3 if kind == names.MESH else 2)
    name = "faces" if kind == names.MESH else "bridges" if issubclass(batch, Polylines) else "edges"
    common[name] = _join_rows(links, width)
    if name != "bridges":
        common["link_attributes"] = _join_link_values(link_values)
    return batch(positions, **common)


def _filled(
    levels: Sequence[tuple[NDArray[np.int64], Sequence[ChunkPart]]],
) -> list[tuple[NDArray[np.int64], list[ChunkPart]]]:
    """The chunks that hold vertices."""
    out = []
    for rows, parts in levels:
        full = np.fromiter((len(p) > 0 for p in parts), bool, len(parts))
        out.append((np.asarray(rows)[full], [p for p in parts if len(p)]))
    return out


@dataclass(frozen=True, slots=True)
class _Joined:
    """Links of one level, each with the row that theirs count from, their attributes, and the far ends they need."""

    links: list[tuple[NDArray[np.int64], int]]
    values: list[Mapping[str, NDArray[Any]]]
    far: Crossing


def _join_links(rows: NDArray[np.int64], parts: Sequence[ChunkPart], base: int, far_base: int) -> _Joined:
    starts = offsets_of([len(p) for p in parts]) + base
    links = [(p.links, start) for p, start in zip(parts, starts.tolist(), strict=False) if len(p.links)]
    values = [p.link_attributes for p in parts if len(p.links)]
    owners = [i for i, p in enumerate(parts) if p.crossing is not None and len(p.crossing.ends)]
    crossings = [c for p in parts if (c := p.crossing) is not None and len(c.ends)]
    none = Crossing(np.empty((0, 2), np.int64), {}, np.empty(0, np.int64), np.empty((0, 1)), {})
    if not crossings:
        return _Joined(links, values, none)
    ends = np.concatenate([c.ends for c in crossings])
    owner = np.repeat(owners, [len(c.ends) for c in crossings])
    chunk = ends >> ROW_BITS
    at = np.minimum(np.searchsorted(rows, chunk), len(rows) - 1)
    at = np.where(rows[at] == chunk, at, len(rows))
    first = np.flatnonzero(at.min(axis=1) == owner)  # the first chunk that is shown tells, the others keep silent
    ends, at = ends[first], at[first]
    is_far = at == len(rows)
    far = distinct(ends[is_far])
    out = np.where(is_far, 0, starts[np.minimum(at, len(rows) - 1)] + (ends & ((1 << ROW_BITS) - 1)))
    out[is_far] = far_base + np.searchsorted(far, ends[is_far])
    links.append((out, 0))
    values.append(_take_values([c.attributes for c in crossings], first))
    return _Joined(links, values, _find_far(crossings, far))


def _join_rows(links: Sequence[tuple[NDArray[np.int64], int]], width: int) -> NDArray[np.int64]:
    """All links, (M, width), in rows of the batch."""
    links = [(rows, start) for rows, start in links if len(rows)]
    out = np.empty((sum(len(rows) for rows, _ in links), width), np.int64)
    at = 0
    for rows, start in links:
        np.add(rows, start, out=out[at : at + len(rows)])
        at += len(rows)
    return out


def _find_far(crossings: Sequence[Crossing], far: NDArray[np.int64]) -> Crossing:
    """Positions and attributes of far ends, from whichever chunk keeps a copy."""
    keys = np.concatenate([c.far for c in crossings])
    order = np.argsort(keys, kind="stable")
    pick = order[np.searchsorted(keys, far, sorter=order)]
    positions = np.concatenate([c.far_positions for c in crossings])[pick]
    values = _take_values([c.far_attributes for c in crossings], pick)
    return Crossing(np.empty((0, 2), np.int64), {}, far, positions, values)


def _take_values(parts: Sequence[Mapping[str, NDArray[Any]]], rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    shared = set.intersection(*(set(p) for p in parts))
    return {name: np.concatenate([p[name] for p in parts])[rows] for name in parts[0] if name in shared}


def _join_offsets(parts: Sequence[ChunkPart]) -> NDArray[np.int64]:
    sizes = offsets_of([len(p) for p in parts]).tolist()
    return np.concatenate([np.zeros(1, np.int64), *(p.offsets[1:] + s for p, s in zip(parts, sizes, strict=False))])


def _join_ids(parts: Sequence[ChunkPart]) -> NDArray[np.int64] | None:
    """Ids of all parts; -1 where a level tells none."""
    if all(p.object_ids is None for p in parts):
        return None
    counts = [len(p) if len(p.offsets) < 2 else len(p.offsets) - 1 for p in parts]
    return np.concatenate(
        [
            np.full(count, names.OWNER_NONE, np.int64) if p.object_ids is None else p.object_ids
            for p, count in zip(parts, counts, strict=True)
        ]
    )


def _join_attributes(
    wanted: Mapping[str, AttributeMetadata],
    sources: Sequence[tuple[NDArray[np.floating], Mapping[str, NDArray[Any]]]],
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    values: dict[str, NDArray[Any]] = {}
    categories = {}
    for name, metadata in wanted.items():
        held = [attributes.get(name) for _, attributes in sources]
        if any(h is None for h in held):
            missing = _missing_value(metadata)
            if missing is None:
                continue
            shape = next((h.shape[1:] for h in held if h is not None), metadata.row_shape)
            pairs = zip(held, sources, strict=True)
            held = [np.full((len(p), *shape), missing, metadata.dtype) if h is None else h for h, (p, _) in pairs]
        if len({h.shape[1:] for h in held if h is not None}) > 1:
            continue
        values[name] = np.concatenate(held) if held else np.empty((0, *metadata.row_shape), metadata.dtype)  # type: ignore[arg-type]
        if metadata.categories is not None:
            categories[name] = metadata.categories
    return values, categories


def _missing_value(metadata: AttributeMetadata) -> float | int | None:
    """What stands for no value; None where nothing can."""
    if metadata.categories is not None:
        return metadata.categories.missing
    return np.nan if metadata.dtype.kind == "f" else None


def _join_link_values(parts: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    if not parts:
        return {}
    shared = set.intersection(*(set(p) for p in parts))
    return {
        name: np.concatenate([p[name] for p in parts])
        for name in parts[0]
        if name in shared and len({p[name].shape[1:] for p in parts}) == 1
    }
