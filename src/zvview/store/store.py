"""A store: its metadata, its levels and what stands at its root."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from zvview.errors import ConflictError, MissingError, NotZarrVectorsError, UnreachableError, ZvviewError
from zvview.format import names
from zvview.format.attributes import AttributeMetadata
from zvview.format.metadata import Axis, LevelMetadata, RootMetadata
from zvview.geometry.parametric import ParametricObjects
from zvview.store.editing.session import EditSession
from zvview.store.hierarchy import Hierarchy, StaleMetadata, parse_document
from zvview.store.index_view import INDEX_REQUESTS, IndexView, parse_index, read_index
from zvview.store.layout import Groups, Layout
from zvview.store.layout_07 import Layout07
from zvview.store.layout_09 import Layout09
from zvview.store.level import Level
from zvview.store.parametric import read_parametric
from zvview.store.places.redo_log import LOG_REQUEST, is_log
from zvview.store.places.remote import RemoteSource
from zvview.store.places.source import ROOT_KEY, Request, Source, Stamped
from zvview.store.reading.counts import count_rows
from zvview.store.reading.reader import LevelReader

__all__ = ["RootWave", "Store", "read_root"]

T = TypeVar("T")
_MOST_RETRIES = 5
_LEVEL = re.compile(r"(?:resolution_)?(\d{1,6})", re.ASCII)


@dataclass(frozen=True, slots=True, eq=False)
class RootWave:
    """The root's document and, where it is known already, zvview's own index."""

    document: dict[str, Any]
    index: IndexView | None

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes of the root group."""
        return self.document["attributes"]  # type: ignore[no-any-return]


def read_root(source: Source) -> RootWave:
    """The first wave of a store.

    Raises
    ------
    NotZarrVectorsError
        The place has no ``zarr.json``.
    UnreachableError
        A commit was interrupted, and is final, where nothing can be laid over what is read.
    """
    requests: list[Request] = [(ROOT_KEY, None), *(() if source.is_local else (*INDEX_REQUESTS, LOG_REQUEST))]
    data, *index = source.get_many(requests)
    if not source.is_local and is_log(index.pop()):
        if not isinstance(source, RemoteSource):
            raise UnreachableError(f"{source.place}: a commit was interrupted there; open the store by its own address")
        source.look_for_commit()
        data, *index = source.get_many(requests[:-1])
    if data is None:
        raise NotZarrVectorsError(f"{source.place} holds no zarr.json: it is not a Zarr v3 store")
    return RootWave(parse_document(data, ""), parse_index(index) if index else None)


