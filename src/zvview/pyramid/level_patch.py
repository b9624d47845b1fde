"""A level of which some chunks are replaced: their cells, the links that end in them, and what is told of them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.format import names
from zvview.format.grid import ChunkTable, grid_of_bounds, sort_chunks
from zvview.format.links import decode_links, parse_offsets
from zvview.format.metadata import RootMetadata
from zvview.format.sequences import distinct
from zvview.pyramid.cell_patch import PatchedCells, grid_arrays, grid_of
from zvview.pyramid.coarse_plan import codecs_of
from zvview.pyramid.inherit import inherit
from zvview.pyramid.local_changes import Redone
from zvview.pyramid.overlay import Overlay
from zvview.pyramid.store_view import Rewriting
from zvview.store.index import IndexedLevel
from zvview.store.level import Level
from zvview.store.waves import read_cells
from zvview.store.writing.level import LevelContent
from zvview.store.writing.level_links import write_links
from zvview.store.writing.level_vertices import VertexWriter
from zvview.store.writing.link_waves import LinkMerge
from zvview.store.writing.objects import FragmentOwners, write_groups, write_object_attributes, write_object_index
from zvview.store.writing.partition import LINE_KINDS
from zvview.store.writing.runs import Run
from zvview.store.writing.vertex_waves import Merge

__all__ = ["LevelPatch", "can_patch"]

_WAVE_BYTES = 32 << 20
_TABLES = (names.OBJECT_INDEX, names.OBJECT_ATTRIBUTES, names.GROUPS, names.GROUP_ATTRIBUTES)


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
    if vertices is None or (fine.object_ids is None) != (old.object_ids is None):
        return False
    origin, shape, shards = grid_of(vertices)
    for document in arrays.values():
        other = grid_of(document)
        if other[0].tolist() != origin.tolist() or other[1].tolist() != shape.tolist() or other[2] != shards:
            return False
        if codecs_of(document) != codecs_of(vertices):
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
    fine, old : Level
        The finer level after an edit, and the level as it was.
    nodes : mapping
        Documents of the level by path.
    known : IndexedLevel
        Of the level as it was.
    kind : str

    Attributes
    ----------
    nodes : dict
        Documents of the level below its group, after :meth:`put`.
    indexed : IndexedLevel
        After :meth:`put`.
    content : LevelContent
        After :meth:`put`.
    present : int or None
        Objects that the level holds something of, after :meth:`put`.
    touched : (n, D) int64
        Chunks of which a cell changed, and those that are linked by a link cell that did.
    """

    def __init__(
        self,
        overlay: Overlay,
        fine: Level,
        old: Level,
        nodes: Mapping[str, dict[str, Any]],
        known: IndexedLevel,
        kind: str,
    ) -> None:
        self._overlay, self._fine, self._old, self._known, self._kind = overlay, fine, old, known, kind
        self._path = str(old.number)
        self._before = dict(nodes)
        self.nodes: dict[str, dict[str, Any]] = {}
        self.indexed = known
        self.content: LevelContent | None = None
        self.present: int | None = None
        self.touched = known.chunks[:0]

    def put(self, redone: Redone) -> None:
        """Put the cells of the chunks that were made again.

        Raises
        ------
        InvalidInputError
            Objects are gone of which chunks that were not made again hold pieces.
        """
        table = ChunkTable.of(redone.chunks)
        has_objects = self._old.object_ids is not None
        runs = list(redone.runs) or [_nothing_like(self._fine, redone.chunks.shape[1], has_objects)]
        runs = runs if redone.between is None else [redone.between, *runs]
        self.content = inherit(self._fine, runs)
        merge = Merge(runs, redone.chunks.shape[1])
        own = np.flatnonzero(merge.counts)
        cells = PatchedCells(self._overlay, self._path, grid_arrays(self._before), self._staleness(table))
        links = None if self._kind == names.POINT_CLOUD else LinkMerge(merge)
        removed = self._count_stale_links(cells, table)
        writer = VertexWriter(cells, merge, self._fine.dtype, self.content.vertices, links, has_objects)
        row_bytes = self._fine.dtype.itemsize * merge.chunks.shape[1] + self.content.vertices.row_bytes
        nodes: dict[str, dict[str, Any]] = {}
        if len(own):
            for wave in merge.waves(own, row_bytes, _WAVE_BYTES):
                writer.put(wave)
            nodes |= writer.finish()
        if links is not None and links.total:
            nodes |= write_links(
                cells, links, self.content.links, _WAVE_BYTES, check=lambda: None, advance=lambda count: None
            )
        cells.finish_rest()
        self._count_in(merge, own, table, writer)
        if self.content.ids is not None:
            fresh = _fragments_of(runs[-1]) if redone.ranks is not None else _in_order(merge, writer.owners)
            nodes |= self._write_tables(fresh, redone.ranks, table)
        nodes |= cells.documents
        self.nodes = self._complete(nodes, 0 if links is None else links.total - removed)
        self.touched = self._find_touched(cells)

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
            name: _widen(self._known.attributes.get(name, {}), entry.document())
            for name, entry in writer.statistics.items()
        }
        self.indexed = IndexedLevel(self._old.number, chunks[order], counts[order], statistics)

    def _write_tables(
        self, fresh: _Fragments, ranks: NDArray[np.int64] | None, table: ChunkTable
    ) -> dict[str, dict[str, Any]]:
        """Object index, attributes of objects and groups: made anew from what is known of all fragments."""
        content, path = self.content, self._path
        assert content is not None and content.ids is not None
        reader = self._old._reader
        assert reader.objects is not None
        manifests = reader.objects.manifests()
        kept = np.flatnonzero(table.find(manifests.chunks) < 0)
        owners = reader.objects.ids[reader.objects.piece_rows()[kept]]
        found = distinct(owners)
        if (is_lost := ~np.isin(found, content.ids, assume_unique=True)).any():
            raise InvalidInputError(
                f"object {found[is_lost][0]} is no more, but level {path} holds pieces of it in chunks that come of "
                "none of the given ones: give all chunks that were edited"
            )
        chunks = ChunkTable.of(self.indexed.chunks)
        every = FragmentOwners()
        places = np.concatenate((chunks.find(manifests.chunks[kept]), chunks.find(fresh.chunks)))
        owners = np.concatenate((owners, fresh.objects))
        numbers = np.concatenate((manifests.fragments[kept], fresh.numbers))
        every.add(owners, places, numbers, None if ranks is None else np.concatenate((ranks[kept], fresh.ranks)))
        self.present = len(distinct(owners))
        putter = Rewriting(self._overlay, [f"{path}/{family}" for family in _TABLES])
        nodes = write_object_index(putter, path, content.ids, every, chunks.coords)
        attributes = {} if content.object_attributes is None else content.object_attributes(content.ids)
        nodes |= write_object_attributes(putter, path, attributes, content.object_specs)
        if content.groups is not None:
            nodes |= write_groups(putter, path, content.groups, content.ids)
        putter.finish()
        return nodes

    def _complete(self, nodes: Mapping[str, dict[str, Any]], added: int) -> dict[str, dict[str, Any]]:
        """All documents of the level: those given, and the groups that were there, with links counted on."""
        groups = {p: d for p, d in self._before.items() if d["node_type"] == "group" and p != self._path}
        out = {p: d for p, d in groups.items() if p.split("/")[1] not in _TABLES} | dict(nodes)
        before = self._before.get(f"{self._path}/{names.LINKS}/0")
        total = added + (0 if before is None else int(before["attributes"]["num_links"]))
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


