"""The state that an edit session keeps: the edits there were, what they rely on, and who wants to know of changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.format.grid import sort_chunks
from zvview.store.editing.bases import ChunkBase
from zvview.store.editing.edits import ChunkKey, Edits, Epoch, VertexRefs
from zvview.store.editing.history import History
from zvview.store.editing.host import EditHost, check_editable
from zvview.store.editing.known_chunks import KnownChunks
from zvview.store.editing.limits import find_limit, refuse_beyond
from zvview.store.editing.link_ends import describe_ends
from zvview.store.editing.review import Review, is_empty, review
from zvview.store.editing.schema import Schema
from zvview.store.editing.selection import Selection
from zvview.store.editing.vertices import Vertices, apply_edits, read_vertices

__all__ = ["ChangeListener", "EditState", "operation", "stored_chunks"]

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="EditState")

ChangeListener = Callable[[Edits, Edits], None]
"""Called with the edits before and after, in the thread that changed them."""


def operation(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """A method that goes on from the edits that it finds: one of them after the other, whichever threads call."""

    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._lock:
            return method(self, *args, **kwargs)

    return cast(Callable[Concatenate[S, P], R], wraps(method)(run))


class EditState:
    """What all operations of an edit session share. Calls may come from any thread; operations wait for each other.

    Attributes
    ----------
    schema : Schema
        What the store's level 0 holds.
    """

    def __init__(self, host: EditHost) -> None:
        check_editable(host)
        self._limit = host.retry(lambda: find_limit(host.reader(0)))
        self._host = host
        self._lock = threading.RLock()
        self._listeners: list[ChangeListener] = []
        self._epoch = Epoch()
        self._start(Edits())

    def _start(self, edits: Edits) -> None:
        """Begin with some edits of the store as it is now; before them there are none."""
        self._epoch.is_over = True
        self._epoch = Epoch()
        self.schema = self._host.retry(lambda: Schema.of(self._host.reader(0)))
        self._known = KnownChunks(self._host)
        self._next_vertex = 0 if edits.added is None else int(edits.added.numbers[-1]) + 1
        self._objects = self._host.retry(lambda: self._host.reader(0).objects)
        self._greatest: int | None = None
        self._next_object = 0
        self._history = History()
        if not is_empty(edits):
            self._history.do(edits)

    @property
    def edits(self) -> Edits:
        """All differences from the store, as a value that never changes."""
        return self._history.present

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to commit."""
        return not is_empty(self.edits)

    @property
    def can_undo(self) -> bool:
        """Whether :meth:`undo` would do anything."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether :meth:`redo` would do anything."""
        return self._history.can_redo

    def undo(self) -> None:
        """Take the latest operation back, if there is one: up to a thousand can be taken back, fewer large ones."""
        self._change(self._history.undo)

    def redo(self) -> None:
        """Do again what was taken back last."""
        self._change(self._history.redo)

    def discard(self) -> None:
        """Forget all edits and what could be undone."""
        self._change(lambda: self._start(Edits()))

    def review(self) -> Review:
        """What the edits come to; its text is for people."""
        return review(self.edits)

    def on_change(self, listener: ChangeListener) -> Callable[[], None]:
        """Have `listener` called after every change of the edits; the function that comes back ends that."""
        self._listeners.append(listener)

        def end() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return end

    def prepare(self, chunks: NDArray[np.int64], *, again: bool = False) -> None:
        """Look at chunks (n, sid) that may be edited, so that operations need not read them.

        For viewers, which call it where they may wait. Edits of a chunk rely on what it held when it was looked at.

        Parameters
        ----------
        chunks : (n, sid) int64 array
        again : bool
            Also those known already that no edit relies on: the viewer read them anew.
        """
        with self._lock:
            keys = [tuple(key) for key in sort_chunks(np.asarray(chunks, np.int64)).tolist()]
            bases = self.edits.bases
            self._known.look_anew([key for key in keys if key not in self._known or (again and key not in bases)])

    def _do(self, edits: Edits) -> None:
        """Go on to `edits`, with what tells whether the chunks that they name are still the same."""
        before = self.edits
        if edits is before:
            return
        refuse_beyond(self._limit, self._host.reader(0), edits)
        named = edits.chunks.keys() - edits.bases.keys()
        if edits.links is not None and edits.links is not before.links:
            named |= _chunk_keys(edits.links.added) | _chunk_keys(edits.links.removed)
        self._do_relying(edits, named)

    def _do_relying(self, edits: Edits, named: set[ChunkKey]) -> None:
        """Go on to `edits`, which rely on the chunks `named`."""
        missing = named - edits.bases.keys()
        if missing:
            self._look_at(missing)
            edits = replace(edits, bases={**edits.bases, **{key: self._known.digest_of(key) for key in missing}})
        fresh = {key: entry for key, entry in edits.chunks.items() if entry.origins is None}
        if fresh:
            bases = self._known.look_at(fresh.keys())
            found = {key: bases[key].with_origins(entry, key) for key, entry in fresh.items()}
            edits = replace(edits, chunks={**edits.chunks, **found})
        if edits.links is not self.edits.links:
            edits = describe_ends(edits, self._base_of)
        self._change(lambda: self._history.do(edits))

    def _base_of(self, key: ChunkKey) -> ChunkBase:
        return self._known.look_at([key])[key]

    def _look_at(self, keys: Collection[ChunkKey]) -> None:
        unknown = [key for key in keys if key not in self._known]
        if unknown:
            self.prepare(np.array(sorted(unknown), np.int64))

    def _change(self, change: Callable[[], None]) -> None:
        with self._lock:
            self._refuse_change()
            before = self.edits
            change()
            after = self.edits
        self._tell(before, after)

    def _refuse_change(self) -> None:
        """Raise where the edits cannot be changed now."""

    def _tell(self, before: Edits, after: Edits) -> None:
        if after is not before:
            for listener in list(self._listeners):
                listener(before, after)

    def _read(self, chunks: NDArray[np.int64], *, with_added: bool = True) -> Vertices:
        """The vertices of some chunks, and the far ends of their links, as edits leave them."""
        self.prepare(chunks)  # before they are read: what changes in between is found out
        stored = self._host.retry(lambda: read_vertices(self._host.reader(0), sort_chunks(chunks)))
        return apply_edits(stored, self.edits, with_added=with_added)

    def _named(self, refs: VertexRefs) -> VertexRefs:
        """Names as they are handed out: they tell until when they hold."""
        return replace(refs, epoch=self._epoch)

    def _refs_of(self, vertices: VertexRefs | Selection) -> VertexRefs:
        """The names of vertices given as such or as a selection, which need not tell any longer until when they hold.

        Raises
        ------
        InvalidInputError
            Neither; names from before the edits were committed, discarded or reloaded; new vertices of another session.
        """
        refs = vertices.refs if isinstance(vertices, Selection) else vertices
        if not isinstance(refs, VertexRefs):
            raise InvalidInputError(f"vertices = {vertices!r:.80}, expected VertexRefs or a selection")
        epoch = refs.epoch
        if epoch is None:
            return refs
        if epoch.is_over:
            raise InvalidInputError(
                "these names of vertices are from before the edits were committed, discarded or reloaded, and may be "
                "those of others by now: find the vertices again"
            )
        if epoch is not self._epoch and (refs.rows < 0).any():
            raise InvalidInputError("new vertices among these are those of another session, which alone knows them")
        return VertexRefs(refs.chunks, refs.rows)

    def _select(self, vertices: Vertices) -> Selection:
        return Selection(
            self._named(vertices.refs),
            vertices.positions + self.schema.offset,
            vertices.columns,
            vertices.objects,
            vertices.links,
        )


def stored_chunks(refs: VertexRefs) -> NDArray[np.int64]:
    """Distinct chunks of the stored ones among `refs`, (k, sid)."""
    return sort_chunks(refs.chunks[refs.rows >= 0])


def _chunk_keys(refs: VertexRefs) -> set[ChunkKey]:
    return {tuple(key) for key in stored_chunks(refs).tolist()}
