"""What passes a bin, and who wins it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.pyramid.passes import Places, Segments, find_passes, measure_lengths

SPACE = np.ones(2, bool)


def make_lines(seed: int, count: int) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Positions, object of each vertex, and segments."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 12, count)
    owners = np.repeat(np.arange(count), sizes)
    positions = np.cumsum(rng.normal(0, 3, (len(owners), 2)), axis=0).astype(np.float32)
    first = np.flatnonzero(owners[1:] == owners[:-1])
    return positions, owners, np.stack((first, first + 1), axis=1)


def brute_passes(
    positions: NDArray[np.float32], owners: NDArray[np.int64], segments: NDArray[np.int64], edge: float
) -> dict[tuple[int, int], set[int]]:
    """Objects of vertices and of samples half an edge apart, by bin."""
    out: dict[tuple[int, int], set[int]] = {}
    spots = list(zip(positions.astype(float), owners.tolist(), strict=True))
    for a, b in segments.tolist():
        p, q = positions[a].astype(float), positions[b].astype(float)
        parts = max(1, int(np.ceil(np.linalg.norm(q - p) / edge * 2)))
        spots += [(p + j * ((q - p) / parts), int(owners[a])) for j in range(1, parts)]
    for spot, owner in spots:
        out.setdefault((int(np.floor(spot[0] / edge)), int(np.floor(spot[1] / edge))), set()).add(owner)
    return out


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30), st.sampled_from([0.5, 2.0, 16.0]))
def test_bins_are_passed_by_vertices_and_segments(seed: int, count: int, edge: float) -> None:
    positions, owners, segments = make_lines(seed, count)
    first, second = segments.T
    lengths = measure_lengths(positions, first, second, SPACE)
    zeros = np.zeros(len(positions), np.int64)
    found = find_passes(
        positions,
        Places(np.arange(len(positions)), zeros, owners),
        Segments(first, second, zeros[: len(first)], owners[first], lengths),
        np.full(2, edge),
        SPACE,
    )
    expected = brute_passes(positions, owners, segments, edge)
    assert len(found.starts) == len(expected)
    assert sorted(tuple(p.tolist()) for p in np.split(found.ranks, found.starts[1:])) == sorted(
        tuple(sorted(ranks)) for ranks in expected.values()
    )
    assert set(np.flatnonzero(found.winners(count)).tolist()) == {min(ranks) for ranks in expected.values()}
    kept = np.arange(count) % 2 == 0
    passed = [any(kept[rank] for rank in ranks) for ranks in expected.values()]
    assert np.isclose(found.covered(kept), np.mean(passed))


def test_bins_of_any_reach_are_told_apart() -> None:
    """Coordinates so wide that bins, chunks and ranks do not fit one number together."""
    positions = np.array([[0, 0, 0], [2.0**40, 1, 1], [-(2.0**40), -1, -1], [2.0**40, 1, 1]])
    none = np.empty(0, np.int64)
    found = find_passes(
        positions,
        Places(np.arange(4), np.array([0, 2**20, 0, 2**20]), np.array([3, 2, 1, 0])),
        Segments(none, none, none, none, np.empty(0)),
        np.full(3, 2.0**-8),
        np.ones(3, bool),
    )
    assert sorted(np.diff(np.append(found.starts, len(found.ranks))).tolist()) == [1, 1, 2]
    assert found.winners(4).tolist() == [True, True, False, True]
