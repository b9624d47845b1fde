"""Edits of points, graphs, skeletons and meshes become cells of level 0.

Where vertices keep their places, only cells of the positions and attributes that were set are made anew
(:mod:`zvview.store.editing.rows_in_place`); chunks in which vertices come, go or are put in another order are made
anew as wholes (:mod:`zvview.store.editing.renewed_chunks`), with the links that end in them. All goes into an overlay;
the coarse levels and zvview's own index follow from it by a refresh.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zvview.errors import ConflictError, InvalidInputError, UnsupportedError
from zvview.format import names
from zvview.format.grid import format_chunk_keys, sort_chunks
from zvview.format.manifests import Manifests
from zvview.store.editing.edited_objects import find_edited_objects
from zvview.store.editing.edits import Edits
from zvview.store.editing.host import check_editable
from zvview.store.editing.level_zero import own_nodes, put_documents, put_level_document
from zvview.store.editing.renewable import check_arrays, check_renewable
from zvview.store.editing.renewed_chunks import renew_chunks
from zvview.store.editing.renewed_points import splice_points
from zvview.store.editing.rows_in_place import set_rows
from zvview.store.editing.touched import Touched
from zvview.store.editing.vertex_plan import plan_vertices
from zvview.store.index import IndexedLevel
from zvview.store.patching.cell_patch import grid_of
from zvview.store.patching.columns import describe_columns
from zvview.store.patching.level_patch import LevelPatch
from zvview.store.patching.nodes import read_nodes
from zvview.store.patching.object_tables import ChangedObjects, ObjectTables
from zvview.store.patching.overlay import Overlay
from zvview.store.store import Store
from zvview.store.writing.options import bins_of_chunk
from zvview.store.writing.partition import Tiling

__all__ = ["put_vertex_edits"]

Ints = NDArray[np.int64]


def put_vertex_edits(overlay: Overlay, edits: Edits) -> Touched:
    """Change level 0 of a store of points, graphs, skeletons or meshes as edits say.

    Parameters
    ----------
    overlay : Overlay
        Of the store as the edits found it; takes all objects of level 0 that become others, its documents included.
        What it holds then is no finished store: :func:`zvview.pyramid.refresh.compute_refresh` brings the rest.
    edits : Edits

    Returns
    -------
    Touched

    Raises
    ------
    UnsupportedError
        A store that cannot be edited, or not in this way; says what was found and what to do.
    ConflictError
        What is edited is not there.
    InvalidInputError
        Vertices outside the grid, or without the object that the others have.
    DamagedError
        What stands in the edited chunks cannot be read.
    """
    store = Store(overlay)
    check_editable(store)
    return _VertexCommit(overlay, store, edits).run()


class _VertexCommit:
    def __init__(self, overlay: Overlay, store: Store, edits: Edits) -> None:
        self._overlay, self._edits = overlay, edits
        self._level, self._reader = store.level(0), store.reader(0)
        if self._reader.is_sequence:
            raise UnsupportedError(f"{store.place} holds lines, which are edited as wholes")
        self._nodes, _ = read_nodes(overlay, "0")

    def run(self) -> Touched:
        self._check_new_objects()
        reader, edits = self._reader, self._edits
        plan = plan_vertices(reader, edits)
        if len(plan.renewed):
            check_renewable(reader, self._nodes)
            self._check_grid(plan.renewed)
        check_arrays(self._nodes)
        objects = find_edited_objects(reader, edits)
        touched = [plan.renewed[:0]]
        if plan.patched:
            touched.append(set_rows(self._overlay, reader, self._nodes, edits, plan.patched))
            store = Store(self._overlay)  # shards that were put are others than an open store knows
            self._level, self._reader = store.level(0), store.reader(0)
        if len(plan.renewed):
            touched.append(self._renew(plan.renewed))
        elif edits.new_objects or edits.object_attributes or edits.groups:
            self._put_tables_alone()
        return Touched(sort_chunks(np.concatenate(touched)), objects)

    def _check_new_objects(self) -> None:
        new, known = np.array(sorted(self._edits.new_objects), np.int64), self._reader.objects
        if not len(new):
            return
        if known is None:
            raise InvalidInputError("the vertices of the store belong to no objects, and so there can be no new ones")
        if len(taken := new[known.find_rows(new) >= 0]):
            raise ConflictError(f"object {taken[0]}, which the edits made, is in the store by now; reload the edits")

    def _renew(self, chunks: Ints) -> Ints:
        """Make chunks anew; gives those of which a cell changed."""
        reader = self._reader
        tiling = self._tiling()
        spliced = splice_points(reader, self._edits, chunks, tiling) if reader.kind == names.POINT_CLOUD else None
        replacement, grown = spliced or renew_chunks(reader, self._edits, chunks, tiling)
        there = reader.layout.vertices.chunks
        patch = LevelPatch(
            self._overlay,
            self._level,
            own_nodes(self._nodes),
            IndexedLevel(0, there, np.zeros(len(there), np.int64), {}),
            reader.kind,
            lambda runs: describe_columns(self._level, runs),
            self._put_tables,
            fragments_per_chunk=tiling.fragments_per_chunk,
            keeps_empty=True,
        )
        patch.put(replacement)
        self._nodes = put_documents(self._overlay, self._nodes, patch.nodes)
        put_level_document(self._overlay, self._nodes, grown)
        # of chunks in which vertices only changed their object no cell may tell so
        reassigned = [key for key, entry in self._edits.chunks.items() if entry.is_reassigned.any()]
        return np.concatenate((patch.touched, np.array(reassigned, np.int64).reshape(-1, there.shape[1])))

    def _tiling(self) -> Tiling:
        reader = self._reader
        edges = reader.layout.metadata.chunk_shape.tolist()
        if reader.kind != names.POINT_CLOUD or reader.objects is not None:
            return Tiling(reader.kind, tuple(edges))
        try:
            bins = bins_of_chunk(edges, reader.root.base_bin_shape.tolist())
        except InvalidInputError as error:
            raise UnsupportedError(f"{error}: 'zvview convert' makes a store that can be edited") from error
        return Tiling(reader.kind, tuple(edges), bins)

    def _check_grid(self, chunks: Ints) -> None:
        origin, shape, _ = grid_of(self._nodes[f"0/{names.VERTICES}"])
        is_outside = ((chunks < origin) | (chunks >= origin + shape)).any(axis=1)
        if is_outside.any():
            (text,) = format_chunk_keys(chunks[is_outside][:1])
            raise InvalidInputError(f"chunk {text} lies outside the grid of the store: let its grid grow first")

    def _put_tables(self, tables: ObjectTables, changed: ChangedObjects) -> None:
        edits = self._edits
        new = np.array(sorted(edits.new_objects), np.int64)
        changed = _with_bare(changed, np.setdiff1d(new, changed.ids))
        tables.put_index(changed)
        tables.put_attributes(edits.object_attributes)
        pieces = np.diff(changed.manifests.offsets)
        tables.put_groups(edits.groups, changed.ids[pieces == 0])

    def _put_tables_alone(self) -> None:
        if self._reader.objects is None:
            raise InvalidInputError("the store has no objects that could have attributes or groups")
        tables = ObjectTables(self._overlay, self._level, self._nodes)
        none = np.empty(0, np.int64)
        sid = self._reader.layout.metadata.sid_ndim
        self._put_tables(tables, ChangedObjects(none, Manifests(np.zeros(1, np.int64), none.reshape(0, sid), none)))
        rest = {path: document for path, document in self._nodes.items() if path not in tables.documents}
        self._nodes = put_documents(self._overlay, self._nodes, rest | tables.documents)


def _with_bare(changed: ChangedObjects, ids: Ints) -> ChangedObjects:
    """With objects `ids`, which have no pieces."""
    if not len(ids):
        return changed
    every = np.sort(np.concatenate((changed.ids, ids)))
    at = np.full(len(every), len(changed.ids), np.int64)
    at[np.searchsorted(every, changed.ids)] = np.arange(len(changed.ids))
    own = changed.manifests
    bare = Manifests(np.append(own.offsets, own.offsets[-1]), own.chunks, own.fragments)
    return ChangedObjects(every, bare.select(at))
