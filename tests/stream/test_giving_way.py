from __future__ import annotations

import numpy as np
import pytest

from tests.stream.conftest import make_facts
from zvview.stream.giving_way import can_patch, give_way
from zvview.stream.parts import ChunkPart


def part(*xs: float) -> ChunkPart:
    count = np.arange(len(xs))
    positions = np.array([[x, 1.0] for x in xs], np.float32)
    return ChunkPart(positions, {"mass": count * 10}, count)


def test_coarse_points_give_way_to_the_finer_chunks_in_their_place() -> None:
    facts = make_facts([4.0, 64.0])
    patches = (np.zeros(len(facts.levels[0].chunks), bool), np.zeros(1, bool))
    patches[0][facts.levels[0].chunks.tolist().index([1, 0])] = True
    rows = np.flatnonzero(patches[0])
    (_, fine), (_, (coarse,)) = give_way(facts, [(rows, [part(4, 5)]), (np.array([0]), [part(1, 4, 7.9, 8)])], patches)
    assert len(fine[0]) == 2
    assert coarse.positions[:, 0].tolist() == [1, 8]
    assert coarse.attributes["mass"].tolist() == [0, 30] and coarse.object_ids is not None
    assert coarse.object_ids.tolist() == [0, 3]
    assert coarse.rows is not None and coarse.rows.tolist() == [0, 3]


def test_parts_without_patches_stay_the_same_objects() -> None:
    facts, own = make_facts([4.0, 64.0]), part(1, 2)
    none = tuple(np.zeros(len(level.chunks), bool) for level in facts.levels)
    (_, found), (_, (coarse,)) = give_way(facts, [(np.array([0]), [own]), (np.array([0]), [own])], none)
    assert found[0] is own and coarse is own


@pytest.mark.parametrize("is_added", [False, True])
def test_levels_that_add_up_are_not_patched(is_added: bool) -> None:
    assert can_patch(make_facts([4.0, 8.0], is_added=[is_added, False])) != is_added
