"""Links between blocks: both sides must tell of the same nodes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zvview.errors import DamagedError
from zvview.pyramid.block_borders import Border, link_blocks
from zvview.store.patching.link_runs import CrossingLinks

NONE = CrossingLinks(np.empty((0, 2, 2), np.int64), np.empty((0, 2), np.int64), {"w": np.empty(0)})


def make_borders() -> list[Border]:
    """Chunk (0, 0) with nodes a, b and chunk (1, 0) with c, d: links a-c, c-b (from c) and b-d."""
    left = np.array([[9.0, 1], [9, 2]])
    right = np.array([[11.0, 1], [11, 2]])
    here, there = np.zeros((2, 2), np.int64), np.tile([1, 0], (2, 1))
    one = Border(
        here[:1],
        left,
        right,
        here,
        there,
        np.array([4, 7]),
        np.array([[0, 0], [1, 0], [1, 1]]),
        np.array([False, True, False]),
        {"w": np.array([1.0, 2, 3])},
        NONE,
    )
    other = Border(
        there[:1],
        right,
        left,
        there,
        here,
        np.array([0, 2]),
        np.array([[1, 1], [0, 0], [0, 1]]),
        np.array([True, True, False]),
        {"w": np.array([3.0, 1, 2])},
        NONE,
    )
    return [one, other]


def test_each_link_is_there_once_in_its_direction() -> None:
    for borders in (make_borders(), make_borders()[::-1]):
        found = link_blocks(borders)
        assert found is not None
        links = {
            (tuple(c[0]), r[0], tuple(c[1]), r[1], w)
            for c, r, w in zip(found.chunks.tolist(), found.rows.tolist(), found.columns["w"].tolist(), strict=True)
        }
        a, b, c, d = ((0, 0), 4), ((0, 0), 7), ((1, 0), 0), ((1, 0), 2)
        assert links == {(*a, *c, 1.0), (*c, *b, 2.0), (*b, *d, 3.0)}


def test_links_of_nodes_that_are_left_out_go() -> None:
    one, other = make_borders()
    found = link_blocks([one, replace(other, near_rows=np.array([-1, 2]))])
    assert found is not None and found.rows.tolist() == [[7, 2]]
    assert link_blocks([replace(one, near_rows=np.array([-1, -1])), other]) is None


def test_blocks_that_disagree_are_damage() -> None:
    one, other = make_borders()
    for wrong in (
        replace(other, near=other.near + 1),
        replace(other, links=other.links[:1], is_inward=other.is_inward[:1], columns={"w": np.ones(1)}),
        replace(other, blocks=np.array([[5, 5]])),
    ):
        with pytest.raises(DamagedError, match="both sides"):
            link_blocks([one, wrong])
