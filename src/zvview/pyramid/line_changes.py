"""What an edit of some chunks changes in the next coarser level of lines.

Lines that may have changed are made again as wholes, and with them those whose fate is another one now: which lines
stay is decided from the surveys of all chunks, of which those above the edited ones are made anew and all others are
read as the store keeps them. Geometry is read of the edited chunks, of their neighbours below the same coarser chunk,
and of the lines that are made again. Of the coarser level only chunks are rewritten in which a piece of a line comes,
goes or becomes another one; pieces of other lines there are carried over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import ChunkTable, sort_chunks
from zvview.format.sequences import distinct
from zvview.pyramid.kind import Job
from zvview.pyramid.line_design import LineRules
from zvview.pyramid.line_pieces import LinePieces
from zvview.pyramid.line_splice import splice_lines
from zvview.pyramid.line_survey import Survey, join_surveys
from zvview.pyramid.lines import choose_lines, order_keys, parents_of, present_ids, simplify, survey_chunks
from zvview.pyramid.local_changes import Redone
from zvview.pyramid.object_choice import ALL
from zvview.pyramid.parts import row_bytes
from zvview.store.level import Level
from zvview.store.writing.runs import Run
from zvview.store.writing.sorting import rank_rows, run_starts

__all__ = ["RedoneLines", "is_surveyed", "redo_lines"]

_MOST_BYTES = 256 << 20  # of the chunks that are put together again: more is better made as a whole, out of core


@dataclass(frozen=True, slots=True, eq=False)
class RedoneLines:
    """Chunks of a coarser level of lines that were made again.

    Attributes
    ----------
    redone : Redone
    objects : (n,) int64
        Lines of which the level holds something else than before, ascending.
    touched : (k, D) int64
        Chunks of the level in which a vertex of these came, went or changed, or a segment that begins or ends there.
    parents : (m, D) int64
        Chunks of which the survey is made anew.
    survey : Survey or None
        Of these; None where the level has no survey.
    """

    redone: Redone
    objects: NDArray[np.int64]
    touched: NDArray[np.int64]
    parents: NDArray[np.int64]
    survey: Survey | None


def is_surveyed(job: Job) -> bool:
    """Whether a survey of the level is kept: where objects are left out, and of the first level."""
    return job.design.level == 1 or LineRules.parse(job.design.parameters).threshold < ALL


def redo_lines(
    job: Job, old: Level, touched: NDArray[np.int64], survey: Survey | None, objects: NDArray[np.int64] | None
) -> RedoneLines | None:
    """Make those chunks of a coarser level again that an edit of `touched` chunks of the finer one changes.

    Parameters
    ----------
    job : Job
        Whose ``fine`` is the finer level after the edit.
    old : Level
        The coarser level as it was.
    touched : (n, sid) int64
    survey : Survey or None
        Of the coarser level as it was.
    objects : (m,) int64 or None
        All lines that were edited, added or removed. None: any that pass the chunks, or passed them.

    Returns
    -------
    RedoneLines or None
        None where the level must be made again as a whole: its survey is missing or not of this level, or so much
        changes that nothing would be saved.
    """
    fine, pieces = job.fine, LinePieces.of(job.fine)
    fresh: Survey | None = None
    whole: Survey | None = None
    parents = sort_chunks(parents_of(fine, job.design, touched))
    if is_surveyed(job):
        if survey is None:
            return None
        parents, fresh = _survey_again(job, pieces, touched, parents, survey, objects)
        whole = survey.with_chunks(parents, fresh)
        above = ChunkTable.of(parents_of(fine, job.design, fine.chunks))
        if not np.isin(whole.ids, present_ids(fine)).all() or (above.find(whole.chunks) < 0).any():
            return None
    if objects is None:
        if survey is None or fresh is None:
            return None
        objects = np.union1d(_passing(pieces, touched), _miscounted(survey, fresh, parents))
    kept, had = choose_lines(job, whole), present_ids(old)
    again = kept[np.isin(kept, objects) | ~np.isin(kept, had)]
    run_names, absent = simplify(job, again)
    runs: list[Run] = [job.scratch.load(name) for name in run_names]
    gone = had[~np.isin(had, kept) | np.isin(had, absent)]
    return _splice(job, old, runs, gone, parents, fresh)


def _survey_again(
    job: Job,
    pieces: LinePieces,
    touched: NDArray[np.int64],
    parents: NDArray[np.int64],
    before: Survey,
    objects: NDArray[np.int64] | None,
) -> tuple[NDArray[np.int64], Survey]:
    """The chunks whose surveys an edit may have changed, in numeric order, and their new survey.

    Segments between two chunks count in the lesser one, also where only their other end was edited.
    """
    if LineRules.parse(job.design.parameters).threshold >= ALL:  # vertices are counted, no segments
        return parents, _survey_below(job, parents)
    parents = sort_chunks(np.concatenate((parents, _beside(job, pieces, touched, objects))))
    fresh = _survey_below(job, parents)
    if job.design.level > 1:
        return parents, fresh
    cut = _miscounted(before, fresh, parents)  # lines that lost an end, perhaps, and with it a segment to what is left
    ends = _ends_of(job, pieces, cut)
    ends = ends[ChunkTable.of(parents).find(ends) < 0]
    return sort_chunks(np.concatenate((parents, ends))), join_surveys([fresh, _survey_below(job, ends)])


def _survey_below(job: Job, parents: NDArray[np.int64]) -> Survey:
    chunks = job.fine.chunks
    is_below = ChunkTable.of(parents).find(parents_of(job.fine, job.design, chunks)) >= 0
    survey = survey_chunks(job, chunks[is_below])
    assert survey is not None
    return survey


def _beside(
    job: Job, pieces: LinePieces, touched: NDArray[np.int64], objects: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """The lesser chunk of each two between which a line has a joint that begins or ends in a touched chunk, (n, D)."""
    joints = pieces.joints_at(touched)
    if objects is not None:
        joints = joints[np.isin(pieces.owners[joints], objects)]
    ends = np.concatenate((pieces.chunks[joints], pieces.chunks[joints + 1]))
    parents = parents_of(job.fine, job.design, ends)
    table = ChunkTable.of(parents)
    first, second = table.find(parents).reshape(2, -1)
    lesser: NDArray[np.int64] = distinct(np.minimum(first, second))
    return table.coords[lesser]


def _ends_of(job: Job, pieces: LinePieces, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Chunks of the level in which some lines begin and end, in numeric order."""
    is_end = np.ones((2, len(pieces.owners)), bool)
    is_end[0, 1:] = is_end[1, :-1] = pieces.owners[1:] != pieces.owners[:-1]
    ends = pieces.chunks[is_end.any(axis=0) & np.isin(pieces.owners, ids)]
    return sort_chunks(parents_of(job.fine, job.design, ends))


