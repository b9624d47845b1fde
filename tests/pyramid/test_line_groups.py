"""The least object of each group, kept over edits, is the one that a look at all members finds."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from zvview.format.sequences import is_among
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.pyramid.line_groups import GroupRows, find_leaders, renew_leaders
from zvview.pyramid.object_ranks import hash_objects
from zvview.testing import make_batch


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.sampled_from([3, 40]))
def test_leaders_after_edits_are_those_of_all_members(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    ids = np.sort(rng.choice(200, count, replace=False)) - 90
    groups = [ids[rng.random(count) < rng.random()] for _ in range(int(rng.integers(0, 6)))]
    there = rng.random(count) < 0.7
    before = find_leaders(groups, seed, lambda some: is_among(some, ids[there]))
    for members, leader in zip(groups, before, strict=True):
        present = members[is_among(members, ids[there])]
        first = present[np.lexsort((present, hash_objects(present, seed)))[:1]]
        assert first.tolist() == ([] if leader is None else [leader])
    edited = rng.random(count) < 0.3
    there = np.where(edited, rng.random(count) < 0.5, there)
    now = [np.setxor1d(m, ids[rng.random(count) < 0.1]) if rng.random() < 0.3 else m for m in groups]
    now = now[: int(rng.integers(0, len(now) + 1))] if rng.random() < 0.2 else now
    now = [*now, ids] if rng.random() < 0.3 else now
    changed = [
        i
        for i in range(max(len(now), len(groups)))
        if i >= min(len(now), len(groups)) or not np.array_equal(now[i], groups[i])
    ]
    are_there: Any = lambda some: is_among(some, ids[there])  # noqa: E731
    found = renew_leaders(before, groups, now, np.array(changed, np.int64), ids[edited], there[edited], seed, are_there)
    assert found == find_leaders(now, seed, are_there)


def test_groups_that_differ_are_found() -> None:
    place: dict[str, bytes] = {}
    batch = make_batch("streamline", 400, seed=2, n_objects=20)
    ids = np.unique(batch.object_ids)
    groups = {str(i): ids[i : i + 3] for i in range(6)}
    with zvview.create(place, kind="streamline", axes="xyz", chunk_shape=(150,) * 3) as store:
        store.write(batch, groups=groups)
    build_pyramid(place, PyramidOptions(levels=1))
    other = {key: data for key, data in place.items() if not key.startswith("zvview/")}
    with zvview.open(other).edit(journal=False) as edit:
        edit.add_to_group("4", ids[:1])
        edit.commit()
    now, before = GroupRows(zvview.open(other).level(0)), GroupRows(zvview.open(place).level(1))
    assert GroupRows(zvview.open(place).level(0)).unlike(before).tolist() == []
    assert now.unlike(before).tolist() == [4]
    assert [len(members) for members in now.read(np.array([0, 4]))] == [3, 4]
    assert len(now) == 6
