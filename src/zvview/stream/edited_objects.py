"""From the edits of lines, graphs, skeletons and meshes to what is laid over what streams: whole objects, as they are.

Objects that users chose to edit are shown so as well, at full resolution, whatever level is around them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.grid import sort_chunks
from zvview.format.sequences import distinct, offsets_of
from zvview.geometry.batches import Batch, Polylines, batch_type
from zvview.store.editing.edits import EditedLine, Edits, VertexRefs
from zvview.store.editing.identity import RefTable, join_refs
from zvview.store.editing.schema import Schema
from zvview.store.editing.vertices import apply_edits, read_vertices
from zvview.store.reading.reader import LevelReader
from zvview.store.store import Store
from zvview.stream.editing import EditOverlay

__all__ = ["EditedObjects"]


class EditedObjects:
    """Makes overlays of edits; one thread at a time.

    Parameters
    ----------
    store : Store
        Of any kind but points. It stays open: it belongs to the caller.

    Attributes
    ----------
    chosen : tuple of int
        Objects to show at full resolution although they are not edited; may be set from any thread.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._schema = store.retry(lambda: Schema.of(store.reader(0)))
        self.chosen: tuple[int, ...] = ()

    def overlay(self, edits: Edits) -> EditOverlay:
        """What `edits` come to.

        Raises
        ------
        UnreachableError, DamagedError
            What was edited cannot be read.
        """
        make = self._lines if self._schema.is_lines else self._linked
        ids, shown = self._store.retry(lambda: make(edits, self.chosen))
        none = VertexRefs(np.empty((0, self._schema.sid_ndim), np.int64), np.empty(0, np.int64))
        return EditOverlay(none, np.empty((0, self._schema.ndim), np.float32), ids, shown, edits=edits)

    def _lines(self, edits: Edits, chosen: tuple[int, ...]) -> tuple[NDArray[np.int64], Batch | None]:
        lines = {number: line for number, line in edits.lines.items() if line is not None}
        objects = self._store.reader(0).objects
        known = np.empty(0, np.int64) if objects is None else objects.ids
        others = [number for number in chosen if number not in edits.lines and number in known]
        if others:
            batch = self._store.level(0).read_objects(np.array(others))
            assert isinstance(batch, Polylines) and batch.object_ids is not None
            ends = zip(batch.object_ids.tolist(), batch.offsets[:-1].tolist(), batch.offsets[1:].tolist(), strict=True)
            for number, start, stop in ends:
                columns = {name: batch.attributes[name][start:stop] for name in self._schema.columns}
                lines[number] = EditedLine(batch.positions[start:stop] - self._schema.offset, columns)
        ids = np.array(sorted({*edits.lines, *chosen}), np.int64)
        if not lines:
            return ids, None
        columns = {n: np.concatenate([line.columns[n] for line in lines.values()]) for n in self._schema.columns}
        positions = np.concatenate([line.positions for line in lines.values()])
        return ids, self._batch(positions, columns, [len(line.positions) for line in lines.values()], [*lines])

    def _linked(self, edits: Edits, chosen: tuple[int, ...]) -> tuple[NDArray[np.int64], Batch | None]:
        reader = self._store.reader(0)
        ids = _touched_objects(reader, edits, chosen)
        if not len(ids):
            return ids, None
        found = apply_edits(read_vertices(reader, _chunks_of(reader, edits, ids)), edits)
        owners = np.full(len(found), names.OWNER_NONE) if found.objects is None else found.objects
        order = np.argsort(owners, kind="stable")
        order = order[np.isin(owners[order], ids)]
        place = np.full(len(found), -1, np.int64)
        place[order] = np.arange(len(order))
        links = place[found.links]
        whole = (links >= 0).all(axis=1)
        present, counts = np.unique(owners[order], return_counts=True)
        more: dict[str, Any] = {
            "faces" if self._schema.kind == names.MESH else "edges": links[whole],
            "link_attributes": {name: values[whole] for name, values in found.link_columns.items()},
        }
        columns = {name: found.columns[name][order] for name in self._schema.columns}
        return ids, self._batch(found.positions[order], columns, counts.tolist(), present.tolist(), **more)

    def _batch(
        self,
        positions: NDArray[np.float64],
        columns: dict[str, NDArray[Any]],
        counts: list[int],
        ids: list[int],
        **more: Any,
    ) -> Batch:
        """Pieces of whole objects, from stored positions."""
        schema = self._schema
        stored = positions.astype(schema.dtype)
        world = stored + schema.offset if schema.offset.any() else stored
        categories = {n: m.categories for n, m in schema.columns.items() if m.categories is not None}
        return batch_type(schema.kind)(  # type: ignore[call-arg]
            world,
            attributes=columns,
            categories=categories,
            offsets=offsets_of(counts),
            object_ids=np.array(ids, np.int64),
            **more,
        )


def _touched_objects(reader: LevelReader, edits: Edits, chosen: tuple[int, ...]) -> NDArray[np.int64]:
    """Ids of the objects that are, or were before, other than they are stored; and of those chosen."""
    parts = [np.array(chosen, np.int64)]
    for entry in edits.chunks.values():
        parts.append(entry.objects[entry.is_reassigned])
        if entry.owners is not None:
            parts.append(entry.owners)
    if edits.added is not None and edits.added.objects is not None:
        parts.append(edits.added.objects)
    links = edits.links
    if links is not None:
        ends = join_refs([links.added, links.removed])
        found = read_vertices(reader, sort_chunks(ends.chunks[ends.rows >= 0]))
        at = RefTable.of(found.refs).find(ends)
        if found.objects is not None:
            parts.append(found.objects[at[at >= 0]])
    ids = distinct(np.concatenate(parts))
    return ids[ids >= 0]


def _chunks_of(reader: LevelReader, edits: Edits, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Chunks that hold the stored vertices of objects, and of those that became theirs."""
    sid = reader.layout.metadata.sid_ndim
    parts = [np.array(list(edits.chunks), np.int64).reshape(-1, sid)]
    if reader.objects is not None:
        known = ids[np.isin(ids, reader.objects.ids)]
        parts.append(reader.objects.manifests(reader.objects.rows_of(known)).chunks)
    return sort_chunks(np.concatenate(parts))
