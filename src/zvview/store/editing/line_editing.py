"""Operations of an edit session on lines, polylines and streamlines, which are edited as wholes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import InvalidInputError, UnsupportedError
from zvview.format import names
from zvview.format.attributes import AttributeMetadata
from zvview.format.grid import chunks_in_box, sort_chunks
from zvview.format.sequences import distinct
from zvview.geometry.arguments import as_array, as_box
from zvview.store.editing.bases import ChunkBase
from zvview.store.editing.edits import ChunkKey, EditedLine, Edits
from zvview.store.editing.line_operations import (
    insert_rows,
    join_ends,
    keep_rows,
    reverse_line,
    set_line_rows,
    set_lines,
    tie_lines,
)
from zvview.store.editing.link_editing import LinkEditing
from zvview.store.editing.object_operations import forget_objects
from zvview.store.editing.rebasing import digest_line, stored_line
from zvview.store.editing.state import operation
from zvview.store.editing.vertices import read_vertices

__all__ = ["Line", "LineEditing"]


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line as it is now, edits that are not saved included.

    Attributes
    ----------
    object_id : int
    positions : (n, D) float64 array
        World coordinates.
    attributes : mapping of str to (n,) or (n, C) array
        As stored: codes for categories.
    """

    object_id: int
    positions: NDArray[np.float64]
    attributes: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, slots=True, eq=False)
class _MetLine:
    """A line as stored, None where it holds nothing, with what was known of the chunks that it passes."""

    number: int
    line: EditedLine | None
    bases: Mapping[ChunkKey, ChunkBase]


