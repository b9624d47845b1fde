"""What an edit of some chunks changes in the next coarser level of lines.

Lines that may have changed are made again as wholes, and with them those whose fate is another one now
(:mod:`~zvview.pyramid.line_fates`). Geometry is read of the edited chunks, of their neighbours below the same coarser
chunk, and of the lines that are made again; surveys of the chunks above, and of those that these lines pass. Of the
coarser level only chunks are rewritten in which a piece of a line comes, goes or becomes another one; pieces of other
lines there are carried over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import ChunkTable, sort_chunks
from zvview.format.sequences import distinct
from zvview.pyramid.kind import Job
from zvview.pyramid.length_classes import LengthClasses
from zvview.pyramid.line_design import LineRules
from zvview.pyramid.line_fates import Fates, decide_fates, present_among
from zvview.pyramid.line_survey import Survey, changed_objects, join_surveys
from zvview.pyramid.lines import parents_of, simplify, survey_chunks
from zvview.pyramid.object_choice import ALL
from zvview.pyramid.parts import row_bytes
from zvview.pyramid.stored_surveys import StoredSurvey
from zvview.store.level import Level
from zvview.store.patching.chunk_objects import find_pieces
from zvview.store.patching.line_pieces import LinePieces
from zvview.store.patching.line_splice import order_by_beginning, splice_lines
from zvview.store.patching.replacement import Replacement
from zvview.store.writing.runs import Run

__all__ = ["RedoneLines", "is_surveyed", "redo_lines"]

Ints = NDArray[np.int64]

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
    survey : Survey or None
        Of these; None where the level has no survey.
    classes : LengthClasses or None
        Of the level now, where lines are chosen by length as well.
    """

    redone: Replacement
    objects: Ints
    touched: Ints
    parents: Ints
    survey: Survey | None
    classes: LengthClasses | None


@dataclass(frozen=True, slots=True, eq=False)
class _Resurvey:
    """Surveys of the chunks that an edit may have changed: which, before it, and after it."""

    parents: Ints
    before: Survey
    after: Survey


def is_surveyed(job: Job) -> bool:
    """Whether a survey of the level is kept: where objects are left out, and of the first level."""
    return job.design.level == 1 or _chooses(job)


def _chooses(job: Job) -> bool:
    """Whether the level leaves objects out."""
    return LineRules.parse(job.design.parameters).threshold < ALL


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
    again: _Resurvey | None = None
    if is_surveyed(job):
        again = None if surveys is None else _survey_again(job, surveys, touched, objects)
        if again is None:
            return None
    if objects is None:
        if again is None:
            return None
        passing = find_pieces(job.fine._reader, touched).objects
        objects = distinct(np.concatenate((passing, _miscounted(again.before, again.after))))
    fates: Fates | None
    if again is None or surveys is None or not _chooses(job):
        fates = Fates(objects, present_among(job.fine, objects), None)
    else:
        fates = decide_fates(job, old, objects, surveys, again.before, again.after)
    if fates is None:
        return None
    had = present_among(old, fates.ids)
    anew = fates.ids[fates.stays & (np.isin(fates.ids, objects) | ~had)]
    run_names, absent = simplify(job, anew)
    runs: list[Run] = [job.scratch.load(name) for name in run_names]
    gone = fates.ids[had & (~fates.stays | np.isin(fates.ids, absent))]
    return _splice(job, old, runs, gone, again, fates.classes)


def _survey_again(job: Job, surveys: StoredSurvey, touched: Ints, objects: Ints | None) -> _Resurvey | None:
    """Survey the chunks again that an edit may have changed; None where what was known of them cannot be read.

    Segments between two chunks count in the lesser one, also where only their other end was edited.
    """
    parents = sort_chunks(parents_of(job.fine, job.design, touched))
    if not _chooses(job):  # vertices are counted, no segments
        before = surveys.read(parents)
        return None if before is None else _Resurvey(parents, before, _survey_below(job, parents))
    parents = sort_chunks(np.concatenate((parents, _beside(job, touched, objects))))
    before, after = surveys.read(parents), _survey_below(job, parents)
    if before is None or job.design.level > 1:
        return None if before is None else _Resurvey(parents, before, after)
    cut = _miscounted(before, after)  # lines that lost an end, perhaps, and with it a segment to what is left
    ends = _ends_of(job, cut)
    ends = ends[ChunkTable.of(parents).find(ends) < 0]
    more = surveys.read(ends)
    if more is None:
        return None
    after = join_surveys([after, _survey_below(job, ends)])
    return _Resurvey(sort_chunks(np.concatenate((parents, ends))), join_surveys([before, more]), after)


