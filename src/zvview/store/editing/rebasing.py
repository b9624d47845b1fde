"""Edits of a store that another program changed meanwhile, fitted to what it holds now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.sequences import distinct
from zvview.geometry.batches import Polylines
from zvview.store.editing.bases import ChunkBase, match_marks, read_bases, vertex_marks
from zvview.store.editing.edits import ChunkEdits, ChunkKey, EditedLine, Edits, GroupEdits, LinkEdits, VertexRefs
from zvview.store.editing.identity import join_refs, take_refs
from zvview.store.editing.link_ends import describe_ends, find_ends
from zvview.store.editing.link_trees import keep_objects, keep_parents, keep_trees
from zvview.store.editing.vertex_operations import forget_emptied
from zvview.store.reading.objects import read_objects
from zvview.store.reading.reader import LevelReader, ReadOptions

__all__ = ["Rebased", "digest_line", "rebase", "stored_line", "stored_lines"]

_LOST = np.iinfo(np.int64).min  # in place of a row


@dataclass(frozen=True, slots=True)
class Rebased:
    """What of the edits could not be kept; its text is for people.

    Attributes
    ----------
    lost_vertices : int
        Edited vertices that are not found any more: another program moved or deleted them, or gave them to another
        object.
    lost_links : int
        Links that were made or taken away at such vertices.
    lost_lines : int
        Edited lines that another program changed or deleted.
    lost_objects : int
        Objects whose attributes or groups were set, and that are no more.
    renumbered : tuple of (int, int)
        New objects whose ids others took meanwhile, with the ids that they have instead.
    """

    lost_vertices: int = 0
    lost_links: int = 0
    lost_lines: int = 0
    lost_objects: int = 0
    renumbered: tuple[tuple[int, int], ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing was lost."""
        return not (self.lost_vertices or self.lost_links or self.lost_lines or self.lost_objects)

    def __str__(self) -> str:
        lost = {field.name: getattr(self, field.name) for field in fields(self)[:4]}
        texts = [f"{count:,} {name.removeprefix('lost_')}" for name, count in lost.items() if count]
        told = f"could not be found again: {', '.join(texts)}" if texts else "all edits were kept"
        new = ", ".join(f"{old} is {now} now" for old, now in self.renumbered[:5])
        return told + (f"; new objects with other ids: {new}" if new else "")


def rebase(edits: Edits, reader: LevelReader) -> tuple[Edits, Rebased]:
    """The edits as edits of the store as it is now, and what of them was lost.

    In chunks that changed a vertex is found again where one of the same object stands at the very same position. A line
    is the same where all its vertices are. All edits of what is found are kept.

    Parameters
    ----------
    edits : Edits
        Made by a session: vertices and lines tell what they were.
    reader : LevelReader
        Level 0 of the store as it is now.
    """
    coords = np.array(sorted(edits.bases), np.int64).reshape(len(edits.bases), reader.layout.metadata.sid_ndim)
    now = dict(zip(sorted(edits.bases), read_bases(reader, coords), strict=True))
    changed = {key for key, base in now.items() if base.digest != edits.bases[key]}
    chunks, rows = _found_again(edits, now, changed)
    lost = sum(int((places < 0).sum()) for places in rows.values())
    links, lost_links, loose = _relinked(edits, rows, now, changed, reader)
    lost_ties = {edits.line_ties.get(n, n) for n in edits.lines if not _is_same_line(edits, n, reader)}
    lines = {n: line for n, line in edits.lines.items() if edits.line_ties.get(n, n) not in lost_ties}
    numbers = _renumbering(edits, reader)
    lost_new = edits.new_objects & (edits.lines.keys() - lines.keys())
    kept, lost_objects = _kept_objects(edits, reader, frozenset(edits.lines.keys() - lines.keys()))
    out = replace(
        kept,
        bases={key: base.digest for key, base in now.items()},
        chunks={key: _with_numbers(entry, numbers) for key, entry in chunks.items()},
        added=edits.added and replace(edits.added, objects=_renumber(edits.added.objects, numbers)),
        links=links,
        lines={numbers.get(number, number): line for number, line in lines.items()},
        new_objects=frozenset(numbers.get(number, number) for number in kept.new_objects - lost_new),
        object_attributes={
            name: {numbers.get(number, number): value for number, value in values.items()}
            for name, values in kept.object_attributes.items()
        },
        groups={number: _with_group_numbers(entry, numbers) for number, entry in kept.groups.items()},
        line_bases={number: digest for number, digest in edits.line_bases.items() if number in lines},
        line_ties={numbers.get(n, n): tie for n, tie in edits.line_ties.items() if n in lines},
        ends={key: entry for key, entry in edits.ends.items() if key not in changed},
    )
    if reader.kind == names.SKELETON:  # also where no chunk changed: rings close through chunks that no edit names
        out, unsound = keep_trees(out, reader)
        lost_links += len(unsound)
        out = _with_bases(keep_objects(out, reader, join_refs([loose, unsound])), reader, now)
    out = describe_ends(forget_emptied(out, out.new_objects - out.lines.keys()), now.__getitem__)
    return out, Rebased(lost, lost_links, len(edits.lines) - len(lines), lost_objects, tuple(sorted(numbers.items())))


