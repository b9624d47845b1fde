"""What hands drew, done to the lines of an edit session, on the thread on which changes take turns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError, MissingError
from zvview.format.sequences import offsets_of
from zvview.geometry.batches import Polylines, batch_type
from zvview.napari.editing.nearest import nearest_rows
from zvview.napari.editing.promises import Promises
from zvview.store.editing.edits import Edits
from zvview.store.editing.session import EditSession

__all__ = ["Changed", "Drawn", "Found", "LineChanges", "Named"]


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A line as it was drawn.

    Attributes
    ----------
    name : int
        Its id, or what was promised for it.
    places : (n, D) float64 array
        In the store's coordinates.
    before : (m, D) float64 array or None
        The same before it was changed; None of one that is new.
    source : int or None
        Of a new one the line of which it is a copy.
    beside : int or None
        Of a new one that is no copy the line that is nearest.
    """

    name: int
    places: NDArray[np.float64]
    before: NDArray[np.float64] | None = None
    source: int | None = None
    beside: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """New lines: what was promised for each, (n,), and its id."""

    promised: NDArray[np.int64]
    ids: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Changed:
    """Ids of lines that were changed by others, and those among them that the store does not have."""

    ids: frozenset[int]
    new: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """How a line is in the edits.

    Attributes
    ----------
    name, object_id : int
        By which it was asked for, and its id; the latter None where there is no such line.
    places : (n, D) float64 array or None
        In the store's coordinates; None where there is no such line.
    is_shown : bool
        Whether there is such a line and it is what was said to be shown, to what the store can tell apart.
    """

    name: int
    object_id: int | None
    places: NDArray[np.float64] | None
    is_shown: bool


