"""A surface cut apart and put together again is the same surface, whatever the cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import DamagedError
from zvview.geometry.batches import Mesh
from zvview.pyramid.decimation import Decimated
from zvview.pyramid.mesh_pieces import cut, drop_unowned, join_cut, join_pieces, join_some_pieces, piece_of
from zvview.pyramid.surfaces import Surface
from zvview.testing.meshes import make_icosphere


@st.composite
def meshes(draw: st.DrawFn) -> Mesh:
    """Faces of 3 to 5 corners on few places, so that vertices and whole faces lie on each other."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count, width = draw(st.integers(1, 20)), draw(st.integers(3, 5))
    positions = rng.integers(0, draw(st.sampled_from([2, 4, 100])), (count, 3)).astype(np.float32)
    faces = rng.integers(0, count, (draw(st.integers(0, 30)), width))
    return Mesh(
        positions,
        faces=faces,
        object_ids=np.array([4]),
        attributes={"row": np.arange(count)},
        link_attributes={"number": np.arange(len(faces))},
    )


def part_of(mesh: Mesh, rows: np.ndarray) -> Mesh:
    """What a store gives of some rows: faces that touch them, far ends behind, in order."""
    is_own = np.zeros(len(mesh), bool)
    is_own[rows] = True
    touching = np.flatnonzero(is_own[mesh.faces].any(axis=1))
    ends = np.setdiff1d(mesh.faces[touching], rows)
    taken = np.concatenate((rows, ends))
    place = np.full(len(mesh), -1)
    place[taken] = np.arange(len(taken))
    return Mesh(
        mesh.positions[taken],
        faces=place[mesh.faces[touching]],
        offsets=np.array([0, len(rows)]),
        object_ids=np.array([4]),
        attributes={"row": mesh.attributes["row"][taken]},
        link_attributes={"number": mesh.link_attributes["number"][touching]},
    )


def triangles_of(mesh: Mesh) -> list[tuple[int, ...]]:
    out = []
    for number, face in enumerate(mesh.faces.tolist()):
        for i in range(1, len(face) - 1):
            triangle = (face[0], face[i], face[i + 1])
            if len(set(triangle)) == 3:
                out.append((*triangle, number))
    return sorted(out)


def listed(surface: Surface) -> list[tuple[int, ...]]:
    rows = surface.columns["row"][surface.faces]
    return sorted(map(tuple, np.column_stack((rows, surface.face_columns["number"])).tolist()))


@given(meshes(), st.integers(1, 4), st.integers(0, 2**32))
@settings(max_examples=120, deadline=None)
def test_pieces_read_apart_are_the_surface_again(mesh: Mesh, blocks: int, seed: int) -> None:
    _, spot = np.unique(mesh.positions, axis=0, return_inverse=True)  # equal places lie in one block
    of = np.random.default_rng(seed).integers(0, blocks, len(mesh))[spot.ravel()]
    pieces = [piece_of(part_of(mesh, np.flatnonzero(of == block)), True) for block in range(blocks)]
    surface = join_pieces(pieces)
    assert listed(surface) == triangles_of(mesh)
    assert np.array_equal(surface.positions, mesh.positions[surface.columns["row"]])
    assert surface.objects is not None and (surface.objects == 4).all()
    number = of[surface.columns["row"]][surface.faces]
    assert (np.diff((number != number[:, :1]).any(axis=1).astype(int)) >= 0).all()  # those that cross come last
    assert set(surface.columns["row"].tolist()) == {v for t in triangles_of(mesh) for v in t[:3]}


