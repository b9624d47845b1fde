from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.stream.conftest import any_edges, make_limits, make_tree, make_view
from zvview.stream.cells import CellLevel
from zvview.stream.frame import compose_frame
from zvview.stream.giving_way import give_way
from zvview.stream.parts import ChunkPart
from zvview.stream.plan import plan_view

EDGES = [4.0, 8.0, 16.0, 32.0]


def overlaps(tree: Any, masks: Any) -> bool:
    """Whether chunks of two levels share some room."""
    boxes = [(t.chunk_lo[m], t.chunk_hi[m]) for t, m in zip(tree, masks, strict=True)]
    for k, (lo, hi) in enumerate(boxes):
        for other_lo, other_hi in boxes[k + 1 :]:
            shared = np.minimum(hi[:, None], other_hi) - np.maximum(lo[:, None], other_lo)
            if (shared > 1e-6).all(axis=2).any():
                return True
    return False


def covered(tree: Any, masks: Any, view: Any) -> float:
    """Area of the view that chunks cover."""
    lo, hi = view.box
    total = 0.0
    for level, mask in zip(tree, masks, strict=True):
        sides = np.minimum(level.chunk_hi[mask], hi) - np.maximum(level.chunk_lo[mask], lo)
        total += float(np.prod(np.maximum(sides, 0), axis=1).sum())
    return total


def filled(level: CellLevel, mask: NDArray[np.bool_]) -> list[ChunkPart]:
    """Points at the middle of each unit of chunks, each point in one chunk of a level."""
    parts = []
    for lo, hi in zip(level.chunk_lo[mask], level.chunk_hi[mask], strict=True):
        sides = [np.arange(np.ceil(a - 0.5), np.ceil(b - 0.5)) + 0.5 for a, b in zip(lo, hi, strict=True)]
        parts.append(ChunkPart(np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, len(lo)).astype("f4")))
    return parts


@settings(max_examples=150)
@given(any_edges, st.floats(0.05, 20), st.floats(0, 1), st.integers(0, 2**32 - 1), st.booleans())
def test_no_place_is_shown_twice_and_only_what_is_there(
    edges: list[float], zoom: float, share: float, seed: int, with_finer: bool
) -> None:
    facts, tree = make_tree(edges)
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 32, 2)
    view = make_view(corner, corner + rng.uniform(4, 32, 2), zoom, budget_vertices=8000)
    plan = plan_view(tree, view, make_limits(facts, tree))
    there = tuple(rng.random(len(level.chunk_lo)) < share for level in tree)
    frame = compose_frame(tree, plan, there, with_finer=with_finer)
    assert all((shown <= have).all() for shown, have in zip(frame.chunks, there, strict=True))
    assert not overlaps(tree, frame.chunks)
    assert not with_finer or compose_frame(tree, plan, there).shows(frame)
    if frame.is_complete:
        assert all(np.array_equal(a, b) for a, b in zip(frame.chunks, plan.needed, strict=True))
    if not frame.has_gaps:
        whole = compose_frame(tree, plan, tuple(np.ones_like(m) for m in there))
        assert covered(tree, frame.chunks, view) >= covered(tree, whole.chunks, view) - 1e-6


