"""The driver: designs each level, has it made in tasks, writes it, and lets the store with all of them appear."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zvview.cancel import CancelToken
from zvview.errors import InvalidInputError
from zvview.format import documents, names
from zvview.format.metadata import RootMetadata
from zvview.pyramid.coarse_plan import count_objects, plan_level, share_of
from zvview.pyramid.cross_links import are_levels_linked, check_linkable, link_levels, set_pair
from zvview.pyramid.design import LevelDesign, PyramidOptions
from zvview.pyramid.inherit import inherit
from zvview.pyramid.kind import Coarsened, Job, Kind
from zvview.pyramid.kinds import kind_of
from zvview.pyramid.preconditions import check_kind, check_shapes
from zvview.pyramid.stage import Stage, with_levels
from zvview.pyramid.stored_surveys import SURVEYS, survey_group, survey_path, write_survey
from zvview.pyramid.workers import Setting, Workers
from zvview.pyramid.workplace import Workplace, open_workplace
from zvview.store.hierarchy import document_key, fingerprint
from zvview.store.index import IndexedLevel, build_index
from zvview.store.index_view import IndexView
from zvview.store.level import Level
from zvview.store.places.folder import FolderSource
from zvview.store.places.open import Place
from zvview.store.writing.level import WrittenLevel, write_level
from zvview.store.writing.partition import Tiling
from zvview.store.writing.runs import Run

__all__ = ["BuiltLevel", "Progress", "build_pyramid", "rebuild_pyramid"]

Progress = Callable[[int, int, str], None]
"""Called with what is done, all there is, and what is being done."""

_MOST_LEVELS = 24
_LEAST_FALL = 2 / 3  # of the finer level's vertices: a level that holds more of them is not worth its place


@dataclass(frozen=True, slots=True, eq=False)
class BuiltLevel:
    """A coarse level that was written.

    Attributes
    ----------
    design : LevelDesign
    vertex_count, object_count, chunk_count : int
        What it holds; objects that it leaves out are not counted.
    """

    design: LevelDesign
    vertex_count: int
    object_count: int
    chunk_count: int


def build_pyramid(
    place: Place,
    options: PyramidOptions | None = None,
    *,
    workers: int = 0,
    storage_options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
) -> tuple[BuiltLevel, ...]:
    """Make all coarse levels of the store at `place` anew; level 0 is not touched.

    Nothing is seen before all levels are there; a build that fails leaves the store as it was. In a folder, what a
    killed build had done is kept beside the store and used by the next one with the same options.

    Parameters
    ----------
    place : str, path, mapping or zarr store
        A local store of one kind in format 0.9.
    options : PyramidOptions, optional
    workers : int
        Processes that share the work; by default all is done in this one.
    storage_options : mapping, optional
    progress : callable, optional
    cancel : CancelToken, optional
        Looked at between tasks.

    Returns
    -------
    tuple of BuiltLevel
        Empty where level 0 is small enough already.

    Raises
    ------
    InvalidInputError
        Options that cannot be.
    UnsupportedError
        A store in the layout of 0.7.0, of several kinds, or at an address.
    ConflictError
        The store was changed while its levels were made; it is as that change left it.
    Cancelled
    """
    options = PyramidOptions() if options is None else options
    with open_workplace(place, repr(options), storage_options=storage_options) as workplace:
        build = _Build(workplace, options, None, progress, cancel)
        with Workers(workplace.scratch, workers, cancel) as pool:
            return build.run(pool)


def rebuild_pyramid(
    place: Place,
    designs: Sequence[LevelDesign],
    *,
    workers: int = 0,
    storage_options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
) -> tuple[BuiltLevel, ...]:
    """Make all coarse levels anew by designs that are given: what a refresh comes to, at the cost of a build.

    Parameters
    ----------
    place, workers, storage_options, progress, cancel
        As for :func:`build_pyramid`, which tells what is raised as well.
    designs : sequence of LevelDesign
        In order from level 1. Levels of which nothing is left are not written.
    """
    wishes = PyramidOptions(levels=len(designs))
    with open_workplace(place, repr(designs), storage_options=storage_options) as workplace:
        build = _Build(workplace, wishes, designs, progress, cancel)
        with Workers(workplace.scratch, workers, cancel) as pool:
            return build.run(pool)


class _Build:
    def __init__(
        self,
        workplace: Workplace,
        options: PyramidOptions,
        designs: Sequence[LevelDesign] | None,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        self._workplace, self._options, self._progress, self._cancel = workplace, options, progress, cancel
        self._given = designs
        self._root = workplace.documents[""]
        self._metadata = RootMetadata.parse(self._root["attributes"])
        self._documents = {p: d for p, d in workplace.documents.items() if p}
        self._encoded = {p: b for p, b in workplace.encoded.items() if p}
        self._indexed: list[IndexedLevel] = []
        self._designs: list[LevelDesign] = []
        self._surveys: dict[str, dict[str, Any]] = {}  # documents by path
        self._present = 0  # objects of the latest level
        self._has_links = options.cross_level_links or (designs is not None and are_levels_linked(self._root))

    def run(self, workers: Workers) -> tuple[BuiltLevel, ...]:
        """Make and write all levels and the documents of the whole."""
        store = self._stage().open()
        kind = kind_of(check_kind(store))
        if self._options.method not in (None, *kind.methods):
            raise InvalidInputError(f"method = {self._options.method!r}, expected one of {', '.join(kind.methods)}")
        check_shapes(self._options, self._metadata)
        if self._has_links:
            check_linkable(store)
        self._indexed.append(self._index_finest(store.level(0)))
        ids = store.level(0).present_object_ids
        self._present = 0 if ids is None else len(ids)
        built: list[BuiltLevel] = []
        while len(built) < (_MOST_LEVELS if self._options.levels is None else self._options.levels):
            fine = self._stage().open().level(len(built))
            if self._options.levels is None and fine.vertex_count <= self._options.target:
                break
            level = self._build_level(kind, fine, workers)
            if level is None:
                break
            built.append(level)
        self._write_root()
        return tuple(built)

    def _build_level(self, kind: Kind, fine: Level, workers: Workers) -> BuiltLevel | None:
        number = fine.number + 1
        scratch = self._workplace.scratch
        if self._given is None:
            design = kind.design(fine, self._designs[-1] if self._designs else None, self._options)
        else:
            design = self._given[fine.number]
        tiling = Tiling(self._metadata.kinds[0], design.chunk_shape)
        setting = scratch.save(f"level-{number}", Setting(self._stage(), fine.number, design, tiling))

        def run_all(task: Callable[..., Any], parts: Any) -> list[Any]:
            return workers.run_all(setting, task, parts, self._step(f"level {number}"))

        coarsened = kind.coarsen(Job(fine, design, tiling, scratch, run_all))
        runs: list[Run] = [scratch.load(name) for name in coarsened.runs]
        count = sum(len(run.positions) for run in runs)
        most = fine.vertex_count * _LEAST_FALL if self._options.levels is None else fine.vertex_count - 1
        if not count or (count > most and self._given is None):
            return None
        written = self._write_level(fine, design, tiling, coarsened, runs)
        if self._has_links:
            self._link_levels(design, workers)
        return BuiltLevel(design, count, self._present, len(written.indexed.chunks))

    def _write_level(
        self, fine: Level, design: LevelDesign, tiling: Tiling, coarsened: Coarsened, runs: list[Run]
    ) -> WrittenLevel:
        content = inherit(fine, runs)
        before, self._present = self._present, count_objects(runs, coarsened)
        plan = plan_level(
            self._metadata,
            self._documents[f"0/{names.VERTICES}"],
            design,
            tiling,
            num_objects=None if content.ids is None else len(content.ids),
            sparsity=share_of(self._present, before),
        )
        step = self._step(f"writing level {design.level}")
        written = write_level(self._workplace.sink, plan, content, progress=step, cancel=self._cancel)
        self._put(written.documents)
        self._indexed.append(written.indexed)
        self._designs.append(design)
        if coarsened.survey is not None:
            like = written.documents[f"{design.level}/{names.VERTICES}"]
            path = survey_path(design.level)
            self._surveys[path] = write_survey(self._workplace.sink, design.level, like, coarsened.survey)
        return written

    def _link_levels(self, design: LevelDesign, workers: Workers) -> None:
        """Write the links between the level of `design`, which is written, and the next finer one."""
        stage, scratch = self._stage(), self._workplace.scratch
        text = f"linking levels {design.level - 1} and {design.level}"
        setting = scratch.save(f"links-{design.level}", set_pair(stage, design))

        def run_all(task: Callable[..., Any], parts: Any) -> list[Any]:
            return workers.run_all(setting, task, parts, self._step(text))

        def check() -> None:
            if self._cancel is not None:
                self._cancel.raise_if_cancelled()

        sink = self._workplace.sink
        self._put(link_levels(sink, scratch, stage.open(), design, self._documents, run_all, check=check))

    def _put(self, nodes: Mapping[str, dict[str, Any]]) -> None:
        """Put documents, in the place of those that there are."""
        encoded = {p: documents.encode_document(d) for p, d in nodes.items()}
        deepest_first = sorted(encoded, key=lambda p: (-p.count("/"), p))
        self._workplace.forget([p for p in deepest_first if p in self._encoded])
        self._workplace.sink.put_many((document_key(p), (encoded[p],)) for p in deepest_first)
        self._documents |= nodes
        self._encoded |= encoded

    def _stage(self) -> Stage:
        fingerprints = {p: fingerprint(b) for p, b in self._encoded.items()}
        index = IndexView(
            self._documents,
            fingerprints,
            {entry.level: entry.chunks for entry in self._indexed},
            {entry.level: entry.counts for entry in self._indexed},
            {},
        )
        return Stage(FolderSource(self._workplace.sink.folder, self._workplace.place), self._new_root(), index)

    def _new_root(self) -> dict[str, Any]:
        bins, has_links = self._metadata.base_bin_shape.tolist(), self._has_links and bool(self._designs)
        return with_levels(self._root, bins, self._designs, has_cross_links=has_links)

    def _index_finest(self, level: Level) -> IndexedLevel:
        """Of level 0: from the index of the store as it was, or counted anew."""
        known = self._workplace.index
        if known is not None and 0 in known.chunks:
            return IndexedLevel(0, known.chunks[0], known.counts[0], known.statistics.get(0, {}))
        return IndexedLevel(0, level.chunks, level.chunk_vertex_counts, {})

    def _write_root(self) -> None:
        sink = self._workplace.sink
        own, cells = build_index(self._documents, self._encoded, self._indexed)
        own |= {SURVEYS: survey_group(), **self._surveys} if self._surveys else {}
        sink.put_many(cells)
        sink.put_many((document_key(p), (documents.encode_document(own[p]),)) for p in sorted(own, reverse=True))
        sink.put_many([(document_key(""), (documents.encode_document(self._new_root()),))])

    def _step(self, text: str) -> Callable[[int, int], None] | None:
        progress = self._progress
        return None if progress is None else lambda done, total: progress(done, total, text)
