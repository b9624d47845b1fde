"""The objects of a level changed in place: index, attributes and groups, of which only changed rows are made anew.

A commit changes all of these at level 0. Above it only the index is changed so; what else is told of objects a level
takes over from the finer one (:mod:`zvview.store.patching.taken_tables`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError, MissingError, UnsupportedError
from zvview.format import documents, names
from zvview.format.manifests import Manifests, encode_manifests
from zvview.format.sequences import distinct, is_among, offsets_of
from zvview.store.editing.edits import GroupEdits
from zvview.store.layout_09 import split_int64_rows
from zvview.store.level import Level
from zvview.store.object_ids import ChangedRows, ObjectIds
from zvview.store.patching.overlay import Overlay
from zvview.store.patching.rewriting import Rewriting
from zvview.store.patching.table_rows import put_byte_rows, put_typed_rows, rearrange_byte_rows
from zvview.store.patching.taken_tables import take_over_tables
from zvview.store.table_chunks import ByteRows
from zvview.store.writing.plain_cells import plain_cells

__all__ = ["TABLES", "ChangedObjects", "ObjectTables"]

TABLES = (names.OBJECT_INDEX, names.OBJECT_ATTRIBUTES, names.GROUPS, names.GROUP_ATTRIBUTES)
"""Nodes of a level that speak of its objects."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ChangedObjects:
    """Objects that are made up of other pieces than before.

    Attributes
    ----------
    ids : (m,) int64
        Ascending. Some may be new; those without pieces are absent now.
    manifests : Manifests
        Row i is that of ``ids[i]``.
    """

    ids: Ints
    manifests: Manifests

    @classmethod
    def of(cls, objects: Ints, chunks: Ints, fragments: Ints, ids: Ints) -> ChangedObjects:
        """From the pieces of the objects `ids`, ascending: of each its object, chunk and fragment, object by object."""
        counts = np.bincount(np.searchsorted(ids, objects), minlength=len(ids))
        return cls(ids, Manifests(offsets_of(counts), chunks, fragments))

    def unlike(self, before: Manifests) -> ChangedObjects:
        """Those that are not made up as `before`, row by row."""
        counts = np.diff(self.manifests.offsets)
        is_same = counts == np.diff(before.offsets)
        alike = np.flatnonzero(is_same)
        ours, theirs = self.manifests.select(alike), before.select(alike)
        differs = (ours.chunks != theirs.chunks).any(axis=1) | (ours.fragments != theirs.fragments)
        is_same[np.repeat(alike, counts[alike])[differs]] = False
        kept = np.flatnonzero(~is_same)
        return ChangedObjects(self.ids[kept], self.manifests.select(kept))


