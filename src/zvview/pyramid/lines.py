"""Lines of all kinds: fewer of them, each with fewer vertices; the vertices that stay are real ones, with all values.

Fragments of a chunk stand in the order of the objects: by the level's chunk that an object begins in, then by id. That
does not depend on how the work was cut into parts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.format.grid import locate_chunks
from zvview.format.sequences import distinct, is_among
from zvview.geometry.batches import Polylines
from zvview.pyramid.design import LevelDesign, PyramidOptions
from zvview.pyramid.kind import Coarsened, Job, TaskContext
from zvview.pyramid.length_classes import heads_of_classes
from zvview.pyramid.line_design import SIMPLIFY, SPARSITY, LineRules, design_lines
from zvview.pyramid.line_geometry import simplify_lines
from zvview.pyramid.line_groups import find_leaders
from zvview.pyramid.line_heads import Heads
from zvview.pyramid.line_sample import find_owners
from zvview.pyramid.line_state import Choice, LineState
from zvview.pyramid.line_survey import MOST_OF_BIN, Survey, join_surveys, no_survey, survey_lines
from zvview.pyramid.object_choice import ALL, choose_objects
from zvview.pyramid.object_ranks import hash_objects
from zvview.pyramid.parts import PART_BYTES, chunk_blocks, row_bytes
from zvview.pyramid.piece_counts import count_pieces, count_present
from zvview.store.level import Level
from zvview.store.patching.chunk_objects import OwnedPieces, find_pieces
from zvview.store.writing.intake import Intake

__all__ = [
    "LinesKind",
    "choose_lines",
    "count_level",
    "count_owned",
    "leaves_out",
    "parents_of",
    "present_ids",
    "simplify",
    "simplify_part",
    "survey_batch",
    "survey_chunks",
    "survey_part",
]


@dataclass(frozen=True, slots=True)
class LinesKind:
    """Coarser levels of lines, polylines and streamlines.

    Attributes
    ----------
    part_bytes : int
        About how much of the finer level a task reads. The levels do not depend on it.
    """

    methods: ClassVar[Sequence[str]] = (SIMPLIFY, SPARSITY)

    part_bytes: int = PART_BYTES

    def design(self, fine: Level, previous: LevelDesign | None, options: PyramidOptions) -> LevelDesign:
        """The level that follows `fine`: the least bin with which vertices fall as wished.

        Raises
        ------
        InvalidInputError
            An unknown method, wished shapes that do not divide each other.
        """
        method = self.methods[0] if options.method is None else options.method
        if method not in self.methods:
            raise InvalidInputError(f"method = {method!r}, expected one of {', '.join(self.methods)}")
        return design_lines(fine, previous, options, method)

    def coarsen(self, job: Job) -> Coarsened:
        """Choose objects from a survey of all chunks, then simplify those that stay."""
        ids, state = choose_lines(job, self.part_bytes)
        names, absent = simplify(job, ids, self.part_bytes)
        return Coarsened(names, ids[~np.isin(ids, absent)] if len(absent) else ids, state)


def present_ids(level: Level) -> NDArray[np.int64]:
    """Ids of the objects that a level holds something of, ascending."""
    known = level.present_object_ids
    return np.empty(0, np.int64) if known is None else known


def leaves_out(design: LevelDesign) -> bool:
    """Whether a level leaves objects out."""
    return LineRules.parse(design.parameters).threshold < ALL


def choose_lines(job: Job, part_bytes: int = PART_BYTES) -> tuple[NDArray[np.int64], LineState | None]:
    """The objects that the level keeps, ascending, and what is kept of the choice; None where nobody wants to know.

    The first level counts vertices in any case: of edits of level 0 only the chunks may be told.
    """
    fine, ids = job.fine, present_ids(job.fine)
    chunks, sid = fine.chunks, len(job.design.chunk)
    counts = count_level(job, chunks) if job.design.level == 1 else None
    if not leaves_out(job.design):
        return ids, None if counts is None else LineState(counts, Heads.none(2 * sid))
    rules = LineRules.parse(job.design.parameters)
    survey, heads = survey_chunks(job, chunks, part_bytes)
    groups = () if fine.groups is None else fine.groups.members
    kept = choose_objects(ids, hash_objects(ids, rules.seed), survey, rules.threshold, groups)
    seen = distinct(survey.ids)
    leaders = find_leaders(groups, rules.seed, lambda some: is_among(some, seen))
    choice = Choice(heads_of_classes(survey, rules.seed), leaders)
    return kept, LineState(no_survey(sid) if counts is None else counts, heads, choice)


def survey_chunks(job: Job, chunks: NDArray[np.int64], part_bytes: int = PART_BYTES) -> tuple[Survey, Heads]:
    """What the chunks of the level tell that hold some of the finer one, (n, sid)."""
    done = job.run_all(survey_part, chunk_blocks(job.fine, job.design.chunk_shape, part_bytes, chunks))
    sid = len(job.design.chunk)
    heads = Heads.joined([Heads.none(2 * sid), *(heads for _, heads in done)])
    return join_surveys([no_survey(sid), *(survey for survey, _ in done)]), heads


def count_level(job: Job, chunks: NDArray[np.int64]) -> Survey:
    """How many vertices of each object there are in the chunks of the level, of those in chunks of the finer one."""
    return count_owned(job, find_pieces(job.fine._reader, chunks))


def count_owned(job: Job, pieces: OwnedPieces) -> Survey:
    """The same for some pieces of the finer level."""
    return count_pieces(job.fine, _ratio(job.fine, job.design), pieces)


def simplify(job: Job, ids: NDArray[np.int64], part_bytes: int = PART_BYTES) -> tuple[list[str], NDArray[np.int64]]:
    """Simplify objects of the finer level; gives the names of the runs in order, and ids of which it holds nothing."""
    fine = job.fine
    of_each = fine.vertex_count * row_bytes(fine) / max(1, count_present(fine) or 0)
    order = np.lexsort((ids, *_order_keys(fine, job.design, ids).T[::-1]))
    most = max(1, int(part_bytes / max(1, of_each)))
    parts = np.array_split(ids[order], -(-len(ids) // most)) if len(ids) else []
    done = job.run_all(simplify_part, parts)
    return [name for name, _ in done], np.concatenate([ids[:0], *(absent for _, absent in done)])


def _order_keys(fine: Level, design: LevelDesign, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """The level's chunk that each object begins in, (n, D): by it, then by id, fragments of a chunk are in order."""
    return parents_of(fine, design, fine.first_chunks(ids))


