"""From the chunks of a frame to the batch that is shown: joined, filtered and cut to the slab; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.geometry.batches import Batch
from zvview.geometry.select import clip_to_box
from zvview.stream.editing import VERTEX, VERTEX_METADATA, EditOverlay, lay_over, name_vertices
from zvview.stream.facts import StoreFacts
from zvview.stream.filtering import apply_filter
from zvview.stream.in_view import clip_to_view, fit_to_budget
from zvview.stream.parts import ChunkPart, join_parts
from zvview.stream.view import ViewState

__all__ = ["Picture", "lacking_notes", "paint"]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What is shown.

    Attributes
    ----------
    batch : Batch
    loaded : int
        Vertices before filter and slab.
    levels : tuple of int
        Numbers of the levels it comes from.
    is_cut : bool
        Whether it holds only what is in view: of large chunks the whole would be more than the budget.
    is_thinned : bool
        Whether that was too much as well.
    edits : EditOverlay or None
        That were laid over it.
    chunks : (C, sid) int64 array or None
        Of the finest level, by which its points are named.
    notes : tuple of str
    """

    batch: Batch
    loaded: int
    levels: tuple[int, ...]
    is_cut: bool = False
    is_thinned: bool = False
    edits: EditOverlay | None = None
    chunks: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()


def paint(
    facts: StoreFacts,
    levels: Sequence[tuple[NDArray[np.int64], Sequence[ChunkPart]]],
    view: ViewState,
    objects: NDArray[np.int64] | None,
) -> Picture:
    """The picture of some chunks, given by level as rows and contents.

    Parameters
    ----------
    facts : StoreFacts
    levels : sequence of (rows, parts)
    view : ViewState
        Its edits are laid over them, its filter and slab are applied; where that leaves more than its budget, what lies
        out of view is cut off.
    objects : (n,) int64 array or None
        The only objects that the filter lets pass.
    """
    attributes, finest = facts.attributes, facts.levels[0]
    chunks = finest.chunks if finest.number == 0 else None
    if view.edits is not None and facts.kind == names.POINT_CLOUD:
        attributes, levels = {**attributes, VERTEX: VERTEX_METADATA}, _named(facts, levels)
    batch = join_parts(facts.kind, facts.ndim, attributes, levels)
    loaded = len(batch)
    if view.edits is not None:
        batch = lay_over(batch, view.edits, finest.chunks[:0] if chunks is None else chunks)
    if not view.filter.is_empty:
        batch = apply_filter(batch, view.filter, objects)
    slab = view.slab
    if slab is not None and loaded:
        batch = clip_to_box(batch, *slab)
    budget = view.budget_vertices
    notes: list[str] = []
    is_cut, is_thinned = len(batch) > budget, False
    if is_cut:
        whole = clip_to_view(batch, view, budget)
        batch = fit_to_budget(whole, budget)
        if is_thinned := batch is not whole:
            notes.append("only some of the points in view are shown: all would be more than the budget allows")
    shown = [level.number for level, (rows, _) in zip(facts.levels, levels, strict=True) if len(rows)]
    return Picture(batch, loaded, tuple(shown), is_cut, is_thinned, view.edits, chunks, tuple(notes))


def _named(
    facts: StoreFacts, levels: Sequence[tuple[NDArray[np.int64], Sequence[ChunkPart]]]
) -> list[tuple[NDArray[np.int64], Sequence[ChunkPart]]]:
    """The chunks with the names of their vertices."""
    pairs = zip(facts.levels, levels, strict=True)
    return [
        (rows, [name_vertices(part, level.number, row) for row, part in zip(rows.tolist(), parts, strict=True)])
        for level, (rows, parts) in pairs
    ]


def lacking_notes(facts: StoreFacts, levels: Sequence[int], view: ViewState) -> list[str]:
    """What the levels that are shown, by number, cannot tell."""
    notes = []
    for level in facts.levels:
        if level.number in levels and level.lacks:
            notes.append(f"level {level.number} has no {', '.join(level.lacks)}")
            if hidden := [name for name in view.filter.attribute_names if name in level.lacks]:
                notes.append(f"level {level.number} is hidden: the filter asks for {', '.join(hidden)}")
    unknown = [name for name in view.filter.attribute_names if name not in facts.attributes]
    return notes + [f"the filter asks for {name}, which the store does not have" for name in unknown]
