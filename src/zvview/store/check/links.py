"""Checking links: where they are filed, what they name, how often they stand there, and what is counted of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.grid import ChunkTable
from zvview.format.links import drop_copies, format_offsets
from zvview.format.sequences import distinct
from zvview.store.check.link_fragments import check_link_fragments
from zvview.store.check.link_records import LinkRecordsCheck
from zvview.store.check.report import chunk_name
from zvview.store.check.scope import WAVE_BYTES, LevelFacts, LevelScope
from zvview.store.check.sound_cells import Payloads, decode_links_soundly, read_soundly
from zvview.store.check.values import AttributeCheck
from zvview.store.layout import LinkArray, LinkFamily
from zvview.store.waves import CellAsk

__all__ = ["CheckedLinks", "check_links"]

_FIRST_WAVE = 1024
_MOST_CELLS = 1 << 14


@dataclass(slots=True, eq=False)
class CheckedLinks:
    """The records of one family of links that can be trusted, kept where a later check needs them.

    Attributes
    ----------
    family : LinkFamily
    rows : list of (m, L) int64 arrays
        Endpoints as rows numbered over all chunks of the level.
    crossing : list of (m,) bool arrays
        Whether the endpoints lie in different chunks.
    """

    family: LinkFamily
    rows: list[NDArray[np.int64]] = field(default_factory=list)
    crossing: list[NDArray[np.bool_]] = field(default_factory=list)

    def joined(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """All records and whether they cross chunks."""
        none = np.empty((0, self.family.width), np.int64)
        return np.concatenate([none, *self.rows]), np.concatenate([np.empty(0, bool), *self.crossing])


def check_links(
    scope: LevelScope,
    facts: Mapping[int, LevelFacts],
    owner_of_rows: NDArray[np.int64] | None,
    *,
    keep: bool,
) -> CheckedLinks | None:
    """Check the links of all deltas of a level; the records inside the level come back where `keep` asks for them."""
    kept = None
    deltas: list[int] = []
    with scope.report.guard(scope.path(names.LINKS)):
        deltas = scope.layout.link_deltas()
    for delta in deltas:
        with scope.report.guard(scope.path(names.LINKS)):
            family = scope.layout.links(delta)
            if family is not None:
                checked = _check_family(scope, family, facts, owner_of_rows, keep=keep and delta == 0)
                kept = checked if delta == 0 else kept
    return kept


def _check_family(
    scope: LevelScope,
    family: LinkFamily,
    facts: Mapping[int, LevelFacts],
    owner_of_rows: NDArray[np.int64] | None,
    *,
    keep: bool,
) -> CheckedLinks:
    _check_width(scope, family)
    out = CheckedLinks(family)
    other = facts.get(scope.number + family.delta)
    if other is None:
        found = f"links to level {scope.number + family.delta}, which cannot be read or is not there"
        scope.report.add("link-array", family.path, found)
        return out
    owners = owner_of_rows if family.delta == 0 else None
    records = LinkRecordsCheck(scope, family, facts[scope.number], other, owners)
    copies: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    physical, is_whole = 0, True
    for array in family.arrays:
        _check_offsets(scope, family, array)
        checks = _open_attributes(scope, family, array)
        coords = array.cells.chunks
        done, size, held = 0, _FIRST_WAVE, 0
        while done < len(coords):
            wave = coords[done : done + size]
            payloads = read_soundly(scope.hierarchy, _asks(array, checks, wave), scope.report, scope.cancel)
            spent = sum(len(c) for cells in payloads for c in cells if c is not None)
            decoded, sound = decode_links_soundly(family, array, payloads[0], wave, scope.report)
            is_whole &= bool(sound.all())
            held += len(decoded.rows)
            _check_attributes(checks, wave, decoded.counts, sound, payloads[1:])
            stored = family.endpoints(array, wave)
            chunks = stored[decoded.cell_of()[:, None], decoded.slots]
            rows, good = records.look(array.cells.path, wave, decoded.cell_of(), chunks, decoded.rows)
            if family.is_duplicated:
                copies.append((chunks[good], decoded.slots[good], rows[good]))
            elif keep:
                out.rows.append(rows[good])
                out.crossing.append((chunks[good] != chunks[good, :1]).any(axis=(1, 2)))
            scope.advance(len(wave))
            done += size
            size = int(np.clip(WAVE_BYTES * len(wave) // max(spent, 1), 1, _MOST_CELLS))
        for check in checks.values():
            check.finish()
        physical += held
        _check_missing(scope, family, array, held)
        if family.delta == 0 and not array.is_ragged:
            check_link_fragments(scope, facts[scope.number], family, array)
    if family.table is not None and len(family.table):
        _check_table(scope, family, records, out, keep=keep)
    records.finish()
    logical = physical
    if family.is_duplicated:
        logical = _check_copies(scope, family, copies, out)
    if is_whole:
        _check_counts(scope, family, logical, physical)
    return out


def _check_width(scope: LevelScope, family: LinkFamily) -> None:
    if family.delta != 0 or not any(len(a.cells.chunks) for a in family.arrays):
        return
    is_mesh = scope.kind == names.MESH
    if is_mesh and family.width < 3:
        scope.report.add("link-width", family.path, f"link_width = {family.width}, expected 3 or more in a mesh")
    elif scope.kind not in (names.MESH, names.POINT_CLOUD) and family.width != 2:
        scope.report.add("link-width", family.path, f"link_width = {family.width}, expected 2 in a {scope.kind}")


def _check_offsets(scope: LevelScope, family: LinkFamily, array: LinkArray) -> None:
    """Endpoints of undirected records are sorted by chunk, so that offsets rise from zero (9.3)."""
    if family.delta or family.is_directed or family.is_duplicated:
        return
    offsets = [(0,) * array.offsets.shape[1], *map(tuple, array.offsets.tolist())]
    if any(a > b for a, b in pairwise(offsets)):
        found = f"offsets {format_offsets(array.offsets)} that go back, expected endpoints sorted by chunk"
        scope.report.add("link-order", array.cells.path, found)


def _open_attributes(scope: LevelScope, family: LinkFamily, array: LinkArray) -> dict[str, AttributeCheck]:
    out = {}
    for name in family.attribute_names:
        if name in array.attributes:
            cells, metadata = array.attributes[name]
            out[name] = AttributeCheck(cells, metadata, "links", scope.report)
            lost = ChunkTable.of(array.cells.chunks).find(cells.chunks) < 0
            scope.report.add_chunks("orphan-cell", cells.path, cells.chunks, lost, lambda i: "a cell without links")
    return out


def _asks(array: LinkArray, checks: Mapping[str, AttributeCheck], wave: NDArray[np.int64]) -> list[CellAsk]:
    return [(array.cells, wave), *((array.attributes[n][0], wave) for n in checks)]


def _check_attributes(
    checks: Mapping[str, AttributeCheck],
    wave: NDArray[np.int64],
    counts: NDArray[np.int64],
    sound: NDArray[np.bool_],
    payloads: list[Payloads],
) -> None:
    for check, cells in zip(checks.values(), payloads, strict=True):
        check.look(wave, counts, [c if ok else None for c, ok in zip(cells, sound, strict=True)])


def _check_missing(scope: LevelScope, family: LinkFamily, array: LinkArray, records: int) -> None:
    """Attributes of the family that have no array beside one that holds records."""
    for name in family.attribute_names:
        if records and name not in array.attributes:
            found = f"no values of {name!r}, expected one for each of {records} records"
            scope.report.add("link-attribute", array.cells.path, found)


def _check_table(
    scope: LevelScope, family: LinkFamily, records: LinkRecordsCheck, out: CheckedLinks, *, keep: bool
) -> None:
    """Records that the layout keeps in one piece. Those of lines before 0.8 are placeholders (18)."""
    table = family.table
    assert table is not None
    if scope.reader.is_sequence:
        return
    one = np.zeros((1, table.chunks.shape[2]), np.int64)
    cells = np.zeros(len(table), np.int64)
    rows, good = records.look(family.path, one, cells, table.chunks, table.rows)
    if keep:
        out.rows.append(rows[good])
        out.crossing.append((table.chunks[good] != table.chunks[good, :1]).any(axis=(1, 2)))


def _check_copies(
    scope: LevelScope,
    family: LinkFamily,
    copies: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]],
    out: CheckedLinks,
) -> int:
    """Each record of a ``duplicate`` family stands once in every chunk that it touches; gives the number of records."""
    if not copies:
        return 0
    chunks, slots, rows = (np.concatenate(parts) for parts in zip(*copies, strict=True))
    kept = drop_copies(chunks, slots)
    out.rows.append(rows[kept])
    out.crossing.append((chunks[kept] != chunks[kept, :1]).any(axis=(1, 2)))
    if not len(rows):
        return 0
    flat = chunks.reshape(-1, chunks.shape[2])
    table = ChunkTable.of(flat)
    touched = table.find(flat).reshape(chunks.shape[:2])
    source = np.where(slots == 0, touched, 0).sum(axis=1)
    _, record = np.unique(rows, axis=0, return_inverse=True)
    record = record.reshape(-1)
    chunk_counts = 1 + (np.diff(np.sort(touched, axis=1), axis=1) > 0).sum(axis=1)
    pairs, first, times = np.unique(record * len(table) + source, return_index=True, return_counts=True)
    of_record = pairs // len(table)
    count = np.bincount(of_record, minlength=int(record.max()) + 1)
    least, most = np.full(len(count), len(rows)), np.zeros(len(count), np.int64)
    np.minimum.at(least, of_record, times)
    np.maximum.at(most, of_record, times)
    wrong = (count[of_record] != chunk_counts[first]) | (least != most)[of_record]
    if wrong.any():
        bad = distinct(of_record[wrong])
        i = int(first[wrong][0])
        found = f"{len(bad)} records without a copy in every chunk that they touch, such as one in chunk"
        scope.report.add("link-copies", family.path, f"{found} {chunk_name(table.coords[source[i]])}")
    return len(kept)


def _check_counts(scope: LevelScope, family: LinkFamily, logical: int, physical: int) -> None:
    if family.table is not None:
        return
    attributes = scope.hierarchy.attributes(family.path) or {}
    for key, count in (("num_links", logical), ("num_physical_records", physical)):
        declared = attributes.get(key)
        if isinstance(declared, int) and declared != count:
            scope.report.add("num-links", family.path, f"{key} = {declared} beside {count} records")