@given(meshes(), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_a_cut_surface_joined_is_the_surface_again(mesh: Mesh, seed: int) -> None:
    surface = piece_of(mesh, True).surface
    blocks = np.random.default_rng(seed).integers(-2, 2, (len(surface.positions), 3))
    whole = cut(surface, blocks)
    parts = []
    for number in range(len(whole.vertices) - 1):
        part, is_held = whole.block(number)
        assert part.faces.min(initial=0) >= 0 and part.faces.max(initial=-1) < len(part.positions)
        kept = np.flatnonzero(is_held | np.isin(np.arange(len(is_held)), part.faces))
        place = np.full(len(is_held), -1)
        place[kept] = np.arange(len(kept))
        parts.append(Decimated(part.take_vertices(kept, place[part.faces]), kept))
    if not parts:
        assert not len(surface.positions)
        return
    assert listed(join_cut(whole, parts)) == listed(surface)


def test_triangles_that_share_no_vertices_are_sewn_together() -> None:
    positions, faces = make_icosphere(200)
    soup = positions[faces].reshape(-1, 3).astype(np.float32)
    corners = np.arange(len(soup)).reshape(-1, 3)
    hue = np.repeat(np.arange(len(faces)) % 2, 3)
    assert len(piece_of(Mesh(soup, faces=corners), False).surface.positions) == len(positions)
    apart = piece_of(Mesh(soup, faces=corners, attributes={"hue": hue}), False).surface
    assert len(positions) < len(apart.positions) < len(soup)
    assert np.array_equal(soup[corners], apart.positions[apart.faces])
    assert np.array_equal(hue[corners], apart.columns["hue"][apart.faces])


def test_crossing_triangles_whose_corners_lie_on_each_other_go_everywhere_or_nowhere() -> None:
    positions = np.array([[0, 0, 0], [0, 0, 0], [5, 0, 0]], np.float32)
    mesh = Mesh(positions, faces=np.array([[0, 1, 2]]), attributes={"a": np.zeros(3)})
    left = piece_of(
        mesh.__class__(positions, faces=mesh.faces, offsets=np.array([0, 2]), attributes=mesh.attributes), False
    )
    right = piece_of(
        Mesh(
            positions[[2, 0, 1]], faces=np.array([[1, 2, 0]]), offsets=np.array([0, 1]), attributes={"a": np.zeros(3)}
        ),
        False,
    )
    assert len(join_pieces([left, right]).faces) == 0


def test_blocks_that_disagree_are_damage() -> None:
    positions, faces = make_icosphere(100)
    mesh = Mesh(
        positions.astype(np.float32),
        faces=faces,
        attributes={"row": np.arange(len(positions))},
        link_attributes={"number": np.arange(len(faces))},
    )
    half = np.arange(len(mesh)) < 50
    left, right = (piece_of(part_of(mesh, np.flatnonzero(h)), False) for h in (half, ~half))
    with pytest.raises(DamagedError, match="faces between chunks"):
        join_pieces([left, replace(right, keys=right.keys + np.uint64(1))])
    alone, ends = join_some_pieces([left])
    assert len(alone.faces) == len(left.surface.faces) and np.array_equal(ends, np.flatnonzero(left.is_held))
    both, ends = join_some_pieces([left, right])
    assert listed(both) == listed(join_pieces([left, right])) and not len(ends)


def test_positions_must_be_finite() -> None:
    with pytest.raises(DamagedError, match="finite"):
        piece_of(Mesh(np.array([[0, 0, np.nan], [1, 0, 0], [0, 1, 0]]), faces=np.array([[0, 1, 2]])), False)


def test_vertices_without_owner_are_left_out() -> None:
    positions, faces = make_icosphere(50)
    objects = np.where(positions[:, 2] > 0.5, -1, 7)
    surface = Surface(positions, {"row": np.arange(len(positions))}, objects, faces, {"number": np.arange(len(faces))})
    kept = drop_unowned(surface, np.array([7]))
    assert kept.objects is not None and (kept.objects == 7).all()
    rows = kept.columns["row"][kept.faces]
    assert np.array_equal(rows, faces[(objects[faces] == 7).all(axis=1)])
    assert np.array_equal(kept.columns["row"], np.flatnonzero(objects == 7))  # whatever became of their triangles
    assert drop_unowned(surface, np.array([-1, 7])) is surface
