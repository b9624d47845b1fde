"""Box reads of the golden stores: against the reference's boxes where its rule is ours, else against brute force."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zvview import Batch, Graph, Mesh, Points, Polylines

if TYPE_CHECKING:
    from tests.store.conftest import GoldenLevel

Box = tuple[NDArray[np.float64], NDArray[np.float64]]
SEQUENCES = ("line", "polyline", "streamline")


def is_inside(point: NDArray[Any], box: Box) -> bool:
    return bool((point >= box[0]).all() and (point <= box[1]).all())


def segment_touches(a: NDArray[Any], b: NDArray[Any], box: Box) -> bool:
    """Clips the segment against one slab after the other (Liang and Barsky)."""
    first, last = 0.0, 1.0
    for start, step, lo, hi in zip(a.astype(float), b.astype(float) - a.astype(float), *box, strict=True):
        if step == 0:
            if not lo <= start <= hi:
                return False
            continue
        enter, leave = sorted(((lo - start) / step, (hi - start) / step))
        first, last = max(first, enter), min(last, leave)
    return first <= last


def triangle_touches(corners: NDArray[Any], box: Box) -> bool:
    """Looks for a separating axis among the 13 there can be (Akenine-Möller)."""
    middle, half = (box[0] + box[1]) / 2, (box[1] - box[0]) / 2
    own = corners.astype(float) - middle
    sides = [own[1] - own[0], own[2] - own[1], own[0] - own[2]]
    axes = [*np.eye(3), np.cross(sides[0], sides[1]), *(np.cross(e, s) for e in np.eye(3) for s in sides)]
    for axis in axes:
        shadow, reach = own @ axis, half @ np.abs(axis)
        if shadow.min() > reach or shadow.max() < -reach:
            return False
    return True


def as_rows(*columns: NDArray[Any]) -> list[bytes]:
    parts = [np.ascontiguousarray(c.reshape(len(c), int(np.prod(c.shape[1:])))) for c in columns]
    return [b"".join(p[i].tobytes() for p in parts) for i in range(len(parts[0]))]


def shares_pieces(golden: GoldenLevel) -> bool:
    """Whether a fragment belongs to several objects, whatever the level's metadata claim."""
    table = golden.store.reader(golden.level.number).objects
    if table is None:
        return False
    manifests = table.manifests()
    pieces = as_rows(manifests.chunks, manifests.fragments)
    return len(set(pieces)) < len(pieces)


def corners(batch: Graph | Mesh) -> NDArray[Any]:
    links = batch.faces if isinstance(batch, Mesh) else batch.edges
    return batch.positions[links]


def touches(ends: NDArray[Any], box: Box) -> bool:
    return triangle_touches(ends, box) if len(ends) == 3 else segment_touches(ends[0], ends[1], box)


def values_of(batch: Batch) -> list[NDArray[Any]]:
    return [batch.positions, *(batch.attributes[n] for n in sorted(batch.attributes))]


def stays(batch: Polylines, box: Box) -> Counter[tuple[int, bytes]]:
    """The runs of segments of whole lines that touch the box, with their object."""
    out: Counter[tuple[int, bytes]] = Counter()
    assert batch.object_ids is not None
    rows = as_rows(*values_of(batch))
    for number, (start, stop) in zip(batch.object_ids.tolist(), pairwise(batch.offsets.tolist()), strict=True):
        kept = [segment_touches(*batch.positions[i : i + 2], box) for i in range(start, stop - 1)]
        run: list[int] = []
        for i in range(start, stop):
            if i > start and kept[i - 1 - start]:
                run.append(i)
                continue
            if run:
                out[number, b"".join(rows[k] for k in run)] += 1
            opens = (i < stop - 1 and kept[i - start]) or is_inside(batch.positions[i], box)
            run = [i] if opens else []
        if run:
            out[number, b"".join(rows[k] for k in run)] += 1
    return out


def test_points_in_a_box_are_cut_exactly(golden: GoldenLevel) -> None:
    whole = golden.level.read()
    for number, box in enumerate(golden.boxes):
        batch = golden.level.read(box=box)
        if isinstance(batch, Points):
            inside = [i for i, p in enumerate(whole.positions) if is_inside(p, box)]
            assert as_rows(*values_of(batch)) == as_rows(*(v[inside] for v in values_of(whole)))
            assert sorted(as_rows(batch.positions)) == sorted(as_rows(golden[f"box{number}/positions"]))
            if batch.object_ids is not None:
                assert isinstance(whole, Points) and whole.object_ids is not None
                assert batch.object_ids.tolist() == whole.object_ids[inside].tolist()
        else:
            assert golden.kind != "point_cloud"