def _passing(pieces: LinePieces, touched: NDArray[np.int64]) -> NDArray[np.int64]:
    """Lines that have a piece in the touched chunks."""
    return distinct(pieces.owners[ChunkTable.of(touched).find(pieces.chunks) >= 0])


def _miscounted(before: Survey, after: Survey, parents: NDArray[np.int64]) -> NDArray[np.int64]:
    """Lines of which some chunks held another number of vertices than now."""
    tables = []
    for survey in (before, after):
        entries = survey.entries_of(parents)
        chunk = np.repeat(survey.chunks, np.diff(survey.first), axis=0)[entries]
        tables.append(np.column_stack((chunk, survey.ids[entries], survey.counts[entries])))
    keys, _ = rank_rows(np.concatenate(tables))
    order = np.argsort(keys, kind="stable")
    starts = run_starts(keys[order])
    is_alone = np.diff(np.append(starts, len(keys))) == 1
    return distinct(np.concatenate(tables)[order[starts[is_alone]], -2])


def _splice(
    job: Job,
    old: Level,
    runs: Sequence[Run],
    gone: NDArray[np.int64],
    parents: NDArray[np.int64],
    fresh: Survey | None,
) -> RedoneLines | None:
    def keys_of(ids: NDArray[np.int64]) -> NDArray[np.int64]:
        return order_keys(job.fine, job.design, ids)

    pieces = LinePieces.of(old)
    chunks, objects = [pieces.chunks[np.isin(pieces.owners, gone)]], [gone]
    for run in runs:
        assert run.objects is not None
        found = pieces.compare(run, keys_of(distinct(run.objects)))
        chunks.append(found.chunks)
        objects.append(found.objects)
    dirty = sort_chunks(np.concatenate(chunks))
    is_dirty = ChunkTable.of(dirty).find(old.chunks) >= 0
    if int(old.chunk_vertex_counts[is_dirty].sum()) * row_bytes(old) > _MOST_BYTES:
        return None
    redone = splice_lines(pieces, dirty, runs, gone, keys_of)
    changed = distinct(np.concatenate(objects))
    return RedoneLines(redone, changed, _with_neighbours(pieces, dirty, changed), parents, fresh)


def _with_neighbours(pieces: LinePieces, chunks: NDArray[np.int64], objects: NDArray[np.int64]) -> NDArray[np.int64]:
    """Some chunks, and those to which some lines went from there, or came from: where they end now, or go elsewhere."""
    joints = pieces.joints_at(chunks)
    joints = joints[np.isin(pieces.owners[joints], objects)]
    return sort_chunks(np.concatenate((chunks, pieces.chunks[joints], pieces.chunks[joints + 1])))
