"""A store tells the names of the latest commits, whatever else is done to it."""

from __future__ import annotations

from pathlib import Path

import zvview
from tests.store.editing.models import needed
from zvview.pyramid import build_pyramid
from zvview.store.editing.commit import commit_edits
from zvview.store.editing.commit_names import COMMITS_KEY, make_name, was_made, with_name
from zvview.store.places.folder import FolderSource
from zvview.store.places.memory import MemorySource
from zvview.testing import make_store


def test_the_latest_names_are_kept_and_a_damaged_list_is_none() -> None:
    place: dict[str, bytes] = {}
    source, names = MemorySource(place), [make_name() for _ in range(300)]
    assert len(set(names)) == 300
    for name in names:
        place.update({key: data for key, data in with_name(source, {}, name).items() if data is not None})
    assert [was_made(source, name) for name in names] == [False] * 44 + [True] * 256
    place[COMMITS_KEY] = place[COMMITS_KEY][:-5]
    assert not was_made(source, names[-1])
    assert set(place) == {COMMITS_KEY, "zvview/zarr.json"}


def test_names_outlive_growth_and_new_levels_and_nobody_minds_them(tmp_path: Path) -> None:
    place = str(tmp_path / "points.zarrvectors")
    store = make_store(place, "point_cloud", size=200, chunk_shape=(400.0,) * 3)
    edit = store.edit(journal=False)
    edit.add(edit.find().positions[:1], attributes=needed(edit))
    name = make_name()
    commit_edits(FolderSource(place), edit.edits, name=name)
    lo, hi = store.bounds
    zvview.grow(place, (lo - 1000, hi + 1000))
    build_pyramid(place)
    assert was_made(FolderSource(place), name)
    assert not was_made(FolderSource(place), make_name())
    assert list(zvview.check(place)) == []
