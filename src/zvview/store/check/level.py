"""Checking one level: first its cells, then what objects and links make of them."""

from __future__ import annotations

from collections.abc import Mapping

from zvview.format import names
from zvview.store.check.cells import walk_cells
from zvview.store.check.groups import check_groups
from zvview.store.check.levels import check_declared
from zvview.store.check.links import check_links
from zvview.store.check.objects import check_objects
from zvview.store.check.presence import check_presence
from zvview.store.check.scope import LevelFacts, LevelScope
from zvview.store.check.shapes import check_bridges, check_trees

__all__ = ["check_level", "scan_level"]


def scan_level(scope: LevelScope) -> LevelFacts:
    """Check all cells of vertices, fragments and their attributes, and tell what the level holds."""
    report, path = scope.report, scope.layout.path
    if scope.layout.fragments is None and len(scope.layout.vertices.chunks):
        report.add("fragments-missing", path, f"no array {names.VERTEX_FRAGMENTS!r}")
    with report.guard(path):
        if scope.hierarchy.document(scope.path(names.COMPOSITE_INDEX)) is not None:
            report.add("composite", path, f"a group {names.COMPOSITE_INDEX!r}: several kinds in one level")
    for text in scope.layout.notes:
        report.add("reader-note", path, text.removeprefix(f"{path}: "))
    check_presence(scope)
    return walk_cells(scope)


def check_level(scope: LevelScope, facts: Mapping[int, LevelFacts]) -> None:
    """Check objects, groups and links of a level, given the facts of all levels that could be scanned."""
    own = facts[scope.number]
    report = scope.report
    ownership = check_objects(scope, own)
    check_groups(scope, ownership)
    is_tree, is_line = scope.kind == names.SKELETON, scope.reader.is_sequence
    links = None
    with report.guard(scope.path(names.LINKS)):
        owners = None
        if ownership is not None and scope.kind in (names.GRAPH, names.SKELETON):
            owners = own.owner_of_rows(ownership.owner)
        links = check_links(scope, facts, owners, keep=is_tree or is_line)
    with report.guard(scope.path(names.LINKS)):
        if is_tree and (links is not None or scope.number == 0):
            check_trees(scope, own, ownership, links)
        elif is_line and links is not None and ownership is not None and not scope.root.is_old_layout:
            check_bridges(scope, own, ownership, links)
    with report.guard(scope.layout.path):
        check_declared(scope, own)
