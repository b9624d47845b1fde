"""Random stores, as odd as the format allows: every way of reading them against what was put in."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zvview import Graph, Level, Polylines

if TYPE_CHECKING:
    from tests.store.conftest import HandMade

Chunk = tuple[int, int]
Row = tuple[Chunk, int]
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CHUNKS: list[Chunk] = [(0, 0), (0, 1), (-1, 0), (1, 1)]


class Contents:
    """A level of four chunks with any fragments, and objects made of any pieces; vertices are told by ``id``."""

    def __init__(self, made: HandMade, draw: Any) -> None:
        self.fragments: dict[Chunk, list[list[int]]] = {}
        vertices, stored, ids = {}, {}, {}
        count = 0
        for chunk in draw(st.sets(st.sampled_from(CHUNKS), min_size=1)):
            rows = draw(st.integers(1, 4))
            places = draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=rows, max_size=rows))
            vertices[chunk] = np.array(places, np.float32) + 10 * np.array(chunk, np.float32)
            fragments: list[Any] = []
            for _ in range(draw(st.integers(1, 3))):
                start = draw(st.integers(0, rows - 1))
                is_range = draw(st.booleans())
                listed = draw(st.lists(st.integers(0, rows - 1), max_size=3))
                fragments.append((start, draw(st.integers(0, rows - start))) if is_range else listed)
            stored[chunk] = fragments
            self.fragments[chunk] = [list(range(f[0], f[0] + f[1])) if isinstance(f, tuple) else f for f in fragments]
            ids[chunk] = np.arange(count, count + rows, dtype=np.int32)
            count += rows
        self.number = {(c, r): int(v) for c, values in ids.items() for r, v in enumerate(values)}
        self.place = {v: vertices[c][r] for (c, r), v in self.number.items()}
        pieces = [(c, f) for c, fragments in self.fragments.items() for f in range(len(fragments))]
        self.objects = draw(st.lists(st.lists(st.sampled_from(pieces), max_size=4), min_size=1, max_size=3))
        if not any(self.objects):
            self.objects[0] = pieces[:1]
        made.level()
        made.vertices(vertices)
        made.fragments(stored)
        made.objects_of(self.objects, [7 * i - 3 for i in range(len(self.objects))])
        made.group("0/vertex_attributes")
        made.grid("0/vertex_attributes/id", {c: v.tobytes() for c, v in ids.items()}, name="id", dtype="int32")

    def lines(self) -> list[list[int]]:
        """Vertices of every object, in order."""
        return [[self.number[c, r] for c, f in pieces for r in self.fragments[c][f]] for pieces in self.objects]

    def chunk_of(self, vertex: int) -> Chunk:
        return next(c for (c, _), v in self.number.items() if v == vertex)


def numbered(batch: Polylines | Graph) -> list[list[int]]:
    ids = batch.attributes["id"].tolist()
    return [ids[a:b] for a, b in pairwise(batch.offsets.tolist())]


def open_level(made: HandMade) -> Level:
    return made.open().level(0)


@FEW
@given(data=st.data())
def test_lines_of_any_pieces(hand_made: type[HandMade], data: st.DataObject) -> None:
    made = hand_made("polyline", chunk_shape=[10.0, 10.0], convention="implicit_sequential")
    contents = Contents(made, data.draw)
    lines = [line for line in contents.lines() if line]
    level = open_level(made)

    whole = level.read()
    assert isinstance(whole, Polylines) and numbered(whole) == lines

    joined = {(a, b) for line in lines for a, b in pairwise(line)}
    pieces = level.read(clip="chunks")
    assert isinstance(pieces, Polylines)
    found = pieces.attributes["id"][pieces.segments]
    assert set(map(tuple, found.tolist())) == joined
    owned = {piece for pieces in contents.objects for piece in pieces}
    shown = [[contents.number[c, r] for r in contents.fragments[c][f]] for c, f in sorted(owned)]
    assert [piece for piece in numbered(pieces) if piece] == [piece for piece in shown if piece]

    wanted = data.draw(st.sets(st.sampled_from(CHUNKS)))
    part = level.read_chunks(list(wanted))
    assert isinstance(part, Polylines)
    inside = {v for (c, _), v in contents.number.items() if c in wanted}
    segments = set(map(tuple, part.attributes["id"][part.segments].tolist()))
    leaving = {s for s in joined if set(s) & inside}
    has_empty = any(not contents.fragments[c][f] for c, f in owned)  # past one of a neighbour the line is not followed
    assert segments <= joined if has_empty else segments == leaving

    lo = np.array([data.draw(st.integers(-10, 20)), data.draw(st.integers(0, 20))], float)
    box = (lo, lo + data.draw(st.integers(0, 9)))
    touched = level.read(box=box, clip="objects")
    assert isinstance(touched, Polylines)
    hit = [line for line in lines if _touches([contents.place[v] for v in line], box)]
    assert numbered(touched) == hit


@FEW
@given(data=st.data())
def test_graphs_of_any_pieces(hand_made: type[HandMade], data: st.DataObject) -> None:
    made = hand_made("graph", chunk_shape=[10.0, 10.0])
    contents = Contents(made, data.draw)
    rows = sorted(contents.number)
    ends = st.tuples(st.sampled_from(rows), st.sampled_from(rows))
    records: list[tuple[Row, Row]] = data.draw(st.lists(ends, min_size=1, max_size=6))
    made.links([list(r) for r in records])
    level = open_level(made)
    shown = {contents.number[c, r] for c, fragments in contents.fragments.items() for f in fragments for r in f}
    edges = [(contents.number[a], contents.number[b]) for a, b in records]
    alive = [e for e in edges if set(e) <= shown]

    whole = level.read()
    assert isinstance(whole, Graph)
    assert Counter(map(tuple, whole.attributes["id"][whole.edges].tolist())) == Counter(alive)

    for number, line in enumerate(contents.lines()):
        own = level.read_objects([7 * number - 3])
        assert isinstance(own, Graph) and own.attributes["id"].tolist() == line
        among = [e for e in edges if set(e) <= set(line)]
        assert Counter(map(tuple, own.attributes["id"][own.edges].tolist())) == Counter(among)

    wanted = data.draw(st.sets(st.sampled_from(CHUNKS)))
    part = level.read_chunks(list(wanted))
    assert isinstance(part, Graph)
    inside = {v for (c, _), v in contents.number.items() if c in wanted}
    found = Counter(map(tuple, part.attributes["id"][part.edges].tolist()))
    assert found == Counter(e for e in alive if set(e) & inside)

    lo = np.array([data.draw(st.integers(-10, 20)), data.draw(st.integers(0, 20))], float)
    box = (lo, lo + data.draw(st.integers(0, 9)))
    cut = level.read(box=box)
    assert isinstance(cut, Graph)
    crossing = [e for e in alive if _touches([contents.place[v] for v in e], box)]
    assert Counter(map(tuple, cut.attributes["id"][cut.edges].tolist())) == Counter(crossing)


def _touches(line: list[Any], box: tuple[Any, Any]) -> bool:
    """Whether a vertex or a segment between neighbours touches the box (Liang and Barsky)."""
    for a, b in pairwise([*line, line[-1]]):
        first, last = 0.0, 1.0
        for start, end, lo, hi in zip(a.tolist(), b.tolist(), *box, strict=True):
            if start == end:
                if not lo <= start <= hi:
                    break
                continue
            enter, leave = sorted(((lo - start) / (end - start), (hi - start) / (end - start)))
            first, last = max(first, enter), min(last, leave)
        else:
            if first <= last:
                return True
    return False
