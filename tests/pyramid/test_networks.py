"""Thinned networks: the same shape within the tolerance, the same ends and branches, nothing that was not there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.geometry.trees import label_components, parents_from_links
from zvview.pyramid.networks import Network, Rules, ThinNetwork, span_network, thin_runs

WIDE = (1e9, 1e9, 1e9)


def make_rules(edge: float = 1.0, **more: object) -> Rules:
    return replace(Rules((edge,) * 3, 0.49, WIDE), **more)  # type: ignore[arg-type]


def make_network(positions: object, edges: object, is_tree: bool = False, **columns: object) -> Network:
    where = np.asarray(positions, np.float32)
    if where.ndim == 1:
        where = np.stack((where, np.zeros_like(where), np.zeros_like(where)), axis=1)
    links = np.asarray(edges, np.int64).reshape(-1, 2)
    given = {name: np.asarray(values) for name, values in columns.items()}
    return Network(where, links, given, np.zeros(len(where), np.int64), is_tree)


def thin(network: Network, rules: Rules) -> ThinNetwork:
    return thin_runs(network, span_network(network, rules), rules)


def chain(count: int) -> NDArray[np.int64]:
    return np.stack((np.arange(1, count), np.arange(count - 1)), axis=1)


@st.composite
def grown(draw: st.DrawFn) -> Network:
    """Trees or graphs grown by long walks from nodes that are there."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    is_tree = draw(st.booleans())
    positions, edges = [rng.normal(0, 5, 3)], []
    for _ in range(draw(st.integers(1, 6))):
        at = int(rng.integers(len(positions)))
        heading = rng.normal(0, 1, 3)
        for _ in range(int(rng.integers(1, 40))):
            heading = heading + rng.normal(0, draw(st.sampled_from([0.05, 0.5])), 3)
            positions.append(positions[at] + heading * 0.3)
            edges.append((len(positions) - 1, at))
            at = len(positions) - 1
        if not is_tree and rng.random() < 0.6:
            edges.append((at, int(rng.integers(len(positions)))))
    where = np.array(positions)
    radius = np.abs(np.cumsum(rng.normal(0, 0.05, len(where)))) + 0.1
    label = np.cumsum(rng.random(len(where)) < 0.03).astype(np.int16)
    made = make_network(where, edges, is_tree, radius=radius.astype(np.float32), label=label)
    order = rng.permutation(len(made.edges))
    return replace(made, edges=made.edges[order])


