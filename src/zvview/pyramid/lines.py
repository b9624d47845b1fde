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
from zvview.geometry.batches import Polylines
from zvview.pyramid.design import LevelDesign, PyramidOptions
from zvview.pyramid.kind import Coarsened, Job, TaskContext
from zvview.pyramid.line_design import SIMPLIFY, SPARSITY, Rules, design_lines
from zvview.pyramid.line_geometry import simplify_lines
from zvview.pyramid.line_sample import find_owners
from zvview.pyramid.object_choice import ALL, Survey, choose_objects, hash_objects, rank_objects, survey_lines
from zvview.pyramid.parts import PART_BYTES, chunk_blocks, row_bytes
from zvview.store.level import Level
from zvview.store.writing.intake import Intake

__all__ = ["LinesKind", "simplify_part", "survey_part"]


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
        fine, rules = job.fine, Rules.parse(job.design.parameters)
        known = fine.present_object_ids
        ids = np.empty(0, np.int64) if known is None else known
        of_each = fine.vertex_count * row_bytes(fine) / max(1, len(ids))
        if rules.threshold < ALL:
            surveys = job.run_all(survey_part, chunk_blocks(fine, job.design.chunk_shape, self.part_bytes))
            groups = fine.groups
            members = () if groups is None else groups.members
            ids = choose_objects(ids, hash_objects(ids, rules.seed), surveys, rules.threshold, members)
        done = job.run_all(
            simplify_part, _cut(fine, ids, job.design.chunk, max(1, int(self.part_bytes / max(1, of_each))))
        )
        absent = np.concatenate([np.empty(0, np.int64), *(absent for _, absent in done)])
        return Coarsened([name for name, _ in done], ids[~np.isin(ids, absent)] if len(absent) else ids)


def survey_part(context: TaskContext, chunks: NDArray[np.int64]) -> Survey:
    """What some chunks of the finer level, (m, sid), tell of its objects."""
    fine, rules, edges = context.fine, Rules.parse(context.design.parameters), context.design.chunk
    known = fine.present_object_ids
    assert known is not None
    batch = fine.read_chunks(chunks, [])
    assert isinstance(batch, Polylines)
    ids, owners = find_owners(batch, known)
    parents = np.floor_divide(chunks[:, chunks.shape[1] - len(edges) :], np.rint(edges / fine.chunk_shape).astype(int))
    return survey_lines(
        batch.positions,
        owners,
        batch.segments,
        parents,
        chunk_shape=edges,
        bin_shape=None if rules.selection is None else np.array(rules.selection),
        is_space=np.array(rules.is_space),
        unit=rules.unit,
        ids=ids,
        ranks=rank_objects(hash_objects(ids, rules.seed)),
    )


def simplify_part(context: TaskContext, ids: NDArray[np.int64]) -> tuple[str, NDArray[np.int64]]:
    """Simplify some objects; gives the name of the run, and those ids of which the finer level holds nothing."""
    rules = Rules.parse(context.design.parameters)
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


def _cut(fine: Level, ids: NDArray[np.int64], chunk_shape: NDArray[np.float64], most: int) -> list[NDArray[np.int64]]:
    """Objects by the level's chunk that they begin in, then by id, at most so many at a time."""
    if not len(ids):
        return []
    ratio = np.rint(chunk_shape / fine.chunk_shape).astype(np.int64)
    firsts = fine.first_chunks(ids)
    parents = np.floor_divide(firsts[:, firsts.shape[1] - len(ratio) :], ratio)
    order = np.lexsort((ids, *parents.T[::-1]))
    return np.array_split(ids[order], -(-len(ids) // most))
