"""Stores whose vertices bear numbers, random edits of them, and what these come to in plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import zvview
from zvview.format.grid import locate_chunks
from zvview.geometry.batches import Mesh, Pieces, Points
from zvview.store.editing.edits import AddedVertices, ChunkEdits, Edits, LinkEdits, VertexRefs
from zvview.store.editing.vertices import Vertices, read_vertices
from zvview.store.places.memory import MemorySource
from zvview.store.places.source import Source
from zvview.store.store import Store
from zvview.testing import make_batch, make_groups

NUMBER = "number"
LO, HI = -300.0, 1300.0

Memory = dict[str, bytes]


@dataclass(frozen=True)
class Whole:
    """All vertices and links of a level, vertex by vertex in the order of its chunks and rows."""

    kind: str
    chunks: NDArray[np.int64]
    rows: NDArray[np.int64]
    positions: NDArray[Any]
    columns: dict[str, NDArray[Any]]
    objects: NDArray[np.int64] | None
    links: NDArray[np.int64]
    link_columns: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def numbers(self) -> NDArray[Any]:
        return self.columns[NUMBER]

    def keep(self, kept: NDArray[np.bool_]) -> Whole:
        """The vertices where `kept` is true, and the links between them."""
        place = np.where(kept, np.cumsum(kept) - 1, -1)
        links = place[self.links]
        whole = (links >= 0).all(axis=1)
        return Whole(
            self.kind,
            self.chunks[kept],
            self.rows[kept],
            self.positions[kept],
            {name: values[kept] for name, values in self.columns.items()},
            None if self.objects is None else self.objects[kept],
            links[whole],
            {name: values[whole] for name, values in self.link_columns.items()},
        )


def numbered_store(
    kind: str, size: int = 600, *, seed: int = 0, ndim: int = 3, shift: float = 0.0, **more: Any
) -> Memory:
    """A store in memory whose vertices have a number, unique, a vector and what test batches have."""
    dtype = np.dtype(more.pop("dtype", "float32"))
    form, n_objects, sparse = more.pop("form", None), more.pop("n_objects", None), more.pop("sparse", False)
    batch: Any = make_batch(kind, size, ndim, seed, n_objects, form=form)
    count = len(batch)
    vector = np.random.default_rng(seed).random((count, 3)).astype(np.float32)
    extra = {NUMBER: np.arange(count, dtype=np.int32), "vector": vector}
    positions = batch.positions.astype(dtype) - dtype.type(shift)
    changes: dict[str, Any] = {"positions": positions, "attributes": {**batch.attributes, **extra}}
    if sparse and batch.object_ids is not None:
        changes["object_ids"] = batch.object_ids * 1000 - 1500
    batch = replace(batch, **changes)
    place: Memory = {}
    bounds = ([LO] * ndim, [HI] * ndim)
    groups = make_groups(batch) if batch.object_ids is not None else None
    tables = {} if batch.object_ids is None else {"object_attributes": {"twice": np.unique(batch.object_ids) * 2}}
    with zvview.create(
        place, kind=kind, bounds=bounds, dtype=dtype, **{"chunk_shape": (250.0,) * ndim} | more
    ) as store:
        store.write(batch, groups=groups or None, **tables)
    return place


def read_whole(place: Memory | Source) -> Whole:
    """Level 0 of a store, by chunk and row."""
    store = Store(MemorySource(place) if isinstance(place, dict) else place)
    level = store.level(0)
    chunks = store.reader(0).layout.vertices.chunks
    batch = level.read_chunks(chunks)
    places = locate_chunks(batch.positions, level.chunk_shape)
    starts = (
        np.flatnonzero(np.append(True, (places[1:] != places[:-1]).any(axis=1))) if len(batch) else np.empty(0, int)
    )
    sizes = np.diff(np.append(starts, len(batch)))
    rows = np.arange(len(batch)) - np.repeat(starts, sizes)
    objects = batch.object_ids
    links, link_columns = np.empty((0, 2), np.int64), {}
    if isinstance(batch, Pieces):
        assert batch.offsets[-1] == len(batch)
        objects = None if objects is None else np.repeat(objects, np.diff(batch.offsets))
        links = batch.faces if isinstance(batch, Mesh) else batch.edges  # type: ignore[attr-defined]
        link_columns = dict(batch.link_attributes)  # type: ignore[attr-defined]
    else:
        assert isinstance(batch, Points)
    return Whole(store.kind, places, rows, batch.positions, dict(batch.attributes), objects, links, link_columns)


def assert_same_content(a: Whole, b: Whole) -> None:
    """The same vertices with all that belongs to them, and the same links, in any order."""
    first, second = np.argsort(a.numbers), np.argsort(b.numbers)
    np.testing.assert_array_equal(a.numbers[first], b.numbers[second])
    assert a.positions.dtype == b.positions.dtype
    assert a.positions[first].tobytes() == b.positions[second].tobytes()
    assert a.columns.keys() == b.columns.keys()
    for name, values in a.columns.items():
        assert values.dtype == b.columns[name].dtype
        np.testing.assert_array_equal(values[first], b.columns[name][second], err_msg=name)
    assert (a.objects is None) == (b.objects is None)
    if a.objects is not None and b.objects is not None:
        np.testing.assert_array_equal(a.objects[first], b.objects[second])
    assert _link_rows(a) == _link_rows(b)


def _link_rows(whole: Whole) -> list[tuple[Any, ...]]:
    """Links by the numbers of their ends, in their order, with their attributes."""
    columns = [
        whole.numbers[whole.links],
        *(v.reshape(len(whole.links), -1) for _, v in sorted(whole.link_columns.items())),
    ]
    return sorted(tuple(x for part in row for x in part.tolist()) for row in zip(*columns, strict=True))


def with_numbers(whole: Whole, edited: NDArray[np.int64], refs: VertexRefs) -> VertexRefs:
    """Names of the vertices at `edited`."""
    return VertexRefs(refs.chunks[edited], refs.rows[edited])


def change_at_random(rng: np.random.Generator, whole: Whole, *, links: bool = True) -> tuple[Edits, Whole]:
    """Edits of some vertices near each other, and what a level comes to by them."""
    count = len(whole)
    near = np.flatnonzero(
        np.abs(whole.positions - whole.positions[rng.integers(count)]).max(axis=1) < rng.uniform(20, 260)
    )
    chosen = np.union1d(near[: rng.integers(1, 60)], rng.integers(0, count, 5))
    fate = rng.integers(0, 8, len(chosen))
    deleted = chosen[fate == 0]
    moved = chosen[(fate == 1) | (fate == 2)]
    valued = chosen[(fate == 3) | (fate == 2)]
    after = replace(whole, positions=whole.positions.copy(), columns={n: v.copy() for n, v in whole.columns.items()})
    step = rng.choice([0.0, 5.0, 300.0], (len(moved), 1))
    after.positions[moved] = (
        after.positions[moved] + rng.normal(0, 1, (len(moved), whole.positions.shape[1])) * step
    ).clip(LO, HI)
    column = str(rng.choice([n for n in whole.columns if n != NUMBER]))
    after.columns[column][valued] = after.columns[column][rng.integers(0, count, len(valued))]
    reassigned = np.empty(0, np.int64)
    if whole.objects is not None and whole.kind == "point_cloud":
        reassigned = chosen[fate == 4]
        objects, fresh = whole.objects.copy(), int(whole.objects.max()) + 1
        objects[reassigned] = rng.choice(np.append(np.unique(objects), fresh), len(reassigned))
        after = replace(after, objects=objects)
    edits = _edits_of(after, deleted, moved, valued, column, reassigned)
    refs = VertexRefs(whole.chunks, whole.rows)
    kept = np.ones(count, bool)
    kept[deleted] = False
    link_edits = None
    new = () if after.objects is None else np.setdiff1d(after.objects, whole.objects).tolist()
    alive = np.flatnonzero(kept)
    added = _added(rng, after, alive[rng.integers(0, len(alive), rng.integers(0, 6))])
    joined = _append(after, added) if added is not None else after
    kept = np.concatenate((kept, np.ones(len(joined) - count, bool)))
    if links and whole.kind != "point_cloud":
        names = (
            [refs]
            if added is None
            else [refs, VertexRefs(np.zeros_like(refs.chunks[: len(added.numbers)]), -1 - added.numbers)]
        )
        every = VertexRefs(np.concatenate([r.chunks for r in names]), np.concatenate([r.rows for r in names]))
        link_edits, joined = _change_links(rng, joined, kept, count, every)
    edits = replace(edits, added=added, links=link_edits, new_objects=frozenset(new))
    return edits, joined.keep(kept)


def _edits_of(
    after: Whole,
    deleted: NDArray[np.int64],
    moved: NDArray[np.int64],
    valued: NDArray[np.int64],
    column: str,
    reassigned: NDArray[np.int64],
) -> Edits:
    touched = np.unique(np.concatenate((deleted, moved, valued, reassigned)))
    chunks = {}
    for key in {tuple(c) for c in after.chunks[touched].tolist()}:
        at = touched[(after.chunks[touched] == key).all(axis=1)]
        flags = [np.isin(at, some) for some in (deleted, moved, valued, reassigned)]
        objects = np.zeros(len(at), np.int64) if after.objects is None else after.objects[at]
        columns = {column: (flags[2], after.columns[column][at])} if flags[2].any() else {}
        positions = after.positions[at].astype(np.float64)
        chunks[key] = ChunkEdits(after.rows[at], flags[0], flags[1], positions, flags[3], objects, columns)
    return Edits(chunks=chunks)


def _added(rng: np.random.Generator, whole: Whole, like: NDArray[np.int64]) -> AddedVertices | None:
    """New vertices near some others, of the same objects."""
    if not len(like):
        return None
    numbers = np.arange(len(like)) * 2
    places = whole.positions[like] + rng.normal(0, 60, whole.positions[like].shape)
    positions = places.clip(LO, HI).astype(whole.positions.dtype).astype(np.float64)
    columns = {name: values[like] for name, values in whole.columns.items()}
    columns[NUMBER] = (int(whole.numbers.max()) + 1 + numbers).astype(whole.numbers.dtype)
    return AddedVertices(numbers, positions, columns, None if whole.objects is None else whole.objects[like])


def _append(whole: Whole, added: AddedVertices) -> Whole:
    none = np.zeros((len(added.numbers), whole.chunks.shape[1]), np.int64)
    return replace(
        whole,
        chunks=np.concatenate((whole.chunks, none)),
        rows=np.concatenate((whole.rows, -1 - added.numbers)),
        positions=np.concatenate((whole.positions, added.positions.astype(whole.positions.dtype))),
        columns={name: np.concatenate((v, added.columns[name])) for name, v in whole.columns.items()},
        objects=None
        if whole.objects is None or added.objects is None
        else np.concatenate((whole.objects, added.objects)),
    )


def _change_links(
    rng: np.random.Generator, whole: Whole, kept: NDArray[np.bool_], stored: int, refs: VertexRefs
) -> tuple[LinkEdits | None, Whole]:
    """Links cut and made; every new vertex is linked to another one of its object."""
    is_tree, width = whole.kind == "skeleton", whole.links.shape[1]
    gone = np.zeros(len(whole.links), bool)
    fresh: list[list[int]] = []
    alive = np.flatnonzero(kept[:stored])
    near = whole.links[(np.abs(whole.positions[whole.links[:, 0]] - whole.positions[alive[0]]) < 200).all(axis=1)]
    if is_tree:
        above = np.full(len(whole), -1)
        above[whole.links[:, 0]] = whole.links[:, 1]
        for child, parent in whole.links.tolist():  # children of what goes hang on what is above it, or become roots
            if kept[child] and not kept[parent]:
                up = above[parent]
                while up >= 0 and not kept[up]:
                    up = above[up]
                if up >= 0:
                    fresh.append([child, int(up)])
    elif len(near):
        gone[rng.integers(0, len(whole.links), 3)] = True
        same = np.sort(whole.links, axis=1)
        for link in same[gone].tolist():  # all that have the same ends go
            gone |= (same == link).all(axis=1)
    for new in range(stored, len(whole)):
        others = alive if whole.objects is None else alive[whole.objects[alive] == whole.objects[new]]
        ends = rng.choice(others, width - 1, replace=False) if len(others) >= width - 1 else []
        if len(ends):
            fresh.append([new, *map(int, ends)])
    gone &= kept[whole.links].all(axis=1)
    added = np.array(fresh, np.int64).reshape(-1, width)
    values = {n: v[rng.integers(0, max(len(v), 1), len(added))] for n, v in whole.link_columns.items()}
    after = replace(
        whole,
        links=np.concatenate((whole.links[~gone], added)),
        link_columns={n: np.concatenate((v[~gone], values[n])) for n, v in whole.link_columns.items()},
    )
    if not gone.any() and not len(added):
        return None, whole
    ends = [whole.links[gone].ravel(), added.ravel()]
    parts = [VertexRefs(refs.chunks[at], refs.rows[at]) for at in ends]
    return LinkEdits(parts[0], parts[1], values, width), after


def read_by_name(place: Memory) -> Vertices:
    """All vertices of level 0 with the names that edits give them."""
    reader = Store(MemorySource(place)).reader(0)
    return read_vertices(reader, reader.layout.vertices.chunks)


def edit_some(vertices: Vertices, *, moves: float, deletes: int) -> Edits:
    """Every fifth vertex moved by `moves` along all axes, and the first `deletes` of each chunk deleted."""
    chunks = {}
    for key in {tuple(c) for c in vertices.refs.chunks.tolist()}:
        at = np.flatnonzero((vertices.refs.chunks == key).all(axis=1))[::5]
        rows = np.sort(vertices.refs.rows[at])
        at = at[np.argsort(vertices.refs.rows[at])]
        none = np.zeros(len(rows), bool)
        columns = {n: (~none, np.roll(v[at], 1, axis=0)) for n, v in vertices.columns.items()}
        deleted = np.arange(len(rows)) < deletes
        places = vertices.positions[at]
        places = (places + moves).astype(np.float32).astype(np.float64) if moves else places
        chunks[key] = ChunkEdits(
            rows, deleted, none | bool(moves), places, none, np.zeros(len(rows), np.int64), columns
        )
    return Edits(chunks=chunks)


def as_bytes(tables: Sequence[NDArray[Any]]) -> NDArray[np.uint8]:
    """Rows of tables side by side."""
    parts = [np.ascontiguousarray(t) for t in tables]
    widths = [t.itemsize * int(np.prod(t.shape[1:])) for t in parts]
    return np.concatenate([t.view(np.uint8).reshape(len(t), w) for t, w in zip(parts, widths, strict=True)], axis=1)


def as_rows(vertices: Vertices) -> list[bytes]:
    """All that is said of each vertex, and of each link with its ends."""
    objects = np.zeros(len(vertices), np.int64) if vertices.objects is None else vertices.objects
    rows = as_bytes([vertices.positions, *(v for _, v in sorted(vertices.columns.items())), objects])
    out = sorted(map(bytes, rows))
    if len(vertices.links):
        columns = [v for _, v in sorted(vertices.link_columns.items())]
        out += sorted(map(bytes, as_bytes([*rows[vertices.links].swapaxes(0, 1), *columns])))
    return out
