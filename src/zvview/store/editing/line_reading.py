"""Lines in an edit session as they are now: found, read one by one or many at once, and kept once they were met."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import InvalidInputError, UnsupportedError
from zvview.format.grid import chunks_in_box, sort_chunks
from zvview.format.manifests import Manifests
from zvview.format.sequences import distinct, offsets_of
from zvview.geometry.arguments import as_box
from zvview.geometry.batches import Polylines, batch_type
from zvview.store.editing.edits import ChunkKey, EditedLine, Edits
from zvview.store.editing.link_editing import LinkEditing
from zvview.store.editing.rebasing import stored_lines
from zvview.store.editing.vertices import read_vertices

__all__ = ["Line", "LineReading", "MetLine"]

_MOST_MET = 2_000_000  # vertices of lines that are kept, 50 MB of positions


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
class MetLine:
    """A line as stored, None where it holds nothing, with the digests of the chunks that it passes."""

    line: EditedLine | None
    digests: Mapping[ChunkKey, bytes]


class LineReading(LinkEditing):
    """Finding and reading lines."""

    _met: dict[int, MetLine]
    _met_vertices = 0

    def _start(self, edits: Edits) -> None:
        super()._start(edits)
        self._met, self._met_vertices = {}, 0

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
            assert reader.objects is not None
            if box is None:
                return reader.objects.present_ids()
            chunks = reader.layout.vertices.chunks
            chunks = chunks[chunks_in_box(chunks, reader.layout.metadata.chunk_shape, lo, hi)]
            found = read_vertices(reader, chunks)
            assert found.objects is not None
            ids = distinct(found.objects[((found.positions >= lo) & (found.positions <= hi)).all(axis=1)])
            is_line = reader.objects.find_rows(ids) >= 0  # those of no line are told by -1, which may be an id as well
            return ids[is_line]

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

    def read_lines(self, ids: ArrayLike) -> Polylines:
        """Several lines at once, as they are now, each a piece with its id, in world coordinates.

        Operations on lines that were read need not read them again.

        Raises
        ------
        MissingError
            There is none of an id.
        """
        self._need_lines("read_lines")
        wanted = self._existing(ids)
        lines = self._lines(wanted.tolist())
        none = EditedLine(np.empty((0, self.schema.ndim)), self.schema.fit_columns(None, 0))
        parts = [none, *lines.values()]
        columns = self.schema.columns
        known = {name: column.categories for name, column in columns.items()}
        batch = batch_type(self.schema.kind)(
            np.concatenate([part.positions for part in parts]) + self.schema.offset,
            offsets=offsets_of([len(line.positions) for line in lines.values()]),  # type: ignore[call-arg]
            object_ids=wanted,
            attributes={name: np.concatenate([part.columns[name] for part in parts]) for name in columns},
            categories={name: categories for name, categories in known.items() if categories is not None},
        )
        assert isinstance(batch, Polylines)
        return batch

    def _line(self, object_id: int) -> EditedLine:
        """A line as it is now, in stored coordinates."""
        if type(object_id) is int:
            if (edited := self.edits.lines.get(object_id)) is not None:
                return edited
            met = None if object_id in self.edits.lines else self._met.get(object_id)
            if met is not None and met.line is not None and self._is_as_met(met):
                return met.line
        self._need_lines("a line")
        (found,) = self._lines(self._existing(object_id).tolist()).values()
        return found

    def _lines(self, ids: Iterable[int]) -> dict[int, EditedLine]:
        """Lines that there are as they are now, in stored coordinates, by distinct ids, in their order.

        Raises
        ------
        InvalidInputError
            One was deleted, or holds nothing.
        """
        edited = self.edits.lines
        met = self._meet([number for number in ids if number not in edited])
        out = {}
        for number in ids:
            line = edited[number] if number in edited else met[number].line
            if line is None:
                raise InvalidInputError(f"line {number} {'was deleted' if number in edited else 'holds nothing'}")
            out[number] = line
        return out

    def _meet(self, ids: list[int]) -> dict[int, MetLine]:
        """Stored lines by distinct ids; those that were met are not read again while nobody read their chunks anew."""
        out = {number: met for number in ids if (met := self._met.get(number)) is not None and self._is_as_met(met)}
        fresh = [number for number in ids if number not in out]
        if fresh:
            found = self._read_stored(np.array(fresh, np.int64))
            out |= found
            lines = [met.line for met in found.values() if met.line is not None]
            self._met_vertices += sum(len(line.positions) for line in lines)
            if self._met_vertices > _MOST_MET:
                self._met, self._met_vertices = {}, 0
            self._met |= {number: met for number, met in found.items() if met.digests}
        return out

    def _is_as_met(self, met: MetLine) -> bool:
        return all(self._known.digest_of(key) == digest for key, digest in met.digests.items())

    def _read_stored(self, ids: NDArray[np.int64]) -> dict[int, MetLine]:
        """Stored lines, and before them the digests of the chunks that they pass."""

        def find() -> Manifests:
            objects = self._host.reader(0).objects
            assert objects is not None
            return objects.manifests(objects.rows_of(ids))

        manifests = self._host.retry(find)
        self.prepare(sort_chunks(manifests.chunks))
        lines = self._host.retry(lambda: stored_lines(self._host.reader(0), ids))
        keys = list(map(tuple, manifests.chunks.tolist()))
        return {
            number: MetLine(lines.get(number), {key: self._known.digest_of(key) for key in keys[a:b]})
            for number, (a, b) in zip(ids.tolist(), pairwise(manifests.offsets.tolist()), strict=True)
        }

    def _need_lines(self, what: str) -> None:
        if not self.schema.is_lines:
            raise UnsupportedError(f"{what} is for lines, and {self._host.place} is {self.schema.kind}")