def test_graphs_and_meshes_in_a_box(golden: GoldenLevel) -> None:
    """The reference keeps links whose ends all lie inside; we keep those as well that merely touch."""
    whole = golden.level.read()
    for number, box in enumerate(golden.boxes):
        batch = golden.level.read(box=box)
        if not isinstance(batch, Graph | Mesh):
            assert golden.kind not in ("graph", "skeleton", "mesh")
            continue
        assert isinstance(whole, Graph | Mesh)
        inside = [i for i, p in enumerate(batch.positions) if is_inside(p, box)]
        assert sorted(as_rows(batch.positions[inside])) == sorted(as_rows(golden[f"box{number}/positions"]))
        found, every = corners(batch), corners(whole)
        extra = [v[[touches(e, box) for e in every]] for v in whole.link_attributes.values()]
        expected = every[[touches(e, box) for e in every]]
        assert Counter(as_rows(found, *batch.link_attributes.values())) == Counter(as_rows(expected, *extra))
        assert set(range(len(batch))) == set(inside) | set(
            (batch.faces if isinstance(batch, Mesh) else batch.edges).ravel().tolist()
        )
        known = dict(zip(as_rows(whole.positions), as_rows(*values_of(whole)), strict=True))
        assert all(known[p] == r for p, r in zip(as_rows(batch.positions), as_rows(*values_of(batch)), strict=True))


def test_links_inside_a_box_are_those_of_the_reference(golden: GoldenLevel) -> None:
    for number, box in enumerate(golden.boxes):
        batch = golden.level.read(box=box)
        if isinstance(batch, Graph | Mesh) and not golden.expected.name.startswith("skeleton_"):
            name = "faces" if isinstance(batch, Mesh) else "edges"
            theirs = golden[f"box{number}/positions"][golden[f"box{number}/{name}"]]
            ours = corners(batch)[[all(is_inside(p, box) for p in ends) for ends in corners(batch)]]
            if golden.expected.name == "duplicate_links":  # the reference returns every copy
                assert set(as_rows(ours)) == set(as_rows(theirs))
            else:
                assert Counter(as_rows(ours)) == Counter(as_rows(theirs))
        else:
            assert golden.kind in (*SEQUENCES, "point_cloud", "skeleton")


def test_lines_in_a_box_are_cut_to_the_segments_that_touch_it(golden: GoldenLevel) -> None:
    whole = golden.level.read()
    for box in golden.boxes:
        batch = golden.level.read(box=box)
        if not isinstance(batch, Polylines):
            assert golden.kind not in SEQUENCES
            continue
        assert isinstance(whole, Polylines) and batch.object_ids is not None
        assert len(batch.bridges) == 0
        rows = as_rows(*values_of(batch))
        found = Counter(
            (number, b"".join(rows[start:stop]))
            for number, (start, stop) in zip(batch.object_ids.tolist(), pairwise(batch.offsets.tolist()), strict=True)
        )
        assert found == stays(whole, box)
        assert batch.offsets[-1] == len(batch)


def touched_objects(golden: GoldenLevel, box: Box) -> set[int]:
    assert golden.level.object_ids is not None
    out = set()
    for number in golden.level.object_ids.tolist():
        own = golden.level.read_objects([number])
        if isinstance(own, Polylines):
            is_touched = any(touches(own.positions[list(s)], box) for s in own.segments)
        elif isinstance(own, Graph | Mesh):
            is_touched = any(touches(ends, box) for ends in corners(own))
        else:
            is_touched = False
        if is_touched or any(is_inside(p, box) for p in own.positions):
            out.add(number)
    return out


