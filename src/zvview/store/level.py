"""One level of a store: what it holds, and reading it by box, by chunks and by objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import NoneType
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.cancel import CancelToken
from zvview.errors import MissingError
from zvview.format import names
from zvview.format.grid import sort_chunks
from zvview.geometry.arguments import Box, as_array, as_box, as_names, check_choice, check_type, to_array
from zvview.geometry.batches import Batch
from zvview.geometry.concatenate import concatenate
from zvview.store.layout import LinkTable
from zvview.store.level_content import ContentHost, LevelContent
from zvview.store.reading.chunks import read_chunks
from zvview.store.reading.finish import finish
from zvview.store.reading.in_thread import read_in_thread
from zvview.store.reading.links import decode_selection, select_links
from zvview.store.reading.object_table import as_object_ids
from zvview.store.reading.objects import read_objects
from zvview.store.reading.reader import LevelReader, ReadOptions
from zvview.store.reading.whole import Clip, read_level
from zvview.store.waves import read_cells

__all__ = ["Clip", "Level", "LevelHost"]

Damage = Literal["raise", "skip"]
_CLIPS = ("exact", "objects", "chunks")


class LevelHost(ContentHost, Protocol):
    """What a level needs of the store that it belongs to."""

    @property
    def levels(self) -> tuple[int, ...]:
        """Numbers of the levels."""
        ...

    def level(self, number: int) -> Level:
        """One level."""
        ...


class Level(LevelContent):
    """One level of detail of a store; level 0 is the exact one. Got from :meth:`zvview.Store.level`; thread-safe.

    Reads return the batch type of the store's kind. Each takes

    attributes : sequence of str, optional
        Vertex attributes (and link attributes of graphs and meshes) to read; all by default, ``[]`` for none.
    on_damage : "raise" or "skip"
        Whether a damaged cell ends the read, or is left out and named in the ``notes`` of the batch.
    cancel : CancelToken, optional
        Set from any thread, it ends the read with :class:`zvview.Cancelled`.

    and has an ``a...`` variant that awaits the same read in a worker thread; cancelling the task cancels the read.
    """

    _store: LevelHost

    def __init__(self, store: LevelHost, number: int) -> None:
        super().__init__(store, number)

    def read_links(self, delta: int = 0, attributes: Sequence[str] | None = None) -> LinkTable:
        """All link records of one delta with their attributes, endpoints as (chunk, row of its vertex buffer)."""

        def read(reader: LevelReader) -> LinkTable:
            family = reader.layout.links(delta) if isinstance(delta, int | np.integer) else None
            if family is None:
                raise MissingError("links of delta", delta, reader.layout.link_deltas())
            wanted = family.attribute_names if attributes is None else as_names(attributes, "attributes")
            selection = select_links(family, lambda chunks: np.ones(len(chunks), bool), wanted)
            return decode_selection(selection, read_cells(reader.hierarchy, selection.asks))

        return self._retry(read)

    def read(
        self,
        box: tuple[ArrayLike, ArrayLike] | None = None,
        attributes: Sequence[str] | None = None,
        groups: str | Iterable[int | str] | None = None,
        clip: Clip = "exact",
        *,
        object_ids: bool = True,
        on_damage: Damage = "raise",
        cancel: CancelToken | None = None,
    ) -> Batch:
        """The level, or what of it touches a box or belongs to some groups.

        Parameters
        ----------
        box : (lo, hi), optional
            Inclusive corners, each (D,), in world coordinates and store axis order; infinite sides are allowed.
        groups : iterable of int or str, optional
            Groups, by number or name, of which an object must be a member; or the name of one.
        clip : "exact", "objects" or "chunks"
            ``exact`` cuts points exactly and keeps the segments, edges and faces that touch the box, also where no
            vertex lies inside; ``objects`` returns every object that touches it whole; ``chunks`` returns the chunks
            that meet it as they are: pieces of objects with the links that bridge them, the fastest form, for viewers.
        object_ids : bool
            With ``chunks``, whether pieces must carry their objects where only the manifests tell them.
        """
        check_choice(clip, "clip", _CLIPS)
        check_type(object_ids, "object_ids", bool, "a boolean")
        options = self._options(attributes, object_ids or clip != "chunks" or groups is not None, on_damage, cancel)
        bounds = self._stored_box(box)
        members = None if groups is None else self._members(groups)
        return self._unite(lambda reader: read_level(reader, bounds, members, clip, options))

    def read_chunks(
        self,
        coords: ArrayLike,
        attributes: Sequence[str] | None = None,
        *,
        object_ids: bool = True,
        on_damage: Damage = "raise",
        cancel: CancelToken | None = None,
    ) -> Batch:
        """The chunks at `coords` (C, sid), or the one at (sid,), as they are.

        These are pieces, and the links that touch them with their far ends. Chunks that hold nothing are no error. Of a
        level that adds to a coarser one this is the level's own part.
        """
        check_type(object_ids, "object_ids", bool, "a boolean")
        options = self._options(attributes, object_ids, on_damage, cancel)

        def read(reader: LevelReader) -> Batch:
            sid = reader.layout.metadata.sid_ndim
            given = to_array(coords, "chunks")
            wanted = as_array(given[None] if given.shape == (sid,) else given, "chunks", np.int64, (None, sid))
            return read_chunks(reader, sort_chunks(wanted), options)

        return self._retry(lambda reader: finish(read(reader), reader.root))

    def read_objects(
        self,
        ids: int | NDArray[Any] | Iterable[int],
        attributes: Sequence[str] | None = None,
        *,
        on_damage: Damage = "raise",
        cancel: CancelToken | None = None,
    ) -> Batch:
        """Whole objects by their ids, in the order given, each one piece; absent ones give none.

        Of a level that adds to a coarser one its own objects come first, then those of the coarser one.

        Raises
        ------
        InvalidInputError
            The ids are no integers.
        MissingError
            The level has no object index, or none of its objects has such an id.
        """
        options = self._options(attributes, True, on_damage, cancel)
        wanted = as_object_ids(ids)
        coarser = self._added_to
        own_ids = None if coarser is None else self.object_ids
        if coarser is None or own_ids is None:
            return self._read_own_objects(wanted, options)
        is_own = np.isin(wanted, own_ids)
        own = self._read_own_objects(wanted[is_own], options)
        if is_own.all():
            return own
        return concatenate([own, coarser.read_objects(wanted[~is_own], attributes, on_damage=on_damage, cancel=cancel)])

    def _read_own_objects(self, ids: NDArray[np.int64], options: ReadOptions) -> Batch:
        def read(reader: LevelReader) -> Batch:
            if reader.objects is None:
                raise MissingError("object index in level", self._number)
            return read_objects(reader, reader.objects.rows_of(ids), options)

        return self._retry(lambda reader: finish(read(reader), reader.root))

    async def aread(self, *args: Any, cancel: CancelToken | None = None, **kwargs: Any) -> Batch:
        """:meth:`read`, awaited."""
        return await read_in_thread(self.read, cancel, *args, **kwargs)

    async def aread_chunks(self, *args: Any, cancel: CancelToken | None = None, **kwargs: Any) -> Batch:
        """:meth:`read_chunks`, awaited."""
        return await read_in_thread(self.read_chunks, cancel, *args, **kwargs)

    async def aread_objects(self, *args: Any, cancel: CancelToken | None = None, **kwargs: Any) -> Batch:
        """:meth:`read_objects`, awaited."""
        return await read_in_thread(self.read_objects, cancel, *args, **kwargs)

    def _options(
        self, attributes: Sequence[str] | None, object_ids: bool, on_damage: Damage, cancel: CancelToken | None
    ) -> ReadOptions:
        check_choice(on_damage, "on_damage", ("raise", "skip"))
        check_type(cancel, "cancel", (CancelToken, NoneType), "a zvview.CancelToken")
        wanted = None if attributes is None else as_names(attributes, "attributes")
        return ReadOptions(wanted, object_ids, on_damage == "skip", cancel)

    def _stored_box(self, box: tuple[ArrayLike, ArrayLike] | None) -> Box | None:
        """The box in stored coordinates, checked."""
        if box is None:
            return None
        root = self._store.metadata
        lo, hi = as_box(box, "box", root.ndim)
        shift = np.zeros(root.ndim) if root.offset is None else root.offset
        return lo - shift, hi - shift

    def _members(self, groups: str | Iterable[int | str]) -> NDArray[np.int64]:
        """Ids of the objects in any of the groups."""
        if (known := self.groups) is None:
            raise MissingError("groups in level", self._number)
        return known.members_of(groups)

    def _unite(self, read: Callable[[LevelReader], Batch]) -> Batch:
        """What `read` gives of this level, and of the coarser ones that it adds to."""
        own = self._retry(lambda reader: finish(read(reader), reader.root))
        coarser = self._added_to
        return own if coarser is None else concatenate([own, coarser._unite(read)])

    @property
    def _added_to(self) -> Level | None:
        """The coarser level that this one adds to, or None."""
        is_added = self.refinement == names.REFINEMENT_ADD and self._number + 1 in self._store.levels
        return self._store.level(self._number + 1) if is_added else None
