"""Parts of batches against brute force: plain Python over every row, segment and piece."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.geometry.batches import Graph, Mesh, Points, Polylines
from zvview.geometry.select import clip_to_box, keep_objects, keep_rows, stitch

BOX = (np.array([2.0, 2.0]), np.array([5.0, 5.0]))
FEW = settings(max_examples=60, deadline=None)


def numbered(count: int, draw: Any) -> NDArray[np.float32]:
    grid = st.integers(0, 7)
    points = draw(st.lists(st.tuples(grid, grid), min_size=count, max_size=count))
    return np.array(points, np.float32).reshape(count, 2)


def sizes_of(draw: Any, most: int = 5) -> list[int]:
    return draw(st.lists(st.integers(0, 5), max_size=most))  # type: ignore[no-any-return]


@st.composite
def polylines(draw: Any) -> Polylines:
    """Pieces with chains of bridges between them, and some far ends."""
    sizes = sizes_of(draw)
    inner, far = sum(sizes), draw(st.integers(0, 2))
    count = inner + far
    offsets = np.cumsum([0, *sizes])
    full = [p for p, n in enumerate(sizes) if n]
    order = draw(st.permutations(full))
    bridges = [(int(offsets[a + 1]) - 1, int(offsets[b])) for a, b in pairwise(order) if draw(st.booleans()) and a != b]
    loose = [p for p in full if offsets[p + 1] - 1 not in {a for a, _ in bridges}]
    bridges += [(int(offsets[p + 1]) - 1, inner + k) for k, p in zip(range(far), loose, strict=False)]
    ids = draw(st.one_of(st.none(), st.lists(st.integers(-9, 9), min_size=len(sizes), max_size=len(sizes))))
    return Polylines(
        numbered(count, draw),
        offsets=offsets,
        object_ids=None if ids is None else np.array(ids, np.int64),
        bridges=np.array(bridges, np.int64).reshape(-1, 2),
        attributes={"row": np.arange(count)},
    )


@st.composite
def graphs(draw: Any) -> Graph:
    sizes = sizes_of(draw)
    count = sum(sizes) + draw(st.integers(0, 2))
    ends = st.integers(0, max(count - 1, 0))
    edges = draw(st.lists(st.tuples(ends, ends), max_size=8 if count else 0))
    return Graph(
        numbered(count, draw),
        offsets=np.cumsum([0, *sizes]),
        object_ids=np.arange(len(sizes)) % 3,
        edges=np.array(edges, np.int64).reshape(-1, 2),
        attributes={"row": np.arange(count)},
        link_attributes={"edge": np.arange(len(edges))},
    )


def is_inside(p: NDArray[Any]) -> bool:
    return bool((p >= BOX[0]).all() and (p <= BOX[1]).all())


def touches(a: NDArray[Any], b: NDArray[Any]) -> bool:
    first, last = 0.0, 1.0
    for start, end, lo, hi in zip(a.tolist(), b.tolist(), *BOX, strict=True):
        if start == end:
            if not lo <= start <= hi:
                return False
            continue
        enter, leave = sorted(((lo - start) / (end - start), (hi - start) / (end - start)))
        first, last = max(first, enter), min(last, leave)
    return first <= last


@FEW
@given(st.data())
def test_points_are_cut_exactly(data: st.DataObject) -> None:
    points = numbered(data.draw(st.integers(0, 12)), data.draw)
    batch = Points(points, object_ids=np.arange(len(points)), attributes={"row": np.arange(len(points))})
    cut = clip_to_box(batch, *BOX)
    expected = [i for i, p in enumerate(points) if is_inside(p)]
    assert isinstance(cut, Points) and cut.object_ids is not None
    assert cut.object_ids.tolist() == cut.attributes["row"].tolist() == expected


@FEW
@given(graphs())
def test_graphs_keep_the_edges_that_touch(graph: Graph) -> None:
    cut = clip_to_box(graph, *BOX)
    assert isinstance(cut, Graph)
    touched = [i for i, (a, b) in enumerate(graph.edges) if touches(graph.positions[a], graph.positions[b])]
    rows = {i for i, p in enumerate(graph.positions) if is_inside(p)} | set(graph.edges[touched].ravel().tolist())
    assert cut.attributes["row"].tolist() == sorted(rows)
    assert cut.link_attributes["edge"].tolist() == touched
    assert np.array_equal(cut.attributes["row"][cut.edges], graph.edges[touched])
    owner = dict(zip(graph.attributes["row"].tolist(), graph.vertex_object_ids.tolist(), strict=True))
    assert cut.vertex_object_ids.tolist() == [owner[r] for r in cut.attributes["row"].tolist()]
    assert (np.diff(cut.offsets) > 0).all()


def test_meshes_keep_the_faces_that_touch() -> None:
    corners = np.array([[0, 0], [9, 0], [0, 9], [8, 8], [3, 3]], np.float32)
    mesh = Mesh(corners, faces=np.array([[0, 1, 2], [3, 1, 2], [0, 1, 0]]), link_attributes={"f": np.arange(3)})
    cut = clip_to_box(mesh, *BOX)
    assert isinstance(cut, Mesh)
    assert cut.link_attributes["f"].tolist() == [0, 1] and len(cut) == 5
    assert np.array_equal(cut.positions[cut.faces], corners[mesh.faces[:2]])


def runs(batch: Polylines) -> Counter[tuple[int, tuple[int, ...]]]:
    """Pieces as (object, rows of the first batch)."""
    ids = batch.object_ids if batch.object_ids is not None else np.full(len(batch.offsets) - 1, -1)
    rows = batch.attributes["row"].tolist()
    return Counter((int(i), tuple(rows[a:b])) for i, (a, b) in zip(ids, pairwise(batch.offsets), strict=True))


@FEW
@given(polylines())
def test_stitching_follows_every_bridge(lines: Polylines) -> None:
    joined = stitch(lines)
    successor = {int(a): int(b) for a, b in lines.bridges}
    pieces = [list(range(a, b)) for a, b in pairwise(lines.offsets.tolist()) if b > a]
    pieces += [[i] for i in range(int(lines.offsets[-1]), len(lines))]
    owner = lines.vertex_object_ids
    starts = {p[0]: p for p in pieces}
    targets = set(successor.values())
    expected: Counter[tuple[int, tuple[int, ...]]] = Counter()
    for piece in pieces:
        if piece[0] in targets:
            continue
        chain, inner = list(piece), [int(owner[i]) for i in piece if i < lines.offsets[-1]]
        while chain[-1] in successor:
            following = starts[successor[chain[-1]]]
            inner += [int(owner[i]) for i in following if i < lines.offsets[-1]]
            chain += following
        expected[max(inner, default=-1), tuple(chain)] += 1
    assert runs(joined) == expected
    assert len(joined.bridges) == 0 and joined.offsets[-1] == len(joined)


def test_rings_of_bridges_and_bridges_that_meet_stay() -> None:
    positions = np.zeros((4, 2), np.float32)
    ring = Polylines(positions, offsets=np.array([0, 2, 4]), bridges=np.array([[1, 2], [3, 0]]))
    assert len(stitch(ring).bridges) == 2 and stitch(ring).offsets.tolist() == [0, 2, 4]
    fork = Polylines(positions, offsets=np.array([0, 1, 2, 4]), bridges=np.array([[0, 2], [1, 2]]))
    assert len(stitch(fork).bridges) == 2
    middle = Polylines(positions, offsets=np.array([0, 2, 4]), bridges=np.array([[0, 3]]))
    assert stitch(middle).bridges.tolist() == [[0, 3]]


@FEW
@given(polylines())
def test_lines_keep_the_segments_that_touch(lines: Polylines) -> None:
    cut = clip_to_box(lines, *BOX)
    assert isinstance(cut, Polylines)
    kept = [(int(a), int(b)) for a, b in lines.segments if touches(lines.positions[a], lines.positions[b])]
    rows = {i for i, p in enumerate(lines.positions) if is_inside(p)} | {i for s in kept for i in s}
    assert Counter(cut.attributes["row"].tolist()) == Counter(rows)
    found = cut.attributes["row"][cut.segments]
    assert Counter(map(tuple, found.tolist())) == Counter(kept)


@FEW
@given(graphs(), st.data())
def test_kept_rows_keep_the_links_among_them(graph: Graph, data: st.DataObject) -> None:
    rows = np.array(data.draw(st.lists(st.booleans(), min_size=len(graph), max_size=len(graph))), bool)
    part = keep_rows(graph, rows)
    assert part.attributes["row"].tolist() == np.flatnonzero(rows).tolist()
    links = [i for i, ends in enumerate(graph.edges) if rows[ends].all()]
    assert part.link_attributes["edge"].tolist() == links
    assert np.array_equal(part.attributes["row"][part.edges], graph.edges[links])


@FEW
@given(graphs())
def test_kept_objects_take_their_far_ends_along(graph: Graph) -> None:
    part = keep_objects(graph, np.array([1, 2]))
    wanted = np.isin(graph.vertex_object_ids, [1, 2])
    inner = int(graph.offsets[-1])
    links = [
        i
        for i, ends in enumerate(graph.edges)
        if any(wanted[e] for e in ends) and all(wanted[e] or e >= inner for e in ends)
    ]
    assert isinstance(part, Graph)
    assert part.link_attributes["edge"].tolist() == links
    assert set(part.attributes["row"].tolist()) == set(np.flatnonzero(wanted).tolist()) | set(
        graph.edges[links].ravel().tolist()
    )
    assert part.object_ids is not None and set(part.object_ids.tolist()) <= {1, 2}


def test_points_without_objects_have_none_to_keep() -> None:
    assert len(keep_objects(Points(np.zeros((3, 2), np.float32)), np.array([1]))) == 0
    owned = Points(np.zeros((3, 2), np.float32), object_ids=np.array([1, 2, 1]))
    assert len(keep_objects(owned, np.array([1]))) == 2