def test_objects_that_touch_a_box_come_whole(golden: GoldenLevel) -> None:
    for box in golden.boxes:
        batch = golden.level.read(box=box, clip="objects")
        if golden.level.object_ids is None:
            assert as_rows(batch.positions) == as_rows(golden.level.read(box=box).positions)
            continue
        wanted = touched_objects(golden, box)
        ids = golden.level.object_ids[np.isin(golden.level.object_ids, sorted(wanted))]
        expected = golden.level.read_objects(ids)
        assert as_rows(*values_of(batch)) == as_rows(*values_of(expected))
        assert batch.object_ids.tolist() == expected.object_ids.tolist()  # type: ignore[attr-defined]


def test_chunks_of_a_box_come_as_they_are(golden: GoldenLevel) -> None:
    shape = golden.level.chunk_shape
    for box in golden.boxes:
        first, last = np.floor(box[0] / shape), np.floor(box[1] / shape)
        spatial = golden.level.chunks[:, -len(shape) :]
        chunks = golden.level.chunks[((spatial >= first) & (spatial <= last)).all(axis=1)]
        batch = golden.level.read(box=box, clip="chunks")
        expected = golden.level.read_chunks(chunks)
        assert as_rows(*values_of(batch)) == as_rows(*values_of(expected))
        if golden.expected.name != "explicit_fragments":  # where an object names no fragment of some vertices
            own = golden.level.chunk_vertex_counts[((spatial >= first) & (spatial <= last)).all(axis=1)].sum()
            assert own == (len(batch) if isinstance(batch, Points) else batch.offsets[-1])  # type: ignore[attr-defined]


def test_the_chunks_together_are_the_level(golden: GoldenLevel) -> None:
    whole = golden.level.read(clip="chunks")
    parts = [golden.level.read_chunks(chunk) for chunk in golden.level.chunks]
    own = [len(p) if isinstance(p, Points) else int(p.offsets[-1]) for p in parts]  # type: ignore[attr-defined]
    inner = [[v[:n] for v in values_of(p)] for p, n in zip(parts, own, strict=True)]
    assert [r for values in inner for r in as_rows(*values)] == as_rows(*values_of(whole))
    if isinstance(whole, Polylines):
        assert set(as_rows(whole.positions[whole.segments])) == {
            r for p in parts if isinstance(p, Polylines) for r in as_rows(p.positions[p.segments])
        }
    if isinstance(whole, Graph | Mesh):
        assert set(as_rows(corners(whole))) == {
            r for p in parts if isinstance(p, Graph | Mesh) for r in as_rows(corners(p))
        }
    if isinstance(whole, Polylines | Graph | Mesh) and not shares_pieces(golden):
        assert whole.object_ids is not None
        assert whole.object_ids.tolist() == [i for p in parts for i in p.object_ids.tolist()]  # type: ignore[attr-defined]


def test_a_box_around_everything_is_the_level(golden: GoldenLevel) -> None:
    whole = golden.level.read()
    ndim = len(golden.store.axes)
    batch = golden.level.read(box=(np.full(ndim, -np.inf), np.full(ndim, np.inf)))
    assert Counter(as_rows(*values_of(batch))) == Counter(as_rows(*values_of(whole)))
    if isinstance(whole, Graph | Mesh):
        assert Counter(as_rows(corners(batch))) == Counter(as_rows(corners(whole)))  # type: ignore[arg-type]


def test_a_box_beyond_everything_is_empty(golden: GoldenLevel) -> None:
    ndim = len(golden.store.axes)
    for clip in ("exact", "objects", "chunks"):
        batch = golden.level.read(box=(np.full(ndim, 1e7), np.full(ndim, 2e7)), clip=clip)  # type: ignore[arg-type]
        assert len(batch) == 0 and batch.ndim == ndim
        assert set(batch.attributes) == set(golden.level.attributes)


def test_groups_in_a_box_are_their_objects_in_the_box(golden: GoldenLevel) -> None:
    if golden.level.groups is None:
        assert "groups" not in golden.facts
        return
    box = golden.boxes[1]
    for number, members in enumerate(golden.level.groups.members):
        batch = golden.level.read(box=box, groups=[number])
        every = golden.level.read(box=box)
        ids, wanted = batch.object_ids, np.isin(every.object_ids, members)  # type: ignore[attr-defined]
        assert set(ids.tolist()) <= set(members.tolist())
        if isinstance(every, Points):
            assert as_rows(*values_of(batch)) == as_rows(*(v[wanted] for v in values_of(every)))
        else:
            assert ids.tolist() == every.object_ids[wanted].tolist()  # type: ignore[attr-defined]