def _survey_below(job: Job, parents: Ints) -> Survey:
    chunks = job.fine.chunks
    is_below = ChunkTable.of(parents).find(parents_of(job.fine, job.design, chunks)) >= 0
    survey = survey_chunks(job, chunks[is_below])
    assert survey is not None
    return survey


def _beside(job: Job, touched: Ints, objects: Ints | None) -> Ints:
    """The lesser chunk of each two between which a line has a joint that begins or ends in a touched chunk, (n, D).

    Of all lines that pass the touched chunks, or of some.
    """
    if objects is None:
        objects = distinct(find_pieces(job.fine._reader, touched).objects)
    pieces = LinePieces.of(job.fine, objects)
    joints = pieces.joints_at(touched)
    ends = np.concatenate((pieces.chunks[joints], pieces.chunks[joints + 1]))
    parents = parents_of(job.fine, job.design, ends)
    table = ChunkTable.of(parents)
    first, second = table.find(parents).reshape(2, -1)
    lesser: Ints = distinct(np.minimum(first, second))
    return table.coords[lesser]


def _ends_of(job: Job, ids: Ints) -> Ints:
    """Chunks of the level in which some lines begin and end, in numeric order."""
    pieces = LinePieces.of(job.fine, ids)
    is_end = np.ones((2, len(pieces.owners)), bool)
    is_end[0, 1:] = is_end[1, :-1] = pieces.owners[1:] != pieces.owners[:-1]
    return sort_chunks(parents_of(job.fine, job.design, pieces.chunks[is_end.any(axis=0)]))


def _miscounted(before: Survey, after: Survey) -> Ints:
    """Lines, ascending, of which some chunks held another number of vertices than now."""
    return changed_objects(before, after, ("counts",))


def _splice(
    job: Job,
    old: Level,
    runs: Sequence[Run],
    gone: Ints,
    survey: _Resurvey | None,
    classes: LengthClasses | None,
) -> RedoneLines | None:
    again = distinct(np.concatenate([gone[:0], *(run.objects for run in runs if run.objects is not None)]))
    pieces = LinePieces.of(old, np.union1d(again, gone))
    chunks, objects = [pieces.chunks[np.isin(pieces.owners, gone)]], [gone]
    for run in runs:
        found = pieces.compare(run, by_beginning=True)
        chunks.append(found.chunks)
        objects.append(found.objects)
    dirty = sort_chunks(np.concatenate(chunks))
    is_dirty = ChunkTable.of(dirty).find(old.chunks) >= 0
    if int(old.chunk_vertex_counts[is_dirty].sum()) * row_bytes(old) > _MOST_BYTES:
        return None
    held = find_pieces(old._reader, dirty).objects
    around = LinePieces.of(old, distinct(np.concatenate((again, gone, held))))
    redone = splice_lines(around, dirty, runs, gone, order_by_beginning(around, runs))
    changed = distinct(np.concatenate(objects))
    parents, fresh = (dirty[:0], None) if survey is None else (survey.parents, survey.after)
    return RedoneLines(redone, changed, _with_neighbours(around, dirty, changed), parents, fresh, classes)


def _with_neighbours(pieces: LinePieces, chunks: Ints, objects: Ints) -> Ints:
    """Some chunks, and those to which some lines went from there, or came from: where they end now, or go elsewhere."""
    joints = pieces.joints_at(chunks)
    joints = joints[np.isin(pieces.owners[joints], objects)]
    return sort_chunks(np.concatenate((chunks, pieces.chunks[joints], pieces.chunks[joints + 1])))
