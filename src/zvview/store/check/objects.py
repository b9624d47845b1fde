"""Checking the object index: ids, manifests, and that fragments and manifests agree about who owns what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.manifests import Manifests
from zvview.store.check.report import chunk_name
from zvview.store.check.scope import LevelFacts, LevelScope
from zvview.store.check.sound_cells import sound_manifest_rows
from zvview.store.layout import ObjectRows

__all__ = ["Ownership", "check_objects"]


@dataclass(frozen=True, slots=True, eq=False)
class Ownership:
    """Who owns what in a level.

    Attributes
    ----------
    ids : (M,) int64 array
        Id of each object row.
    rows : (P,) int64 array
        Object row of each sound piece, in manifest order.
    fragments : (P,) int64 array
        Its fragment, numbered over all chunks; -1 where it names none that is there.
    owner : (F,) int64 array
        Object row of each fragment, -1 for none, -2 for several.
    is_complete : bool
        Whether all manifests could be read.
    """

    ids: NDArray[np.int64]
    rows: NDArray[np.int64]
    fragments: NDArray[np.int64]
    owner: NDArray[np.int64]
    is_complete: bool


def check_objects(scope: LevelScope, facts: LevelFacts) -> Ownership | None:
    """Check the object index of a level; None where there is none that can be read."""
    path = scope.path(names.OBJECT_INDEX)
    with scope.report.guard(path):
        objects = scope.layout.object_rows()
        if objects is None:
            return None
        ids = objects.ids.whole
        _check_ids(scope, ids, path)
        ownership = _check_manifests(scope, facts, objects, ids)
        _check_fragments(scope, facts, ownership)
        return ownership
    return None


def _check_ids(scope: LevelScope, ids: NDArray[np.int64], path: str) -> None:
    known, counts = np.unique(ids, return_counts=True)
    for value, count in zip(known[counts > 1].tolist(), counts[counts > 1].tolist(), strict=True):
        scope.report.add("duplicate-id", f"{path}/{names.OBJECT_IDS}", f"id {value} stands for {count} objects")
    attributes = scope.hierarchy.attributes(path) or {}
    if attributes.get("object_ids_sorted") is True and (np.diff(ids) < 0).any():
        scope.report.add("id-order", path, "object_ids_sorted = true beside ids that do not ascend")
    inherited = scope.layout.metadata.raw.get(names.LEVEL)
    declared = inherited.get("inherited_num_objects") if isinstance(inherited, dict) else None
    if isinstance(declared, int) and declared != len(ids):
        found = f"inherited_num_objects = {declared} beside {len(ids)} objects"
        scope.report.add("inherited-objects", scope.layout.path, found)


def _check_manifests(scope: LevelScope, facts: LevelFacts, objects: ObjectRows, ids: NDArray[np.int64]) -> Ownership:
    path = scope.path(names.OBJECT_INDEX, names.MANIFESTS)

    def read(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], Manifests]:
        return rows, objects.read_manifests(None if len(rows) == len(ids) else rows, scope.cancel)

    sound, manifests = sound_manifest_rows(len(ids), read, scope.report, path)
    pieces = np.diff(manifests.offsets)
    rows = np.repeat(sound, pieces)
    at, is_absent = facts.locate(manifests.chunks)
    limit = np.diff(facts.fragments.first)
    known = at >= 0
    room = np.where(known, limit[at] if len(limit) else 0, 0)
    _add_pieces(scope, "manifest-chunk", ids, rows, manifests, is_absent, "a chunk that holds vertices")
    _add_pieces(
        scope,
        "manifest-fragment",
        ids,
        rows,
        manifests,
        known & (manifests.fragments >= room),
        "a fragment of its chunk",
    )
    found = known & (manifests.fragments < room)
    number = np.full(len(at), -1, np.int64)
    number[found] = facts.fragments.first[at[found]] + manifests.fragments[found]
    present = int((pieces > 0).sum())
    attributes = scope.hierarchy.attributes(scope.path(names.OBJECT_INDEX)) or {}
    declared = attributes.get("num_present")
    if isinstance(declared, int) and len(sound) == len(ids) and declared != present:
        scope.report.add(
            "num-present",
            scope.path(names.OBJECT_INDEX),
            f"num_present = {declared} beside {present} objects with content",
        )
    if scope.kind == names.LINE and scope.number == 0:
        _check_lines(scope, facts, ids, rows, number, len(ids))
    return Ownership(ids, rows, number, _owners(len(facts.fragments.counts), rows, number), len(sound) == len(ids))


def _add_pieces(
    scope: LevelScope,
    code: str,
    ids: NDArray[np.int64],
    rows: NDArray[np.int64],
    manifests: Manifests,
    bad: NDArray[np.bool_],
    expected: str,
) -> None:
    """A finding for each object with pieces that are not there."""
    pieces = np.flatnonzero(bad)
    objects, first, counts = np.unique(rows[pieces], return_index=True, return_counts=True)
    path = scope.path(names.OBJECT_INDEX, names.MANIFESTS)
    for row, at, count in zip(objects.tolist(), pieces[first].tolist(), counts.tolist(), strict=True):
        named = f"fragment {manifests.fragments[at]} of chunk {chunk_name(manifests.chunks[at])}"
        scope.report.add(code, path, f"{count} pieces, such as {named}, expected {expected}", cell=f"object {ids[row]}")


def _check_lines(
    scope: LevelScope,
    facts: LevelFacts,
    ids: NDArray[np.int64],
    rows: NDArray[np.int64],
    fragments: NDArray[np.int64],
    count: int,
) -> None:
    sound = fragments >= 0
    length = np.bincount(rows[sound], facts.fragments.counts[fragments[sound]], minlength=count)
    whole = np.bincount(rows, minlength=count) == np.bincount(rows[sound], minlength=count)
    for row in np.flatnonzero((length != 2) & (length > 0) & whole).tolist():
        path = scope.path(names.OBJECT_INDEX, names.MANIFESTS)
        found = f"{int(length[row])} vertices, expected the two ends of a line"
        scope.report.add("line-length", path, found, cell=f"object {ids[row]}")


def _owners(count: int, rows: NDArray[np.int64], fragments: NDArray[np.int64]) -> NDArray[np.int64]:
    """Object row of each fragment, -1 for none, -2 for several different ones."""
    sound = fragments >= 0
    least, most = np.full(count, np.iinfo(np.int64).max), np.full(count, names.OWNER_NONE, np.int64)
    np.minimum.at(least, fragments[sound], rows[sound])
    np.maximum.at(most, fragments[sound], rows[sound])
    return np.where(most < 0, names.OWNER_NONE, np.where(least == most, most, names.OWNER_SEVERAL))


def _check_fragments(scope: LevelScope, facts: LevelFacts, ownership: Ownership) -> None:
    """Fragments without an object or with several, and the attribute that says the same."""
    report, path = scope.report, scope.path(names.VERTEX_FRAGMENTS)
    cells, coords, owner = facts.fragments.cell_of(), facts.chunks.coords, ownership.owner
    first = facts.fragments.first
    trusted = ~facts.is_damaged[cells]
    if ownership.is_complete:
        unowned = (owner == names.OWNER_NONE) & (facts.fragments.counts > 0) & trusted
        report.add_rows(
            "unowned-fragment",
            path,
            coords,
            cells,
            unowned,
            lambda f, n: f"{n} fragments with vertices, such as {f - first[cells[f]]}, that no object names",
        )
    if not scope.layout.metadata.shared_fragments:
        report.add_rows(
            "shared-fragment",
            path,
            coords,
            cells,
            owner == names.OWNER_SEVERAL,
            lambda f, n: (
                f"{n} fragments, such as {f - first[cells[f]]}, of several objects, without 'shared_fragments'"
            ),
        )
    if facts.owners is None or facts.has_owner is None:
        return
    owners = facts.owners
    ids = np.append(ownership.ids, (names.OWNER_SEVERAL, names.OWNER_NONE))
    expected = ids[owner]
    settled = facts.has_owner & trusted & (facts.fragments.counts > 0)
    settled &= (owner != names.OWNER_NONE) if ownership.is_complete else (owner >= 0)
    report.add_rows(
        "owner",
        scope.path(names.FRAGMENT_ATTRIBUTES, names.OBJECT_ID),
        coords,
        cells,
        settled & (owners != expected),
        lambda f, n: (
            f"{n} fragments, such as {f - first[cells[f]]} of object {owners[f]}, "
            f"expected {expected[f]} as in the manifests"
        ),
    )
