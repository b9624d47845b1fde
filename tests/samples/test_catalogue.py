"""The samples: what each holds, that it is sound and has levels, and that the camera is sent to where something is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import zvview
from zvview.errors import MissingError
from zvview.samples import SAMPLES, Sample, find_sample, prepare_sample
from zvview.samples.tracks import make_tracks
from zvview.store.collection import Collection

SYNTHETIC = [sample for sample in SAMPLES if "synthetic" in sample.about]
KINDS = {
    "cells": "point_cloud",
    "streamlines": "streamline",
    "neurons": "skeleton",
    "vessels": "graph",
    "brain": "mesh",
    "tracks": "polyline",
}


def test_names_are_their_own_and_the_first_is_the_real_one() -> None:
    names = [sample.name for sample in SAMPLES]
    assert len(set(names)) == len(names) == 8
    assert names[0] == "hemibrain" and find_sample("cells") is SAMPLES[names.index("cells")]
    assert {sample.name for sample in SYNTHETIC} == set(KINDS)
    with pytest.raises(MissingError, match="hemibrain"):
        find_sample("unicorn")


@pytest.mark.parametrize("sample", SYNTHETIC, ids=lambda sample: sample.name)
def test_synthetic_ones_are_sound_and_have_levels(sample: Sample) -> None:
    store = zvview.open(prepare_sample(sample))
    assert store.kind == KINDS[sample.name]
    assert zvview.check(store.place).ok
    counts = [store.level(number).vertex_count for number in store.levels]
    assert len(counts) > 1 and counts[0] > 40_000 and counts == sorted(counts, reverse=True)
    assert all(axis.unit for axis in store.axes)
    for look in sample.looks.values():
        if look.colouring is not None and look.colouring.name is not None:
            assert look.colouring.name in store.attributes
    check_stops(sample, store)


def check_stops(sample: Sample, store: zvview.Store) -> None:
    """All stops look at something: vertices lie within a small part of the whole around them."""
    lo, hi = store.bounds
    positions = store.level(0).read(attributes=[]).positions
    for stop in sample.stops:
        assert np.linalg.norm(stop.view) > 0 and abs(np.dot(stop.view, stop.up)) < np.linalg.norm(stop.view)
        if stop.focus is not None:
            reach = (hi - lo)[:3].max() / stop.zoom
            assert (np.abs(positions - np.array(stop.focus))[:, :3].max(axis=1) < reach).sum() > 50


def test_tracks_begin_where_and_when_their_parents_end() -> None:
    batch, parents = make_tracks(np.random.default_rng(3))
    assert len(parents) == 8 * (2**10 - 1) and (parents[:8] == -1).all() and (parents[8:] >= 0).all()
    starts, ends = batch.positions[batch.offsets[:-1]], batch.positions[batch.offsets[1:] - 1]
    np.testing.assert_allclose(starts[8:, 3], ends[parents[8:], 3])
    away = np.linalg.norm(starts[8:, :3] - ends[parents[8:], :3], axis=1)
    assert away.max() < 1e-3
    assert (np.bincount(parents[8:]) == 2).all()


@pytest.mark.usefixtures("real_packages")
def test_hemibrain_is_four_stores_in_one_frame() -> None:
    sample = find_sample("hemibrain")
    brain = zvview.open(prepare_sample(sample))
    assert isinstance(brain, Collection)
    assert {name: brain[name].kind for name in brain} == {
        "neurons": "skeleton",
        "surfaces": "mesh",
        "synapses": "point_cloud",
        "neuropil": "mesh",
    }
    assert set(sample.looks) == set(brain)
    assert zvview.check(brain.place).ok
    lo, hi = brain["neuropil"].bounds
    for name in ("neurons", "synapses"):
        inner = brain[name].bounds
        assert (inner[0] >= lo - 2000).all() and (inner[1] <= hi + 2000).all()
        assert len(brain[name].levels) > 1
    check_stops(sample, brain["synapses"])


@pytest.mark.usefixtures("real_packages")
def test_bundles_are_groups() -> None:
    sample = find_sample("bundles")
    store = zvview.open(prepare_sample(sample))
    assert store.kind == "streamline" and store.groups is not None and len(store.groups.names) == 15
    assert sum(len(members) for members in store.groups.members) == 750
    check_stops(sample, store)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        find_sample("vessels").make(str(tmp_path / name), None, None)
    files = [sorted(file.relative_to(tmp_path / name) for file in (tmp_path / name).rglob("c/*")) for name in "ab"]
    assert files[0] == files[1]
    for file in files[0]:
        if (tmp_path / "a" / file).is_file():
            assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
