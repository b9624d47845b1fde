from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import InvalidInputError
from zvview.geometry.trees import (
    depth_first_order,
    find_cycles,
    label_components,
    parents_from_links,
    root_forest,
)

Edges = list[tuple[int, int]]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, Edges]:
    n = draw(st.integers(1, 24))
    node = st.integers(0, n - 1)
    return n, draw(st.lists(st.tuples(node, node), max_size=30))


@st.composite
def forests(draw: st.DrawFn) -> list[int]:
    """Parents of a forest whose nodes are named in any order; -1 for roots."""
    n = draw(st.integers(1, 40))
    reach = draw(st.sampled_from([1, 3, n]))
    grown = [draw(st.integers(max(-1, i - reach), i - 1)) for i in range(n)]
    name = draw(st.permutations(range(n)))
    parents = [-1] * n
    for node, parent in enumerate(grown):
        parents[name[node]] = name[parent] if parent >= 0 else -1
    return parents


def plain_labels(n: int, edges: Edges) -> list[int]:
    label = list(range(n))
    for _ in range(n):
        for u, v in edges:
            label[u] = label[v] = min(label[u], label[v])
    return label


def plain_rooting(n: int, edges: Edges, roots: list[int]) -> list[int]:
    """Parents by walking from the roots; every edge is walked once."""
    neighbours: list[list[int]] = [[] for _ in range(n)]
    for u, v in edges:
        neighbours[u].append(v)
        neighbours[v].append(u)
    parents = [-1] * n
    todo = list(roots)
    while todo:
        node = todo.pop()
        for other in neighbours[node]:
            if other != parents[node]:
                parents[other] = node
                todo.append(other)
    return parents


def plain_preorder(parents: list[int]) -> list[int]:
    order: list[int] = []
    todo = [i for i in reversed(range(len(parents))) if parents[i] < 0]
    while todo:
        node = todo.pop()
        order.append(node)
        todo.extend(i for i in reversed(range(len(parents))) if parents[i] == node)
    return order


def plain_cycles(parents: list[int]) -> list[int]:
    on_cycle = []
    for node in range(len(parents)):
        at = parents[node]
        for _ in parents:
            if at in (-1, node):
                break
            at = parents[at]
        if at == node:
            on_cycle.append(node)
    return on_cycle


def links_of(parents: list[int]) -> Edges:
    return [(child, parent) for child, parent in enumerate(parents) if parent >= 0]


@given(graphs())
@settings(max_examples=150, deadline=None)
def test_components_are_named_by_their_smallest_node(graph: tuple[int, Edges]) -> None:
    n, edges = graph
    label = label_components(n, edges)
    assert label.dtype == np.int64
    assert label.tolist() == plain_labels(n, edges)


def test_components_of_stars_whose_centres_are_the_largest_nodes() -> None:
    rng = np.random.default_rng(5)
    edges = np.stack((np.arange(9000), 9000 + rng.integers(0, 30, 9000)), axis=1)
    bridges = np.stack((rng.integers(0, 9000, 60), 9000 + rng.integers(0, 30, 60)), axis=1)
    label = label_components(9030, np.concatenate((edges, bridges)))
    assert (label[edges[:, 0]] == label[edges[:, 1]]).all() and (label[bridges[:, 0]] == label[bridges[:, 1]]).all()
    assert (label[label] == label).all() and (label <= np.arange(9030)).all()


@given(st.integers(1, 20).flatmap(lambda n: st.lists(st.integers(-1, n - 1), min_size=n, max_size=n)))
@settings(max_examples=150, deadline=None)
def test_cycles_are_the_nodes_that_reach_themselves(parents: list[int]) -> None:
    assert find_cycles(parents).tolist() == plain_cycles(parents)


@given(forests())
@settings(max_examples=60, deadline=None)
def test_a_forest_has_no_cycles(parents: list[int]) -> None:
    assert find_cycles(parents).tolist() == []


@given(forests(), st.data())
@settings(max_examples=150, deadline=None)
def test_rooting_agrees_with_a_walk_from_the_roots(parents: list[int], data: st.DataObject) -> None:
    n = len(parents)
    edges = [data.draw(st.sampled_from([(c, p), (p, c)])) for c, p in links_of(parents)]
    label = plain_labels(n, edges)
    roots = {name: name for name in label}
    assert root_forest(n, edges).tolist() == plain_rooting(n, edges, list(roots.values()))

    given_roots = []
    for name in roots:
        if data.draw(st.booleans()):
            roots[name] = data.draw(st.sampled_from([i for i in range(n) if label[i] == name]))
            given_roots.append(roots[name])
    given_roots = data.draw(st.permutations(given_roots))
    assert root_forest(n, edges, given_roots).tolist() == plain_rooting(n, edges, list(roots.values()))


@given(graphs())
@settings(max_examples=150, deadline=None)
def test_rooting_refuses_just_the_graphs_that_are_no_forest_and_counts_the_surplus(graph: tuple[int, Edges]) -> None:
    n, edges = graph
    surplus = len(edges) - (n - len(set(plain_labels(n, edges))))
    if surplus:
        with pytest.raises(InvalidInputError, match=f"forest: {surplus} of {len(edges)} "):
            root_forest(n, edges)
    else:
        assert sorted(map(sorted, links_of(root_forest(n, edges).tolist()))) == sorted(map(sorted, edges))