class ObjectTables:
    """Changes the object tables of one level in an overlay.

    Call :meth:`put_index` first.

    Parameters
    ----------
    overlay : Overlay
    level : Level
        As it was; it must have an object index.
    nodes : mapping
        Its documents by path.

    Attributes
    ----------
    documents : dict
        Of all nodes of the tables, by path, as they are now.
    count : int
        Rows of the object index.
    present : int
        Objects that the level holds something of.
    """

    def __init__(self, overlay: Overlay, level: Level, nodes: Mapping[str, dict[str, Any]]) -> None:
        self._overlay, self._level, self._path = overlay, level, str(level.number)
        reader = level._reader
        assert reader.objects is not None
        self._objects = reader.objects
        self._hierarchy, self._sid = reader.hierarchy, reader.layout.metadata.sid_ndim
        self.documents = {p: d for p, d in nodes.items() if len(parts := p.split("/")) > 1 and parts[1] in TABLES}
        self._rows = ChangedRows(self._objects.known)
        told = self.documents[f"{self._path}/{names.OBJECT_INDEX}"]["attributes"].get("num_present")
        is_told = isinstance(told, int) and not isinstance(told, bool)
        self.present = told if is_told else len(self._objects.present_ids())

    @property
    def count(self) -> int:
        """Rows of the object index."""
        return len(self._rows)

    def take_over(self, finer: Level, nodes: Mapping[str, Mapping[str, Any]]) -> None:
        """Let all but the index be what the finer level tells, whose documents by path are `nodes`."""
        index, before = f"{self._path}/{names.OBJECT_INDEX}", self.documents
        kept = {p: d for p, d in before.items() if p == index or p.startswith(f"{index}/")}
        self.documents = kept | take_over_tables(self._overlay, self._path, self._rows, finer, nodes, before)

    def put_index(self, changed: ChangedObjects, finer: ObjectIds | None = None) -> None:
        """Put the manifests of some objects.

        Parameters
        ----------
        changed : ChangedObjects
        finer : ObjectIds, optional
            Of the finer level: there shall be a row for each of them, in the order of ids. Default: the rows that there
            are, with new objects behind them.

        Raises
        ------
        InvalidInputError
            The rows lack an object of which the level still holds something.
        UnsupportedError
            An index in a layout that zvview only reads.
        """
        path = f"{self._path}/{names.OBJECT_INDEX}"
        own = self.documents[path]["attributes"]
        if own.get("layout") == names.LAYOUT_DENSE:
            raise UnsupportedError(
                f"{path} has layout {names.LAYOUT_DENSE!r}, which zvview only reads: convert the store"
            )
        stored = self._objects.find_rows(changed.ids)
        if finer is None:
            self._rows = self._rows.grown(changed.ids[stored < 0])
        else:
            self._rows = self._rows.like(finer)
        if not self._rows.is_grown:
            self._check_lost(changed, self._rows.ids.whole)
        known = self._objects.manifests(stored[stored >= 0])
        had = np.diff(known.offsets) > 0
        rows = self.find_rows(changed.ids)
        self.present += int((np.diff(changed.manifests.offsets)[rows >= 0] > 0).sum()) - int(had.sum())
        changed = changed.unlike(_with_bare(known).select(np.where(stored >= 0, np.cumsum(stored >= 0) - 1, -1)))
        self._put_manifests(path, changed)
        self._put_ids(path)
        counts = {"num_objects": self.count, "num_present": self.present}
        layout = names.LAYOUT_V2 if f"{path}/{names.OBJECT_IDS}" in self.documents else own.get("layout")
        more = {"layout": layout} if layout is not None else {}
        self.documents[path] = documents.group(own | counts | more | {"object_ids_sorted": self._rows.is_sorted})

    def find_rows(self, ids: Ints) -> Ints:
        """Row of each object id now, (n,); -1 where there is no such object."""
        return self._rows.find(ids)

    def _check_lost(self, changed: ChangedObjects, ids: Ints) -> None:
        gone = np.setdiff1d(self._objects.ids, ids)
        if not len(gone):
            return
        pieces = np.diff(self._objects.manifests(self._objects.rows_of(gone)).offsets)
        at = np.minimum(np.searchsorted(changed.ids, gone), max(len(changed.ids) - 1, 0))
        if len(changed.ids):
            is_changed = changed.ids[at] == gone
            pieces[is_changed] = np.diff(changed.manifests.offsets)[at[is_changed]]
        if pieces.any():
            raise InvalidInputError(
                f"object {gone[pieces > 0][0]} is no more, but level {self._path} holds pieces of it in chunks that "
                "come of none of the given ones: give all chunks that were edited"
            )

    def _put_manifests(self, path: str, changed: ChangedObjects) -> None:
        path, count, rows = f"{path}/{names.MANIFESTS}", self.count, self.find_rows(changed.ids)
        document = self.documents.pop(path, None)
        if not count:
            Rewriting(self._overlay, [path]).finish()
            return
        is_grown = self._rows.is_grown
        first = len(self._objects) if is_grown else 0  # rows before it are those that there were
        source = np.arange(first, count) if is_grown else self._objects.find_rows(self._rows.ids.whole)
        is_new = source >= first if is_grown else source < 0
        is_new[rows[rows >= first] - first] = False
        bare = first + np.flatnonzero(is_new)  # new rows of which the level holds nothing
        at = np.concatenate((np.flatnonzero(rows >= 0), np.full(len(bare), -1)))
        rows = np.concatenate((rows[rows >= 0], bare))
        in_order = np.argsort(rows, kind="stable")
        manifests = _with_bare(changed.manifests).select(at[in_order])
        buffer, sizes = encode_manifests(manifests)
        if document is None or not is_grown:
            source = np.arange(count) if is_grown else source
            made = rearrange_byte_rows(self._overlay, path, document, source, rows[in_order], buffer, sizes)
        else:
            table = self._objects.stored_rows or ByteRows(self._hierarchy, path, document)
            made = put_byte_rows(self._overlay, path, document, rows[in_order], buffer, sizes, table)
        self.documents[path] = made

    def _put_ids(self, path: str) -> None:
        path = f"{path}/{names.OBJECT_IDS}"
        document, added = self.documents.get(path), self._rows.added
        if document is not None and self._rows.is_grown:
            new = np.arange(self.count - len(added), self.count)
            self.documents[path] = put_typed_rows(self._overlay, path, document, new, added, self.count)
            return
        ids = self._rows.ids.whole
        if document is None and len(ids) and np.array_equal(ids, np.arange(len(ids))):
            return  # the older layout, where an id is its row
        self.documents[path] = documents.plain_array(ids)
        putter = Rewriting(self._overlay, [path])
        putter.put_many(plain_cells(path, self.documents[path], ids))
        putter.finish()

    def put_attributes(self, values: Mapping[str, Mapping[int, NDArray[Any]]]) -> None:
        """Set attributes of objects, by name and id, in the stored dtype; new objects have none where none is given.

        Raises
        ------
        MissingError
            An attribute that the level does not have, or an object.
        """
        family = f"{self._path}/{names.OBJECT_ATTRIBUTES}"
        known = [p for p, d in self.documents.items() if p.startswith(f"{family}/") and d["node_type"] == "array"]
        for name in values:
            if f"{family}/{name}" not in known:
                raise MissingError("object attribute", name, [p[len(family) + 1 :] for p in known])
        for path in known:
            given = values.get(path[len(family) + 1 :], {})
            document = self.documents[path]
            count = max(self.count, int(document["shape"][0]))
            if not given and count == document["shape"][0]:
                continue
            objects = np.fromiter(given, np.int64, len(given))
            rows = self.find_rows(objects)
            if len(unknown := objects[rows < 0]):
                raise MissingError("object", int(unknown[0]))
            width = document["shape"][1:]
            column = np.array(list(given.values())).reshape(-1, *width) if given else np.empty((0, *width))
            self.documents[path] = put_typed_rows(self._overlay, path, document, rows, column, count)

    def put_groups(self, edits: Mapping[int, GroupEdits], gone: Ints) -> None:
        """Let objects join and leave groups, by number of the group; those of `gone`, ascending, leave all of them.

        Raises
        ------
        MissingError
            A group that the level does not have.
        """
        path = f"{self._path}/{names.GROUPS}"
        document = self.documents.get(path)
        count = 0 if document is None else int(document["shape"][0])
        if len(unknown := [group for group in edits if not 0 <= group < count]):
            raise MissingError("group", unknown[0], range(count))
        if document is None:
            return
        ranges = dict(document["attributes"].get("group_ranges") or {})
        numbers = np.arange(count) if len(gone) else np.array(sorted({*edits, *map(int, ranges)}), np.int64)
        table = ByteRows(self._hierarchy, path, document)
        rows, members = [], []
        for group, before in zip(numbers.tolist(), _members_of(table, numbers, path), strict=True):
            edit, span = edits.get(group), ranges.get(str(group))
            before = before if span is None else _between(self._objects.ids, *span)
            after = before
            if edit is not None:
                after = after[~is_among(after, edit.removed)] if len(edit.removed) else after
                there = after[is_among(after, edit.added)]
                after = np.concatenate((after, edit.added[~np.isin(edit.added, there)]))
            if len(gone):
                is_gone = is_among(after, gone)
                after = after[~is_gone] if is_gone.any() else after
            if span is None:
                if after is before or np.array_equal(after, before):
                    continue
            else:
                after = np.sort(after)
                if np.array_equal(after, _between(self._rows.ids.whole, *span)):
                    continue
            ranges.pop(str(group), None)
            rows.append(group)
            members.append(after)
        if rows:
            sizes = np.array([member.nbytes for member in members], np.int64)
            buffer = np.concatenate([member.astype("<i8").view(np.uint8) for member in members])
            made = put_byte_rows(self._overlay, path, document, np.array(rows), buffer, sizes, table)
            own = {k: v for k, v in made["attributes"].items() if k != "group_ranges"}
            self.documents[path] = {**made, "attributes": own | ({"group_ranges": ranges} if ranges else {})}


def _with_bare(manifests: Manifests) -> Manifests:
    """The manifests, and behind them one without any piece, which is then also the last one."""
    return Manifests(np.append(manifests.offsets, manifests.offsets[-1]), manifests.chunks, manifests.fragments)


def _members_of(table: ByteRows, numbers: Ints, path: str) -> Iterator[Ints]:
    """Members of some groups, ascending numbers, one after the other: of one cell at a time."""
    cell = table.rows_per_cell
    for number in distinct(numbers // cell).tolist():
        stored = table.read(numbers[numbers // cell == number])
        yield from split_int64_rows(stored.buffer, stored.starts, stored.sizes, path)


def _between(ids: Ints, start: int, stop: int) -> Ints:
    return np.sort(ids[(ids >= start) & (ids < stop)])
