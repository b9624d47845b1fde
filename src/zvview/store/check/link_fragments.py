"""Checking ``link_fragments``: the groups of the links inside a chunk (9.5, 10.5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.fragments import FragmentTable
from zvview.format.grid import sort_chunks
from zvview.format.links import LinkRecords
from zvview.format.sequences import offsets_of
from zvview.store.cell_arrays import GridArray
from zvview.store.check.report import Report
from zvview.store.check.scope import LevelFacts, LevelScope
from zvview.store.check.sound_cells import Payloads, decode_fragments_soundly, decode_links_soundly, read_soundly
from zvview.store.layout import LinkArray, LinkFamily

__all__ = ["check_link_fragments"]

_WAVE = 512
_CLAIM = "fragment_link_groups"


def check_link_fragments(scope: LevelScope, facts: LevelFacts, family: LinkFamily, array: LinkArray) -> None:
    """Check that the groups cover the links of each chunk, and that they follow its fragments where that is claimed.

    Parameters
    ----------
    scope : LevelScope
    facts : LevelFacts
        Of the level.
    family : LinkFamily
    array : LinkArray
        The links inside chunks.
    """
    path = scope.path(names.LINK_FRAGMENTS)
    document = None if scope.root.is_old_layout else scope.hierarchy.document(path)
    if document is None:
        return
    with scope.report.guard(path):
        groups = GridArray(scope.hierarchy.source, path, document)
        coords = sort_chunks(np.concatenate((array.cells.chunks, groups.chunks)))
        own = scope.layout.metadata.raw.get(names.LEVEL)
        is_claimed = isinstance(own, dict) and own.get(_CLAIM) is True
        for at in range(0, len(coords), _WAVE):
            wave = coords[at : at + _WAVE]
            (cells,) = read_soundly(scope.hierarchy, [(array.cells, wave)], Report(), scope.cancel)
            records, sound = decode_links_soundly(family, array, cells, wave, Report())  # its damage is told already
            (given,) = read_soundly(scope.hierarchy, [(groups, wave)], scope.report, scope.cancel)
            table, intact = _decode(scope, path, wave, records, given, sound)
            _check_cover(scope, path, wave, records, table, intact)
            if is_claimed:
                _check_claim(scope, facts, wave, records, table, intact)


def _decode(
    scope: LevelScope,
    path: str,
    coords: NDArray[np.int64],
    records: LinkRecords,
    cells: Payloads,
    sound: NDArray[np.bool_],
) -> tuple[FragmentTable, NDArray[np.bool_]]:
    empty = np.empty(0, np.uint8)
    held: Payloads = [c if ok else empty for c, ok in zip(cells, sound, strict=True)]
    table, intact = decode_fragments_soundly(held, records.counts, path, coords, scope.report)
    return table, intact & sound


def _check_cover(
    scope: LevelScope,
    path: str,
    coords: NDArray[np.int64],
    records: LinkRecords,
    table: FragmentTable,
    intact: NDArray[np.bool_],
) -> None:
    offsets, rows = table.rows()
    first = offsets_of(records.counts)
    seen = np.zeros(int(first[-1]), np.int64)
    np.add.at(seen, rows + np.repeat(first[table.cell_of()], np.diff(offsets)), 1)
    wrong = np.diff(offsets_of(seen != 1)[first])
    scope.report.add_chunks(
        "link-fragments",
        path,
        coords,
        (wrong > 0) & intact,
        lambda i: f"{wrong[i]} of {records.counts[i]} links in no group or in several, expected each in one",
    )


def _check_claim(
    scope: LevelScope,
    facts: LevelFacts,
    coords: NDArray[np.int64],
    records: LinkRecords,
    table: FragmentTable,
    intact: NDArray[np.bool_],
) -> None:
    """Group k of a chunk holds exactly the links inside its vertex fragment k."""
    at, _ = facts.locate(coords)
    known = (at >= 0) & intact
    fragments = np.where(known, np.diff(facts.fragments.first)[at], 0)
    wrong = (np.diff(table.first) != fragments) & known
    fragment_of = np.full(int(facts.first_row[-1]) + 1, -1, np.int64)
    offsets, rows = facts.rows_of_fragments()
    fragment_of[rows] = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    link_offsets, links = table.rows()
    cell = np.repeat(table.cell_of(), np.diff(link_offsets))
    group = np.repeat(np.arange(len(table.counts)), np.diff(link_offsets)) - table.first[cell]
    ends = records.rows[links + offsets_of(records.counts)[cell]]
    inside = (ends >= 0).all(axis=1) & (ends.max(axis=1, initial=-1) < np.diff(facts.first_row)[at[cell]])
    base = np.where(inside & known[cell] & ~wrong[cell], facts.first_row[at[cell]], -1)
    checked = np.flatnonzero(base >= 0)
    found = fragment_of[ends[checked] + base[checked, None]]
    expected = group[checked] + facts.fragments.first[at[cell[checked]]]
    wrong[cell[checked[(found != expected[:, None]).any(axis=1)]]] = True
    scope.report.add_chunks(
        "link-groups-claim",
        scope.path(names.LINK_FRAGMENTS),
        coords,
        wrong,
        lambda i: f"groups that are not the links of the chunk's {fragments[i]} fragments, as {_CLAIM} claims",
    )