def test_two_roots_in_one_component_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="1 components were given more than one root"):
        root_forest(4, [(0, 1), (1, 2)], [0, 2, 3])


@given(forests(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_links_of_a_forest_give_its_parents_whatever_their_order_and_repeats(
    parents: list[int], random: object
) -> None:
    links = links_of(parents)
    links += links[::2]
    random.shuffle(links)  # type: ignore[attr-defined]
    assert parents_from_links(len(parents), links).tolist() == parents


@given(forests(), st.data())
@settings(max_examples=150, deadline=None)
def test_only_components_with_contradicting_directions_are_rooted_anew(parents: list[int], data: st.DataObject) -> None:
    links = links_of(parents)
    turned = [link[::-1] if data.draw(st.integers(0, 4)) == 0 else link for link in links]
    n, label = len(parents), plain_labels(len(parents), links)
    children = [child for child, _ in turned]
    doubted = {label[child] for child in children if children.count(child) > 1}
    anew = plain_rooting(n, links, sorted(set(label)))
    as_told = dict(turned)
    expected = [anew[i] if label[i] in doubted else as_told.get(i, -1) for i in range(n)]
    assert parents_from_links(n, turned).tolist() == expected


def test_links_both_ways_between_two_nodes_are_one_undirected_edge() -> None:
    assert parents_from_links(5, [(1, 2), (2, 1), (3, 2), (4, 0)]).tolist() == [-1, -1, 1, 2, 0]


@pytest.mark.parametrize("links", [[(0, 1), (1, 2), (2, 0)], [(0, 1), (0, 2), (1, 2)], [(3, 3)]])
def test_links_that_are_no_tree_even_undirected_are_refused(links: Edges) -> None:
    with pytest.raises(InvalidInputError, match="no forest: 1 of"):
        parents_from_links(4, links)


@given(forests())
@settings(max_examples=150, deadline=None)
def test_depth_first_order_is_the_recursive_preorder(parents: list[int]) -> None:
    assert depth_first_order(parents).tolist() == plain_preorder(parents)


def test_depth_first_order_refuses_cycles() -> None:
    with pytest.raises(InvalidInputError, match="cycle"):
        depth_first_order([1, 2, 0, -1, 3])


def test_a_path_of_many_nodes_takes_few_rounds() -> None:
    n = 100_000
    name = np.random.default_rng(2).permutation(n)
    name[[0, np.flatnonzero(name == 0)[0]]] = name[[np.flatnonzero(name == 0)[0], 0]]  # the smallest node is one end
    parents = np.full(n, -1)
    parents[name[1:]] = name[:-1]
    edges = np.stack((name[:-1], name[1:]), axis=1)
    assert (label_components(n, edges) == 0).all()
    assert np.array_equal(root_forest(n, edges), parents)
    assert np.array_equal(parents_from_links(n, edges[:, ::-1]), parents)
    assert np.array_equal(depth_first_order(parents), name)
    assert find_cycles(parents).size == 0
    parents[name[0]] = name[-1]
    assert np.array_equal(find_cycles(parents), np.arange(n))


def test_a_star() -> None:
    n = 20_000
    edges = np.stack((np.arange(1, n), np.zeros(n - 1, np.int64)), axis=1).astype(np.uint32)
    parents = root_forest(n, edges)
    assert parents[0] == -1 and (parents[1:] == 0).all()
    assert np.array_equal(depth_first_order(parents), np.arange(n))
    assert np.flatnonzero(root_forest(n, edges, [7]) == 0).tolist() == [i for i in range(1, n) if i != 7]


@pytest.mark.parametrize("n", [0, 3])
def test_without_edges_every_node_is_its_own_root(n: int) -> None:
    assert label_components(n, []).tolist() == list(range(n))
    assert root_forest(n, [], []).tolist() == parents_from_links(n, np.zeros((0, 2))).tolist() == [-1] * n
    assert depth_first_order(np.full(n, -1)).tolist() == list(range(n))
    assert find_cycles(np.full(n, -1)).tolist() == []


@pytest.mark.parametrize("call", [label_components, root_forest, parents_from_links])
@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([(0, 3)], "name nodes 0 to 3"),
        ([(-1, 2)], "name nodes -1 to 2"),
        (np.array([[0, 2**64 - 1]], np.uint64), "18446744073709551615"),
        ([(0, 1, 2)], "shape"),
        ([0, 1], "shape"),
        ([(0.0, 1.0)], "must be integers"),
    ],
)
def test_hostile_edges_are_refused(call: Callable[..., object], edges: object, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        call(3, edges)


@pytest.mark.parametrize("call", [find_cycles, depth_first_order])
@pytest.mark.parametrize("parents", [[0, 2], [-2, 0], [[0]], [0.5], [2**63, 0]])
def test_hostile_parents_are_refused(call: Callable[..., object], parents: object) -> None:
    with pytest.raises(InvalidInputError):
        call(np.array(parents))


def test_hostile_counts_and_roots_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="-1 nodes"):
        label_components(-1, [])
    with pytest.raises(InvalidInputError, match="roots"):
        root_forest(2, [(0, 1)], [2])
