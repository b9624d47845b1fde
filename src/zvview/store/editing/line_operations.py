"""Operations on lines, which are edited as wholes: geometry in, geometry out, and lines among the edits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.store.editing.edits import EditedLine, Edits

__all__ = ["insert_rows", "join_ends", "keep_rows", "reverse_line", "set_line_rows", "set_lines", "tie_lines"]


def set_lines(edits: Edits, lines: Mapping[int, EditedLine | None], fresh: frozenset[int]) -> Edits:
    """With lines as they are now by object id; None for those that are no more.

    Parameters
    ----------
    edits : Edits
    lines : mapping of int to EditedLine or None
    fresh : frozenset of int
        Ids among them that the store does not have.
    """
    known = edits.new_objects | fresh if fresh else edits.new_objects
    changed = {**edits.lines, **lines}
    for number in [number for number, line in lines.items() if line is None and number in known]:
        del changed[number]
    return replace(edits, lines=changed, new_objects=known)


def tie_lines(edits: Edits, ids: Collection[int]) -> Edits:
    """With lines that stand and fall together from now on, and with them those that they were tied to before."""
    ties = dict(edits.line_ties)
    joined = {ties[number] for number in ids if number in ties}
    tie = min(joined | set(ids))
    ties = {number: tie if other in joined else other for number, other in ties.items()}
    return replace(edits, line_ties={**ties, **dict.fromkeys(ids, tie)})


def keep_rows(line: EditedLine, rows: NDArray[np.generic]) -> EditedLine:
    """The vertices of a line at `rows`, or where it is true, joined in this order."""
    return EditedLine(line.positions[rows], {name: values[rows] for name, values in line.columns.items()})


def reverse_line(line: EditedLine) -> EditedLine:
    """The line from its other end."""
    return keep_rows(line, np.arange(len(line.positions))[::-1])


def join_ends(lines: list[EditedLine]) -> EditedLine:
    """One line of several, the end of each joined with the beginning of the next."""
    return EditedLine(
        np.concatenate([line.positions for line in lines]),
        {name: np.concatenate([line.columns[name] for line in lines]) for name in lines[0].columns},
    )


def insert_rows(
    line: EditedLine, before: NDArray[np.int64], positions: NDArray[np.float64], columns: Mapping[str, NDArray[Any]]
) -> EditedLine:
    """The line with new vertices, each before the vertex `before` (k,); the number of vertices stands for the end."""
    return EditedLine(
        np.insert(line.positions, before, positions, axis=0),
        {name: np.insert(values, before, columns[name], axis=0) for name, values in line.columns.items()},
    )


def set_line_rows(
    line: EditedLine,
    rows: NDArray[np.int64],
    positions: NDArray[np.float64] | None,
    columns: Mapping[str, NDArray[Any]],
) -> EditedLine:
    """The line with other positions, if given, and values at `rows`."""
    where, values = line.positions, dict(line.columns)
    if positions is not None:
        where = where.copy()
        where[rows] = positions
    for name, new in columns.items():
        values[name] = values[name].copy()
        values[name][rows] = new
    return EditedLine(where, values)