@settings(max_examples=60)
@given(st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_with_the_coarsest_level_there_is_no_gap_at_any_time(share: float, seed: int) -> None:
    facts, tree = make_tree(EDGES)
    rng = np.random.default_rng(seed)
    view = make_view((3, 3), (50, 61), 20.0)
    plan = plan_view(tree, view, make_limits(facts, tree))
    there = [rng.random(len(level.chunk_lo)) < share for level in tree]
    there[-1][:] = True
    frame = compose_frame(tree, plan, tuple(there))
    assert not frame.has_gaps
    assert covered(tree, frame.chunks, view) >= 47 * 58 - 1e-6


def test_a_coarse_chunk_gives_way_when_all_finer_ones_in_view_are_there() -> None:
    facts, tree = make_tree([4.0, 8.0])
    plan = plan_view(tree, make_view((1, 1), (15, 7), 100.0), make_limits(facts, tree))
    there = [np.zeros(len(level.chunk_lo), bool) for level in tree]
    there[1][:] = True
    assert compose_frame(tree, plan, tuple(there)).levels == (1,)
    rows = np.flatnonzero(plan.needed[0])
    left = rows[tree[0].chunk_lo[rows, 0] < 8]
    there[0][left[:-1]] = True
    assert compose_frame(tree, plan, tuple(there)).levels == (1,)
    there[0][left[-1]] = True
    frame = compose_frame(tree, plan, tuple(there))
    assert frame.levels == (0, 1) and frame.ready == len(left) and frame.chunks[1].sum() == 1


def test_after_zooming_out_finer_chunks_stand_in_until_the_coarse_ones_come() -> None:
    facts, tree = make_tree([4.0, 8.0])
    plan = plan_view(tree, make_view((0, 0), (64, 64), 0.01), make_limits(facts, tree))
    assert plan.cut.levels == (1,)
    there = [np.ones(len(tree[0]), bool), np.zeros(len(tree[1]), bool)]
    frame = compose_frame(tree, plan, tuple(there))
    assert frame.levels == (0,) and not frame.has_gaps and not frame.is_complete
    assert compose_frame(tree, plan, tuple(there), with_finer=False).levels == ()
    there[1][:] = True
    assert compose_frame(tree, plan, tuple(there)).levels == (1,)


def test_levels_that_add_are_shown_together() -> None:
    facts, tree = make_tree([4.0, 8.0], is_added=[True, False])
    plan = plan_view(tree, make_view((0, 0), (64, 64), 100.0), make_limits(facts, tree))
    there = [np.ones(len(tree[0]), bool), np.ones(len(tree[1]), bool)]
    frame = compose_frame(tree, plan, tuple(there))
    assert frame.is_complete and frame.levels == (0, 1) and all(mask.all() for mask in frame.chunks)
    there[1][5] = False
    frame = compose_frame(tree, plan, tuple(there))
    assert frame.has_gaps and frame.chunks[0].sum() == len(tree[0]) - 4


@settings(max_examples=100)
@given(
    st.sampled_from([EDGES, [4.0, 64.0], [4.0, 6.0, 24.0]]),
    st.sampled_from([20.0, 5.0, 2.0]),
    st.floats(0, 1),
    st.integers(0, 2**32),
)
def test_what_came_is_shown_beneath_what_stands_in_too(
    edges: list[float], zoom: float, share: float, seed: int
) -> None:
    facts, tree = make_tree(edges)
    rng = np.random.default_rng(seed)
    plan = plan_view(tree, make_view((0, 0), (64, 64), zoom, budget_vertices=10**6), make_limits(facts, tree))
    there = tuple(rng.random(len(level.chunk_lo)) < share for level in tree)
    there[-1][:] = True
    whole = compose_frame(tree, plan, there)
    frame = compose_frame(tree, plan, there, with_patches=True)
    assert frame.ready == whole.ready and frame.has_gaps == whole.has_gaps
    assert all((a <= b).all() for a, b in zip(whole.chunks, frame.chunks, strict=True)), "nothing goes for it"
    came = [mask & have for mask, have in zip(plan.needed, there, strict=True)]
    coarse = compose_frame(tree, plan, there, with_patches=True, with_finer=False)
    assert all((a <= b).all() for a, b in zip(came, coarse.chunks, strict=True)), "all that came is shown"
    patches = frame.patches or tuple(np.zeros_like(mask) for mask in there)
    assert all((mask <= have).all() for mask, have in zip(patches, there, strict=True))
    assert not overlaps(tree, [mask & ~patch for mask, patch in zip(frame.chunks, patches, strict=True)])
    shown = [(np.flatnonzero(mask), filled(level, mask)) for level, mask in zip(tree, frame.chunks, strict=True)]
    places = [part.positions for _, parts in give_way(facts, shown, patches) for part in parts]
    joined = np.concatenate(places) if places else np.empty((0, 2))
    assert len(np.unique(joined, axis=0)) == len(joined), "no place is shown twice"


def test_what_is_there_of_finer_levels_is_shown_while_nothing_else_is() -> None:
    facts, tree = make_tree([4.0, 8.0, 64.0])
    plan = plan_view(tree, make_view((0, 0), (64, 64), 2.5, budget_vertices=10**6), make_limits(facts, tree))
    assert plan.cut.levels == (1,)
    there = tuple(np.zeros(len(level.chunk_lo), bool) for level in tree)
    there[0][:50] = there[2][:] = True
    frame = compose_frame(tree, plan, there, with_patches=True)
    assert frame.patches is not None and np.array_equal(frame.chunks[0], there[0]) and frame.levels == (0, 2)
    assert compose_frame(tree, plan, there, with_patches=True, with_finer=False).levels == (2,)
    there[1][:] = tree[1].chunk_lo[:, 1] < 32
    frame = compose_frame(tree, plan, there, with_patches=True)
    assert not frame.is_complete and np.array_equal(frame.chunks[1], there[1])
    assert frame.chunks[0].any() and not overlaps(tree[:2], frame.chunks[:2]), "where the cut is there it is shown"