def _with_bases(edits: Edits, reader: LevelReader, now: dict[ChunkKey, ChunkBase]) -> Edits:
    """The edits with what the vertices were that they name only since now; their chunks are added to those known."""
    fresh = {key: entry for key, entry in edits.chunks.items() if entry.origins is None}
    if unknown := sorted(fresh.keys() - now.keys()):
        now |= zip(unknown, read_bases(reader, np.array(unknown, np.int64)), strict=True)
    told = {key: now[key].with_origins(entry, key) for key, entry in fresh.items()}
    bases = {key: now[key].digest for key in fresh}
    return replace(edits, chunks={**edits.chunks, **told}, bases={**edits.bases, **bases})


def stored_line(reader: LevelReader, number: int) -> EditedLine | None:
    """A line as it is stored, in stored coordinates; None where there is none, or nothing of it.

    Raises
    ------
    MissingError
        There is no object of this id.
    """
    return stored_lines(reader, np.array([number])).get(number)


def stored_lines(reader: LevelReader, ids: NDArray[np.int64]) -> dict[int, EditedLine]:
    """Lines as they are stored, in stored coordinates, by distinct ids; those are left out of which nothing is stored.

    Raises
    ------
    MissingError
        There is no object of an id.
    """
    objects = reader.objects
    assert objects is not None
    batch = read_objects(reader, objects.rows_of(ids), ReadOptions())
    assert isinstance(batch, Polylines) and batch.object_ids is not None
    positions, columns = batch.positions.astype(np.float64), batch.attributes
    bounds = pairwise(batch.offsets.tolist())
    return {
        number: EditedLine(positions[a:b], {name: values[a:b] for name, values in columns.items()})
        for number, (a, b) in zip(batch.object_ids.tolist(), bounds, strict=True)
        if b - a >= 2
    }


def digest_line(line: EditedLine) -> bytes:
    """What tells a line from others: its positions and attributes."""
    digest = blake2b(np.ascontiguousarray(line.positions).tobytes(), digest_size=16)
    for name in sorted(line.columns):
        digest.update(name.encode() + b"\0" + np.ascontiguousarray(line.columns[name]).tobytes())
    return digest.digest()


def _found_again(
    edits: Edits, now: Mapping[ChunkKey, ChunkBase], changed: set[ChunkKey]
) -> tuple[dict[ChunkKey, ChunkEdits], dict[ChunkKey, NDArray[np.int64]]]:
    """Edits of chunks by the rows of today; and of the changed ones, the row of today of each edited row, or -1."""
    chunks, rows = dict(edits.chunks), {}
    for key in changed & edits.chunks.keys():
        entry = edits.chunks[key]
        rows[key] = _match(entry, now[key])
        del chunks[key]
        if (rows[key] >= 0).any():
            chunks[key] = _at_rows(entry, rows[key])
    return chunks, rows


def _match(entry: ChunkEdits, base: ChunkBase) -> NDArray[np.int64]:
    """Row of today of each edited vertex, or -1: of the same object at the same position, each taken once."""
    if entry.origins is None:
        return np.full(len(entry.rows), -1, np.int64)
    return match_marks(vertex_marks(entry.origins, entry.owners), vertex_marks(base.positions, base.owners))


def _at_rows(entry: ChunkEdits, rows: NDArray[np.int64]) -> ChunkEdits:
    """Edits of the vertices that have a row today, by that row."""
    found = np.flatnonzero(rows >= 0)
    order = found[np.argsort(rows[found])]
    return ChunkEdits(
        rows[order],
        entry.is_deleted[order],
        entry.is_moved[order],
        entry.positions[order],
        entry.is_reassigned[order],
        entry.objects[order],
        {name: (is_set[order], values[order]) for name, (is_set, values) in entry.columns.items()},
        None if entry.origins is None else entry.origins[order],
        None if entry.owners is None else entry.owners[order],
    )


