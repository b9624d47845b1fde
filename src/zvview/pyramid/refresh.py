"""Coarse levels after an edit of level 0: only what the edited chunks change is made again.

A refresh comes to what a rebuild with the stored designs makes: of points, graphs, skeletons and meshes to its very
bytes, of lines to the same lines, pieces and links, of which fragments may stand in another order in their chunks (they
keep their numbers, so that few manifests change). But a level keeps the shards that it has, and where its object index
or groups have several cells the number of rows in these; and zvview's index keeps the quantiles that it had, and widens
what else it says of attributes where values are beyond it.

How much is read and made again depends on the kind:

- Points: the chunks of each level above the edited ones, from the finer chunks in them.
- Skeletons and graphs: these and the chunks that are or were linked with them, and what lies around is read.
- Lines: those that pass the edited chunks, or that are told to have changed, are read as wholes and made again, and
  with them those that now stay or go instead of others. Which stay is told from surveys that the store keeps
  (:mod:`zvview.pyramid.stored_surveys`), of the chunks that the lines pass and of those above the edited ones; the
  geometry of others is not read. Without surveys a level is made again wholly, once.
- Meshes: the blocks of the edited chunks and of those around them are thinned again, and in the chunks above them what
  came of these is replaced (:mod:`zvview.pyramid.mesh_changes`). A level of few blocks is made again wholly.

Where attributes changed their form, or the wished share of objects another one's fate, any level is made again wholly.
Of the object index of a level cells are encoded anew that hold the row of an object whose pieces changed; attributes of
objects and groups are taken over from the finer level cell by cell. Links between levels, if the store has them, are
always encoded anew, and replaced where they differ.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.cancel import CancelToken
from zvview.format import names
from zvview.format.grid import sort_chunks
from zvview.format.sequences import distinct
from zvview.geometry.arguments import as_array
from zvview.pyramid.build import Progress
from zvview.pyramid.coarse_plan import count_objects, plan_level, share_of
from zvview.pyramid.cross_links import check_linkable, link_levels, set_pair
from zvview.pyramid.design import LevelDesign
from zvview.pyramid.inherit import inherit
from zvview.pyramid.kind import Job, TaskContext
from zvview.pyramid.kinds import kind_of
from zvview.pyramid.line_changes import is_surveyed, redo_lines
from zvview.pyramid.local_changes import redo_chunks
from zvview.pyramid.piece_counts import count_present
from zvview.pyramid.scratch import Scratch
from zvview.pyramid.store_view import StoreView
from zvview.pyramid.stored_designs import read_designs
from zvview.pyramid.stored_surveys import patch_survey
from zvview.pyramid.workers import Setting, Workers
from zvview.store.level import Level
from zvview.store.patching.cell_patch import grid_of
from zvview.store.patching.columns import describe_columns
from zvview.store.patching.level_patch import LevelPatch, can_patch
from zvview.store.patching.object_tables import ChangedObjects, ObjectTables
from zvview.store.patching.overlay import Overlay
from zvview.store.patching.replacement import Replacement
from zvview.store.patching.rewriting import Rewriting
from zvview.store.places.folder import FolderSource
from zvview.store.places.source import Source
from zvview.store.reading.object_table import as_object_ids
from zvview.store.writing.level import describe_level, write_level
from zvview.store.writing.partition import LINE_KINDS, Tiling

__all__ = ["RefreshedLevel", "Refreshment", "compute_refresh"]

_MOST_KEPT = 64 << 20  # bytes of what is made on the way that are not written to a file


@dataclass(frozen=True, slots=True, eq=False)
class RefreshedLevel:
    """What became of a coarse level.

    Attributes
    ----------
    level : int
    vertex_count : int
        0 where nothing is left of it, and it was dropped with all that are coarser.
    chunk_count : int
        Chunks of which cells changed.
    is_whole : bool
        Whether all of it was made again.
    """

    level: int
    vertex_count: int
    chunk_count: int
    is_whole: bool


@dataclass(frozen=True, slots=True, eq=False)
class Refreshment:
    """What a refresh comes to.

    Attributes
    ----------
    levels : tuple of RefreshedLevel
    changes : mapping of str to bytes or None
        New objects by key; None for those that are no more. Nothing else differs.
    """

    levels: tuple[RefreshedLevel, ...]
    changes: Mapping[str, bytes | None]


def compute_refresh(
    source: Source,
    chunks: ArrayLike,
    *,
    objects: ArrayLike | None = None,
    workers: int = 0,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
) -> Refreshment:
    """What has to be written so that the coarse levels of a store fit its level 0 again. Writes nothing.

    Parameters
    ----------
    source : Source
        A store of which level 0, its objects and groups are as they shall be. It must be able to list.
    chunks : (n, sid) ints
        All chunks of level 0 of which any cell was changed, added or removed, links that begin or end there included.
    objects : (m,) ints, optional
        Ids of all objects that were edited, added or removed, for those who know. It saves much with lines, which are
        made again as wholes: without it, all that pass the chunks are taken to have changed.
    workers : int
        Processes that share the work where the source is a folder.
    progress : callable, optional
    cancel : CancelToken, optional

    Raises
    ------
    InvalidInputError
        Chunks of another number of components; chunks are missing among them.
    UnsupportedError
        A store of which no pyramid can be made.
    DamagedError
        Levels that zvview did not make; damaged cells.
    Cancelled
    """
    with tempfile.TemporaryDirectory(prefix="zvview-") as folder, ExitStack() as stack:
        is_shared = workers > 1 and isinstance(source, FolderSource)
        scratch = Scratch(os.path.join(folder, "scratch"), 0 if is_shared else _MOST_KEPT)
        pool = None
        if is_shared:
            pool = stack.enter_context(Workers(scratch, workers, cancel))
        overlay = Overlay(source)
        return _Refresh(overlay, chunks, objects, scratch, pool, progress, cancel).run()


class _Refresh:
    def __init__(
        self,
        overlay: Overlay,
        chunks: ArrayLike,
        objects: ArrayLike | None,
        scratch: Scratch,
        pool: Workers | None,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        self._overlay, self._scratch, self._pool = overlay, scratch, pool
        self._progress, self._cancel = progress, cancel
        given = as_array(chunks, "chunks", np.int64, (None, None))
        self._view = StoreView(overlay, given)
        self._kind = self._view.kind
        if self._view.is_linked:
            check_linkable(self._view.open())
        self._view.drop_cross_links()
        store = self._view.open()
        self._touched: NDArray[np.int64] | None = sort_chunks(given.reshape(-1, store.level(0).chunks.shape[1]))
        self._objects = None if objects is None else distinct(as_object_ids(objects))
        self._is_only_told = self._is_nothing_made_anew()
        self._below_next: NDArray[np.int64] | None = None  # lines: chunks of the latest level with another content
        self._designs = read_designs(store, self._kind)
        self._present: int | None = count_present(store.level(0))

    def run(self) -> Refreshment:
        done: list[RefreshedLevel] = []
        for design in self._designs:
            if self._cancel is not None:
                self._cancel.raise_if_cancelled()
            store = self._view.open()
            level = self._refresh_level(store.level(design.level - 1), store.level(design.level), design)
            done.append(level)
            if not level.vertex_count:
                self._view.drop_levels(design.level)
                break
        left = [design for design in self._designs if design.level <= sum(1 for level in done if level.vertex_count)]
        if self._view.is_linked:
            for design in left:
                self._link(design)
        self._view.finish(left)
        return Refreshment(tuple(done), self._overlay.changes)

    def _is_nothing_made_anew(self) -> bool:
        """Whether only other things are told of objects: of lines also groups count, which tell some that stay."""
        if len(self._touched if self._touched is not None else ()):
            return False
        if self._kind not in LINE_KINDS:
            return True
        source = self._overlay.below
        groups = f"0/{names.GROUPS}/"
        is_regrouped = not isinstance(source, Overlay) or any(key.startswith(groups) for key in source.changes)
        return self._objects is not None and not len(self._objects) and not is_regrouped

    def _refresh_level(self, fine: Level, old: Level, design: LevelDesign) -> RefreshedLevel:
        job = self._job(fine, design, old)
        nodes = self._view.documents_of(design.level)
        if self._touched is not None and can_patch(self._view.metadata, fine, old, nodes, design.chunk):
            is_told = self._is_only_told and fine._reader.objects is not None
            redone = None if is_told else self._redo(job, old, self._touched)
            if is_told or redone is not None:
                known = self._view.indexed(design.level)
                patch = LevelPatch(
                    self._overlay,
                    old,
                    nodes,
                    known,
                    self._kind,
                    lambda runs: describe_columns(fine, runs),
                    lambda tables, changed: self._put_tables(fine, tables, changed),
                )
                if redone is None:
                    patch.put_objects()
                else:
                    patch.put(redone)
                return self._take(patch, job)
        return self._remake(job, nodes)

    def _put_tables(self, fine: Level, tables: ObjectTables, changed: ChangedObjects) -> None:
        """Let a level have the objects of the finer one, with manifests of its own."""
        objects = fine._reader.objects
        assert objects is not None
        tables.put_index(changed, objects.known)
        tables.take_over(fine, self._view.documents_of(fine.number))

    def _redo(self, job: Job, old: Level, touched: NDArray[np.int64]) -> Replacement | None:
        """What stands in place of some chunks; None where the level must be made as a whole."""
        if self._kind not in LINE_KINDS:
            return redo_chunks(self._kind, job, old, touched)
        if job.fine._reader.objects is None:
            return None
        surveys = self._view.survey(job.design.level) if is_surveyed(job) else None
        done = redo_lines(job, old, touched, surveys, self._objects)
        if done is None:
            return None
        self._objects, self._below_next = done.objects, done.touched
        if done.survey is not None:
            patch_survey(self._overlay, job.design.level, done.parents, done.survey)
        return done.redone

    def _take(self, patch: LevelPatch, job: Job) -> RefreshedLevel:
        """Keep the documents of a level that was patched."""
        count = int(patch.indexed.counts.sum())
        before, self._present = self._present, patch.present
        plan = plan_level(
            self._view.metadata,
            self._view.documents_of(0)[f"0/{names.VERTICES}"],
            job.design,
            job.tiling,
            num_objects=patch.num_objects,
            sparsity=share_of(self._present or 0, before or 0),
        )
        own = {str(job.design.level): describe_level(plan, count, patch.nodes)}
        self._view.set_level(patch.nodes | own, patch.indexed)
        self._touched = patch.touched if self._below_next is None else self._below_next
        return RefreshedLevel(job.design.level, count, len(patch.touched), False)

    def _remake(self, job: Job, nodes: Mapping[str, Mapping[str, Any]]) -> RefreshedLevel:
        """Make a level as a whole; of its cells those are changes that differ."""
        level = job.design.level
        coarsened = kind_of(self._kind).coarsen(job)
        runs = [job.scratch.load(name) for name in coarsened.runs]
        self._touched = None
        if not sum(len(run.positions) for run in runs):
            return RefreshedLevel(level, 0, len(self._view.indexed(level).chunks), True)
        content = inherit(job.fine, runs)
        before, self._present = self._present, count_objects(runs, coarsened)
        plan = plan_level(
            self._view.metadata,
            self._view.documents_of(0)[f"0/{names.VERTICES}"],
            job.design,
            job.tiling,
            num_objects=None if content.ids is None else len(content.ids),
            sparsity=share_of(self._present, before or 0),
            shards=grid_of(nodes[f"{level}/{names.VERTICES}"])[2] or False,
        )
        putter = Rewriting(self._overlay, [str(level)])
        step = self._step(f"writing level {level}")
        written = write_level(putter, plan, content, progress=step, cancel=self._cancel)
        putter.finish()
        self._view.set_level(written.documents, written.indexed)
        self._view.set_survey(level, coarsened.survey)
        return RefreshedLevel(level, int(written.indexed.counts.sum()), len(written.indexed.chunks), True)

    def _link(self, design: LevelDesign) -> None:
        """Link a level and the next finer one, all of whose links were taken away before."""
        stage, level = self._view.stage(), design.level
        run_all = self._runner(f"links-{level}", set_pair(stage, design), f"linking levels {level - 1} and {level}")
        self._view.put_nodes(
            link_levels(self._overlay, self._scratch, stage.open(), design, self._view.documents, run_all)
        )

    def _job(self, fine: Level, design: LevelDesign, old: Level) -> Job:
        tiling = Tiling(self._kind, design.chunk_shape)
        setting = Setting(self._view.stage(), fine.number, design, tiling, has_old=True)
        here = TaskContext(fine, design, tiling, self._scratch, old)
        run_all = self._runner(f"level-{design.level}", setting, f"level {design.level}", here)
        return Job(fine, design, tiling, self._scratch, run_all)

    def _runner(
        self, name: str, setting: Any, text: str, here: TaskContext | None = None
    ) -> Callable[[Callable[..., Any], Sequence[Any]], list[Any]]:
        """What runs tasks in other processes with what a setting opens, or here, with what is open already if given."""
        step = self._step(text)
        if self._pool is not None:
            self._scratch.save(name, setting)

        def run_all(task: Callable[..., Any], parts: Sequence[Any]) -> list[Any]:
            if self._pool is not None:
                return self._pool.run_all(name, task, parts, step)
            context, done = setting.open(self._scratch) if here is None else here, []
            for part in parts:
                if self._cancel is not None:
                    self._cancel.raise_if_cancelled()
                done.append(task(context, part))
                if step is not None:
                    step(len(done), len(parts))
            return done

        return run_all

    def _step(self, text: str) -> Callable[[int, int], None] | None:
        progress = self._progress
        return None if progress is None else lambda done, total: progress(done, total, text)
