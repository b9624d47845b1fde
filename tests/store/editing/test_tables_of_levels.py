"""Object tables of many cells after commits: coarse levels tell of objects what level 0 tells, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from tests.store.editing.models import needed
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.store.patching.level_patch import LevelPatch

Memory = dict[str, bytes]


@pytest.fixture(autouse=True, scope="module")
def _small_cells() -> Iterator[None]:
    rows = mock.patch("zvview.format.documents.PLAIN_CHUNK_ROWS", 4)
    cells = mock.patch("zvview.store.writing.plain_cells._ROW_CELL_BYTES", 128)
    with rows, cells:
        yield


def some_store(kind: str, step: int) -> Memory:
    """40 objects with ids from 0 on, or further apart, and two coarse levels."""
    rng = np.random.default_rng(0)
    ids = np.arange(40) * step
    place: Memory = {}
    with zvview.create(place, kind=kind, axes="xyz", chunk_shape=(10,) * 3) as store:
        more = {"object_attributes": {"weight": ids * 1.0, "name": ids.astype(str)}}
        groups = {f"g{k}": ids[k::5] for k in range(5)}
        if kind == "point_cloud":
            positions = rng.uniform(0, 40, (200, 3))
            store.write(
                zvview.Points(positions, object_ids=rng.permutation(np.arange(200) % 40) * step), **more, groups=groups
            )
        else:
            lines = [rng.uniform(0, 36) + rng.uniform(0, 4, (6, 3)) for _ in ids]
            store.write(zvview.Streamlines.from_list(lines, object_ids=ids), **more, groups=groups)
    build_pyramid(place, PyramidOptions(levels=2))
    return place


def assert_alike(place: Memory) -> None:
    store = zvview.open(place)
    fine = store.level(0)
    assert len(store.levels) > 1 and fine.object_ids is not None and fine.groups is not None
    for number in store.levels[1:]:
        level = store.level(number)
        assert level.groups is not None
        np.testing.assert_array_equal(level.object_ids, fine.object_ids)
        for name in ("weight", "name"):
            np.testing.assert_array_equal(level.object_attribute(name), fine.object_attribute(name))
        assert list(map(list, level.groups.members)) == list(map(list, fine.groups.members))
    assert not zvview.check(place)


@pytest.mark.parametrize("kind", ["point_cloud", "streamline"])
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10**6), step=st.sampled_from([1, 3]))
def test_coarse_levels_tell_of_objects_what_the_finest_tells(kind: str, seed: int, step: int) -> None:
    rng = np.random.default_rng(seed)
    place = some_store(kind, step)
    session = zvview.open(place).edit()
    for _ in range(2):
        ids = session._objects.ids  # type: ignore[union-attr]
        some = rng.permutation(ids)[:3]
        session.set_object_attributes(some, {"weight": rng.random(3)})
        if rng.random() < 0.5:
            session.add_to_group("g1", some)
        if rng.random() < 0.5:
            session.remove_from_group(2, some)
        if rng.random() < 0.5:
            session.delete_objects(some[:1])
        if rng.random() < 0.5:
            if kind == "point_cloud":
                session.add(rng.uniform(1, 39, (3, 3)), attributes=needed(session))
            else:
                session.add_lines(zvview.Streamlines.from_list(rng.uniform(10, 20, (2, 5, 3))))
        session.commit()
        assert_alike(place)


@pytest.mark.parametrize("kind", ["point_cloud", "streamline"])
def test_what_is_only_told_of_objects_makes_nothing_else_anew(kind: str) -> None:
    place = some_store(kind, 1)
    before = dict(place)
    with zvview.open(place).edit() as edit, mock.patch.object(LevelPatch, "put", side_effect=AssertionError):
        edit.set_object_attributes([5, 17], {"weight": [2.5, 3.5]})
    changed = {key for key in place if before.get(key) != place[key] and "/c/" in key and "commit" not in key}
    assert changed == {f"{level}/object_attributes/weight/c/{cell}" for level in (0, 1, 2) for cell in (1, 4)}
    assert_alike(place)
