"""A store that is being refreshed: its documents and counts, kept true while its coarse levels change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError, NotZarrVectorsError
from zvview.format import documents, names
from zvview.format.grid import ChunkTable, sort_chunks
from zvview.format.metadata import RootMetadata
from zvview.pyramid.cross_links import are_levels_linked
from zvview.pyramid.design import LevelDesign
from zvview.pyramid.finest_statistics import renew_statistics
from zvview.pyramid.line_state import LineState
from zvview.pyramid.preconditions import check_kind
from zvview.pyramid.stage import Stage, with_levels
from zvview.pyramid.stored_surveys import SURVEYS, StoredSurvey, survey_group, survey_path, write_survey
from zvview.store.hierarchy import document_key, fingerprint
from zvview.store.index import IndexedLevel, build_index
from zvview.store.index_view import IndexView, read_index
from zvview.store.patching.nodes import is_between_levels, read_nodes
from zvview.store.patching.overlay import Overlay
from zvview.store.patching.rewriting import Rewriting
from zvview.store.reading.counts import count_rows
from zvview.store.store import Store

__all__ = ["StoreView"]


class StoreView:
    """What is known of the store that an overlay shows.

    Parameters
    ----------
    overlay : Overlay
    touched : (n, sid) int64
        Chunks of level 0 that were edited: the store's index is not asked about these. About all others it is believed,
        where it knows them; coarse levels of which the documents changed since are counted.

    Attributes
    ----------
    overlay : Overlay
    metadata : RootMetadata
    kind : str
    is_linked : bool
        Whether neighbouring levels shall be linked to each other.

    Raises
    ------
    InvalidInputError
        Chunks of another number of components.
    UnsupportedError, NotZarrVectorsError
        A store of which no pyramid can be made.
    """

    def __init__(self, overlay: Overlay, touched: NDArray[np.int64]) -> None:
        self.overlay = overlay
        self._documents, self._encoded = read_nodes(overlay)
        if "" not in self._documents:
            raise NotZarrVectorsError(f"{overlay.place} holds no zarr.json: there is no store")
        self._root = self._documents.pop("")
        self._encoded.pop("")
        self._fingerprints = {path: fingerprint(data) for path, data in self._encoded.items()}
        self.metadata = RootMetadata.parse(self._root["attributes"])
        self.is_linked = are_levels_linked(self._root)
        self._index = index = read_index(overlay)
        self._indexed: dict[int, IndexedLevel] = {}
        store = self.open()
        self.kind = check_kind(store)
        sid = store.level(0).chunks.shape[1]
        if len(touched) and touched.shape[1] != sid:
            raise InvalidInputError(f"chunks of {touched.shape[1]} components, expected {sid} as level 0 has")
        for number in store.levels:
            self._indexed[number] = self._count(store, number, index, touched)
        if self._indexed[0].attributes and len(touched):
            self._renew_statistics(store, sort_chunks(touched))

    def _count(self, store: Store, number: int, index: IndexView | None, touched: NDArray[np.int64]) -> IndexedLevel:
        reader = store.reader(number)
        chunks = reader.layout.vertices.chunks
        counts = np.full(len(chunks), -1, np.int64)
        statistics: Mapping[str, Any] = {}
        if index is not None and number in index.chunks and index.chunks[number].shape[1] == chunks.shape[1]:
            statistics = index.statistics.get(number, {})
            paths = (str(number), f"{number}/{names.VERTICES}")
            if number == 0 or all(index.fingerprints.get(p) == self._fingerprints[p] for p in paths):
                at = ChunkTable.of(index.chunks[number]).find(chunks)
                counts[at >= 0] = index.counts[number][at[at >= 0]]
        if number == 0:
            at = ChunkTable.of(chunks).find(touched)
            counts[at[at >= 0]] = -1
        unknown = np.flatnonzero(counts < 0)
        if len(unknown):
            counts[unknown] = count_rows(reader, chunks[unknown])
        return IndexedLevel(number, chunks, counts, statistics)

    def _renew_statistics(self, store: Store, touched: NDArray[np.int64]) -> None:
        """Let the index be true of the attributes of the chunks that were edited."""
        source = self.overlay.below
        before = Store(source.below).reader(0) if isinstance(source, Overlay) else None
        own = self._indexed[0]
        attributes = renew_statistics(own.attributes, store.reader(0), before, touched)
        self._indexed[0] = replace(own, attributes=attributes)

    def stage(self) -> Stage:
        """The store as it is now, for reading it here or in other processes."""
        index = IndexView(
            self._documents,
            dict(self._fingerprints),
            {n: entry.chunks for n, entry in self._indexed.items()},
            {n: entry.counts for n, entry in self._indexed.items()},
            {},
        )
        return Stage(self.overlay, self._root, index)

    def open(self) -> Store:
        """The store as it is now; positions are read as they are stored."""
        return self.stage().open()

    def indexed(self, number: int) -> IndexedLevel:
        """Chunks and counts of a level."""
        return self._indexed[number]

    def documents_of(self, number: int) -> dict[str, dict[str, Any]]:
        """Documents of the nodes of a level by path, its own group's as well."""
        prefix = f"{number}/"
        return {p: d for p, d in self._documents.items() if p == str(number) or p.startswith(prefix)}

    @property
    def documents(self) -> Mapping[str, dict[str, Any]]:
        """Documents of all nodes but the root, by path."""
        return self._documents

    def survey(self, number: int) -> StoredSurvey | None:
        """The survey of a level of lines, if the index tells that nobody else made the level anew since."""
        paths = (str(number), f"{number}/{names.VERTICES}")
        if self._index is None or any(
            self._index.fingerprints.get(p) != fingerprint(self._encoded.get(p, b"")) for p in paths
        ):
            return None
        return StoredSurvey.open(self.overlay, number)

    def set_survey(self, number: int, survey: LineState | None) -> None:
        """Keep the survey of a level of which all documents are there, in the place of what was kept."""
        putter = Rewriting(self.overlay, [survey_path(number)])
        document = None
        if survey is not None and self._index is not None:
            document = write_survey(putter, number, self._documents[f"{number}/{names.VERTICES}"], survey)
        putter.finish()
        key = document_key(survey_path(number))
        if document is None:
            self.overlay.remove([key])
        else:
            self.overlay.put(key, documents.encode_document(document))

    def put_nodes(self, nodes: Mapping[str, dict[str, Any]]) -> None:
        """Put documents, in the place of those that there are."""
        for path, document in nodes.items():
            data = documents.encode_document(document)
            self.overlay.put(document_key(path), data)
            self._documents[path], self._encoded[path] = document, data
            self._fingerprints[path] = fingerprint(data)

    def drop_cross_links(self) -> None:
        """Let there be no links between levels."""
        found = [path for path in self._documents if is_between_levels(path)]
        groups = [f"{number}/{names.LINKS}" for number in self._indexed if number]
        found += [path for path in groups if path in self._documents and f"{path}/0" not in self._documents]
        self._forget(found)
        for path in found:
            self.overlay.remove(self.overlay.list_keys(path))

    def set_level(self, nodes: Mapping[str, dict[str, Any]], indexed: IndexedLevel) -> None:
        """Take all documents of a level, and what was counted of it; arrays without a document are no more."""
        self._forget(path for path in self.documents_of(indexed.level) if path not in nodes)
        self.put_nodes(nodes)
        self._indexed[indexed.level] = indexed

    def drop_levels(self, first: int) -> None:
        """Let the levels from `first` on be no more."""
        for number in [n for n in self._indexed if n >= first]:
            self._forget(list(self.documents_of(number)))
            self.overlay.remove(self.overlay.list_keys(str(number)))
            self.overlay.remove(self.overlay.list_keys(survey_path(number)))
            del self._indexed[number]

    def _forget(self, paths: Iterable[str]) -> None:
        for path in list(paths):
            self.overlay.remove([document_key(path)])
            del self._documents[path], self._encoded[path], self._fingerprints[path]

    def finish(self, designs: Sequence[LevelDesign]) -> None:
        """Write the root, and zvview's own index where the store had one, for the levels that there are now."""
        has_links = self.is_linked and bool(designs)
        root = with_levels(self._root, self.metadata.base_bin_shape.tolist(), designs, has_cross_links=has_links)
        if self._index is not None:
            own: dict[str, dict[str, Any]] = {}
            if not self._is_true(self._index):
                levels = [self._indexed[n] for n in sorted(self._indexed)]
                # in order of their paths: what was found and what was made must not tell how that came about
                nodes = {path: self._documents[path] for path in sorted(self._documents)}
                encoded = {path: self._encoded[path] for path in sorted(self._encoded)}
                own, cells = build_index(nodes, encoded, levels)
                self.overlay.put_many(cells)
            if any(key != document_key(SURVEYS) for key in self.overlay.list_keys(SURVEYS)):
                own[SURVEYS] = survey_group()
            else:
                self.overlay.remove([document_key(SURVEYS)])
            self.overlay.put_many((document_key(p), (documents.encode_document(d),)) for p, d in own.items())
        self.overlay.put(document_key(""), documents.encode_document(root))

    def _is_true(self, index: IndexView) -> bool:
        """Whether an index tells what there is now: of large stores it is long, and mostly objects change alone."""
        if index.fingerprints != self._fingerprints or index.chunks.keys() != self._indexed.keys():
            return False
        return all(
            np.array_equal(index.chunks[number], entry.chunks)
            and np.array_equal(index.counts[number], entry.counts)
            and index.statistics.get(number) == entry.attributes
            for number, entry in self._indexed.items()
        )
