"""Making skeletons and graphs simpler along their unbranched runs: which nodes stay, which links join them.

Pure functions of arrays. A node is left out where the link that spans it passes within the tolerance; nodes that carry
the shape of the network (roots, tips, branch points, isolated ones) or a change of label all stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import locate_chunks
from zvview.pyramid.line_geometry import simplify_lines
from zvview.pyramid.unbranched import Runs, find_runs

__all__ = ["Network", "Rules", "ThinNetwork", "span_network", "thin_runs"]

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

RADIUS_SHARE = 0.1
"""A radius may be off by this share of the least one of its run, or by the tolerance, whichever is more."""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Nodes and links of some objects.

    Attributes
    ----------
    positions : (N, D) float32 or float64
    edges : (E, 2) int64
        Rows of nodes; of trees (child, parent).
    columns : mapping of str to (N,) or (N, C)
        Vertex attributes, categories as codes.
    objects : (N,) int64
    is_tree : bool
        Whether the links have roots, which stay.
    """

    positions: NDArray[np.floating]
    edges: Ints
    columns: Mapping[str, NDArray[Any]]
    objects: Ints
    is_tree: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """What a simpler network must keep to.

    Attributes
    ----------
    bin_shape : D floats
    tolerance : float
        How far from its link a node may lie that is left out, in bins.
    chunk_shape : D floats
        Both nodes of a link between two chunks stay. So chunks can be thinned apart, and nothing is missed by those who
        read only the chunks that they see.
    labels : sequence of str
        Columns whose changes stay where they are: both nodes of a link along which the value changes.
    radius : str or None
        Column that is interpolated along links.
    other_axes : sequence of int
        Axes that are not space: a node that is left out is compared with where its link is at the node's own time.
    """

    bin_shape: tuple[float, ...]
    tolerance: float
    chunk_shape: tuple[float, ...]
    labels: Sequence[str] = ()
    radius: str | None = None
    other_axes: Sequence[int] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ThinNetwork:
    """What is left of a network.

    Attributes
    ----------
    nodes : (n,) int64
        Rows of the nodes that stay, ascending.
    edges : (m, 2) int64
        Links between places in `nodes`, in the direction of the links that they stand for.
    chain : (c,) int64
        Old links, those that one new link stands for next to each other in order.
    first : (m + 1,) int64
        Bounds of each new link in `chain`.
    """

    nodes: Ints
    edges: Ints
    chain: Ints
    first: Ints

    def link_columns(self, network: Network, columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Values of link attributes, (m,) or (m, C), from those of the old links.

        A link that stands for several has of floats the mean weighted by their lengths, of a float column ``length``
        the sum, of integers and categories the value of the first.
        """
        counts = np.diff(self.first)
        merged = np.flatnonzero(counts > 1)
        out = {name: values[self.chain[self.first[:-1]]] for name, values in columns.items()}
        floats = [name for name, values in columns.items() if values.dtype.kind == "f"]
        if not len(merged) or not floats:
            return out
        members = np.repeat(counts > 1, counts)
        chain, counts = self.chain[members], counts[merged]
        starts = np.cumsum(counts) - counts
        ends = network.positions[network.edges[chain]].astype(np.float64)
        lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
        lengths[np.repeat(np.add.reduceat(lengths, starts) == 0, counts)] = 1.0
        for name in floats:
            values = columns[name][chain].astype(np.float64)
            weights = np.ones_like(lengths) if name.lower() == "length" else lengths
            weights = weights.reshape(-1, *[1] * (values.ndim - 1))
            with np.errstate(over="ignore", invalid="ignore"):
                sums = np.add.reduceat(values * weights, starts)
                is_sum = name.lower() == "length"
                mean = sums if is_sum else sums / np.add.reduceat(weights, starts)
                out[name][merged] = mean.astype(columns[name].dtype)
        return out


def span_network(network: Network, rules: Rules) -> Runs:
    """The runs of a network between the nodes that the rules want whatever the tolerance."""
    edges = network.edges
    pinned = np.zeros(len(network.positions), bool)
    if network.is_tree:
        pinned[:] = True
        pinned[edges[:, 0]] = False
    watched = [network.columns[name] for name in rules.labels]
    for values in (network.objects, *watched):
        pinned[edges[find_changes(values, edges)]] = True
    for column in locate_chunks(network.positions, rules.chunk_shape).T:
        pinned[edges[find_changes(column, edges)]] = True
    return find_runs(len(pinned), edges, pinned)


def find_changes(values: NDArray[Any], edges: Ints) -> Ints:
    """Links whose two nodes have different values, in any channel."""
    differs = values[edges[:, 0]] != values[edges[:, 1]]
    return np.flatnonzero(differs if differs.ndim == 1 else differs.any(axis=1))


def thin_runs(network: Network, runs: Runs, rules: Rules) -> ThinNetwork:
    """Leave out what the rules allow.

    No two new links join the same two nodes, and none is a loop, unless the old network had such: a run that would
    become one keeps a node more, a closed one two. Repeated links and loops that are there stay as they are.
    """
    is_kept = np.zeros(len(runs.rows), bool)
    if len(runs):
        where, is_space = _coordinates(network, runs, rules)
        is_kept[simplify_lines(where, runs.offsets, rules.tolerance, is_space)] = True
        _keep_apart(network.edges, runs, is_kept)
    kept = np.flatnonzero(is_kept)
    run = runs.run_of_row[kept]
    begins = np.flatnonzero(run[1:] == run[:-1])
    at, rows = kept[begins] - run[begins], runs.rows[kept]

    chain = np.concatenate((runs.direct, runs.links))
    first = np.concatenate((np.arange(len(runs.direct)), len(runs.direct) + at, [len(chain)]))
    pairs = np.stack((rows[begins], rows[begins + 1]), axis=1)
    is_against = network.edges[runs.links[at], 0] != pairs[:, 0]
    pairs[is_against] = pairs[is_against, ::-1]

    stays = runs.is_anchor.copy()
    stays[rows] = True
    place = np.cumsum(stays) - 1
    edges = place[np.concatenate((network.edges[runs.direct], pairs))]
    return ThinNetwork(np.flatnonzero(stays), edges, chain, first)


def _coordinates(network: Network, runs: Runs, rules: Rules) -> tuple[NDArray[np.floating], Flags]:
    """What is simplified: positions along the runs in bins and, as one more axis, the radius; which axes are space.

    The radius is scaled so that a step of the tolerance is what it may be off by in its run: interpolated at the place
    on the link next to a node that was left out, it is near enough. Positions count from the start of their run, so
    that float32 does for them, and that nothing depends on what other objects were read.
    """
    starts, sizes = runs.offsets[:-1], np.diff(runs.offsets)
    columns = []
    for axis, edge in enumerate(rules.bin_shape):
        along = network.positions[:, axis].astype(np.float64)[runs.rows]
        columns.append((along - np.repeat(along[starts], sizes)) / edge)
    is_space = np.ones(len(columns), bool)
    is_space[list(rules.other_axes)] = False
    if rules.radius is not None:
        radius = network.columns[rules.radius].astype(np.float64).reshape(-1)[runs.rows]
        radius = np.nan_to_num(radius, nan=0.0, posinf=0.0, neginf=0.0)
        near = rules.tolerance * min(edge for edge, space in zip(rules.bin_shape, is_space, strict=True) if space)
        allowed = np.maximum(near, RADIUS_SHARE * np.minimum.reduceat(np.abs(radius), starts))
        columns.append((radius - np.repeat(radius[starts], sizes)) * np.repeat(rules.tolerance / allowed, sizes))
        is_space = np.append(is_space, True)
    return np.stack(columns, axis=1).astype(network.positions.dtype), is_space


def _keep_apart(edges: Ints, runs: Runs, is_kept: Flags) -> None:
    """Keep nodes, in place, where links of one run would be loops, or repeat others."""
    starts, sizes = runs.offsets[:-1], np.diff(runs.offsets) - 2
    ends = np.stack((runs.rows[starts], runs.rows[runs.offsets[1:] - 1]), axis=1)
    kept = np.add.reduceat(is_kept, starts, dtype=np.int64) - 2
    ring = np.flatnonzero((ends[:, 0] == ends[:, 1]) & (kept < 2) & (sizes > 0))
    third = (sizes[ring] - 1) // 3
    is_kept[starts[ring] + 1 + third] = True
    is_kept[starts[ring] + sizes[ring] - third] = True

    bare = np.flatnonzero((kept == 0) & (sizes > 0) & (ends[:, 0] != ends[:, 1]))
    if len(bare):
        near = np.zeros(len(runs.is_anchor), bool)
        near[ends[bare]] = True
        plain = np.concatenate((edges[runs.direct], ends[sizes == 0]))
        plain = plain[near[plain[:, 0]] & near[plain[:, 1]]]
        keys, taken = (_pair_keys(pairs, len(near)) for pairs in (ends[bare], plain))
        order = np.argsort(keys, kind="stable")
        repeats = np.isin(keys, taken, kind="sort")
        repeats[order[1:]] |= keys[order[1:]] == keys[order[:-1]]
        bare = bare[repeats]
        is_kept[starts[bare] + 1 + sizes[bare] // 2] = True


def _pair_keys(pairs: Ints, count: int) -> Ints:
    a, b = pairs.T
    keys: Ints = np.minimum(a, b) * count + np.maximum(a, b)
    return keys
