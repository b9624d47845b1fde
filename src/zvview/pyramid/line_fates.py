"""Which lines a coarser level keeps after an edit, decided from what the edit changed.

A line stays for its hash, or as the one of the least hash in a bin, a class of length or a group
(:mod:`~zvview.pyramid.object_choice`). So only these may change their fate: lines that were edited, and those that
were, or are now, the least of a bin, class or group. The edited lines are read as wholes, which tells the bins that
they pass; the store tells who else is among the least of these (:mod:`~zvview.pyramid.line_state`). Other lines are
not looked at, but where an edit took away all that were known of a bin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import ChunkTable, sort_chunks
from zvview.format.sequences import distinct, is_among
from zvview.geometry.batches import Polylines
from zvview.pyramid.kind import Job
from zvview.pyramid.length_classes import MOST_OF_CLASS, class_of, sum_lengths
from zvview.pyramid.line_design import LineRules
from zvview.pyramid.line_groups import GroupRows, renew_leaders
from zvview.pyramid.line_heads import Heads, changed_winners
from zvview.pyramid.line_state import Choice
from zvview.pyramid.line_survey import MOST_OF_BIN, Survey, no_survey
from zvview.pyramid.lines import parents_of, survey_batch, survey_chunks
from zvview.pyramid.object_ranks import hash_objects
from zvview.pyramid.stored_surveys import StoredSurvey
from zvview.store.level import Level
from zvview.store.patching.line_pieces import LinePieces

__all__ = ["Fates", "decide_fates", "present_among"]

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Fates:
    """What becomes of lines whose fate may have changed.

    Attributes
    ----------
    ids : (n,) int64
        Ascending.
    stays : (n,) bool
        Whether the level keeps each.
    heads : Heads
        Of the bins of the chunks that were asked about, now.
    choice : Choice or None
        Of the level now; None where it leaves nothing out.
    """

    ids: Ints
    stays: Flags
    heads: Heads
    choice: Choice | None


def present_among(level: Level, ids: Ints) -> Flags:
    """Whether a level holds something of each object, (n,)."""
    objects = level._reader.objects
    assert objects is not None
    rows = objects.find_rows(ids)
    out = np.zeros(len(ids), bool)
    known = np.flatnonzero(rows >= 0)
    out[known] = np.diff(objects.manifests(rows[known]).offsets) > 0
    return out


def decide_fates(
    job: Job, old: Level, objects: Ints, chunks: Ints, surveys: StoredSurvey, before: Heads
) -> Fates | None:
    """The fates of all lines that an edit may have changed.

    Parameters
    ----------
    job : Job
    old : Level
        The coarser level as it was.
    objects : (m,) int64
        Lines that were edited, added or removed, ascending.
    chunks : (n, D) int64
        All chunks of the level that these pass, and those that they may have passed before, in numeric order.
    surveys : StoredSurvey
        Of the level as it was.
    before : Heads
        What it tells of the bins of the chunks.

    Returns
    -------
    Fates or None
        None where all lines must be asked.
    """
    choice, seed = surveys.choice, LineRules.parse(job.design.parameters).seed
    if choice is None:
        return None
    survey, passed = _survey_lines(job, objects)
    heads, lost = before.edited(objects, passed.keys[passed.key_of()], passed.ids, seed, MOST_OF_BIN)
    heads = _look_again(job, heads, sort_chunks(lost[:, : chunks.shape[1]]))
    seen, lengths = sum_lengths(survey)
    classes, gone = choice.classes.edited(objects, class_of(lengths)[:, None], seen, seed, MOST_OF_CLASS)
    if len(gone):
        return None
    groups, grouped = GroupRows(job.fine), GroupRows(old)
    leaders = renew_leaders(
        choice.leaders,
        grouped,
        groups,
        groups.unlike(grouped),
        objects,
        is_among(objects, seen),
        seed,
        lambda ids: present_among(job.fine, ids),
    )
    led = [np.array([leader for leader in some if leader is not None], np.int64) for some in (choice.leaders, leaders)]
    others = (changed_winners(before, heads), changed_winners(choice.classes, classes), np.setxor1d(led[0], led[1]))
    more = distinct(np.concatenate(others))
    more = more[~is_among(more, objects)]
    more = more[present_among(job.fine, more)]
    ids = distinct(np.concatenate((objects, more)))
    rules = LineRules.parse(job.design.parameters)
    stays = hash_objects(ids, seed) < rules.threshold
    stays |= is_among(ids, distinct(np.concatenate((heads.winners, classes.winners, led[1]))))
    open_ones = np.flatnonzero(~stays & ~is_among(ids, objects))
    winners = _winners_elsewhere(job, surveys, ids[open_ones], chunks)
    if winners is None:
        return None
    stays[open_ones] = is_among(ids[open_ones], winners)
    return Fates(ids, stays & (is_among(ids, seen) | is_among(ids, more)), heads, Choice(classes, leaders))


def _survey_lines(job: Job, ids: Ints) -> tuple[Survey, Heads]:
    """What those of some lines tell that the finer level has: all bins that they pass."""
    objects, ndim = job.fine._reader.objects, len(job.design.chunk)
    assert objects is not None
    batch = job.fine.read_objects(ids[objects.find_rows(ids) >= 0], [])
    assert isinstance(batch, Polylines)
    if not len(batch):
        return no_survey(ndim), Heads.none(2 * ndim)
    return survey_batch(job.fine, job.design, batch, ids, None, None)


def _look_again(job: Job, heads: Heads, chunks: Ints) -> Heads:
    """The heads, those of all bins of some chunks found anew."""
    if not len(chunks):
        return heads
    table, there = ChunkTable.of(chunks), job.fine.chunks
    below = there[table.find(parents_of(job.fine, job.design, there)) >= 0]
    kept = heads.select(np.flatnonzero(table.find(heads.keys[:, : chunks.shape[1]]) < 0))
    return Heads.joined([kept, survey_chunks(job, below)[1]])


def _winners_elsewhere(job: Job, surveys: StoredSurvey, ids: Ints, chunks: Ints) -> Ints | None:
    """Lines that win a bin, ascending, in chunks that some lines pass, but for `chunks`; None where nobody tells."""
    parents = parents_of(job.fine, job.design, LinePieces.of(job.fine, ids).chunks)
    told = surveys.read(sort_chunks(parents[ChunkTable.of(chunks).find(parents) < 0]))
    return None if told is None else distinct(told.heads.winners)
