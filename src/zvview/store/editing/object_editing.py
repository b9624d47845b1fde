"""Operations of an edit session on objects as wholes: their fate, attributes and groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import InvalidInputError, MissingError
from zvview.format import names
from zvview.format.attributes import AttributeMetadata
from zvview.geometry.arguments import to_array
from zvview.store.editing.edits import Edits, VertexRefs
from zvview.store.editing.identity import find_refs, take_refs
from zvview.store.editing.link_operations import drop_links_of, remove_links
from zvview.store.editing.object_operations import forget_objects, regroup, set_object_attribute
from zvview.store.editing.schema import fit_values
from zvview.store.editing.selection import Selection
from zvview.store.editing.state import operation
from zvview.store.editing.vertex_editing import VertexEditing
from zvview.store.editing.vertex_operations import delete_vertices, reassign_vertices
from zvview.store.editing.vertices import Vertices
from zvview.store.plain_arrays import native_dtype
from zvview.store.reading.object_table import as_object_ids
from zvview.store.reading.reader import LevelReader
from zvview.store.stored_groups import StoredGroups

__all__ = ["ObjectEditing"]


class ObjectEditing(VertexEditing):
    """Deleting, joining, splitting and relabelling objects, their attributes and groups."""

    _grouped: tuple[LevelReader, StoredGroups | None] | None = None

    @operation
    def delete_objects(self, ids: int | ArrayLike) -> None:
        """Delete whole objects. Their rows in the object index stay, empty."""
        wanted = self._existing(ids)
        refs = self._of_objects(wanted).refs
        edits = drop_links_of(delete_vertices(self.edits, refs, self.schema.ndim), refs)
        self._do(forget_objects(edits, edits.new_objects.intersection(wanted.tolist())))

    @operation
    def join_objects(self, ids: ArrayLike) -> int:
        """Make one object of several: all become part of the first, whose id comes back."""
        wanted = self._existing(ids)
        if len(wanted) < 2:
            raise InvalidInputError("joining takes two objects or more")
        first, others = int(wanted[0]), wanted[1:]
        self._do(self._with_owner(self.edits, self._of_objects(others).refs, first, others))
        return first

    @operation
    def relabel_object(self, old: int, new: int | None = None) -> int:
        """Give an object another id, by default the next free one, with its attributes and groups; the id comes back.

        Where there is an object of that id, the two become one, as by :meth:`join_objects`.
        """
        wanted = self._existing(old)
        target = self._free_id() if new is None else int(self._fit_ids(new, 1)[0])
        if target == int(wanted[0]):
            return target
        edits = self.edits
        if not self._is_object(target):
            edits = self._with_copy(edits, int(wanted[0]), target)
        self._do(self._with_owner(edits, self._of_objects(wanted).refs, target, wanted))
        return target

    @operation
    def split_object(self, vertices: VertexRefs | Selection) -> int:
        """Make vertices of an object an object of their own, with the attributes and groups of the one they leave.

        Links between them and the rest are cut. The id of the new object comes back.

        Raises
        ------
        InvalidInputError
            They belong to none, to several objects, or are all that the object has.
        """
        self._refuse_lines("split_line")
        self._need_objects()
        refs = self._refs_of(vertices)
        found = self._read(self._chunks_around(refs))
        assert found.objects is not None
        at = find_refs(found.refs, refs)
        chosen = np.zeros(len(found), bool)
        chosen[at[at >= 0]] = True
        owners = np.unique(found.objects[chosen])
        if len(owners) != 1 or owners[0] < 0:
            raise InvalidInputError(f"the vertices belong to {len(owners)} objects, expected one")
        old = int(owners[0])
        if len(self._of_objects(owners)) == int(chosen.sum()):
            raise InvalidInputError(f"these are all vertices of object {old}: nothing would be left of it")
        new = self._free_id()
        edits = self._without_links_across(self.edits, found, chosen)
        edits = self._with_copy(edits, old, new)
        ids = np.full(len(refs), new, np.int64)
        self._do(reassign_vertices(self._with_new_ids(edits, ids), refs, ids, self.schema.ndim))
        return new

    @operation
    def set_object_attributes(self, ids: int | ArrayLike, values: Mapping[str, ArrayLike]) -> None:
        """Set attributes of objects; one value stands for all."""
        wanted, edits = self._existing(ids), self.edits
        for name, given in values.items():
            edits = set_object_attribute(
                edits, name, wanted.tolist(), self._fit_object_values(name, given, len(wanted))
            )
        self._do(edits)

    @operation
    def add_to_group(self, group: int | str, ids: int | ArrayLike) -> None:
        """Make objects members of a group, given by number or name."""
        self._do(self._regrouped(self.edits, self._group(group), self._existing(ids), belong=True))

    @operation
    def remove_from_group(self, group: int | str, ids: int | ArrayLike) -> None:
        """Take objects out of a group."""
        self._do(self._regrouped(self.edits, self._group(group), self._existing(ids), belong=False))

    def _existing(self, ids: int | ArrayLike) -> NDArray[np.int64]:
        """Distinct ids of objects that there are, in the order given.

        Raises
        ------
        MissingError
        """
        self._need_objects()
        given = as_object_ids(ids)
        wanted = given[np.sort(np.unique(given, return_index=True)[1])]
        is_there = self._are_known(wanted) | np.isin(wanted, list(self.edits.new_objects))
        if not is_there.all():
            assert self._objects is not None
            some = self._objects.known.at(np.arange(min(len(self._objects), 21)))
            raise MissingError("object", int(wanted[~is_there][0]), some.tolist())
        return wanted

    def _is_object(self, number: int) -> bool:
        return number in self.edits.new_objects or bool(self._are_known(np.array([number]))[0])

    def _with_owner(self, edits: Edits, refs: VertexRefs, owner: int, left: NDArray[np.int64]) -> Edits:
        """With vertices as part of object `owner`; new objects among those that they `left` are no more."""
        ids = np.full(len(refs), owner, np.int64)
        edits = reassign_vertices(self._with_new_ids(edits, np.array([owner])), refs, ids, self.schema.ndim)
        return forget_objects(edits, edits.new_objects.intersection(left.tolist()))

    def _with_copy(self, edits: Edits, old: int, new: int) -> Edits:
        """With the attributes and groups of object `old` for `new` as well."""
        layout = self._host.reader(0).layout
        for name in layout.attribute_names("object_attributes"):
            value = self._object_value(edits, name, old)
            if value is not None:
                edits = set_object_attribute(edits, name, [new], value[None])
        groups = self._read_groups()
        for number, members in enumerate(groups):
            entry = edits.groups.get(number)
            is_member = old in members if entry is None or old not in entry.removed else False
            if is_member or (entry is not None and old in entry.added):
                edits = regroup(edits, number, np.array([new]), members, belong=True)
        return edits

    def _object_value(self, edits: Edits, name: str, number: int) -> NDArray[Any] | None:
        """Value of an attribute of an object as edits leave it; None where it has none."""
        told = edits.object_attributes.get(name, {})
        if number in told:
            return np.asarray(told[number])
        if not self._are_known(np.array([number]))[0]:
            return None
        reader = self._host.reader(0)
        values, present = reader.layout.object_attribute(name)
        assert reader.objects is not None
        row = int(reader.objects.rows_of(number)[0])
        return np.asarray(values[row]) if present[row] else None

    def _fit_object_values(self, name: str, given: ArrayLike, n: int) -> NDArray[Any]:
        layout = self._host.reader(0).layout
        known = layout.attribute_names("object_attributes")
        if name not in known:
            raise MissingError("object attribute", name, known)
        document = self._host.reader(0).hierarchy.document(f"{layout.path}/{names.OBJECT_ATTRIBUTES}/{name}") or {}
        dtype, shape = native_dtype(document.get("data_type")), document.get("shape")
        if dtype is not None and isinstance(shape, list):  # which tells as much as reading all values
            return fit_values(AttributeMetadata(name, dtype, tuple(shape[1:])), given, n)
        values, _ = layout.object_attribute(name)
        texts = np.broadcast_to(to_array(given, f"object attribute {name!r}"), (n,))
        if texts.dtype.kind not in "OUT" or not all(isinstance(text, str) for text in texts.tolist()):
            raise InvalidInputError(f"object attribute {name!r} holds text")
        room = values.dtype.itemsize // 4
        if (longest := max(map(len, texts.tolist()), default=0)) > room:
            raise InvalidInputError(f"object attribute {name!r} has room for {room} characters, not for {longest}")
        return np.asarray(texts, values.dtype)

    def _groups(self) -> StoredGroups | None:
        """Groups as stored; what was read of them is kept while the store is the same."""
        reader = self._host.reader(0)
        if self._grouped is None or self._grouped[0] is not reader:
            self._grouped = reader, reader.layout.stored_groups()
        return self._grouped[1]

    def _read_groups(self, number: int | None = None) -> tuple[NDArray[np.int64], ...]:
        """Members of a group as stored, or of all."""

        def read() -> tuple[NDArray[np.int64], ...]:
            groups = self._groups()
            return () if groups is None else groups.read(None if number is None else np.array([number]))

        return self._host.retry(read)

    def _group(self, group: int | str) -> int:
        groups = self._host.retry(self._groups)
        if groups is None:
            raise MissingError("group", group)
        return groups.number_of(group)

    def _regrouped(self, edits: Edits, group: int, ids: NDArray[np.int64], *, belong: bool) -> Edits:
        (members,) = self._read_groups(group)
        return regroup(edits, group, ids, members, belong=belong)

    def _without_links_across(self, edits: Edits, found: Vertices, chosen: NDArray[np.bool_]) -> Edits:
        """Without links that join chosen vertices with others."""
        ends = chosen[found.links]
        across = found.links[ends.any(axis=1) & ~ends.all(axis=1)]
        return remove_links(edits, take_refs(found.refs, across.reshape(-1)), self.schema.link_width)
