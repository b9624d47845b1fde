"""The entrance: everything is checked, part after part, and what cannot be read does not keep the rest from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, TypeAlias

from zvview.cancel import CancelToken
from zvview.errors import NotZarrVectorsError
from zvview.format import names
from zvview.format.metadata import LevelMetadata, RootMetadata
from zvview.geometry.arguments import check_type
from zvview.store.check.findings import Findings
from zvview.store.check.hiding import HidingSource
from zvview.store.check.level import check_level, scan_level
from zvview.store.check.levels import check_level_metadata, check_pyramid
from zvview.store.check.report import Report
from zvview.store.check.root import check_index, check_root, check_side_content
from zvview.store.check.scope import LevelFacts, LevelScope
from zvview.store.collection import is_collection
from zvview.store.hierarchy import Hierarchy
from zvview.store.places.open import Place, open_source
from zvview.store.places.prefixed import source_within
from zvview.store.places.source import Source, check_keys
from zvview.store.store import RootWave, Store, read_root

__all__ = ["Progress", "check"]

Progress: TypeAlias = Callable[[int, int, str], None]
"""Takes the steps done, the steps known of so far, and what is being checked."""

_LEVEL = re.compile(r"(?:resolution_)?(\d{1,6})", re.ASCII)


def check(
    place: Place,
    *,
    storage_options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
) -> Findings:
    """Check the store, or the collection of stores, at `place`, whatever is wrong with it.

    Parameters
    ----------
    place, storage_options
        As for :func:`zvview.open`.
    progress : callable, optional
        Called with the steps done, the steps known of, and what is being checked.
    cancel : CancelToken, optional
        Set from any thread, it ends the check with :class:`zvview.Cancelled`.

    Raises
    ------
    UnreachableError
        The place does not answer. Nothing about the content of a store is raised.
    """
    check_type(progress, "progress", (Callable, NoneType), "a function of two numbers and a text")  # type: ignore[arg-type]
    check_type(cancel, "cancel", (CancelToken, NoneType), "a zvview.CancelToken")
    report = Report()
    try:
        source = open_source(place, storage_options=storage_options)
    except NotZarrVectorsError as error:
        report.add("not-a-store", "", str(error))
        return report.findings(str(place))
    try:
        _check_place(source, report, _Steps(progress), cancel)
        return report.findings(source.place)
    finally:
        source.close()


class _Steps:
    """Counts cells for the progress of a check."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._done = self._total = 0
        self._text = ""

    def expect(self, steps: int) -> None:
        self._total += steps
        self.advance(0)

    def name(self, text: str) -> None:
        self._text = text
        self.advance(0)

    def advance(self, steps: int) -> None:
        self._done += steps
        if self._progress is not None:
            self._progress(min(self._done, self._total), self._total, self._text)


def _check_place(source: Source, report: Report, steps: _Steps, cancel: CancelToken | None) -> None:
    with report.guard(""):
        root = read_root(source)
        if is_collection(root.attributes):
            _check_members(source, root.attributes, report, steps, cancel)
        else:
            _check_store(source, root.document, report, steps, cancel)


def _check_members(
    source: Source, attributes: Mapping[str, Any], report: Report, steps: _Steps, cancel: CancelToken | None
) -> None:
    """Each store of a collection; nodes of other kinds are not looked at."""
    nodes = attributes[names.OME].get("nodes")
    for node in nodes if isinstance(nodes, list) else []:
        name = node.get("name") if isinstance(node, Mapping) else None
        if not isinstance(name, str):
            report.add("damaged-metadata", "", f"ome.nodes: found {node!r:.80}, expected a node with a name")
            continue
        path = str(node.get("path", name)).removeprefix("./").strip("/")
        if "://" in path:
            continue
        member = report.child(name)
        with member.guard(""):
            check_keys([path])
            inside = source_within(source, path)
            root = read_root(inside)
            if names.ROOT in root.attributes:
                _check_store(inside, root.document, member, steps, cancel)
        report.take(member)


def _check_store(
    source: Source, document: dict[str, Any], report: Report, steps: _Steps, cancel: CancelToken | None
) -> None:
    root = RootMetadata.parse(document["attributes"])
    found, hidden = _sound_levels(source, document, root, report)
    check_root(report, document, root, found)
    store = Store(HidingSource(source, hidden), RootWave(document, None))
    scopes: dict[int, LevelScope] = {}
    for number in store.levels:
        with report.guard(str(number)):
            reader = store.reader(number)
            steps.expect(len(reader.layout.vertices.chunks))
            scopes[number] = LevelScope(number, reader, report, cancel, steps.advance)
    facts: dict[int, LevelFacts] = {}
    for number, scope in scopes.items():
        steps.name(f"level {number}")
        with report.guard(scope.layout.path):
            facts[number] = scan_level(scope)
    for number in facts:
        steps.name(f"links of level {number}")
        check_level(scopes[number], facts)
    check_pyramid(report, found, facts)
    with report.guard(""):
        for text in store.metadata.notes:
            report.add("reader-note", "", text)
    check_side_content(report, store)
    with report.guard(names.INDEX):
        check_index(report, source, facts)


def _sound_levels(
    source: Source, document: dict[str, Any], root: RootMetadata, report: Report
) -> tuple[list[int], list[str]]:
    """Numbers of all levels, and paths of those whose metadata cannot be parsed, which would keep the store shut."""
    hierarchy = Hierarchy(source, {"": document})
    numbers: list[int] = []
    hidden: list[str] = []
    paths: dict[int, str] = {}
    for name in hierarchy.names("") or [*root.scales, "0"]:
        match = _LEVEL.fullmatch(name)
        if match and (root.is_old_layout or name == match[1]):
            paths[int(match[1])] = name
    for number, path in sorted(paths.items()):
        before = len(numbers)
        with report.guard(path):
            attributes = hierarchy.attributes(path)
            if attributes is not None:
                LevelMetadata.parse(attributes, number, root)
                numbers.append(number)
            else:
                continue
        if len(numbers) == before:
            numbers.append(number)
            hidden.append(path)
    for number in numbers:
        path = paths[number]
        if path not in hidden:
            metadata = LevelMetadata.parse(hierarchy.attributes(path) or {}, number, root)
            check_level_metadata(report, root, metadata, path, numbers)
    return numbers, hidden