class LineChanges:
    """Changes of lines for :meth:`HandleEditing.change`, and questions about them.

    Parameters
    ----------
    hear : callable
        Called from any thread with :class:`Changed`, when others than this changed lines.
    """

    def __init__(self, hear: Callable[[Changed], None]) -> None:
        self.promises = Promises()
        self._hear = hear
        self._thread = 0  # on which a change of its own is being made

    def set(self, drawn: Sequence[Drawn]) -> Callable[[EditSession], None]:
        """Give lines the shape that was drawn.

        Coordinates that are as before stay bit for bit; vertices that are new take the attributes of their neighbours.
        """

        def work(session: EditSession) -> None:
            now = session.read_lines(self._ids([line.name for line in drawn]))
            places, rows = [], []
            for line, start, end in zip(drawn, now.offsets[:-1], now.offsets[1:], strict=True):
                own = _rows_before(line, int(end - start))
                is_same = line.before is not None and len(line.before) == end - start
                stays = line.places == line.before[own] if is_same and line.before is not None else False
                places.append(np.where(stays, now.positions[start:end][own], line.places))
                rows.append(start + own)
            is_as_long = [len(part) for part in places] == np.diff(now.offsets).tolist()
            values = {} if is_as_long else {name: v[np.concatenate(rows)] for name, v in now.attributes.items()}
            self._do(session.set_lines, _batch(session, places, values, now.object_ids))

        return work

    def add(self, drawn: Sequence[Drawn]) -> Callable[[EditSession], Named]:
        """Make new lines; copies have the attributes of the vertices of which they are copies.

        Others take categories that cannot be left open from the line beside. All of them are copies, or none is.
        """

        def work(session: EditSession) -> Named:
            values = self._values(session, drawn)
            batch = _batch(session, [line.places for line in drawn], values, None)
            named = Named(np.array([line.name for line in drawn], np.int64), self._do(session.add_lines, batch))
            self.promises.keep(named.promised, named.ids)
            return named

        return work

    def delete(self, names: Sequence[int]) -> Callable[[EditSession], None]:
        """Delete lines."""
        return lambda session: self._do(session.delete_objects, self._ids(names))

    def find(self, shown: Mapping[int, NDArray[np.float64] | None]) -> Callable[[EditSession], list[Found]]:
        """Tell how lines are now, given by name with the places that are shown of them; changes nothing."""

        def work(session: EditSession) -> list[Found]:
            return [self._find(session, name, places) for name, places in shown.items()]

        return work

    def follow(self, before: Edits, after: Edits) -> None:
        """Called by the session, from any thread, when the edits were changed."""
        if threading.get_ident() == self._thread:
            return
        numbers = before.lines.keys() | after.lines.keys()
        ids = frozenset(n for n in numbers if before.lines.get(n, before) is not after.lines.get(n, after))
        if ids:
            self._hear(Changed(ids, ids & after.new_objects))

    def _do(self, operation: Callable[[Any], Any], value: Any) -> Any:
        """Change the session; :meth:`follow` then knows who did."""
        self._thread = threading.get_ident()
        try:
            return operation(value)
        finally:
            self._thread = 0

    def _ids(self, names: Sequence[int]) -> NDArray[np.int64]:
        return self.promises.names(np.array(names, np.int64), "line")

    def _values(self, session: EditSession, drawn: Sequence[Drawn]) -> dict[str, NDArray[Any]]:
        """Attributes of the vertices of new lines, one after the other, as far as others have them."""
        schema = session.schema
        are_copies = all(line.source is not None for line in drawn)
        columns = tuple(schema.columns) if are_copies else schema.must_be_given
        parts: list[Mapping[str, NDArray[Any]]] = []
        for line in drawn if columns else ():
            name = line.source if are_copies else line.beside
            try:
                found = session.line(int(self._ids([-1 if name is None else name])[0]))
            except (MissingError, InvalidInputError):  # it is no more
                return {}
            rows = _rows_before(line, len(found)) if are_copies else nearest_rows(found.positions, line.places)
            parts.append({column: found.attributes[column][rows] for column in columns})
        return {column: np.concatenate([part[column] for part in parts]) for column in columns}

    def _find(self, session: EditSession, name: int, shown: NDArray[np.float64] | None) -> Found:
        try:
            number = int(self._ids([name])[0])
            places = session.line(number).positions
        except (MissingError, InvalidInputError):  # it was not made, or deleted
            return Found(name, None, None, is_shown=False)
        stored = session.schema.stored_positions
        return Found(name, number, places, shown is not None and np.array_equal(stored(shown), stored(places)))


def _batch(
    session: EditSession,
    places: list[NDArray[np.float64]],
    values: Mapping[str, NDArray[Any]],
    ids: NDArray[np.int64] | None,
) -> Polylines:
    """Lines for the session, with categories as codes."""
    batch = batch_type(session.schema.kind)(
        np.concatenate(places),
        offsets=offsets_of([len(part) for part in places]),  # type: ignore[call-arg]
        attributes=values,
        object_ids=ids,
    )
    assert isinstance(batch, Polylines)
    return batch


def _rows_before(line: Drawn, count: int) -> NDArray[np.int64]:
    """For each vertex the one of `count` that it was before, or its neighbour where it is new, (n,).

    What is the same from either end on is matched; what lies between is spread over what lay there.
    """
    n = len(line.places)
    if n == count:
        return np.arange(n)
    if line.before is None or len(line.before) != count:
        return np.linspace(0, count - 1, n).round().astype(np.int64)
    least = min(n, count)
    from_start = (line.places[:least] == line.before[:least]).all(axis=1)
    start = least if from_start.all() else int(from_start.argmin())
    from_end = (line.places[n - (least - start) :][::-1] == line.before[count - (least - start) :][::-1]).all(axis=1)
    end = len(from_end) if from_end.all() else int(from_end.argmin())
    between = np.linspace(start, count - end - 1, n - start - end).round().astype(np.int64)
    rows = np.concatenate((np.arange(start), between, np.arange(count - end, count)))
    return np.clip(rows, 0, count - 1)
