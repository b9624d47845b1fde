"""Operations of an edit session on lines, polylines and streamlines, which are edited as wholes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import InvalidInputError, UnsupportedError
from zvview.format import names
from zvview.format.attributes import AttributeMetadata
from zvview.format.sequences import distinct, offsets_of
from zvview.geometry.arguments import as_array
from zvview.geometry.batches import Polylines, batch_type
from zvview.store.editing.edits import EditedLine, Edits
from zvview.store.editing.line_operations import (
    insert_rows,
    join_ends,
    keep_rows,
    reverse_line,
    set_line_rows,
    set_lines,
    tie_lines,
)
from zvview.store.editing.line_reading import Line, LineReading
from zvview.store.editing.object_operations import forget_objects
from zvview.store.editing.rebasing import digest_line
from zvview.store.editing.state import operation
from zvview.store.reading.object_table import as_object_ids

__all__ = ["Line", "LineEditing"]


@dataclass(frozen=True, slots=True, eq=False)
class _Picked:
    """Vertices of one line.

    Attributes
    ----------
    number : int
        Id of the line.
    line : EditedLine
        As it is now.
    rows : (k,) int64
        The vertices, counted from its beginning.
    at : (k,) int64 or slice
        Which they are among all vertices that were given.
    """

    number: int
    line: EditedLine
    rows: NDArray[np.int64]
    at: NDArray[np.int64] | slice


class LineEditing(LineReading):
    """Changing the vertices of lines, and adding, deleting, splitting, joining and turning lines."""

    @operation
    def set_line(self, object_id: int, positions: ArrayLike, attributes: Mapping[str, ArrayLike] | None = None) -> None:
        """Give a line another geometry, (n, D) in world coordinates.

        Attributes that are not named stay as they are if the number of vertices does, and are unknown otherwise;
        categories that have no "missing" must be named then.
        """
        old = self._line(object_id)
        stored = self._fit_line(positions)
        given = dict(attributes or {})
        is_as_long = len(stored) == len(old.positions)
        columns = self.schema.fit_columns(given, len(stored), is_any_known=is_as_long)
        if is_as_long:
            stored = self.schema.keep_unmoved(stored, positions, old.positions)
            columns |= {name: values for name, values in old.columns.items() if name not in given}
        self._put_lines({int(object_id): EditedLine(stored, columns)})

    @operation
    def set_lines(self, lines: Polylines) -> None:
        """Give several lines another geometry, each that of the piece with its id; as :meth:`set_line` one by one."""
        ids, stored, bounds = self._fit_lines(lines)
        if ids is None:
            raise InvalidInputError("set_lines takes pieces with object_ids, the lines that they shall be")
        old = self._lines(self._existing(ids).tolist())
        if len(old) < len(ids):
            raise InvalidInputError(f"{len(ids)} pieces for {len(old)} lines; give each line one")
        is_as_long = all(b - a == len(old[n].positions) for n, (a, b) in zip(ids.tolist(), bounds, strict=True))
        columns = self._fit_columns_of(lines, len(stored), is_any_known=is_as_long)
        new = {}
        for number, (a, b) in zip(ids.tolist(), bounds, strict=True):
            own = {name: values[a:b] for name, values in columns.items()}
            if b - a == len(old[number].positions):
                own |= {name: values for name, values in old[number].columns.items() if name not in lines.attributes}
                stored[a:b] = self.schema.keep_unmoved(stored[a:b], lines.positions[a:b], old[number].positions)
            new[number] = EditedLine(stored[a:b], own)
        self._put_lines(new)

    @operation
    def add_line(
        self,
        positions: ArrayLike,
        attributes: Mapping[str, ArrayLike] | None = None,
        object_id: int | None = None,
    ) -> int:
        """Make a new line of (n, D) positions in world coordinates; its object id comes back."""
        self._need_lines("add_line")
        stored = self._fit_line(positions)
        number = self._free_id() if object_id is None else int(self._fit_ids(object_id, 1)[0])
        if object_id is not None and self._is_object(number):
            raise InvalidInputError(f"there is an object {number} already")
        self._put_lines({number: EditedLine(stored, self.schema.fit_columns(attributes, len(stored)))})
        return number

    @operation
    def add_lines(self, lines: Polylines) -> NDArray[np.int64]:
        """Make a new line of each piece of a batch in world coordinates; their object ids come back, (n,).

        They get the batch's `object_ids`, or the next free ones where it has none.
        """
        self._need_lines("add_lines")
        ids, stored, bounds = self._fit_lines(lines)
        if ids is None:
            ids = self._free_ids(len(bounds))
        else:
            ids = self._fit_ids(ids, len(bounds))
            is_taken = self._are_known(ids) | np.isin(ids, list(self.edits.new_objects))
            if is_taken.any():
                raise InvalidInputError(f"there is an object {ids[is_taken][0]} already")
            if len(distinct(ids)) < len(ids):
                raise InvalidInputError("an object id is given to several of the lines")
        columns = self._fit_columns_of(lines, len(stored))
        self._put_lines(
            {
                number: EditedLine(stored[a:b], {name: values[a:b] for name, values in columns.items()})
                for number, (a, b) in zip(ids.tolist(), bounds, strict=True)
            }
        )
        return ids

    @operation
    def move_line_vertices(self, object_id: ArrayLike, rows: ArrayLike, positions: ArrayLike) -> None:
        """Put vertices of a line, or of several, at other positions.

        Parameters
        ----------
        object_id : int or (n,) ints
            The line of all vertices, or of each.
        rows : (n,) ints
            The vertices, each counted from the beginning of its line.
        positions : (n, D)
            World coordinates.
        """
        picked, count = self._pick(object_id, rows)
        stored = self.schema.stored_positions(positions)
        if len(stored) != count:
            raise InvalidInputError(f"{len(stored)} positions for {count} vertices")
        world = np.asarray(positions, np.float64).reshape(stored.shape)
        new = {}
        for p in picked:
            where = self.schema.keep_unmoved(stored[p.at], world[p.at], p.line.positions[p.rows])
            new[p.number] = set_line_rows(p.line, p.rows, where, {})
        self._put_lines(new)

    @operation
    def set_line_attributes(
        self, object_id: ArrayLike, values: Mapping[str, ArrayLike], rows: ArrayLike | None = None
    ) -> None:
        """Set attributes of vertices of a line, or of several; one value stands for all.

        Parameters
        ----------
        object_id : int or (n,) ints
            The line of all vertices, or of each; without `rows` the lines of which all vertices are set, one after the
            other.
        values : mapping of str to (n,) or (n, C)
        rows : (n,) ints, optional
        """
        picked, count = self._pick(object_id, rows)
        columns = {name: self.schema.fit_column(name, given, count) for name, given in values.items()}
        self._put_lines(
            {p.number: set_line_rows(p.line, p.rows, None, {n: c[p.at] for n, c in columns.items()}) for p in picked}
        )

    @operation
    def insert_line_vertices(
        self,
        object_id: ArrayLike,
        before: ArrayLike,
        positions: ArrayLike,
        attributes: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        """Add vertices to a line, or each to the one given, before vertex `before` (n,) as they are counted now.

        The number of vertices of a line stands for its end. Attributes that are not named are interpolated between the
        neighbours, or taken over from the one before where they are categories, whole numbers or booleans.
        """
        if self.schema.kind == names.LINE:
            raise UnsupportedError("a line of this store has two vertices; there is none to add")
        picked, count = self._pick(object_id, before, beyond=1)
        stored = self.schema.stored_positions(positions)
        if len(stored) != count:
            raise InvalidInputError(f"{len(stored)} positions for {count} vertices")
        given = {name: self.schema.fit_column(name, values, count) for name, values in (attributes or {}).items()}
        new = {}
        for p in picked:
            columns = {
                name: given[name][p.at] if name in given else _between(p.line, p.rows, metadata)
                for name, metadata in self.schema.columns.items()
            }
            new[p.number] = insert_rows(p.line, p.rows, stored[p.at], columns)
        self._put_lines(new)

    @operation
    def delete_line_vertices(self, object_id: ArrayLike, rows: ArrayLike) -> None:
        """Delete vertices of a line, or each of the one given: their neighbours are joined.

        A line of fewer than two is deleted.
        """
        new: dict[int, EditedLine | None] = {}
        for p in self._pick(object_id, rows)[0]:
            kept = np.ones(len(p.line.positions), bool)
            kept[p.rows] = False
            new[p.number] = keep_rows(p.line, kept) if kept.sum() >= 2 else None
        self._put_lines(new)

    @operation
    def split_line(self, object_id: int, row: int) -> int:
        """Split a line at a vertex, which both parts have then; the id of the second part comes back.

        The second part is a new object with the attributes and groups of the line.
        """
        line = self._line(object_id)
        at = int(as_array([row], "the vertex", np.int64, (1,))[0])
        if not 0 < at < len(line.positions) - 1:
            raise InvalidInputError(f"a line is split at one of its inner vertices, 1 to {len(line.positions) - 2}")
        new = self._free_id()
        every = np.arange(len(line.positions))
        parts = {int(object_id): keep_rows(line, every[: at + 1]), new: keep_rows(line, every[at:])}
        self._put_lines(parts, tie_lines(self._with_copy(self.edits, int(object_id), new), parts))
        return new

    @operation
    def join_lines(self, object_ids: ArrayLike) -> int:
        """Make one line of several, the end of each joined with the beginning of the next; the first one's id stays."""
        wanted = self._existing(object_ids).tolist()
        if len(wanted) < 2:
            raise InvalidInputError("joining takes two lines or more")
        if self.schema.kind == names.LINE:
            raise UnsupportedError("a line of this store has two vertices; two lines cannot become one")
        joined = join_ends(list(self._lines(wanted).values()))
        self._put_lines({wanted[0]: joined, **dict.fromkeys(wanted[1:])}, tie_lines(self.edits, wanted))
        return int(wanted[0])

    @operation
    def reverse_line(self, object_id: ArrayLike) -> None:
        """Have a line, or several, begin at their other ends."""
        self._need_lines("reverse_line")
        lines = self._lines(self._existing(object_id).tolist())
        self._put_lines({number: reverse_line(line) for number, line in lines.items()})

    @operation
    def delete_objects(self, ids: int | ArrayLike) -> None:
        """Delete whole objects. Their rows in the object index stay, empty."""
        if not self.schema.is_lines:
            super().delete_objects(ids)
        else:
            self._put_lines(dict.fromkeys(self._existing(ids).tolist()))

    @operation
    def join_objects(self, ids: ArrayLike) -> int:
        """Make one object of several: all become part of the first, whose id comes back; lines are joined in order."""
        return self.join_lines(ids) if self.schema.is_lines else super().join_objects(ids)

    @operation
    def relabel_object(self, old: int, new: int | None = None) -> int:
        """Give an object another id, by default the next free one, with its attributes and groups; the id comes back.

        Where there is an object of that id, the two become one, as by :meth:`join_objects`; lines do not.
        """
        if not self.schema.is_lines:
            return super().relabel_object(old, new)
        number = self._free_id() if new is None else int(self._fit_ids(new, 1)[0])
        line = self._line(old)
        if number == old:
            return number
        if self._is_object(number):
            raise InvalidInputError(f"there is an object {number} already; join_lines makes one line of two")
        edits = tie_lines(self._with_copy(self.edits, int(old), number), (int(old), number))
        self._put_lines({int(old): None, number: line}, edits)
        return number

    def _pick(self, object_id: ArrayLike, rows: ArrayLike | None, *, beyond: int = 0) -> tuple[list[_Picked], int]:
        """Vertices by line, and how many they are: (n,) rows of one line, or each of the one given.

        Without rows all vertices of lines; with `beyond` rows may lie so far behind the last.
        """
        if rows is None:
            lines = self._lines(self._existing(object_id).tolist()) if np.ndim(object_id) else self._only(object_id)
            bounds = pairwise(offsets_of([len(line.positions) for line in lines.values()]).tolist())
            return [
                _Picked(number, line, np.arange(b - a), slice(a, b))
                for (number, line), (a, b) in zip(lines.items(), bounds, strict=True)
            ], sum(len(line.positions) for line in lines.values())
        given = np.asarray(rows)
        at = as_array(given if given.ndim else given[None], "vertices of the line", np.int64, (None,))
        if not np.ndim(object_id):
            ((number, line),) = self._only(object_id).items()
            _check_rows(at, len(line.positions) - 1 + beyond)
            return [_Picked(number, line, at, slice(None))], len(at)
        self._need_lines("a line")
        ids = as_array(object_id, "object_ids", np.int64, (len(at),))
        lines = self._lines(self._existing(distinct(ids)).tolist())
        order = np.argsort(ids, kind="stable")
        bounds = pairwise([*np.searchsorted(ids[order], list(lines)).tolist(), len(ids)])
        picked = []
        for (number, line), (a, b) in zip(lines.items(), bounds, strict=True):
            _check_rows(own := at[order[a:b]], len(line.positions) - 1 + beyond)
            picked.append(_Picked(number, line, own, order[a:b]))
        return picked, len(at)

    def _only(self, object_id: ArrayLike) -> dict[int, EditedLine]:
        number = object_id if type(object_id) is int else int(as_object_ids(np.asarray(object_id))[0])
        return {number: self._line(number)}

    def _put_lines(self, lines: Mapping[int, EditedLine | None], edits: Edits | None = None) -> None:
        """Go on to edits with these lines."""
        edits = self.edits if edits is None else edits
        untold = [number for number in lines if number not in edits.line_bases]
        strangers = [number for number in untold if number not in self._met and number not in edits.new_objects]
        is_known = self._are_known(np.array(strangers, np.int64)) if strangers else ()
        fresh = {number for number, known in zip(strangers, is_known, strict=True) if not known}
        fresh |= edits.new_objects.intersection(untold)
        met = self._meet([number for number in untold if number not in fresh])
        if met:
            digests = {number: b"" if m.line is None else digest_line(m.line) for number, m in met.items()}
            edits = replace(edits, line_bases={**edits.line_bases, **digests})
        named = {key for m in met.values() for key in m.digests}
        gone = frozenset(number for number in fresh if lines[number] is None)
        self._do_relying(forget_objects(set_lines(edits, lines, frozenset(fresh) - gone), gone), named)

    def _fit_lines(
        self, lines: Polylines
    ) -> tuple[NDArray[np.int64] | None, NDArray[np.float64], list[tuple[int, int]]]:
        """Ids of the lines of a batch, if it tells them, their positions as stored, and the bounds of each line."""
        self._need_lines("a batch of lines")
        if not isinstance(lines, Polylines):
            expected = batch_type(self.schema.kind).__name__
            raise InvalidInputError(f"{type(lines).__name__} given, expected zvview.{expected}")
        if len(lines.bridges):
            raise InvalidInputError("the pieces of the batch are parts of lines, joined by bridges; give whole lines")
        counts = np.diff(lines.offsets)
        if len(bad := counts[(counts < 2) | ((counts != 2) & (self.schema.kind == names.LINE))]):
            raise self._wrong_length(int(bad[0]))
        stored = self.schema.stored_positions(lines.positions[: lines.offsets[-1]])
        return lines.object_ids, stored, list(pairwise(lines.offsets.tolist()))

    def _fit_columns_of(self, lines: Polylines, count: int, *, is_any_known: bool = False) -> dict[str, NDArray[Any]]:
        """All attributes of the vertices of a batch; categories by their labels, since its codes are its own."""
        given = {name: lines.labels(name)[:count] for name in lines.attributes}
        return self.schema.fit_columns(given, count, is_any_known=is_any_known)

    def _fit_line(self, positions: ArrayLike) -> NDArray[np.float64]:
        stored = self.schema.stored_positions(positions)
        if len(stored) < 2 or (self.schema.kind == names.LINE and len(stored) != 2):
            raise self._wrong_length(len(stored))
        return stored

    def _wrong_length(self, count: int) -> InvalidInputError:
        expected = "two" if self.schema.kind == names.LINE else "two or more"
        return InvalidInputError(f"a line of {count} vertices, expected {expected}")


def _check_rows(rows: NDArray[np.int64], most: int) -> None:
    if len(rows) and (rows.min() < 0 or rows.max() > most):
        raise InvalidInputError(f"vertices {rows.min()} to {rows.max()} of a line, expected 0 to {most}")


def _between(line: EditedLine, before: NDArray[np.int64], metadata: AttributeMetadata) -> NDArray[Any]:
    """Values of an attribute for vertices that are inserted."""
    values = line.columns[metadata.name]
    left = np.maximum(before - 1, 0)
    if metadata.dtype.kind != "f" or metadata.categories is not None:
        return values[left]
    right = np.minimum(before, len(values) - 1)
    return np.asarray((values[left] + values[right]) / 2, metadata.dtype)
