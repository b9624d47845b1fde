"""Which units need not be made again: those whose chunks, and all else that they come from, are what they were.

A source that can tell which chunks a content comes from is spared reading those of an edited store that were not
touched. The files of their cells tell whether they were, by size and time. Of other sources, and of stores whose
chunks are no files of their own, everything is made again and compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from zvview.neuroglancer.exporting.contents import Contents, digest_of
from zvview.neuroglancer.exporting.planning import Unit
from zvview.neuroglancer.sources.contract import Section
from zvview.store.places.folder import FolderSource
from zvview.store.reading.reader import ReadOptions
from zvview.store.store import Store

__all__ = ["Traced", "stamp_units"]


@runtime_checkable
class Traced(Protocol):
    """A source that knows where its contents come from."""

    @property
    def basis(self) -> str:
        """Another text where the same chunks would give other contents; empty where that cannot be told."""
        ...

    def relies_on(self, section: Section, keys: NDArray[np.uint64]) -> Sequence[tuple[int, NDArray[np.int64]]]:
        """Levels, and in each the rows of the chunks, (n,), that the contents of some numbers come from."""
        ...


def stamp_units(contents: Contents, units: Sequence[Unit]) -> dict[str, str]:
    """Another text for each unit after what it is made of changed, by the units' names; of those that can be told."""
    versions: dict[str, _Versions] = {}
    bases: dict[str, str] = {}
    stamps: dict[str, str] = {}
    for unit in units:
        source = contents.source(unit.source)
        if not isinstance(source, Traced):
            continue
        folder = unit.source.rpartition("/")[0]
        known = versions.setdefault(folder, _Versions(contents.stores[folder]))
        basis = bases[unit.source] = bases.get(unit.source) or source.basis
        section = source.sections[unit.section]
        told: list[Any] = [basis, None if unit.spec is None else unit.spec.document(), known.pending]
        for batch in unit.batches if basis else ():
            told += [batch.starts.tolist(), batch.counts.tolist()]
            for level, rows in source.relies_on(section, batch.keys()):
                of_level = known.of_level(level)
                if of_level is None:
                    basis = ""
                    break
                told += [level, [of_level[row] for row in rows.tolist()]]
        if basis:
            stamps[unit.name] = digest_of(told)
    return stamps


class _Versions:
    """What tells of each chunk of a store whether it was written again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._levels: dict[int, list[list[Any]] | None] = {}
        source = store.reader(store.levels[0]).hierarchy.source
        self._source = source if isinstance(source, FolderSource) else None
        self.pending = None if self._source is None else self._pending(self._source)

    @staticmethod
    def _pending(source: FolderSource) -> Any:
        """What a commit that is final but not in its place yet lays over the files."""
        stamp: Any = source.stamp()
        return None if stamp is None else repr(stamp[1])

    def of_level(self, level: int) -> list[list[Any]] | None:
        """For each chunk of a level what its files are; None where chunks have none of their own."""
        if level not in self._levels:
            self._levels[level] = self._read(level)
        return self._levels[level]

    def _read(self, level: int) -> list[list[Any]] | None:
        reader = self._store.reader(level)
        chunks = reader.layout.vertices.chunks
        found: list[list[Any]] = [[] for _ in range(len(chunks))]
        for array, coords in reader.families(ReadOptions()).asks(chunks):
            if self._source is None or array.preparation(coords):  # shards
                return None
            plan = array.plan(coords)
            versions = self._source.versions([key for key, _ in plan.requests])
            for own, place in zip(found, plan.places, strict=True):
                if not (place is None or isinstance(place, tuple)):
                    return None
                own.append(None if place is None else versions[place[0]])
        return found
