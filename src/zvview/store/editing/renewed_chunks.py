"""Chunks of level 0 made anew as edits leave them, in the form in which the writer makes chunks.

Vertices that stay in their chunk keep their order; those that come stand behind them, nodes of trees behind their
parent where it is in the same chunk. Links to chunks that are not made anew name the rows that these have.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zvview.errors import ConflictError, DamagedError, InvalidInputError, UnsupportedError
from zvview.format import names
from zvview.format.grid import ChunkTable, format_chunk_keys, sort_chunks
from zvview.store.editing.edits import ChunkKey, Edits, VertexRefs
from zvview.store.editing.identity import find_refs, take_refs
from zvview.store.editing.tree_order import order_nodes
from zvview.store.editing.vertex_operations import rows_by_chunk
from zvview.store.editing.vertex_plan import locate_all
from zvview.store.editing.vertices import Vertices, apply_edits, read_vertices
from zvview.store.patching.link_runs import CrossingLinks, make_link_run
from zvview.store.patching.replacement import Replacement
from zvview.store.reading.reader import LevelReader
from zvview.store.writing.intake import ELSEWHERE, Intake
from zvview.store.writing.partition import Tiling, partition
from zvview.store.writing.runs import Run

__all__ = ["has_implied_links", "renew_chunks"]

Ints = NDArray[np.int64]
_NUMBERS = ""  # a column that no store has: which vertex each row of a run is


def renew_chunks(reader: LevelReader, edits: Edits, chunks: Ints, tiling: Tiling) -> tuple[Replacement, int]:
    """What stands in the place of some chunks, and how many vertices more than before; these may be fewer.

    Parameters
    ----------
    reader : LevelReader
        Level 0 before the edits.
    edits : Edits
    chunks : (n, sid) int64
        All chunks that edits make anew; those of the children of deleted nodes may be missing.
    tiling : Tiling
        Of the level.

    Raises
    ------
    ConflictError
        A vertex that is named by the edits is not there.
    UnsupportedError
        A vertex that belongs to several objects, or to none.
    DamagedError
        A vertex outside its chunk, a node with several parents.
    """
    before = read_vertices(reader, chunks)
    if has_implied_links(reader) and len(orphaned := _chunks_of_orphans(before, edits, chunks)):
        chunks = sort_chunks(np.concatenate((chunks, orphaned)))
        before = read_vertices(reader, chunks)
    table = ChunkTable.of(chunks)
    was_own = table.find(before.refs.chunks) >= 0
    _check_stored(reader, before, was_own, tiling)
    _check_named(before.refs, edits, table)
    after = apply_edits(before, edits)
    is_own = (after.refs.rows < 0) | (table.find(after.refs.chunks) >= 0)
    _check_owners(reader, after, is_own, edits)
    grown = int(is_own.sum()) - int(was_own.sum())
    if not is_own.any():
        return Replacement(chunks, []), grown
    run, between = _make_runs(reader, after, is_own, tiling)
    return Replacement(chunks, [run], between), grown


def has_implied_links(reader: LevelReader) -> bool:
    """Whether rows of a fragment hang on the row before them (11.6)."""
    return reader.kind == names.SKELETON and reader.root.links_convention != names.EXPLICIT


def _make_runs(
    reader: LevelReader, vertices: Vertices, is_own: NDArray[np.bool_], tiling: Tiling
) -> tuple[Run, Run | None]:
    """The vertices that are the chunks' own with the links among them, and links to those of other chunks."""
    positions = vertices.positions.astype(reader.layout.vertex_dtype.newbyteorder("<"))
    places = np.array(vertices.refs.chunks)
    places[is_own] = locate_all(positions[is_own], np.array(tiling.chunk_shape))
    is_staying = (vertices.refs.rows >= 0) & (places == vertices.refs.chunks).all(axis=1)
    links = vertices.links
    is_inner: NDArray[np.bool_] = np.asarray(is_own[links].all(axis=1))
    if has_implied_links(reader):
        parents = _parents_of(len(vertices), links)
        own = _order_own(vertices, places, parents, is_own, is_staying)
        intake = _take_tree(vertices, positions, own, parents)
    else:
        own = np.flatnonzero(is_own)
        own = own[np.argsort(~is_staying[own], kind="stable")]
        intake = _take_linked(vertices, positions, own, is_inner, tiling)
    run = partition(intake, tiling)
    numbers = run.columns[_NUMBERS]
    run = replace(run, columns={name: values for name, values in run.columns.items() if name != _NUMBERS})
    if reader.objects is None:
        run = replace(run, objects=None)
    crossing = np.flatnonzero(~is_inner)
    if not len(crossing):
        return run, None
    rows = np.array(vertices.refs.rows)
    rows[numbers] = np.arange(len(numbers)) - np.repeat(run.rows[:-1], np.diff(run.rows))
    if has_implied_links(reader):
        ends = links[crossing, 0]
        crossing = crossing[np.lexsort((rows[ends], *places[ends].T[::-1]))]
    ends = links[crossing]
    columns = {name: values[crossing] for name, values in vertices.link_columns.items()}
    return run, make_link_run(CrossingLinks(places[ends], rows[ends], columns), run)


def _take_tree(vertices: Vertices, positions: NDArray[np.floating], own: Ints, parents: Ints) -> Intake:
    """Some nodes in the form that is written; the parents of some may be elsewhere."""
    place = np.full(len(parents) + 1, ELSEWHERE, np.int64)
    place[own], place[-1] = np.arange(len(own)), -1
    objects = np.zeros(len(own), np.int64) if vertices.objects is None else vertices.objects[own]
    columns = {name: values[own] for name, values in vertices.columns.items()} | {_NUMBERS: own}
    return Intake(positions[own], columns, objects, place[parents[own]])


