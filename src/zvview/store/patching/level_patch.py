"""A level of which some chunks are replaced: their cells, the links that end in them, and what is told of them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.grid import ChunkTable, grid_of_bounds, sort_chunks
from zvview.format.links import decode_links, parse_offsets
from zvview.format.metadata import RootMetadata
from zvview.store.index import IndexedLevel
from zvview.store.level import Level
from zvview.store.patching.cell_patch import PatchedCells, compressors_of, grid_arrays, grid_of
from zvview.store.patching.chunk_objects import OwnedPieces, find_pieces, owners_of_difference
from zvview.store.patching.object_tables import TABLES, ChangedObjects, ObjectTables
from zvview.store.patching.overlay import Overlay
from zvview.store.patching.replacement import Replacement
from zvview.store.waves import read_cells
from zvview.store.writing.fragment_owners import FragmentOwners
from zvview.store.writing.kept_columns import Columns
from zvview.store.writing.level_links import write_links
from zvview.store.writing.level_vertices import OWNERS, VertexWriter
from zvview.store.writing.link_waves import LinkMerge
from zvview.store.writing.partition import LINE_KINDS
from zvview.store.writing.runs import Run
from zvview.store.writing.statistics import widen_statistics
from zvview.store.writing.vertex_waves import Merge

__all__ = ["LevelPatch", "PutTables", "can_patch"]

_WAVE_BYTES = 32 << 20

PutTables = Callable[[ObjectTables, ChangedObjects], None]
"""Puts the object index, given the manifests that changed, and whatever else is told of objects."""


def can_patch(
    root: RootMetadata, fine: Level, old: Level, nodes: Mapping[str, Mapping[str, Any]], edges: NDArray[np.float64]
) -> bool:
    """Whether a level is what its finer level makes of it in all but the cells, so that cells can be replaced.

    Parameters
    ----------
    root : RootMetadata
    fine, old : Level
        The finer level after an edit, and the level as it was.
    nodes : mapping
        Documents of the level by path.
    edges : (D,) float64
        Of its chunks.
    """
    arrays = grid_arrays(nodes)
    vertices = arrays.get(f"{old.number}/{names.VERTICES}")
    if vertices is None or (fine._reader.objects is None) != (old._reader.objects is None):
        return False
    origin, shape, shards = grid_of(vertices)
    for document in arrays.values():
        other = grid_of(document)
        if other[0].tolist() != origin.tolist() or other[1].tolist() != shape.tolist() or other[2] != shards:
            return False
        if compressors_of(document) != compressors_of(vertices):
            return False
    family = nodes.get(f"{old.number}/{names.LINKS}/0")
    if family is not None and not isinstance(family["attributes"].get("num_links"), int):
        return False
    first, wanted = grid_of_bounds(root.lo, root.hi, edges)
    if len(first) != len(origin) or (origin > first).any() or (origin + shape < first + wanted).any():
        return False
    columns = [{name: replace(a, row_shape=()).document() for name, a in lv.attributes.items()} for lv in (fine, old)]
    links = [set(level.link_attribute_names) for level in (fine, old)]
    return fine.dtype == old.dtype and columns[0] == columns[1] and links[0] == links[1]


class LevelPatch:
    """Replaces some chunks of a level in an overlay.

    Parameters
    ----------
    overlay : Overlay
    old : Level
        The level as it was.
    nodes : mapping
        Documents of the level by path.
    known : IndexedLevel
        Of the level as it was.
    kind : str
    describe : callable
        ``describe(runs)`` gives the columns of vertices and those of links. One of the runs may be empty and only tell
        of columns.
    put_tables : callable
        Called where the level has objects.
    fragments_per_chunk : int, optional
        Where each chunk has as many: points without objects at level 0 (4.3).
    keeps_empty : bool
        Whether arrays stay that have no cell any more.

    Attributes
    ----------
    nodes : dict
        Documents of the level below its group, after :meth:`put`.
    indexed : IndexedLevel
        After :meth:`put`.
    present, num_objects : int or None
        Objects that the level holds something of, and all that it has a row for, after :meth:`put`.
    touched : (n, D) int64
        Chunks of which a cell changed, and those that are linked by a link cell that did.
    """

    def __init__(
        self,
        overlay: Overlay,
        old: Level,
        nodes: Mapping[str, dict[str, Any]],
        known: IndexedLevel,
        kind: str,
        describe: Callable[[Sequence[Run]], tuple[Columns, Columns]],
        put_tables: PutTables,
        *,
        fragments_per_chunk: int | None = None,
        keeps_empty: bool = False,
    ) -> None:
        self._overlay, self._old, self._known, self._kind = overlay, old, known, kind
        self._describe, self._put_tables = describe, put_tables
        self._path, self._dense, self._keeps_empty = str(old.number), fragments_per_chunk, keeps_empty
        self._before = dict(nodes)
        self.nodes: dict[str, dict[str, Any]] = {}
        self.indexed = known
        self.present: int | None = None
        self.num_objects: int | None = None
        self.touched = known.chunks[:0]

    def put(self, replacement: Replacement) -> None:
        """Put the cells of the chunks that were made again.

        Raises
        ------
        InvalidInputError
            Objects are gone of which chunks that were not made again hold pieces.
        """
        table = ChunkTable.of(replacement.chunks)
        has_objects = self._old._reader.objects is not None
        runs = list(replacement.runs) or [_nothing_like(self._old, replacement.chunks.shape[1], has_objects)]
        runs = runs if replacement.between is None else [replacement.between, *runs]
        vertex_columns, link_columns = self._describe(runs)
        merge = Merge(runs, replacement.chunks.shape[1], self._dense)
        own = np.flatnonzero(merge.counts)
        cells = self._open_cells(table)
        links = None if self._kind == names.POINT_CLOUD else LinkMerge(merge)
        removed = self._count_stale_links(cells, table)
        before = self._find_pieces(table) if replacement.changed is None else None
        writer = VertexWriter(cells, merge, self._old.dtype, vertex_columns, links, has_objects)
        row_bytes = self._old.dtype.itemsize * merge.chunks.shape[1] + vertex_columns.row_bytes
        nodes: dict[str, dict[str, Any]] = {}
        if len(own):
            for wave in merge.waves(own, row_bytes, _WAVE_BYTES):
                writer.put(wave)
            nodes |= writer.finish()
        if links is not None and links.total:
            nodes |= write_links(
                cells, links, link_columns, _WAVE_BYTES, check=lambda: None, advance=lambda count: None
            )
        cells.finish_rest()
        self._count_in(merge, own, table, writer)
        if has_objects:
            changed = replacement.changed
            if before is not None:
                changed = self._find_changed(before, merge, writer.owners, table)
            assert changed is not None
            tables = ObjectTables(self._overlay, self._old, self._before)
            self._put_tables(tables, changed)
            self.present, self.num_objects = tables.present, tables.count
            nodes |= tables.documents
        nodes |= cells.documents
        self.nodes = self._complete(nodes, 0 if links is None else links.total - removed)
        self.touched = self._find_touched(cells)

    def put_objects(self) -> None:
        """Put nothing but what is told of objects: all that they are made up of stays."""
        tables = ObjectTables(self._overlay, self._old, self._before)
        none = self._known.chunks[:0]
        self._put_tables(tables, ChangedObjects.of(none[:, 0], none, none[:, 0], none[:, 0]))
        self.present, self.num_objects = tables.present, tables.count
        kept = {p: d for p, d in self._before.items() if p != self._path and p.split("/")[1] not in TABLES}
        self.nodes = kept | tables.documents

    def _open_cells(self, table: ChunkTable) -> PatchedCells:
        known = grid_arrays(self._before)
        # owners of some fragments only would make all others look as if they had none
        tells_owners = f"{self._path}/{OWNERS}" in known or not len(self._known.chunks)
        return PatchedCells(
            self._overlay,
            self._path,
            known,
            self._staleness(table),
            keeps_empty=self._keeps_empty,
            unwanted=() if tells_owners else (OWNERS,),
        )

    def _staleness(self, table: ChunkTable) -> Any:
        def is_stale(array: str, coords: NDArray[np.int64]) -> NDArray[np.bool_]:
            out: NDArray[np.bool_] = table.find(coords) >= 0
            for offset in _offsets_of(array, coords.shape[1]):
                out |= table.find(coords + offset) >= 0
            return out

        return is_stale

    def _count_stale_links(self, cells: PatchedCells, table: ChunkTable) -> int:
        """Records in link cells that end in the chunks."""
        reader = self._old._reader
        family = reader.layout.links(0)
        total = 0
        for array in () if family is None else family.arrays:
            coords = array.cells.chunks
            name = array.cells.path[len(self._path) + 1 :]
            coords = coords[self._staleness(table)(name, coords)]
            (payloads,) = read_cells(reader.hierarchy, [(array.cells, coords)])
            cells.know(array.cells, coords, payloads)
            width = len(array.offsets) + 1
            found = decode_links(
                payloads, width=width, dtype=array.dtype, is_ragged=array.is_ragged, has_perm=array.has_perm
            )
            total += int(found.counts.sum())
        return total

    def _count_in(self, merge: Merge, own: NDArray[np.int64], table: ChunkTable, writer: VertexWriter) -> None:
        kept = table.find(self._known.chunks) < 0
        chunks = np.concatenate((self._known.chunks[kept], merge.chunks[own]))
        counts = np.concatenate((self._known.counts[kept], merge.counts[own]))
        order = np.lexsort(chunks.T[::-1])
        statistics = {
            name: widen_statistics(self._known.attributes.get(name), entry.document())
            for name, entry in writer.statistics.items()
        }
        self.indexed = IndexedLevel(self._old.number, chunks[order], counts[order], statistics)

    def _find_pieces(self, table: ChunkTable) -> OwnedPieces | None:
        """What the chunks hold before they are replaced; None where there are no objects."""
        reader = self._old._reader
        return None if reader.objects is None else find_pieces(reader, table.coords)

    def _find_changed(
        self, before: OwnedPieces, merge: Merge, owners: FragmentOwners, table: ChunkTable
    ) -> ChangedObjects:
        """Manifests of all objects of which fragments came, went or have another number, by chunk and place in it."""
        reader = self._old._reader
        assert reader.objects is not None
        objects, rows, numbers = owners.sorted()
        fresh = OwnedPieces(objects, merge.chunks[rows], numbers)
        ids = owners_of_difference(before, fresh)
        known = reader.objects.find_rows(ids)
        manifests = reader.objects.manifests(known[known >= 0])
        kept = np.flatnonzero(table.find(manifests.chunks) < 0)
        again = np.flatnonzero(np.isin(fresh.objects, ids))
        objects = np.concatenate((np.repeat(ids[known >= 0], np.diff(manifests.offsets))[kept], fresh.objects[again]))
        chunks = np.concatenate((manifests.chunks[kept], fresh.chunks[again]))
        fragments = np.concatenate((manifests.fragments[kept], fresh.numbers[again]))
        places = ChunkTable.of(chunks)  # of an object in a chunk all pieces are old, or all are fresh, and in order
        order = np.argsort(np.searchsorted(ids, objects) * len(places) + places.find(chunks), kind="stable")
        return ChangedObjects.of(objects[order], chunks[order], fragments[order], ids)

    def _complete(self, nodes: Mapping[str, dict[str, Any]], added: int) -> dict[str, dict[str, Any]]:
        """All documents of the level: those given, and the groups that were there, with links counted on."""
        groups = {p: d for p, d in self._before.items() if d["node_type"] == "group" and p != self._path}
        out = {p: d for p, d in groups.items() if p.split("/")[1] not in TABLES} | dict(nodes)
        before = self._before.get(f"{self._path}/{names.LINKS}/0")
        known = 0 if before is None else before["attributes"].get("num_links")
        total = added + (known if isinstance(known, int) else 0)
        for path, document in out.items():
            own = document["attributes"]
            if "num_links" in own:
                counted = {key: total for key in ("num_links", "num_physical_records") if key in own}
                out[path] = {**document, "attributes": {**own, **counted}}
        families = (names.LINK_ATTRIBUTES, names.LINKS) if self._kind in LINE_KINDS else (names.LINK_ATTRIBUTES,)
        bare = [] if total else [p for p in out if p.split("/")[1] in families]
        return {path: document for path, document in out.items() if path not in bare}

    def _find_touched(self, cells: PatchedCells) -> NDArray[np.int64]:
        parts = [self._known.chunks[:0]]
        for array, coords in cells.changed:
            parts += [coords, *(coords + offset for offset in _offsets_of(array, coords.shape[1]))]
        return sort_chunks(np.concatenate(parts))


def _offsets_of(array: str, sid: int) -> NDArray[np.int64]:
    """Where the further ends of the records of a link array lie, (L - 1, sid); none for other arrays."""
    family, _, rest = array.partition("/")
    if family not in (names.LINKS, names.LINK_ATTRIBUTES):
        return np.empty((0, sid), np.int64)
    segment = rest.rpartition("/")[2]
    return parse_offsets(segment, sid, segment.count("_") + 2)


def _nothing_like(level: Level, ndim: int, has_objects: bool) -> Run:
    """A run that holds nothing, with the columns that runs of the level have."""
    none, first = np.empty(0, np.int64), np.zeros(1, np.int64)
    columns = {name: np.empty((0, *a.row_shape), a.dtype) for name, a in level.attributes.items()}
    objects = none if has_objects else None
    chunks, positions = np.empty((0, ndim), np.int64), np.empty((0, ndim), level.dtype)
    return Run(chunks, first, first, none, positions, columns, objects=objects)
