"""Synthetic stores: of every kind, in memory and in folders, with what their batch holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import zvview
from zvview.testing import KINDS, make_batch, make_groups, make_store


@pytest.mark.parametrize("kind", KINDS)
def test_stores_of_every_kind_hold_their_batch(kind: str) -> None:
    place: dict[str, bytes] = {}
    store = make_store(place, kind, size=3000, seed=4)
    expected = make_batch(kind, 3000, seed=4)
    found = store.level(0).read()
    assert store.kind == kind and [axis.unit for axis in store.axes] == ["micrometer"] * 3
    assert np.array_equal(np.sort(found.positions, axis=0), np.sort(expected.positions, axis=0))
    assert found.attributes.keys() == expected.attributes.keys()
    groups = make_groups(expected)
    if groups:
        assert store.groups is not None and list(store.groups.names) == list(groups)
        assert all(np.array_equal(a, b) for a, b in zip(store.groups.members, groups.values(), strict=True))
    else:
        assert store.groups is None
    with zvview.open(place) as again:
        assert isinstance(again, zvview.Store) and again.level(0).vertex_count == len(expected)


def test_options_go_to_the_batch_and_to_the_writer(tmp_path: Path) -> None:
    place = tmp_path / "cells.zarrvectors"
    options = {"size": 900, "ndim": 2, "form": "uniform", "with_attributes": False}
    with make_store(place, "point_cloud", chunk_shape=(250, 250), codec="zstd", **options) as store:
        assert store.level(0).chunks.tolist() == [[x, y] for x in range(4) for y in range(4)]
        assert store.level(0).attribute_names == ()
    with pytest.raises(zvview.ExistsError):
        make_store(place, "point_cloud")
    with make_store(place, "point_cloud", mode="w", ndim=4, with_groups=False) as store:
        assert [axis.name for axis in store.axes] == ["x", "y", "z", "t"]
