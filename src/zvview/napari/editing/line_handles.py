"""Handles of lines, polylines and streamlines: vertices counted from the beginning of each."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError, MissingError
from zvview.napari.editing.command import Command
from zvview.napari.editing.handle_tools import HandleTool
from zvview.napari.editing.nearest import nearest_rows

__all__ = ["LineHandles"]


class LineHandles(HandleTool):
    """Vertices of lines, polylines and streamlines."""

    def after(self, latest: HandleTool) -> Self:
        """A copy to be changed, if the lines have as many vertices as when it was shown."""
        if not np.array_equal(self.object_ids, latest.object_ids):
            raise InvalidInputError("the lines were changed by the edit before: do it once more")
        out = super().after(latest)
        if latest is not self:
            out.load()
        return out

    def load(self) -> None:
        """Take the vertices from the session, as they are now."""
        found = []
        for number in self.ids:
            with suppress(MissingError, InvalidInputError):  # it was deleted, or its making was undone
                found.append(self.session.line(number))
        self.ids = tuple(line.object_id for line in found)
        counts = [len(line) for line in found]
        self._check_count(sum(counts))
        empty = np.empty((0, self.session.schema.ndim))
        self.positions = np.concatenate([empty, *(line.positions for line in found)])
        self.object_ids = np.repeat(np.array(self.ids, np.int64), counts)
        self._rows = np.concatenate([np.empty(0, np.int64), *(np.arange(count) for count in counts)])
        columns = self.session.schema.columns
        self.attributes = {name: np.concatenate([line.attributes[name] for line in found]) for name in columns if found}

    def move(self, rows: NDArray[np.int64], positions: NDArray[np.float64]) -> None:
        """Put vertices elsewhere."""
        self.session.move_line_vertices(self.object_ids[rows], self._rows[rows], positions)
        self.load()

    def delete(self, rows: NDArray[np.int64]) -> None:
        """Delete vertices: their neighbours are joined."""
        self.session.delete_line_vertices(self.object_ids[rows], self._rows[rows])
        self.load()

    def add(self, position: NDArray[np.float64], selected: NDArray[np.int64]) -> None:
        """In the segment that is nearest; at an end where that is nearer than any place of the line."""
        number, before = self._place_of(position)
        self.session.insert_line_vertices(number, [before], position[None])
        self.load()

    def set_values(self, name: str, rows: NDArray[np.int64], values: Any) -> None:
        """Give vertices another value of an attribute."""
        given = np.broadcast_to(np.asarray(values), (len(rows),))
        self.session.set_line_attributes(self.object_ids[rows], {name: given}, self._rows[rows])
        self.load()

    def commands(self) -> dict[str, Command]:
        """What else can be done."""
        return {
            "split": Command("Split line", "X"),
            "join": Command("Join lines", "J"),
            "reverse": Command("Reverse line", "R"),
            **super().commands(),
        }

    def split(self, rows: NDArray[np.int64]) -> None:
        """Split a line at the vertex that is selected."""
        if len(rows) != 1:
            raise InvalidInputError("select the one vertex at which the line is to be split")
        new = self.session.split_line(int(self.object_ids[rows[0]]), int(self._rows[rows[0]]))
        self.ids = (*self.ids, new)
        self.load()

    def join(self, rows: NDArray[np.int64]) -> None:
        """Make one line of those chosen, in the order in which they were."""
        if len(self.ids) < 2:
            raise InvalidInputError("choose two lines or more: hold Shift and click on them")
        self.ids = (self.session.join_lines(list(self.ids)),)
        self.load()

    def reverse(self, rows: NDArray[np.int64]) -> None:
        """Have the lines of the selected vertices begin at their other ends."""
        self.session.reverse_line(self._objects_at(rows))
        self.load()

    def _place_of(self, position: NDArray[np.float64]) -> tuple[int, int]:
        """The line and the row before which a new vertex belongs."""
        if not len(self.positions):
            raise InvalidInputError("choose a line first: click on it")
        joined = np.flatnonzero(self.object_ids[1:] == self.object_ids[:-1])
        start, step = self.positions[joined], self.positions[joined + 1] - self.positions[joined]
        length = np.maximum((step**2).sum(axis=1), 1e-300)
        share = ((position - start) * step).sum(axis=1) / length
        inside = start + np.clip(share, 0, 1)[:, None] * step
        nearest = int(nearest_rows(inside, position[None])[0])
        row = int(joined[nearest])
        number, at = int(self.object_ids[row]), int(self._rows[row])
        count = int((self.object_ids == number).sum())
        if share[nearest] <= 0 and at == 0:
            return number, 0
        return number, count if share[nearest] >= 1 and at == count - 2 else at + 1
