"""From the edits of a store of points to what is laid over what streams: the edited points as they are now, whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import sort_chunks
from zvview.geometry.batches import Points
from zvview.store.editing.edits import Edits, VertexRefs
from zvview.store.editing.identity import RefTable, join_refs, take_refs
from zvview.store.editing.schema import Schema
from zvview.store.editing.vertices import Vertices, apply_edits, read_vertices, take_vertices
from zvview.store.store import Store
from zvview.stream.editing import EditOverlay

__all__ = ["EditedPoints"]


class EditedPoints:
    """Makes overlays of edits; reads the chunks that they concern, and keeps the vertices. One thread at a time.

    Parameters
    ----------
    store : Store
        Of points. It stays open: it belongs to the caller.

    Notes
    -----
    What was read is not looked at again: once the store is another one, take another one of these.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._schema = store.retry(lambda: Schema.of(store.reader(0)))
        self._known: Vertices | None = None

    def overlay(self, edits: Edits) -> EditOverlay:
        """What `edits` come to. Vertices that the store no longer has are left out.

        Raises
        ------
        UnreachableError, DamagedError
            What was edited cannot be read.
        """
        before = self._read(_edited_refs(edits, self._schema.sid_ndim))
        after = apply_edits(before, edits)
        categories = {n: m.categories for n, m in self._schema.columns.items() if m.categories is not None}
        shown = Points(
            self._to_world(after.positions),
            attributes=after.columns,
            categories={name: categories[name] for name in after.columns if name in categories},
            object_ids=after.objects,
        )
        return EditOverlay(before.refs, self._to_world(before.positions), shown=shown, refs=after.refs, edits=edits)

    def _to_world(self, positions: NDArray[np.float64]) -> NDArray[np.floating]:
        """Positions as they come back from the store."""
        stored = positions.astype(self._schema.dtype)
        return stored + self._schema.offset if self._schema.offset.any() else stored

    def _read(self, wanted: VertexRefs) -> Vertices:
        """The vertices as stored."""
        known = self._known
        at = np.full(len(wanted), -1, np.int64) if known is None else RefTable.of(known.refs).find(wanted)
        if known is None or (at < 0).any():
            chunks, store = sort_chunks(wanted.chunks[at < 0]), self._store
            fresh = store.retry(lambda: read_vertices(store.reader(0), chunks))
            is_wanted = RefTable.of(wanted).find(fresh.refs) >= 0
            if known is not None:
                is_wanted &= RefTable.of(known.refs).find(fresh.refs) < 0
            fresh = take_vertices(fresh, is_wanted)
            known = self._known = fresh if known is None else _join(known, fresh)
            at = RefTable.of(known.refs).find(wanted)
        return _pick(known, at[at >= 0])


def _edited_refs(edits: Edits, sid_ndim: int) -> VertexRefs:
    """All stored vertices with any edit."""
    keys = np.array(list(edits.chunks), np.int64).reshape(-1, sid_ndim)
    rows = [entry.rows for entry in edits.chunks.values()]
    counts = [len(r) for r in rows]
    return VertexRefs(np.repeat(keys, counts, axis=0), np.concatenate([np.empty(0, np.int64), *rows]))


def _pick(vertices: Vertices, index: NDArray[np.int64]) -> Vertices:
    """The vertices at `index`; points have no links."""
    return replace(
        vertices,
        refs=take_refs(vertices.refs, index),
        positions=vertices.positions[index],
        columns={name: values[index] for name, values in vertices.columns.items()},
        objects=None if vertices.objects is None else vertices.objects[index],
    )


def _join(one: Vertices, other: Vertices) -> Vertices:
    has_objects = one.objects is not None and other.objects is not None
    return replace(
        one,
        refs=join_refs([one.refs, other.refs]),
        positions=np.concatenate((one.positions, other.positions)),
        columns={name: np.concatenate((values, other.columns[name])) for name, values in one.columns.items()},
        objects=np.concatenate((one.objects, other.objects)) if has_objects else None,  # type: ignore[arg-type]
    )
