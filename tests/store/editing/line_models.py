"""The same edits of lines done to plain lists, to hold sessions and stores against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import zvview
from zvview.store.editing.session import EditSession

Row: TypeAlias = tuple[tuple[float, ...], tuple[tuple[str, bytes], ...]]
"""A vertex: its position, and its values as bytes."""
LENGTH = "length"


@dataclass
class LineModel:
    """Lines by id, row by row, with one attribute of objects and the members of groups."""

    lines: dict[int, list[Row]] = field(default_factory=dict)
    lengths: dict[int, float] = field(default_factory=dict)
    groups: list[set[int]] = field(default_factory=list)

    @classmethod
    def of(cls, store: zvview.Store) -> LineModel:
        """What a store holds."""
        level, groups = store.level(0), store.groups
        found = level.present_object_ids
        assert found is not None and level.object_ids is not None
        batch = level.read_objects(found)
        assert isinstance(batch, zvview.Polylines)
        lengths = level.object_attribute(LENGTH).tolist()  # None where it is not known
        rows = {n: np.nan if x is None else x for n, x in zip(level.object_ids.tolist(), lengths, strict=True)}
        there = set(found.tolist())
        members = [] if groups is None else [set(some.tolist()) & there for some in groups.members]
        return cls(rows_of(batch), {n: rows[n] for n in there}, members)

    def content(self) -> tuple[Any, ...]:
        """All that there is to compare."""
        return self.lines, {number: repr(value) for number, value in self.lengths.items()}, self.groups

    def delete(self, number: int) -> None:
        """Without a line."""
        del self.lines[number], self.lengths[number]
        for members in self.groups:
            members.discard(number)

    def copy_facts(self, old: int, new: int) -> None:
        """A new object like another."""
        self.lengths[new] = self.lengths[old]
        for members in self.groups:
            members |= {new} if old in members else set()

    def rename(self, numbers: Mapping[int, int]) -> None:
        """New objects with other ids; those of whom they are taken over have not got the old ones yet."""
        for old, new in sorted(numbers.items(), reverse=True):
            self.lines[new] = self.lines[old]
            self.copy_facts(old, new)
            self.delete(old)


def rows_of(batch: zvview.Polylines) -> dict[int, list[Row]]:
    """Each line of a batch by its id."""
    assert batch.object_ids is not None
    positions = [tuple(row) for row in batch.positions.astype(np.float64).tolist()]
    columns = {name: np.ascontiguousarray(values) for name, values in sorted(batch.attributes.items())}
    told = [tuple((name, values[i].tobytes()) for name, values in columns.items()) for i in range(len(positions))]
    rows = list(zip(positions, told, strict=True))
    bounds = batch.offsets.tolist()
    return {n: rows[a:b] for n, a, b in zip(batch.object_ids.tolist(), bounds[:-1], bounds[1:], strict=True)}


def lines_in(session: EditSession) -> dict[int, list[Row]]:
    """All lines as a session tells them."""
    return rows_of(session.read_lines(session.find_lines()))


def edit_lines_at_random(session: EditSession, model: LineModel, rng: np.random.Generator) -> str:
    """One operation on both; its name comes back."""
    what = str(rng.choice(["move", "cut", "split", "join", "turn", "add", "delete", "length", "group", "ungroup"]))
    ids = list(model.lines)
    if len(ids) < 3:
        what = "add"
    number, other = (int(n) for n in rng.choice(ids, 2, replace=False)) if len(ids) > 1 else (0, 0)
    rows = model.lines.get(number, [])
    if what == "move":
        at = rng.choice(len(rows), min(len(rows), 2), replace=False)
        positions = some_positions(rng, len(at))
        session.move_line_vertices(number, at, positions)
        for i, position in zip(at.tolist(), positions.tolist(), strict=True):
            rows[i] = tuple(position), rows[i][1]
    elif what == "cut":
        at = rng.choice(len(rows), min(len(rows), int(rng.integers(1, 4))), replace=False)
        session.delete_line_vertices(number, at)
        model.lines[number] = [row for i, row in enumerate(rows) if i not in at]
        if len(model.lines[number]) < 2:
            model.delete(number)
    elif what == "split" and len(rows) > 2:
        at = int(rng.integers(1, len(rows) - 1))
        new = session.split_line(number, at)
        model.lines[number], model.lines[new] = rows[: at + 1], rows[at:]
        model.copy_facts(number, new)
    elif what == "join":
        assert session.join_lines([number, other]) == number
        rows += model.lines[other]
        model.delete(other)
    elif what == "turn":
        session.reverse_line(number)
        rows.reverse()
    elif what == "add":
        new = session.add_line(some_positions(rng, 3))
        model.lines |= rows_of(session.read_lines([new]))
        model.lengths[new] = float("nan")
    elif what == "delete":
        session.delete_objects(number)
        model.delete(number)
    elif what == "length":
        session.set_object_attributes([number, other], {LENGTH: np.array([1.5, 2.5])})
        model.lengths |= {number: 1.5, other: 2.5}
    elif what == "group":
        session.add_to_group(0, number)
        model.groups[0].add(number)
    elif what == "ungroup":
        session.remove_from_group(1, number)
        model.groups[1].discard(number)
    return what


def some_positions(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Positions that single precision holds."""
    return rng.uniform(0, 1000, (n, 3)).astype(np.float32).astype(np.float64)