class LineEditing(LinkEditing):
    """Changing the vertices of lines, and adding, deleting, splitting, joining and turning lines."""

    _met: _MetLine | None = None

    def find_lines(self, box: tuple[ArrayLike, ArrayLike] | None = None) -> NDArray[np.int64]:
        """Ids of the lines, (n,) ascending, that have a vertex in a box, as they are now, new ones included.

        Parameters
        ----------
        box : (lo, hi), optional
            Inclusive corners, each (D,), in world coordinates; all lines of the store by default.
        """
        self._need_lines("find_lines")
        ndim = self.schema.ndim
        lo, hi = as_box((np.full(ndim, -np.inf), np.full(ndim, np.inf)) if box is None else box, "box", ndim)
        lo, hi = lo - self.schema.offset, hi - self.schema.offset

        def find() -> NDArray[np.int64]:
            reader = self._host.reader(0)
            if box is None:
                assert reader.objects is not None
                return reader.objects.present_ids()
            chunks = reader.layout.vertices.chunks
            chunks = chunks[chunks_in_box(chunks, reader.layout.metadata.chunk_shape, lo, hi)]
            found = read_vertices(reader, chunks)
            assert found.objects is not None
            assert reader.objects is not None
            ids = distinct(found.objects[((found.positions >= lo) & (found.positions <= hi)).all(axis=1)])
            return ids[np.isin(ids, reader.objects.ids)]  # those of no line are told by -1, which may be an id as well

        stored = self._host.retry(find)
        edited = self.edits.lines
        kept = stored[~np.isin(stored, list(edited))]
        is_in = [n for n, e in edited.items() if e and ((e.positions >= lo) & (e.positions <= hi)).all(axis=1).any()]
        return np.union1d(kept, np.array(is_in, np.int64))

    def line(self, object_id: int) -> Line:
        """One line.

        Raises
        ------
        MissingError
            There is none of this id.
        """
        found = self._line(object_id)
        return Line(int(object_id), found.positions + self.schema.offset, found.columns)

    @operation
    def set_line(self, object_id: int, positions: ArrayLike, attributes: Mapping[str, ArrayLike] | None = None) -> None:
        """Give a line another geometry, (n, D) in world coordinates.

        Attributes that are not named stay as they are if the number of vertices does, and are unknown otherwise.
        """
        old = self._line(object_id)
        stored = self._fit_line(positions)
        given = dict(attributes or {})
        columns = self.schema.fit_columns(given, len(stored))
        if len(stored) == len(old.positions):
            columns |= {name: values for name, values in old.columns.items() if name not in given}
        self._put_lines({int(object_id): EditedLine(stored, columns)})

    @operation
    def add_line(
        self,
        positions: ArrayLike,
        attributes: Mapping[str, ArrayLike] | None = None,
        object_id: int | None = None,
    ) -> int:
        """Make a new line of (n, D) positions in world coordinates; its object id comes back."""
        self._need_lines("add_line")
        number = self._free_id() if object_id is None else int(self._fit_ids(object_id, 1)[0])
        if self._is_object(number):
            raise InvalidInputError(f"there is an object {number} already")
        stored = self._fit_line(positions)
        self._put_lines({number: EditedLine(stored, self.schema.fit_columns(attributes, len(stored)))})
        return number

    @operation
    def move_line_vertices(self, object_id: int, rows: ArrayLike, positions: ArrayLike) -> None:
        """Put vertices of a line, counted from its beginning, at other positions (n, D) in world coordinates."""
        line = self._line(object_id)
        at = self._fit_rows(rows, len(line.positions) - 1)
        stored = self.schema.stored_positions(positions)
        if len(stored) != len(at):
            raise InvalidInputError(f"{len(stored)} positions for {len(at)} vertices")
        self._put_lines({int(object_id): set_line_rows(line, at, stored, {})})

    @operation
    def set_line_attributes(
        self, object_id: int, values: Mapping[str, ArrayLike], rows: ArrayLike | None = None
    ) -> None:
        """Set attributes of vertices of a line, of all by default; one value stands for all."""
        line = self._line(object_id)
        count = len(line.positions)
        at = np.arange(count) if rows is None else self._fit_rows(rows, count - 1)
        columns = {name: self.schema.fit_column(name, given, len(at)) for name, given in values.items()}
        self._put_lines({int(object_id): set_line_rows(line, at, None, columns)})

    @operation
    def insert_line_vertices(
        self,
        object_id: int,
        before: ArrayLike,
        positions: ArrayLike,
        attributes: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        """Add vertices to a line, each before vertex `before` (n,); the number of vertices stands for the end.

        Attributes that are not named are interpolated between the neighbours, or taken over from the one before where
        they are categories, whole numbers or booleans.
        """
        if self.schema.kind == names.LINE:
            raise UnsupportedError("a line of this store has two vertices; there is none to add")
        line = self._line(object_id)
        at = self._fit_rows(before, len(line.positions))
        stored = self.schema.stored_positions(positions)
        if len(stored) != len(at):
            raise InvalidInputError(f"{len(stored)} positions for {len(at)} vertices")
        given = dict(attributes or {})
        columns = {
            name: self.schema.fit_column(name, given.pop(name), len(at)) if name in given else _between(line, at, m)
            for name, m in self.schema.columns.items()
        }
        for name in given:  # what is left names nothing
            self.schema.fit_column(name, 0, 0)
        self._put_lines({int(object_id): insert_rows(line, at, stored, columns)})

    @operation
    def delete_line_vertices(self, object_id: int, rows: ArrayLike) -> None:
        """Delete vertices of a line: their neighbours are joined. A line of fewer than two is deleted."""
        line = self._line(object_id)
        kept = np.ones(len(line.positions), bool)
        kept[self._fit_rows(rows, len(line.positions) - 1)] = False
        self._put_lines({int(object_id): keep_rows(line, kept) if kept.sum() >= 2 else None})

    @operation
    def split_line(self, object_id: int, row: int) -> int:
        """Split a line at a vertex, which both parts have then; the id of the second part comes back.

        The second part is a new object with the attributes and groups of the line.
        """
        line = self._line(object_id)
        at = int(self._fit_rows([row], len(line.positions) - 1)[0])
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
        joined = join_ends([self._line(number) for number in wanted])
        self._put_lines({wanted[0]: joined, **dict.fromkeys(wanted[1:])}, tie_lines(self.edits, wanted))
        return int(wanted[0])

    @operation
    def reverse_line(self, object_id: int) -> None:
        """Have a line begin at its other end."""
        self._put_lines({int(object_id): reverse_line(self._line(object_id))})

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

    def _line(self, object_id: int) -> EditedLine:
        """A line as it is now, in stored coordinates."""
        self._need_lines("a line")
        number = int(self._existing(object_id)[0])
        if number in self.edits.lines:
            found = self.edits.lines[number]
            if found is None:
                raise InvalidInputError(f"line {number} was deleted")
            return found
        found = self._meet(number).line
        if found is None:
            raise InvalidInputError(f"line {number} holds nothing")
        return found

    def _meet(self, number: int) -> _MetLine:
        """A stored line; the one that was met last is not read again while its chunks were not looked at anew."""
        met, known = self._met, self._known
        if met is not None and met.number == number and all(known.get(key) is b for key, b in met.bases.items()):
            return met
        chunks = self._rely_on_line(number)
        line = self._host.retry(lambda: stored_line(self._host.reader(0), number))
        met = _MetLine(number, line, {key: self._known[key] for key in chunks})
        self._met = met if chunks else None
        return met

    def _rely_on_line(self, number: int) -> set[ChunkKey]:
        """Take the digests of the chunks that a stored line passes, and name them."""

        def find() -> NDArray[np.int64]:
            objects = self._host.reader(0).objects
            assert objects is not None
            return sort_chunks(objects.manifests(objects.rows_of(number)).chunks)

        chunks = self._host.retry(find)
        self.prepare(chunks)
        return {tuple(key) for key in chunks.tolist()}

    def _put_lines(self, lines: Mapping[int, EditedLine | None], edits: Edits | None = None) -> None:
        """Go on to edits with these lines."""
        edits = self.edits if edits is None else edits
        ids = np.array(sorted(lines), np.int64)
        is_known = self._are_known(ids)
        named: set[ChunkKey] = set()
        line_bases = dict(edits.line_bases)
        for number in ids[is_known].tolist():
            if number not in line_bases:
                met = self._meet(number)
                named |= met.bases.keys()
                line_bases[number] = b"" if met.line is None else digest_line(met.line)
        edits = replace(edits, line_bases=line_bases)
        fresh = frozenset(ids[~is_known].tolist())
        gone = frozenset(number for number in fresh if lines[number] is None)
        self._do_relying(forget_objects(set_lines(edits, lines, fresh - gone), gone), named)

    def _fit_line(self, positions: ArrayLike) -> NDArray[np.float64]:
        stored = self.schema.stored_positions(positions)
        if len(stored) < 2 or (self.schema.kind == names.LINE and len(stored) != 2):
            expected = "two" if self.schema.kind == names.LINE else "two or more"
            raise InvalidInputError(f"a line of {len(stored)} vertices, expected {expected}")
        return stored

    def _fit_rows(self, rows: ArrayLike, most: int) -> NDArray[np.int64]:
        given = np.asarray(rows)
        at = as_array(given if given.ndim else given[None], "vertices of the line", np.int64, (None,))
        if len(at) and (at.min() < 0 or at.max() > most):
            raise InvalidInputError(f"vertices {at.min()} to {at.max()} of a line, expected 0 to {most}")
        return at

    def _need_lines(self, what: str) -> None:
        if not self.schema.is_lines:
            raise UnsupportedError(f"{what} is for lines, and {self._host.place} is {self.schema.kind}")


def _between(line: EditedLine, before: NDArray[np.int64], metadata: AttributeMetadata) -> NDArray[Any]:
    """Values of an attribute for vertices that are inserted."""
    values = line.columns[metadata.name]
    left = np.maximum(before - 1, 0)
    if metadata.dtype.kind != "f" or metadata.categories is not None:
        return values[left]
    right = np.minimum(before, len(values) - 1)
    return np.asarray((values[left] + values[right]) / 2, metadata.dtype)