@dataclass(frozen=True, slots=True, eq=False)
class _Fragments:
    """Fragments that were written: their objects, chunks (n, sid), numbers in these, and ranks in their objects."""

    objects: NDArray[np.int64]
    chunks: NDArray[np.int64]
    numbers: NDArray[np.int64]
    ranks: NDArray[np.int64]


def _in_order(merge: Merge, owners: FragmentOwners) -> _Fragments:
    """Fragments whose objects go by chunk and place in it, so that their ranks mean nothing."""
    objects, rows, numbers = owners.sorted()
    return _Fragments(objects, merge.chunks[rows], numbers, np.zeros_like(rows))


def _fragments_of(run: Run) -> _Fragments:
    """Fragments of a run that was written as it is."""
    assert run.objects is not None
    sizes = np.diff(run.fragments)
    numbers = np.arange(len(run.objects)) - np.repeat(run.fragments[:-1], sizes)
    ranks = np.zeros_like(run.objects) if run.ranks is None else run.ranks
    return _Fragments(run.objects, np.repeat(run.chunks, sizes, axis=0), numbers, ranks)


def _offsets_of(array: str, sid: int) -> NDArray[np.int64]:
    """Where the further ends of the records of a link array lie, (L - 1, sid); none for other arrays."""
    family, _, rest = array.partition("/")
    if family not in (names.LINKS, names.LINK_ATTRIBUTES):
        return np.empty((0, sid), np.int64)
    segment = rest.rpartition("/")[2]
    return parse_offsets(segment, sid, segment.count("_") + 2)


def _nothing_like(fine: Level, ndim: int, has_objects: bool) -> Run:
    """A run that holds nothing, with the columns that runs of the level have."""
    none, first = np.empty(0, np.int64), np.zeros(1, np.int64)
    columns = {name: np.empty((0, *a.row_shape), a.dtype) for name, a in fine.attributes.items()}
    objects = none if has_objects else None
    chunks, positions = np.empty((0, ndim), np.int64), np.empty((0, ndim), fine.dtype)
    return Run(chunks, first, first, none, positions, columns, objects=objects)


def _widen(known: Mapping[str, Any], fresh: Mapping[str, Any]) -> dict[str, Any]:
    """Statistics of a level of which a part was replaced: never too narrow; the other figures stay as they were."""
    if not isinstance(known, Mapping) or not known:
        return dict(fresh)
    out = dict(known)
    for name, pick in (("min", min), ("max", max)):
        a, b = known.get(name), fresh.get(name)
        if isinstance(a, int | float) and isinstance(b, int | float):
            out[name] = pick(a, b)
    return out