def parents_of(fine: Level, design: LevelDesign, chunks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Chunk of the level in which each chunk of the finer one, (n, sid), lies, (n, D)."""
    ratio = _ratio(fine, design)
    return np.floor_divide(chunks[:, chunks.shape[1] - len(ratio) :], ratio)


def _ratio(fine: Level, design: LevelDesign) -> NDArray[np.int64]:
    return np.rint(design.chunk / fine.chunk_shape).astype(np.int64)


def survey_part(context: TaskContext, chunks: NDArray[np.int64]) -> tuple[Survey, Heads]:
    """What some chunks of the finer level, (m, sid), tell of its objects."""
    batch = context.fine.read_chunks(chunks, [])
    assert isinstance(batch, Polylines)
    known = _known_owners(context.fine, batch)
    parents = parents_of(context.fine, context.design, chunks)
    return survey_batch(context.fine, context.design, batch, known, parents, MOST_OF_BIN)


def survey_batch(
    fine: Level,
    design: LevelDesign,
    batch: Polylines,
    known: NDArray[np.int64],
    chunks: NDArray[np.int64] | None,
    most: int | None,
) -> tuple[Survey, Heads]:
    """What some chunks of the level, (n, D), or all that a batch of whole lines passes, tell of the objects `known`.

    Of each bin at `most` so many are told.
    """
    rules = LineRules.parse(design.parameters)
    ids, owners = find_owners(batch, known)
    places = parents_of(fine, design, locate_chunks(batch.positions, fine.chunk_shape))
    return survey_lines(
        batch.positions,
        owners,
        batch.segments,
        places,
        places if chunks is None else chunks,
        bin_shape=None if rules.selection is None else np.array(rules.selection),
        is_space=np.array(rules.is_space),
        unit=rules.unit,
        ids=ids,
        seed=rules.seed,
        most=most,
    )


def _known_owners(fine: Level, batch: Polylines) -> NDArray[np.int64]:
    """Ids of the objects of a batch, ascending, without what stands for none and for several."""
    objects = fine._reader.objects
    if batch.object_ids is None or objects is None:
        return np.empty(0, np.int64)
    given = distinct(batch.object_ids)
    known: NDArray[np.int64] = given[objects.find_rows(given) >= 0]
    return known


def simplify_part(context: TaskContext, ids: NDArray[np.int64]) -> tuple[str, NDArray[np.int64]]:
    """Simplify some objects; gives the name of the run, and those ids of which the finer level holds nothing."""
    rules = LineRules.parse(context.design.parameters)
    batch = context.fine.read_objects(ids)
    assert isinstance(batch, Polylines)
    present, owners = find_owners(batch, np.sort(ids))
    rows = simplify_lines(batch.positions, batch.offsets, rules.tolerance, np.array(rules.is_space))
    intake = Intake(
        batch.positions.take(rows, axis=0),
        {name: values.take(rows, axis=0) for name, values in batch.attributes.items()},
        present[owners[rows]],
    )
    digest = hashlib.sha256(np.ascontiguousarray(ids).tobytes()).hexdigest()[:20]
    absent = ids[:0] if len(present) == len(ids) else np.setdiff1d(ids, present)
    return context.save_run(f"lines-{context.design.level}-{digest}", intake), absent
