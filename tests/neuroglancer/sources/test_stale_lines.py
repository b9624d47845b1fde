"""Coarse levels of lines that another program left behind when it edited the finest are told of, and not used."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from tests.neuroglancer.sources.test_polylines import drawn, make, source_of, stored
from zvview.neuroglancer import export
from zvview.neuroglancer.sources import tiers
from zvview.neuroglancer.sources.stale_lines import STALE_LINES


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store whose first view comes from a coarse level."""
    monkeypatch.setattr(tiers, "FIRST_VERTICES", 300)
    monkeypatch.setattr(tiers, "READ_VERTICES", 500)
    make(tmp_path / "a.zarrvectors").close()
    return tmp_path / "a.zarrvectors"


def opened(place: Path) -> zvview.Store:
    found = zvview.open(place)
    assert isinstance(found, zvview.Store)
    return found


def edit_behind(place: Path, change: str) -> None:
    """Let the finest level hold other lines, and leave the coarse ones as they are."""
    with opened(place) as store:
        batch: Any = store.level(0).read()
        axes, edges = store.axes, store.level(0).chunk_shape.tolist()
    lines = [batch.positions[a:b] for a, b in zip(batch.offsets, batch.offsets[1:], strict=False)]
    ids = batch.object_ids
    if change == "moved":
        lines = [line[:, ::-1] for line in lines]
    else:
        lines, ids = lines[::2], ids[::2]
    other = place.with_name("other.zarrvectors")
    with zvview.create(other, kind="streamline", axes=axes, chunk_shape=edges) as made:
        made.write(zvview.Streamlines.from_list(lines, object_ids=ids))
    shutil.rmtree(place / "0")
    shutil.rmtree(place / "zvview")
    shutil.copytree(other / "0", place / "0")


@pytest.mark.parametrize("change", ["moved", "removed"])
def test_levels_that_do_not_fit_are_told_of_and_not_used(place: Path, tmp_path: Path, change: str) -> None:
    with opened(place) as store:
        source = source_of(store)
        assert source.tiers[0].level > 0 and STALE_LINES not in source.notes
    edit_behind(place, change)
    with opened(place) as store:
        source = source_of(store)
        assert {tier.level for tier in source.tiers} == {0}
        assert STALE_LINES in source.notes and "zvview pyramid" in STALE_LINES
        assert not any("no coarse levels" in note for note in source.notes)
        rows = np.concatenate(drawn(source))
        everything = stored(store, source, 0, np.asarray(store.level(0).present_object_ids))
        assert np.array_equal(rows[np.lexsort(rows.T[::-1])], everything)
    assert STALE_LINES in export(place, tmp_path / "out").notes
