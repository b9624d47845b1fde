"""Checking what links and manifests make together: trees of skeletons, and the bridges of lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.sequences import distinct
from zvview.geometry.trees import find_cycles, label_components
from zvview.store.check.links import CheckedLinks
from zvview.store.check.objects import Ownership
from zvview.store.check.scope import LevelFacts, LevelScope

__all__ = ["check_bridges", "check_trees"]

_MOST_NAMED = 20


def check_bridges(scope: LevelScope, facts: LevelFacts, ownership: Ownership, links: CheckedLinks) -> None:
    """Compare the links of lines with those that the manifests imply (9.6): last row of a piece, first of the next."""
    fragments, rows = ownership.fragments, ownership.rows
    counts = facts.fragments.counts
    full = np.flatnonzero((fragments >= 0) & (counts[fragments] > 0)) if len(counts) else np.empty(0, np.int64)
    before, after = fragments[full[:-1]], fragments[full[1:]]
    cell = facts.fragments.cell_of()
    joined = (rows[full[:-1]] == rows[full[1:]]) & (np.diff(full) == 1) & (cell[before] != cell[after])
    before, after = before[joined], after[joined]
    last, first = _end_rows(facts, before, -1), _end_rows(facts, after, 0)
    size = int(facts.first_row[-1])
    implied = distinct(last * size + first)
    stored, _ = links.joined()
    told = distinct(stored[:, 0] * size + stored[:, 1])
    missing, extra = (np.setdiff1d(a, b, assume_unique=True) for a, b in ((implied, told), (told, implied)))
    is_trusted = scope.reader.has_true_bridges
    for keys, what in ((missing, "missing"), (extra, "that the manifests do not imply")):
        if len(keys):
            example = f"{facts.row_name(int(keys[0] // size))} to {facts.row_name(int(keys[0] % size))}"
            found = f"{len(keys)} links {what}, such as {example}"
            scope.report.add("bridges", links.family.path, found, severity=None if is_trusted else "warning")


def _end_rows(facts: LevelFacts, fragments: NDArray[np.int64], end: int) -> NDArray[np.int64]:
    """First (0) or last (-1) row of each fragment, numbered over all chunks."""
    table = facts.fragments
    place = table.starts[fragments] + (table.counts[fragments] - 1 if end else 0)
    local = place.copy()
    listed = ~table.is_range[fragments]
    local[listed] = table.explicit[place[listed]]
    return local + facts.first_row[table.cell_of()[fragments]]


def check_trees(scope: LevelScope, facts: LevelFacts, ownership: Ownership | None, links: CheckedLinks | None) -> None:
    """Check that the nodes and links of a level of skeletons are trees, one for each object (11.6)."""
    size = int(facts.first_row[-1])
    offsets, rows = facts.rows_of_fragments()
    path = links.family.path if links is not None else scope.path(names.LINKS, "0")
    edges, doubtful = _edges(scope, offsets, rows, links)
    owner = np.full(size, names.OWNER_NONE, np.int64)
    if ownership is not None:
        owner = facts.owner_of_rows(ownership.owner)
    parents = np.full(size, -1, np.int64)
    parents[edges[:, 0]] = edges[:, 1]
    several = distinct(edges[parents[edges[:, 0]] != edges[:, 1], 0])
    if len(several):
        found = f"{len(several)} nodes with two parents, such as {facts.row_name(int(several[0]))}"
        scope.report.add("two-parents", path, found, severity="note" if doubtful else None)
    label = label_components(size, edges)
    pairs = np.unique(np.sort(edges, axis=1), axis=0) if len(several) else edges
    _report_cycles(scope, path, facts, ownership, owner, parents, pairs, label)
    if ownership is not None:
        shown = np.zeros(size, bool)
        shown[rows] = True
        roots = np.flatnonzero((label == np.arange(size)) & shown & (owner >= 0))
        objects, counts = np.unique(owner[roots], return_counts=True)
        for row, count in zip(objects[counts > 1].tolist(), counts[counts > 1].tolist(), strict=True):
            scope.report.add(
                "several-roots", path, f"{count} separate trees, expected one", cell=f"object {ownership.ids[row]}"
            )


def _edges(
    scope: LevelScope, offsets: NDArray[np.int64], rows: NDArray[np.int64], links: CheckedLinks | None
) -> tuple[NDArray[np.int64], bool]:
    """Edges as (child, parent), and whether their directions may be arbitrary."""
    implied = np.empty((0, 2), np.int64)
    if scope.root.links_convention != names.EXPLICIT:
        inner = np.ones(len(rows), bool)
        inner[offsets[:-1][np.diff(offsets) > 0]] = False
        at = np.flatnonzero(inner)
        implied = np.stack((rows[at], rows[at - 1]), axis=1)
    if links is None:
        return implied, False
    records, crossing = links.joined()
    if links.family.is_directed:
        records = records.copy()
        records[crossing] = records[crossing, ::-1]
    else:
        implied = implied[~np.isin(implied[:, 0], records[:, 0])]
    return np.concatenate((implied, records)), links.family.is_directed


def _report_cycles(
    scope: LevelScope,
    path: str,
    facts: LevelFacts,
    ownership: Ownership | None,
    owner: NDArray[np.int64],
    parents: NDArray[np.int64],
    edges: NDArray[np.int64],
    label: NDArray[np.int64],
) -> None:
    """Components with more edges than a tree of their nodes has."""
    surplus = np.bincount(label[edges[:, 0]], minlength=len(label)) - np.bincount(label, minlength=len(label)) + 1
    cyclic = np.flatnonzero(surplus[label] > 0)
    if not len(cyclic):
        return
    on_ring = find_cycles(parents)
    for component in distinct(label[cyclic])[:_MOST_NAMED].tolist():
        ring = on_ring[label[on_ring] == component]
        node = int(ring[0]) if len(ring) else component
        row = int(owner[node])
        cell = f"object {ownership.ids[row]}" if ownership is not None and row >= 0 else None
        scope.report.add(
            "cycle", path, f"links that run in a cycle near {facts.row_name(node)}, expected a tree", cell=cell
        )