def _take_linked(
    vertices: Vertices, positions: NDArray[np.floating], own: Ints, is_inner: NDArray[np.bool_], tiling: Tiling
) -> Intake:
    """Some vertices and the links among them in the form that is written."""
    objects = None if vertices.objects is None else vertices.objects[own]
    columns = {name: values[own] for name, values in vertices.columns.items()} | {_NUMBERS: own}
    if tiling.kind == names.POINT_CLOUD:
        return Intake(positions[own], columns, objects)
    place = np.full(len(positions), -1, np.int64)
    place[own] = np.arange(len(own))
    link_columns = {name: values[is_inner] for name, values in vertices.link_columns.items()}
    return Intake(positions[own], columns, objects, None, place[vertices.links[is_inner]], link_columns)


def _parents_of(count: int, links: Ints) -> Ints:
    """Parent of each of `count` nodes from (child, parent) links, -1 for none."""
    parents = np.full(count, -1, np.int64)
    parents[links[:, 0]] = links[:, 1]
    if len(links) > int((parents >= 0).sum()):
        raise DamagedError("skeleton", found="a node with several parents", expected="one parent at most")
    return parents


def _order_own(
    vertices: Vertices, places: Ints, parents: Ints, is_own: NDArray[np.bool_], is_staying: NDArray[np.bool_]
) -> Ints:
    """The nodes of the chunks in the order in which they are written."""
    is_near = is_own & is_own[parents] & (parents >= 0) & (places == places[parents]).all(axis=1)
    if vertices.objects is not None:
        is_near &= vertices.objects == vertices.objects[parents]
    own = np.flatnonzero(is_own)
    number = np.full(len(parents), -1, np.int64)
    number[own] = np.arange(len(own))
    return own[order_nodes(np.where(is_near, number[parents], -1)[own], is_staying[own])]


def _chunks_of_orphans(vertices: Vertices, edits: Edits, chunks: Ints) -> Ints:
    """Chunks beyond `chunks` that hold children of nodes that go: where these become roots, a fragment begins."""
    refs = vertices.refs
    goes = np.zeros(len(vertices), bool)
    for key, index in rows_by_chunk(refs):
        entry = edits.chunks.get(key)
        if entry is not None and entry.is_deleted.any():
            goes[index] = np.isin(refs.rows[index], entry.rows[entry.is_deleted])
    children = vertices.links[goes[vertices.links[:, 1]], 0]
    beyond = refs.chunks[children]
    is_new = ChunkTable.of(chunks).find(beyond) < 0
    return np.asarray(beyond[is_new])


def _check_stored(reader: LevelReader, vertices: Vertices, is_own: NDArray[np.bool_], tiling: Tiling) -> None:
    """Refuse chunks in which a vertex is shown more than once, or that hold one that belongs elsewhere."""
    refs = take_refs(vertices.refs, is_own)
    follows = (refs.chunks[1:] == refs.chunks[:-1]).all(axis=1) & (refs.rows[1:] <= refs.rows[:-1])
    if follows.any():
        named = np.column_stack((refs.chunks, refs.rows))
        if len(sort_chunks(named)) < len(named):
            raise UnsupportedError(
                f"fragments of level {reader.layout.path} share vertices, which is not edited: "
                "'zvview convert' makes a store that can be"
            )
    positions = vertices.positions[is_own]
    is_astray = (locate_all(positions, np.array(tiling.chunk_shape)) != refs.chunks).any(axis=1)
    if is_astray.any():
        (text,) = format_chunk_keys(refs.chunks[is_astray][:1])
        found = f"a vertex at {positions[is_astray][0].tolist()} in chunk {text}"
        raise DamagedError("vertices", found=found, expected="positions inside their chunks")


def _check_named(refs: VertexRefs, edits: Edits, table: ChunkTable) -> None:
    """Refuse edits of vertices that are not there."""
    rows = {key: refs.rows[index] for key, index in rows_by_chunk(refs)}
    none = np.empty(0, np.int64)
    for key, entry in edits.chunks.items():
        if table.find(np.array([key]))[0] >= 0 and not np.isin(entry.rows, rows.get(key, none)).all():
            raise _gone(key)
    if edits.links is not None:
        ends = edits.links.added
        stored = take_refs(ends, ends.rows >= 0)
        lost = find_refs(refs, stored) < 0
        if lost.any():
            raise _gone(tuple(stored.chunks[lost][0].tolist()))


def _gone(chunk: ChunkKey) -> ConflictError:
    return ConflictError(f"chunk {'.'.join(map(str, chunk))} lacks a vertex that was edited; reload the edits")


def _check_owners(reader: LevelReader, vertices: Vertices, is_own: NDArray[np.bool_], edits: Edits) -> None:
    """Refuse vertices of which it is not known to which object they belong."""
    if reader.objects is None:
        return
    if vertices.objects is None or len(vertices.objects) < len(vertices):
        raise InvalidInputError("the vertices of the store belong to objects: give those that are added one")
    marked = is_own & (vertices.objects == names.OWNER_NONE)
    if not marked.any() or names.OWNER_NONE in edits.new_objects or reader.objects.has(names.OWNER_NONE):
        return
    is_new = vertices.refs.rows[marked][0] < 0
    where = "a new vertex" if is_new else f"a vertex of chunk {format_chunk_keys(vertices.refs.chunks[marked][:1])[0]}"
    raise UnsupportedError(
        f"{where} belongs to no object, or to several, which is not edited: 'zvview convert' makes a store that can be"
    )
