"""What an edit of some chunks changes in the next coarser level of lines.

Lines that may have changed are made again as wholes, and with them those whose fate is another one now
(:mod:`~zvview.pyramid.line_fates`): geometry is read of these lines only. Of the coarser level those chunks are put
together anew in which a piece of a line comes, goes or becomes another one; pieces of other lines there are carried
over with the numbers that they had (:mod:`~zvview.store.patching.line_splice`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import ChunkTable, sort_chunks
from zvview.format.sequences import distinct, is_among
from zvview.pyramid.kind import Job
from zvview.pyramid.line_fates import decide_fates, present_among
from zvview.pyramid.line_state import LineState
from zvview.pyramid.line_survey import Survey, changed_objects
from zvview.pyramid.lines import count_level, count_owned, leaves_out, parents_of, simplify
from zvview.pyramid.parts import row_bytes
from zvview.pyramid.piece_counts import count_present
from zvview.pyramid.stored_surveys import StoredSurvey
from zvview.store.level import Level
from zvview.store.patching.chunk_objects import OwnedPieces, find_pieces
from zvview.store.patching.line_pieces import LinePieces
from zvview.store.patching.line_splice import splice_lines
from zvview.store.patching.replacement import Replacement
from zvview.store.writing.runs import Run

__all__ = ["RedoneLines", "is_surveyed", "redo_lines"]

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_MOST_BYTES = 256 << 20  # of the chunks that are put together again: more is better made as a whole, out of core


@dataclass(frozen=True, slots=True, eq=False)
class RedoneLines:
    """Chunks of a coarser level of lines that were made again.

    Attributes
    ----------
    redone : Replacement
    objects : (n,) int64
        Lines of which the level holds something else than before, ascending.
    touched : (k, D) int64
        Chunks of the level in which a vertex of these came, went or changed, or a segment that begins or ends there.
    parents : (m, D) int64
        Chunks of which the survey is made anew.
    survey : LineState or None
        Of these; None where the level has no survey.
    """

    redone: Replacement
    objects: Ints
    touched: Ints
    parents: Ints
    survey: LineState | None


def is_surveyed(job: Job) -> bool:
    """Whether a survey of the level is kept: where objects are left out, and of the first level."""
    return job.design.level == 1 or leaves_out(job.design)


def redo_lines(
    job: Job, old: Level, touched: Ints, surveys: StoredSurvey | None, objects: Ints | None
) -> RedoneLines | None:
    """Make those chunks of a coarser level again that an edit of `touched` chunks of the finer one changes.

    Parameters
    ----------
    job : Job
        Whose ``fine`` is the finer level after the edit.
    old : Level
        The coarser level as it was.
    touched : (n, sid) int64
    surveys : StoredSurvey or None
        Of the coarser level as it was.
    objects : (m,) int64 or None
        All lines that were edited, added or removed. None: any that pass the chunks, or passed them.

    Returns
    -------
    RedoneLines or None
        None where the level must be made again as a whole: its survey is missing or not of this level, or so much
        changes that nothing would be saved.
    """
    parents, told = sort_chunks(parents_of(job.fine, job.design, touched)), None
    if objects is None:
        told = None if surveys is None else surveys.read(parents)
        if told is None:
            return None
        now = count_level(job, _below(job, parents))
        passing = find_pieces(job.fine._reader, touched).objects
        objects = distinct(np.concatenate((passing, changed_objects(told.counts, now, ("counts",)))))
    if len(objects) * _bytes_of_each(job.fine) > _MOST_BYTES:
        return None
    pieces = LinePieces.of(job.fine, objects)
    if not is_surveyed(job):
        return _remake(job, old, objects, is_among(objects, distinct(pieces.owners)), objects, parents, None)
    parents = sort_chunks(np.concatenate((parents, parents_of(job.fine, job.design, pieces.chunks))))
    told = None if surveys is None else surveys.read(parents)
    if surveys is None or told is None:
        return None
    counts = _recount(job, told.counts, objects, pieces) if job.design.level == 1 else told.counts
    if not leaves_out(job.design):
        stays = is_among(objects, distinct(pieces.owners))
        return _remake(job, old, objects, stays, objects, parents, LineState(counts, told.heads))
    fates = decide_fates(job, old, objects, parents, surveys, told.heads)
    if fates is None:
        return None
    state = LineState(counts, fates.heads, fates.choice)
    return _remake(job, old, fates.ids, fates.stays, objects, parents, state)


def _bytes_of_each(level: Level) -> float:
    """About how many bytes the vertices of an object have."""
    return level.vertex_count * row_bytes(level) / max(1, count_present(level) or 0)


def _below(job: Job, parents: Ints) -> Ints:
    """Chunks of the finer level in some of the coarser one."""
    chunks = job.fine.chunks
    return chunks[ChunkTable.of(parents).find(parents_of(job.fine, job.design, chunks)) >= 0]


def _recount(job: Job, before: Survey, objects: Ints, pieces: LinePieces) -> Survey:
    """How many vertices of each line some chunks hold, where of `objects` they hold but these pieces."""
    now = count_owned(job, OwnedPieces(pieces.owners, pieces.chunks, pieces.fragments))
    return before.replaced(objects, now)


def _remake(
    job: Job, old: Level, ids: Ints, stays: Flags, objects: Ints, parents: Ints, state: LineState | None
) -> RedoneLines | None:
    """Let the level have those of the lines `ids` that stay, made again where they are new there or were edited."""
    had = present_among(old, ids)
    run_names, absent = simplify(job, ids[stays & (is_among(ids, objects) | ~had)])
    runs: list[Run] = [job.scratch.load(name) for name in run_names]
    gone = ids[had & (~stays | np.isin(ids, absent))]
    return _splice(job, old, runs, gone, parents, state)


def _splice(
    job: Job,
    old: Level,
    runs: Sequence[Run],
    gone: Ints,
    parents: Ints,
    state: LineState | None,
) -> RedoneLines | None:
    again = distinct(np.concatenate([gone[:0], *(run.objects for run in runs if run.objects is not None)]))
    pieces = LinePieces.of(old, np.union1d(again, gone))
    near = ChunkTable.of(np.concatenate((pieces.chunks, *(run.chunks for run in runs)))).find(old.chunks) >= 0
    if int(old.chunk_vertex_counts[near].sum()) * row_bytes(old) > _MOST_BYTES:
        return None
    buffer = pieces.read_around(runs)
    chunks, objects = [pieces.chunks[is_among(pieces.owners, gone)]], [gone]
    for run in runs:
        found = pieces.compare(run, buffer)
        chunks.append(found.chunks)
        objects.append(found.objects)
    dirty = sort_chunks(np.concatenate(chunks))
    redone = splice_lines(pieces, find_pieces(old._reader, dirty), buffer, dirty, runs, gone)
    changed = distinct(np.concatenate(objects))
    return RedoneLines(redone, changed, _with_neighbours(pieces, dirty, changed), parents, state)


def _with_neighbours(pieces: LinePieces, chunks: Ints, objects: Ints) -> Ints:
    """Some chunks, and those to which some lines went from there, or came from: where they end now, or go elsewhere."""
    joints = pieces.joints_at(chunks)
    joints = joints[np.isin(pieces.owners[joints], objects)]
    return sort_chunks(np.concatenate((chunks, pieces.chunks[joints], pieces.chunks[joints + 1])))