class Store:
    """An open Zarr Vectors store. Made by :func:`zvview.open`; thread-safe; a context manager that closes it.

    Attributes
    ----------
    place : str
        Where it is, as messages name it.

    Notes
    -----
    When another store takes the place of this one on disk, the next call reads that one; a read that it happens to is
    done again, so that no answer mixes the two.
    """

    def __init__(self, source: Source, root: RootWave | None = None) -> None:
        self._source = source
        self._stamped = source if isinstance(source, Stamped) else None  # once: a look takes longer than a small read
        self.place = source.place
        self._lock = threading.RLock()
        self._stamp = self._take_stamp()
        self._begin(read_root(source) if root is None else root)

    def _begin(self, root: RootWave) -> None:
        """Start from a root document."""
        source = self._source
        self._index, self._is_index_read = root.index, root.index is not None or not source.is_local
        self._metadata = RootMetadata.parse(root.attributes)
        documents = {} if root.index is None else dict(root.index.documents)
        fingerprints = {} if root.index is None else root.index.fingerprints
        self._hierarchy = Hierarchy(source, {**documents, "": root.document}, fingerprints)
        self._forget()

    def _forget(self) -> None:
        """Drop all that was derived from documents."""
        self._readers: dict[int, LevelReader] = {}
        self._counts: dict[int, NDArray[np.int64]] = {}
        self._level_metadata: dict[int, LevelMetadata] | None = None

    @property
    def metadata(self) -> RootMetadata:
        """What the root says."""
        self._refresh()
        return self._metadata

    def _take_stamp(self) -> object:
        return None if self._stamped is None else self._stamped.stamp()

    def _refresh(self) -> object:
        """Begin again when another store has taken the place of the one that was opened; what tells them apart."""
        stamp = self._take_stamp()
        if stamp != self._stamp:
            with self._lock:
                stamp = self._take_stamp()  # another thread may have begun again meanwhile
                if stamp != self._stamp:
                    self._begin(read_root(self._source))
                    self._stamp = stamp
        return stamp

    def retry(self, read: Callable[[], T]) -> T:
        """The value of `read`, called again when what it relied on was stale or was replaced on the way.

        Raises
        ------
        ConflictError
            The store is replaced again and again.
        """
        for _ in range(_MOST_RETRIES):
            stamp = self._refresh()
            try:
                value = read()
            except StaleMetadata:
                with self._lock:
                    self._forget()
                continue
            except ZvviewError:
                if self._take_stamp() == stamp:
                    raise
                continue
            if self._take_stamp() == stamp:
                return value
        raise ConflictError(f"{self.place} was replaced {_MOST_RETRIES} times while it was read; try again later")

    def __repr__(self) -> str:
        return f"<zvview.Store {self.place} {'+'.join(self._metadata.kinds) or 'empty'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back what is held open."""
        self._source.close()

    @property
    def version(self) -> str:
        """Format version, such as ``"0.9.2"``."""
        return self.metadata.version_text

    @property
    def kinds(self) -> tuple[str, ...]:
        """Geometry types that the store lists."""
        return self.metadata.kinds

    @property
    def kind(self) -> str:
        """The kind of batch that reads give: the one that is listed, else points (see :attr:`notes`)."""
        return self.metadata.kinds[0] if len(self.metadata.kinds) == 1 else names.POINT_CLOUD

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Name, type and unit of each coordinate."""
        return self.metadata.axes

    @property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Least and greatest corner, each (D,), in world coordinates, as declared."""
        shift = 0.0 if self.metadata.offset is None else self.metadata.offset
        return self.metadata.lo + shift, self.metadata.hi + shift

    @property
    def levels(self) -> tuple[int, ...]:
        """Numbers of the levels, ascending; 0 is the finest."""
        return tuple(self._levels())

    def level(self, number: int = 0) -> Level:
        """One level.

        Raises
        ------
        InvalidInputError
            `number` is no integer.
        MissingError
            There is no such level.
        """
        level = Level(self, number)
        if level.number not in self._levels():
            raise MissingError("level", number, self.levels)
        return level

    @property
    def attributes(self) -> Mapping[str, AttributeMetadata]:
        """Vertex attributes of the finest level."""
        return self.level(self.levels[0]).attributes if self.levels else {}

    @property
    def groups(self) -> Groups | None:
        """Groups of objects of the finest level, or None."""
        return self.level(self.levels[0]).groups if self.levels else None

    @property
    def parametric(self) -> ParametricObjects | None:
        """Parametric objects, or None."""
        return self.retry(lambda: read_parametric(self._hierarchy))

    @property
    def headers(self) -> Mapping[str, Mapping[str, Any]]:
        """Headers of foreign files that the store was made from, by format."""

        def read() -> dict[str, Mapping[str, Any]]:
            found = self._hierarchy.children(names.HEADERS)
            return {name: self._hierarchy.attributes(f"{names.HEADERS}/{name}") or {} for name in found}

        return self.retry(read)

    @property
    def user_metadata(self) -> Mapping[str, Any]:
        """What applications keep at the root, one object each."""
        value = self.metadata.raw.get(names.USER_METADATA)
        return value if isinstance(value, dict) else {}

    @property
    def statistics(self) -> Mapping[int, Mapping[str, Any]]:
        """Statistics of vertex attributes by level from zvview's own index; a hint, empty without one."""
        index = self.index
        return {} if index is None else index.statistics

    @property
    def index(self) -> IndexView | None:
        """The index that zvview keeps, read once, for the classes of this package; None without one. A hint."""
        self._refresh()
        return self._read_index()

    @property
    def notes(self) -> tuple[str, ...]:
        """What cannot be trusted or is not shown, in plain words."""
        out = list(self.metadata.notes)
        if not self._hierarchy.can_enumerate:
            out.append(
                f"{self.place} cannot list what it holds and the store has no index by zvview: attributes that the "
                "root does not declare must be asked for by name, and links beyond neighbouring chunks are not found"
            )
        if len(self.kinds) > 1:
            out.append(
                f"the store lists {len(self.kinds)} kinds ({', '.join(self.kinds)}) in one vertex buffer; "
                "they cannot be told apart and are shown as points"
            )
        for number, path in self._level_paths().items():
            if self._hierarchy.attributes(f"{path}/{names.COMPOSITE_INDEX}") is not None:
                out.append(
                    f"level {number} is composite: only its common vertices are shown, its links cannot be trusted"
                )
            out += self.reader(number).layout.notes
        return tuple(out)

    def reader(self, number: int) -> LevelReader:
        """The opened arrays of a level, for the classes of this package."""
        self._refresh()
        with self._lock:
            if number not in self._readers:
                levels = self._levels()
                if number not in levels:
                    raise MissingError("level", number, levels)
                layout: Layout
                if self.metadata.is_old_layout:
                    path = self._level_paths()[number]
                    layout = Layout07(self._hierarchy, self.metadata, levels[number], path)
                else:
                    layout = Layout09(self._hierarchy, self.metadata, levels[number], levels)
                self._readers[number] = LevelReader(self._hierarchy, self.metadata, layout, self.kind)
            return self._readers[number]

    def edit(self, *, journal: bool = True) -> EditSession:
        """Begin to edit the store: ``with store.edit() as edit: ...`` commits at the end of the block.

        Parameters
        ----------
        journal : bool
            Whether edits that are not saved are kept on the user's disk, to be offered again after a crash. Those of a
            store in memory never are.

        Raises
        ------
        UnsupportedError
            An older layout, several kinds, additive levels, Draco vertices, or parts that could not be kept true; tells
            what to do.
        """
        return EditSession(self, self._source, journal=journal)

    def count_vertices(self, number: int) -> NDArray[np.int64]:
        """Vertices of each chunk of a level, counted once."""
        self._refresh()
        counts = self._counts  # of this state: of the next one it is another dictionary
        if number not in counts:
            counts[number] = self.retry(lambda: self._count(number))
        return counts[number]

    def _count(self, number: int) -> NDArray[np.int64]:
        reader = self.reader(number)
        index = self._read_index()
        if index is not None and number in index.counts and self._is_index_true_of(index, number):
            known = index.chunks[number]
            if known.shape == reader.layout.vertices.chunks.shape and (known == reader.layout.vertices.chunks).all():
                return index.counts[number]
        return count_rows(reader)

    def _is_index_true_of(self, index: IndexView, number: int) -> bool:
        """Whether a level's documents are still those that the index was made with."""
        paths = [str(number), f"{number}/{names.VERTICES}"]
        return self._hierarchy.match_fingerprints({p: index.fingerprints.get(p, "") for p in paths})

    def _read_index(self) -> IndexView | None:
        if not self._is_index_read:
            self._index, self._is_index_read = read_index(self._source), True
        return self._index

    def _level_paths(self) -> dict[int, str]:
        """Path of each level's group; the root's children whose name is an integer (1)."""
        known = self._hierarchy.names("")
        candidates = [*self.metadata.scales, "0"] if known is None else known
        named = {n: m for n in candidates if (m := _LEVEL.fullmatch(n)) and (self.metadata.is_old_layout or n == m[1])}
        documents = self._hierarchy.documents(list(named))
        found = {int(m[1]): n for (n, m), d in zip(named.items(), documents, strict=True) if d is not None}
        return dict(sorted(found.items()))

    def _levels(self) -> dict[int, LevelMetadata]:
        self._refresh()
        with self._lock:
            if self._level_metadata is None:
                self._level_metadata = {
                    number: LevelMetadata.parse(self._hierarchy.attributes(path) or {}, number, self.metadata)
                    for number, path in self._level_paths().items()
                }
            return self._level_metadata
