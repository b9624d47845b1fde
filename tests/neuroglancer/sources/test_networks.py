"""Nodes of networks as points: each once over all levels, where it is, with its object's colour, found by its id."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import zvview
from tests.neuroglancer.sources.test_points import cells
from tests.neuroglancer.sources.test_skeletons import GOLDEN, NETWORKS
from zvview.neuroglancer.sources import skeletons
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.networks import open_nodes
from zvview.neuroglancer.sources.opening import open_sources
from zvview.neuroglancer.sources.points import NestedPoints
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.style.colourmaps import colour_ids
from zvview.testing import make_store


def nodes_of(store: zvview.Store) -> NestedPoints:
    return open_nodes(store, SourceFrame.of(store.axes, store.bounds, store.level(0).resolution))


def check_each_once(store: zvview.Store) -> int:
    """Every node of the finest level is in one cell, that where it lies, with its colour; how many levels have any."""
    source = nodes_of(store)
    info = source.info
    lower = np.array(info["lower_bound"])
    found = list(cells(source))
    for level, cell, records, _ in found:
        inside = (records["_geometry"] - lower) / info["spatial"][level]["chunk_size"]
        assert (np.floor(inside) == cell).all()
    ids = np.concatenate([i for *_, i in found])
    assert len(np.unique(ids)) == len(ids)
    batch = store.level(0).read()
    assert isinstance(batch, zvview.Graph)
    records = np.concatenate([r for _, _, r, _ in found])
    owners = batch.vertex_object_ids
    colours = np.rint(colour_ids(owners)[:, :3] * 255)
    got = np.column_stack((records["_geometry"], records["object"]))
    expected = np.column_stack((batch.positions.astype("f4"), np.zeros((len(batch), 3 - batch.ndim)), colours))
    assert np.array_equal(got[np.lexsort(got.T)], expected[np.lexsort(expected.T)])
    (by_id,) = [section for section in source.sections if section.key == "by_id"]
    assert len(source.read(by_id, ids.astype(np.uint64))) == len(ids)
    return len({level for level, *_ in found})


@pytest.mark.parametrize("name", NETWORKS)
def test_each_node_of_a_golden_store_is_in_one_level(name: str) -> None:
    with zvview.open(GOLDEN / f"{name}.zip") as store:
        assert check_each_once(store) == 1


@pytest.mark.parametrize("kind", ["graph", "skeleton"])
def test_each_node_of_a_store_with_levels_is_in_one_of_them(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "n.zarrvectors"
    make_store(place, kind, size=4000, seed=4).close()
    build_pyramid(place, PyramidOptions(target=300))
    with zvview.open(place) as store:
        assert len(store.levels) > 1
        assert check_each_once(store) == len(store.levels)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_open_with_skeletons_edges_and_nodes(name: str) -> None:
    with zvview.open(GOLDEN / f"{name}.zip") as store:
        sources = open_sources(store)
        assert set(sources) == {"skeletons", "skeletons/segment_properties", "edges", "nodes"}
        assert sources["skeletons"].info["segment_properties"] == "segment_properties"
        edges = sources["edges"]
        (by_id,) = [s for s in edges.sections if s.key == "by_id"]
        told = sum(len(edges.read(by_id, keys)) for keys in edges.keys(by_id))
        batch = store.level(0).read()
        assert isinstance(batch, zvview.Graph)
        assert told == len(batch.edges)


def test_a_network_without_objects_is_one_skeleton_unless_it_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "n.zarrvectors"
    make_store(place, "graph", size=500, with_groups=False).close()
    shutil.rmtree(place / "0" / "object_index")  # as stores of other writers
    with zvview.open(place) as store:
        assert set(open_sources(store)) == {"skeletons", "edges", "nodes"}
        monkeypatch.setattr(skeletons, "MOST_WHOLE", 100)
        sources = open_sources(store)
        assert set(sources) == {"edges", "nodes"}
        assert any("without objects" in note for note in sources["nodes"].notes)
        nodes = nodes_of(store)
        assert sum(len(ids) for *_, ids in cells(nodes)) == store.level(0).vertex_count
