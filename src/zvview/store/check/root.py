"""Checking what stands at the root: metadata that repeats itself, side content, and zvview's own index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zvview.errors import DamagedError, ZvviewError
from zvview.format import names
from zvview.format.metadata import RootMetadata
from zvview.store.check.report import Report
from zvview.store.check.scope import LevelFacts
from zvview.store.committing.finishing import GROUP
from zvview.store.hierarchy import document_key, fingerprint
from zvview.store.index_view import INDEX_REQUESTS, parse_index
from zvview.store.places.source import Source
from zvview.store.store import Store

__all__ = ["check_index", "check_root", "check_side_content"]

_SEQUENTIAL = (names.SEQUENTIAL,)
_CONVENTIONS = {
    names.LINE: _SEQUENTIAL,
    names.POLYLINE: _SEQUENTIAL,
    names.STREAMLINE: _SEQUENTIAL,
    names.GRAPH: (names.EXPLICIT,),
    names.SKELETON: (names.SEQUENTIAL_WITH_BRANCHES, names.EXPLICIT),
    names.MESH: (names.EXPLICIT,),
}


def check_root(report: Report, document: Mapping[str, Any], root: RootMetadata, levels: Sequence[int]) -> None:
    """Check the root's document."""
    if "consolidated_metadata" in document:
        report.add("consolidated-metadata", "", "consolidated metadata in the root's zarr.json")
    _check_bins(report, root)
    if not root.kinds:
        report.add("kind", "", "geometry_types is empty")
    if len(root.kinds) > 1:
        report.add("several-kinds", "", f"geometry_types names {', '.join(root.kinds)}")
    for kind in root.kinds:
        allowed = _CONVENTIONS.get(kind)
        if allowed is not None and root.links_convention not in allowed:
            found = (
                f"links_convention = {root.links_convention!r}, expected {' or '.join(map(repr, allowed))} for a {kind}"
            )
            report.add("convention", "", found)
    if root.is_old_layout:
        return
    declared = set(root.scales)
    if declared != {str(n) for n in levels}:
        found = f"multiscales lists {sorted(declared)} beside levels {list(levels)}"
        report.add("datasets", "", found)
    _check_ome(report, document["attributes"].get(names.OME), levels)


def _check_bins(report: Report, root: RootMetadata) -> None:
    ratios = root.chunk_shape / root.base_bin_shape
    if (abs(ratios - ratios.round()) > 1e-6 * ratios).any() or (ratios < 0.5).any():
        found = f"base_bin_shape = {root.base_bin_shape.tolist()} in chunks of {root.chunk_shape.tolist()}"
        report.add("bin-shape", "", f"{found}, expected bins that divide them")


def _check_ome(report: Report, ome: object, levels: Sequence[int]) -> None:
    if not isinstance(ome, dict):
        report.add("ome-missing", "", "no attribute 'ome'")
        return
    nodes = ome.get("nodes")
    named = [n.get("name") for n in nodes if isinstance(n, dict)] if isinstance(nodes, list) else []
    if named != [str(n) for n in levels]:
        report.add("ome-nodes", "", f"ome.nodes names {named} beside levels {list(levels)}")


def check_side_content(report: Report, store: Store) -> None:
    """Check parametric objects and take over what the reader itself notes."""
    with report.guard(names.PARAMETRIC):
        objects = store.parametric
        if objects is not None:
            rows = {n: len(v) for n, v in objects.object_attributes.items()}
            for name, count in rows.items():
                if count != len(objects):
                    path = f"{names.PARAMETRIC}/{names.OBJECT_ATTRIBUTES}/{name}"
                    report.add("parametric", path, f"{count} rows, expected one for each of {len(objects)} objects")
            for number, members in enumerate(objects.groups):
                if len(members) and (members.min() < 0 or members.max() >= len(objects)):
                    found = f"a member {members.max()}, expected rows of {len(objects)} objects"
                    report.add("parametric", f"{names.PARAMETRIC}/{names.GROUPS}", found, cell=f"group {number}")
            for name, values in objects.group_attributes.items():
                if len(values) != len(objects.groups):
                    path = f"{names.PARAMETRIC}/{names.GROUP_ATTRIBUTES}/{name}"
                    report.add(
                        "parametric", path, f"{len(values)} rows, expected one for each of {len(objects.groups)} groups"
                    )


def check_index(report: Report, source: Source, facts: Mapping[int, LevelFacts]) -> None:
    """Check zvview's own index, if there is one: that it can be read, and that it is true."""
    answers = source.get_many(INDEX_REQUESTS)
    if answers[0] is None or bytes(answers[0]) == GROUP:
        return
    index = parse_index(answers)
    if index is None:
        report.add("index-damaged", names.INDEX, "an index that cannot be read")
        return
    paths = list(index.fingerprints)
    try:
        real = source.get_many([(document_key(p), None) for p in paths])
    except ZvviewError as error:
        if not isinstance(error, DamagedError):
            raise
        report.add_damage(error, names.INDEX)
        return
    stale = [p for p, d in zip(paths, real, strict=True) if d is None or fingerprint(d) != index.fingerprints[p]]
    if stale:
        report.add("index-stale", names.INDEX, f"{len(stale)} documents have changed since, such as {stale[0]!r}")
        return
    for level, known in facts.items():
        if known.is_damaged.any():
            continue
        listed = index.counts.get(level)
        if (0 if listed is None else int(listed.sum())) != known.vertex_count:
            report.add("index-stale", names.INDEX, f"other vertex counts than level {level} has")
