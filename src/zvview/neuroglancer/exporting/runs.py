"""One run of an export: what is to be there, what of it is there already, and bringing the one to the other."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Literal

from zvview.cancel import CancelToken
from zvview.neuroglancer.encoding.shards import ShardSpec
from zvview.neuroglancer.exporting.contents import Contents, digest_of
from zvview.neuroglancer.exporting.file_names import INFO, PAGE, STATE, content_names, is_content_name, join
from zvview.neuroglancer.exporting.page import make_page
from zvview.neuroglancer.exporting.planning import SectionPlan, Unit, info_with_shards, plan_section
from zvview.neuroglancer.exporting.record import Entry, Record, is_as_told
from zvview.neuroglancer.exporting.stamps import stamp_units
from zvview.neuroglancer.exporting.targets import WITHIN, Target
from zvview.neuroglancer.exporting.workers import MOST_THREADS, Order, perform_all
from zvview.neuroglancer.exporting.writing import Folder
from zvview.neuroglancer.links.states import Exhibit, first_state, side_by_side
from zvview.version import __version__

__all__ = ["Exported", "Format", "Progress", "Run"]

Format = Literal["directory", "sharded", "zip"]
Progress = Callable[[int, int, str], None]
_ENCODING: Final = 4
"""To be counted up when the same store is to give other bytes than before."""

_FEW: Final = 16 << 20  # bytes, as units count their cost, below which processes take longer to start than to work


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to.

    Attributes
    ----------
    out : str
        The folder or the zip.
    format : str
    files : int
        Files that the export has; in a zip, entries.
    nbytes : int
        Bytes of all of them.
    written, removed : int
        Files that this run wrote and removed.
    notes : tuple of str
        What is left out or not exact, in plain words.
    """

    out: str
    format: Format
    files: int
    nbytes: int
    written: int = 0
    removed: int = 0
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Run:
    """One call of :func:`~zvview.neuroglancer.exporting.exporting.export`, whose parameters these are."""

    place: Any
    target: Target
    format: Format
    url: str | None
    workers: int
    cancel: CancelToken | None
    progress: Progress | None
    _written: int = 0
    _same: dict[str, list[str]] = field(default_factory=dict)
    _notes: dict[str, None] = field(default_factory=dict)

    def find_whole(self, contents: Contents) -> Exported | None:
        """What is there, where nothing has changed since it was written.

        Raises
        ------
        UnreachableError
        """
        state = contents.state()
        if state is None:
            return None
        about = self._about(state)
        if self.target.is_zip:
            told = self.target.told() or {}
            if told.get("about") != about:
                return None
            return Exported(self.target.out, self.format, told["files"], told["nbytes"], notes=tuple(told["notes"]))
        record = Record.read(self.target.folder)
        if not record.is_whole or record.header.get("about") != about:
            return None
        if not all(self._is_there(record, name) for name in record.files):
            return None
        return self._result(record, tuple(record.header["notes"]))

    def perform(self, contents: Contents, state: str | None) -> Exported:
        """Bring the export to the state in which the stores are.

        Raises
        ------
        ConflictError
            They changed on the way.
        UnreachableError
        Cancelled
        """
        record = Record.read(self.target.folder)
        try:
            return self._perform(contents, state, record)
        finally:
            record.close()

    def _perform(self, contents: Contents, state: str | None, record: Record) -> Exported:
        sources = dict(contents.sources())
        exhibits = self._exhibits(contents)
        first_notes = dict.fromkeys(note for exhibit in exhibits for note in exhibit.notes)
        plans = self._plan(contents, record)
        told = {
            path: [{"count": plan.count, "sharding": _document(plan.spec), "each": plan.each} for plan in own]
            for path, own in plans.items()
        }
        infos = {path: contents.digest_of_info(path) for path in sources}
        about = self._about(state)
        units = [unit for own in plans.values() for plan in own for unit in plan.units]
        stamps = stamp_units(contents, units)
        notes_before = {note for exhibit in exhibits for note in exhibit.notes}
        trusted = record.header.get("units", {}) if record.is_whole else {}
        if not notes_before.issuperset(record.header.get("notes", ())):  # what could not be read is looked at again
            trusted = {}
        self._same = {name: trusted[name]["names"] for name, stamp in stamps.items() if _is_same(trusted, name, stamp)}
        record.begin("" if state is None else digest_of([about, told, infos]))
        expected = self._write(units, contents, record)
        documents = {
            join(path, INFO): json.dumps(info_with_shards(source, [plan.spec for plan in plans[path]]))
            for path, source in sources.items()
        }
        documents[STATE] = json.dumps(first_state(exhibits), indent=1)
        if not self.target.is_zip:
            documents[PAGE] = make_page(self._name)
        folder = Folder(self.target.folder)
        for name, text in documents.items():  # last, so that a new export is seen when it is whole
            entry, is_new = folder.put(name, text.encode(), record.files.get(name))
            record.note(name, {name: entry})
            self._written += is_new
        expected.update(documents)
        removed = self._remove_stale(folder, record, expected, contents)
        self._notes.update(dict.fromkeys(note for exhibit in exhibits for note in exhibit.notes))
        # what comes up on the way does so in any order
        notes = (*first_notes, *sorted(self._notes.keys() - first_notes.keys()))
        result = replace(self._result(record, notes), written=self._written, removed=removed)
        if self.target.is_zip:
            is_new = self.target.pack(
                expected, {"about": about, "files": result.files, "nbytes": result.nbytes, "notes": notes}
            )
            return replace(result, written=result.files if is_new else 0, removed=0)
        kept = {name: {"stamp": stamp, "names": record.done[name]} for name, stamp in stamps.items()}
        record.finish({"about": about, "sections": told, "notes": notes, "units": kept})
        return result

    def _plan(self, contents: Contents, record: Record) -> dict[str, list[SectionPlan]]:
        """How each section is written; two threads share the reading that this takes."""
        sources = dict(contents.sources())

        def plan(path: str, number: int) -> SectionPlan:
            known: Sequence[Mapping[str, Any]] = (record.header.get("sections") or {}).get(path, ())
            return plan_section(
                path,
                sources[path],
                number,
                is_sharded=self.format != "directory",
                known=known[number] if number < len(known) else None,
                cancel=self.cancel,
            )

        asked = [(path, number) for path, source in sources.items() for number in range(len(source.sections))]
        with ThreadPoolExecutor(max(1, min(self.workers, MOST_THREADS)), "zvview-plan") as pool:
            found = list(pool.map(plan, *zip(*asked, strict=True))) if asked else []
        own = iter(found)
        return {path: [next(own) for _ in source.sections] for path, source in sources.items()}

    def _write(self, units: Sequence[Unit], contents: Contents, record: Record) -> set[str]:
        """Write all units but those that a run which broke off has done; the names of their files."""
        self._notes.update(dict.fromkeys(record.notes))
        expected: set[str] = set()
        missing: list[Unit] = []
        for unit in units:
            names = record.done.get(unit.name) if record.goal else None
            names = self._same.get(unit.name) if names is None else names
            if names is not None and all(self._is_there(record, name) for name in names):
                record.note(unit.name, {name: record.files[name] for name in names})
                expected.update(names)
            else:
                missing.append(unit)
        total = sum(map(len, units))
        remaining = sum(map(len, missing))
        is_much = sum(unit.cost for unit in missing) > _FEW
        workers = self.workers if is_much else min(self.workers, MOST_THREADS)
        missing.sort(key=lambda unit: unit.cost, reverse=True)  # the last ones are small: no process waits long
        folder = Folder(self.target.folder)
        orders = (
            Order(folder, unit, _known_of(unit, contents, record), contents.digest_of_info(unit.source))
            for unit in missing
        )
        for unit, written in perform_all(orders, self.place, contents, workers=workers, cancel=self.cancel):
            record.note(unit.name, written.files, written.notes)
            expected.update(written.files)
            self._written += written.changed
            self._notes.update(dict.fromkeys(written.notes))
            remaining -= len(unit)
            if self.progress is not None:
                self.progress(total - remaining, total, unit.source)
        return expected

    def _remove_stale(self, folder: Folder, record: Record, expected: set[str], contents: Contents) -> int:
        """Remove files of a state before, also of a run that was killed before it could note them."""
        stale = set(record.files) - expected
        for path, source in contents.sources():
            there = _list(os.path.join(folder.path, *path.split("/")))  # also folders of levels that are no longer
            for key in {section.key for section in source.sections} | {n for n in there if not is_content_name(n)}:
                within = join(path, key)
                names = _list(os.path.join(folder.path, *within.split("/")))
                stale |= {join(within, name) for name in names if is_content_name(name)} - expected
        for name in stale:
            folder.remove(name)
            record.drop(name)
        return len(stale)

    def _exhibits(self, contents: Contents) -> list[Exhibit]:
        """The stores as the client shows them at first."""
        exhibits = [
            Exhibit(name or self._name, store, contents.sources_of(name), partial(self._url_of, name))
            for name, store in contents.stores.items()
        ]
        return side_by_side(exhibits)

    @property
    def _name(self) -> str:
        return os.path.basename(self.target.out).partition(".")[0] or "export"

    def _url_of(self, folder: str, source: str) -> str:
        base = (self.url or ".").rstrip("/")
        return f"{base}|zip:{join(WITHIN, folder, source)}" if self.target.is_zip else f"{base}/{join(folder, source)}"

    def _about(self, state: str | None) -> dict[str, Any]:
        """What decides each byte of the export."""
        return {
            "state": state,
            "format": self.format,
            "url": self.url,
            "name": os.path.basename(self.target.out),
            "zvview": __version__,
            "encoding": _ENCODING,
        }

    def _is_there(self, record: Record, name: str) -> bool:
        entry = record.files.get(name)
        return entry is not None and is_as_told(os.path.join(self.target.folder, *name.split("/")), entry)

    def _result(self, record: Record, notes: tuple[str, ...]) -> Exported:
        nbytes = sum(entry.size for entry in record.files.values())
        return Exported(self.target.out, self.format, len(record.files), nbytes, notes=notes)


def _known_of(unit: Unit, contents: Contents, record: Record) -> dict[str, Entry]:
    """What is there of the files of a unit."""
    section = contents.source(unit.source).sections[unit.section]
    within = join(unit.source, section.key)
    if unit.spec is not None:
        names = [unit.spec.file_name(unit.shard)]
    else:
        names = [name for batch in unit.batches for name in content_names(section, batch.keys())]
        names += [f"{name}.index" for name in names] if section.grid_shape is None else []
    return {name: record.files[name] for own in names if (name := join(within, own)) in record.files}


def _is_same(trusted: Mapping[str, Any], name: str, stamp: str) -> bool:
    """Whether a unit is made of what it was made of in the last whole run."""
    return isinstance(told := trusted.get(name), dict) and told.get("stamp") == stamp


def _document(spec: ShardSpec | None) -> dict[str, Any] | None:
    return None if spec is None else spec.document()


def _list(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