def _relinked(
    edits: Edits,
    rows: Mapping[ChunkKey, NDArray[np.int64]],
    now: Mapping[ChunkKey, ChunkBase],
    changed: set[ChunkKey],
    reader: LevelReader,
) -> tuple[LinkEdits | None, int, VertexRefs]:
    """Links by the rows of today, without those of which an end is lost; how many these are, and their first ends."""
    links = edits.links
    if links is None:
        return None, 0, VertexRefs(np.empty((0, reader.layout.metadata.sid_ndim), np.int64), np.empty(0, np.int64))
    ends = {key: entry for key, entry in edits.ends.items() if key in changed}
    found = find_ends(ends, now)
    table = {key: [(ends[key].rows, found[key])] for key in ends}
    for key, today in rows.items():
        table.setdefault(key, []).append((edits.chunks[key].rows, today))
    removed, is_removed = _ends_today(links.removed, links.width, table, changed)
    added, is_added = _ends_today(links.added, links.width, table, changed)
    if reader.kind == names.SKELETON and not is_added.all():
        is_removed &= keep_parents(links, is_added)
    firsts = take_refs(added, np.arange(0, len(added), links.width)[~is_added])
    loose = take_refs(firsts, firsts.rows != _LOST)
    removed, added = (take_refs(r, np.repeat(k, links.width)) for r, k in ((removed, is_removed), (added, is_added)))
    columns = {name: values[is_added] for name, values in links.columns.items()} if len(links.added) else {}
    lost = int((~is_removed).sum() + (~is_added).sum())
    kept = LinkEdits(removed, added, columns, links.width)
    return (kept if len(removed) or len(added) else None), lost, loose


def _ends_today(
    refs: VertexRefs,
    width: int,
    table: Mapping[ChunkKey, Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]],
    changed: set[ChunkKey],
) -> tuple[VertexRefs, NDArray[np.bool_]]:
    """Ends of links today, `_LOST` for those that are none, and which links have them all.

    `table` has rows of then, ascending, and of today, -1 for none; what comes later has the last word.
    """
    today = refs.rows.copy()
    for key in changed:
        here = np.flatnonzero((refs.chunks == key).all(axis=1) & (refs.rows >= 0))
        if not len(here):
            continue
        today[here] = _LOST
        for then, now in table.get(key, ()):
            at = np.minimum(np.searchsorted(then, refs.rows[here]), len(then) - 1)
            if len(then):
                is_known = then[at] == refs.rows[here]
                today[here[is_known]] = np.where(now[at[is_known]] >= 0, now[at[is_known]], _LOST)
    return VertexRefs(refs.chunks, today), np.asarray((today != _LOST).reshape(-1, width).all(axis=1))


def _is_same_line(edits: Edits, number: int, reader: LevelReader) -> bool:
    """Whether a line that was edited is what it was then; new ones are."""
    if number in edits.new_objects:
        return True
    if reader.objects is None or not reader.objects.has(number):
        return False
    line = stored_line(reader, number)
    return line is not None and edits.line_bases.get(number) == digest_line(line)


def _renumbering(edits: Edits, reader: LevelReader) -> dict[int, int]:
    """New ids for those new objects whose ids the store has by now."""
    if reader.objects is None or not edits.new_objects:
        return {}
    new = np.array(sorted(edits.new_objects), np.int64)
    taken = new[reader.objects.find_rows(new) >= 0].tolist()
    free = max(reader.objects.known.greatest, *edits.new_objects) + 1
    return {old: free + i for i, old in enumerate(taken)}


def _kept_objects(edits: Edits, reader: LevelReader, lost_lines: frozenset[int]) -> tuple[Edits, int]:
    """Edits of attributes and groups of those objects that there are, and how many objects are not among them."""
    groups = reader.layout.groups()
    told = [n for values in edits.object_attributes.values() for n in values]
    told += [n for entry in edits.groups.values() for n in (*entry.added.tolist(), *entry.removed.tolist())]
    named = distinct(np.array(told, np.int64))
    is_there = np.isin(named, list(edits.new_objects))
    if reader.objects is not None:
        is_there |= reader.objects.find_rows(named) >= 0
    gone = set(named[~is_there].tolist()) | lost_lines
    names = set(reader.layout.attribute_names("object_attributes"))
    attributes = {
        name: kept
        for name, values in edits.object_attributes.items()
        if name in names and (kept := {n: v for n, v in values.items() if n not in gone})
    }
    regrouped = {}
    for number, entry in edits.groups.items():
        if groups is None or number >= len(groups):
            continue
        members = groups.members[number]
        added = np.setdiff1d(entry.added, np.concatenate((members, list(gone))).astype(np.int64))
        removed = np.setdiff1d(np.intersect1d(entry.removed, members), np.array(sorted(gone), np.int64))
        if len(added) or len(removed):
            regrouped[number] = GroupEdits(added, removed)
    return replace(edits, object_attributes=attributes, groups=regrouped), len(set(named.tolist()) & gone)


def _with_numbers(entry: ChunkEdits, numbers: Mapping[int, int]) -> ChunkEdits:
    objects = _renumber(entry.objects, numbers)
    assert objects is not None
    return entry if objects is entry.objects else replace(entry, objects=objects)


def _with_group_numbers(entry: GroupEdits, numbers: Mapping[int, int]) -> GroupEdits:
    added = _renumber(entry.added, numbers)
    assert added is not None
    return GroupEdits(np.sort(added), entry.removed)


def _renumber(ids: NDArray[np.int64] | None, numbers: Mapping[int, int]) -> NDArray[np.int64] | None:
    if ids is None or not numbers:
        return ids
    out: NDArray[Any] = ids.copy()
    for old, new in numbers.items():
        out[ids == old] = new
    return out