def distance(points: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    along = b - a
    share = np.clip(((points - a) @ along) / max(float(along @ along), 1e-300), 0, 1)
    return np.asarray(np.linalg.norm(points - a - share[:, None] * along, axis=1))


@settings(max_examples=80, deadline=None)
@given(grown(), st.sampled_from([0.2, 1.0, 5.0, 100.0]), st.sampled_from([3.0, 1e9]))
def test_the_shape_stays_within_half_a_bin(network: Network, edge: float, chunk: float) -> None:
    rules = make_rules(edge, chunk_shape=(chunk,) * 3, labels=("label",), radius="radius")
    found = thin(network, rules)
    where = network.positions.astype(np.float64)
    radius = network.columns["radius"].astype(np.float64)
    assert sorted(found.chain.tolist()) == list(range(len(network.edges)))
    seen = np.zeros(len(where), bool)
    seen[found.nodes] = True
    for number, (a, b) in enumerate(found.nodes[found.edges].tolist()):
        stood = network.edges[found.chain[found.first[number] : found.first[number + 1]]]
        rows = np.setdiff1d(stood, [a, b])
        if not len(rows):
            continue
        assert not seen[rows].any()
        seen[rows] = True
        assert (network.columns["label"][rows] == network.columns["label"][a]).all()
        far = distance(where[rows], where[a], where[b])
        assert (far <= 0.49 * edge * (1 + 1e-5)).all()
        allowed = max(0.49 * edge, 0.1 * float(radius[np.unique(stood)].min()))
        samples = np.linspace(0, 1, 201)
        on_link = where[a] + samples[:, None] * (where[b] - where[a])
        off = np.linalg.norm(on_link[:, None] - where[rows], axis=2) / (0.49 * edge)
        wide = np.abs((radius[a] + samples * (radius[b] - radius[a]))[:, None] - radius[rows]) / allowed
        assert (np.maximum(off, wide).min(axis=0) <= 1.02).all()
    assert seen.all()


@settings(max_examples=80, deadline=None)
@given(grown(), st.sampled_from([0.2, 1.0, 5.0, 100.0]))
def test_ends_branches_and_parts_are_the_same(network: Network, edge: float) -> None:
    found = thin(network, make_rules(edge))
    count = len(network.positions)
    before = np.bincount(network.edges.ravel(), minlength=count)
    after = np.bincount(found.nodes[found.edges].ravel(), minlength=count)
    np.testing.assert_array_equal(before[before != 2], after[before != 2])
    assert set(after[before == 2].tolist()) <= {0, 2}

    def parts(n: int, edges: NDArray[np.int64]) -> int:
        return len(np.unique(label_components(n, edges)))

    assert parts(count, network.edges) == parts(len(found.nodes), found.edges)
    surplus = len(network.edges) - count
    assert surplus == len(found.edges) - len(found.nodes)

    old, new = (np.sort(pairs, axis=1) for pairs in (network.edges, found.nodes[found.edges]))
    repeats = np.unique(new, axis=0, return_counts=True)
    for pair, times in zip(*repeats, strict=True):
        was = int((old == pair).all(axis=1).sum())
        assert times == 1 or times <= was
        assert pair[0] != pair[1] or was
    if network.is_tree:
        parents = parents_from_links(len(found.nodes), found.edges)
        roots = np.setdiff1d(np.arange(count), network.edges[:, 0])
        np.testing.assert_array_equal(found.nodes[parents < 0], roots)


@settings(max_examples=30, deadline=None)
@given(grown(), grown(), st.sampled_from([0.5, 2.0]))
def test_objects_do_not_see_each_other(one: Network, other: Network, edge: float) -> None:
    rules = make_rules(edge, radius="radius", labels=("label",), chunk_shape=(4.0, 4.0, 4.0))
    other = replace(other, is_tree=one.is_tree)
    columns = {name: np.concatenate((one.columns[name], other.columns[name])) for name in one.columns}
    count = len(one.positions)
    both = Network(
        np.concatenate((one.positions, other.positions)),
        np.concatenate((one.edges, other.edges + count)),
        columns,
        np.repeat([0, 1], [count, len(other.positions)]),
        one.is_tree,
    )
    found = thin(both, rules).nodes
    apart = np.concatenate((thin(one, rules).nodes, thin(other, rules).nodes + count))
    np.testing.assert_array_equal(found, apart)


def test_a_straight_run_becomes_one_link_from_child_to_parent() -> None:
    found = thin(make_network(np.arange(20.0), chain(20), is_tree=True), make_rules())
    assert found.nodes.tolist() == [0, 19]
    assert found.edges.tolist() == [[1, 0]]


def test_both_nodes_of_a_link_between_chunks_stay() -> None:
    found = thin(make_network(np.arange(20.0), chain(20)), make_rules(chunk_shape=(5.0, 5.0, 5.0)))
    assert found.nodes.tolist() == [0, 4, 5, 9, 10, 14, 15, 19]


def test_both_nodes_of_a_change_of_label_stay() -> None:
    label = np.repeat(np.array([3, 7, 3], np.uint8), [6, 8, 6])
    network = make_network(np.arange(20.0), chain(20), label=label)
    assert thin(network, make_rules(labels=("label",))).nodes.tolist() == [0, 5, 6, 13, 14, 19]


def test_a_label_of_several_channels_changes_where_any_does() -> None:
    label = np.zeros((6, 2), np.uint8)
    label[3:, 1] = 1
    assert thin(make_network(np.arange(6.0), chain(6), label=label), make_rules(labels=("label",))).nodes.tolist() == [
        0,
        2,
        3,
        5,
    ]


def test_the_radius_of_a_straight_run_is_kept() -> None:
    radius = np.full(21, 1.0, np.float32)
    radius[10] = 3.0
    network = make_network(np.arange(21.0), chain(21), radius=radius)
    assert thin(network, make_rules()).nodes.tolist() == [0, 20]
    assert 10 in thin(network, make_rules(radius="radius")).nodes
    assert len(thin(network, make_rules(radius="radius", tolerance=0.4)).nodes) == 5


def test_a_radius_may_be_off_by_a_tenth_of_itself() -> None:
    radius = np.where(np.arange(40) % 2, 100.0, 108.0)
    assert len(thin(make_network(np.arange(40.0), chain(40), radius=radius), make_rules(radius="radius")).nodes) == 2
    radius = np.where(np.arange(40) % 2, 100.0, 130.0)
    assert len(thin(make_network(np.arange(40.0), chain(40), radius=radius), make_rules(radius="radius")).nodes) > 30


def test_radii_that_are_no_numbers_do_no_harm() -> None:
    radius = np.array([1.0, np.nan, np.inf, -np.inf, 1.0])
    found = thin(make_network(np.arange(5.0), chain(5), radius=radius), make_rules(radius="radius"))
    assert found.nodes[0] == 0 and found.nodes[-1] == 4


def test_a_ring_never_becomes_fewer_than_three_links() -> None:
    angle = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    ring = 5 + np.stack((np.cos(angle), np.sin(angle), 0 * angle), axis=1)
    edges = np.stack((np.arange(30), (np.arange(30) + 1) % 30), axis=1)
    for edge in (0.01, 1.0, 1000.0):
        found = thin(make_network(ring, edges), make_rules(edge))
        assert len(found.nodes) == len(found.edges) >= 3
    assert len(found.nodes) <= 4


def test_runs_between_the_same_nodes_stay_apart() -> None:
    edges = [(0, 2), (2, 1), (0, 3), (3, 1), (0, 1)]
    network = make_network(np.array([0.0, 2, 1, 1]), edges)
    found = thin(network, make_rules(100.0))
    assert len(np.unique(np.sort(found.edges, axis=1), axis=0)) == len(found.edges)
    assert len(found.nodes) == 4
    network = make_network(np.array([0.0, 2, 1, 1, 4, -1]), [*edges[:4], (1, 4), (0, 5)])
    found = thin(network, make_rules(100.0))
    assert len(found.nodes) == 5 and len(found.edges) == 5


def test_links_of_several_objects_keep_both_nodes() -> None:
    network = replace(make_network(np.arange(10.0), chain(10)), objects=np.repeat([4, -2], 5))
    assert thin(network, make_rules()).nodes.tolist() == [0, 4, 5, 9]


def test_nodes_are_compared_at_their_own_time() -> None:
    where = np.zeros((12, 3), np.float32)
    where[:, 0] = where[:, 2] = np.arange(12)
    straight = make_network(where, chain(12))
    rules = make_rules(other_axes=(2,))
    assert thin(straight, rules).nodes.tolist() == [0, 11]
    where = where.copy()
    where[:, 0] = np.where(np.arange(12) < 6, 0.0, np.arange(12))
    assert {5, 6} <= set(thin(make_network(where, chain(12)), rules).nodes.tolist())


def test_link_values_of_a_run_are_merged_by_their_kind() -> None:
    network = make_network(np.array([0.0, 1, 4, 10, 20]), [(0, 1), (1, 2), (2, 3), (4, 3)])
    weight = np.array([1.0, 2.0, 4.0, 8.0], np.float32)
    network = replace(network, edges=np.concatenate((network.edges, [[3, 3]])))
    columns = {
        "weight": np.append(weight, 5).astype(np.float32),
        "length": np.array([1.0, 3, 6, 10, 0]),
        "type": np.array([7, 8, 9, 6, 5], np.int8),
        "pair": np.arange(10.0).reshape(5, 2),
    }
    found = thin(network, make_rules())
    order = np.argsort(found.nodes[found.edges].min(axis=1) + 10 * found.nodes[found.edges].max(axis=1))
    values = {name: v[order] for name, v in found.link_columns(network, columns).items()}
    assert found.nodes.tolist() == [0, 3, 4]
    np.testing.assert_allclose(values["weight"], [(1 + 2 * 3 + 4 * 6) / 10, 5, 8])
    np.testing.assert_allclose(values["length"], [10, 0, 10])
    assert values["type"].tolist() == [7, 5, 6] and values["type"].dtype == np.int8
    np.testing.assert_allclose(values["pair"][0], [(0 * 1 + 2 * 3 + 4 * 6) / 10, (1 + 3 * 3 + 5 * 6) / 10])
    assert values["weight"].dtype == np.float32


def test_values_of_runs_without_length_are_averaged() -> None:
    network = make_network(np.zeros(3), [(0, 1), (1, 2)])
    found = thin(network, make_rules())
    assert found.link_columns(network, {"w": np.array([1.0, 3.0])})["w"].tolist() == [2.0]


def test_nothing_stays_nothing() -> None:
    found = thin(make_network(np.empty((0, 3)), np.empty((0, 2))), make_rules(radius=None))
    assert not len(found.nodes) and found.edges.shape == (0, 2)
    lone = thin(make_network(np.array([1.0, 2.0]), np.empty((0, 2))), make_rules())
    assert lone.nodes.tolist() == [0, 1]
