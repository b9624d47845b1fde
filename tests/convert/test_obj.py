"""OBJ: round trips of meshes, objects and groups, colours and normals; odd files, and bad ones that name the line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import zvview
from zvview.convert.contract import ReadOptions
from zvview.convert.converting import convert
from zvview.convert.obj_content import ObjContent
from zvview.convert.obj_lines import parse_lines
from zvview.convert.obj_reading import open_obj
from zvview.convert.obj_text import parse_columns
from zvview.convert.sources import Selection, Source
from zvview.errors import BadFileError, InvalidInputError, UnsupportedError
from zvview.testing import make_store

CUBE = "".join(f"v {i & 1} {i >> 1 & 1} {i >> 2}\n" for i in range(8))
QUADS = "f 1 2 4 3\nf 5 6 8 7\nf 1 2 6 5\nf 3 4 8 7\nf 1 3 7 5\nf 2 4 8 6\n"
TETRA = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\n"
ARRAYS = ("positions", "colors", "normals", "counts", "corners", "corner_normals")


def read(path: Path, text: str | bytes | None = None, **options: Any) -> Any:
    """The only batch of a file."""
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (incoming,) = open_obj(path, ReadOptions(**options)).batches()
    return incoming.batch


def triangles(mesh: Any) -> list[Any]:
    """Faces as places of corners, in an order of their own."""
    corners = np.column_stack((mesh.positions, *(v for _, v in sorted(mesh.attributes.items()))))
    return sorted(min(f[i:] + f[:i] for i in range(len(f))) for f in corners[mesh.faces].tolist())


def assert_same(one: ObjContent | None, two: ObjContent) -> None:
    assert one is not None
    for name in ARRAYS:
        assert np.array_equal(getattr(one, name), getattr(two, name), equal_nan=True), name
    assert (one.statements, one.comments) == (two.statements, two.comments)
    assert set(one.passed_over) == set(two.passed_over)


@st.composite
def files(draw: st.DrawFn) -> tuple[str, list[list[float]], list[list[int]]]:
    """A file in the plain form, its vertices and its faces."""
    number = st.floats(-1e6, 1e6, width=32)
    vertices = draw(st.lists(st.lists(number, min_size=3, max_size=3), min_size=1, max_size=8))
    normals = draw(st.booleans())
    gap = draw(st.sampled_from([" ", "  ", "\t", " \t "]))
    end = draw(st.sampled_from(["\n", "\r\n", " \n", "\r"]))
    lines = [f"v{gap}{gap.join(map(repr, v))}" for v in vertices]
    lines += ["vn 0 0 1", "vt 0.5 0.5"] * normals
    index = st.integers(0, len(vertices) - 1)
    faces = draw(st.lists(st.lists(index, min_size=3, max_size=6), min_size=1, max_size=6))
    for face in faces:
        form = draw(st.sampled_from(["{}", "{}/1", "{}//1", "{}/1/1", "{}/-1/-1", "{}/"] if normals else ["{}", "{}/"]))
        back = draw(st.booleans())
        words = [form.format(i - len(vertices) if back else i + 1) for i in face]
        lines.append(gap.join(["f", *words]))
    for word in draw(st.lists(st.sampled_from(["o a b", "g", "g x", "usemtl m", "s 1", "# told", "", "l 1 1"]))):
        lines.insert(draw(st.integers(len(vertices), len(lines))), word)
    return end.join(lines) + draw(st.sampled_from([end, ""])), vertices, faces


@settings(max_examples=80, deadline=None)
@given(files())
def test_the_fast_way_finds_what_the_slow_way_finds(made: tuple[str, list[list[float]], list[list[int]]]) -> None:
    text, vertices, faces = made
    slow = parse_lines(text.encode(), "x.obj")
    assert_same(parse_columns(text.encode()), slow)
    assert slow.positions.tolist() == vertices
    assert np.split(slow.corners, np.cumsum(slow.counts)[:-1])[-1].tolist() == faces[-1]
    assert slow.corners.tolist() == [i for face in faces for i in face]


@settings(max_examples=60, deadline=None)
@given(made=files(), at=st.integers(0, 10_000), byte=st.integers(0, 255))
@example((CUBE + "f 1 2 3", [], []), len(CUBE) + 2, ord("9"))
def test_damage_is_found_by_both_ways_or_by_none(made: tuple[str, Any, Any], at: int, byte: int) -> None:
    data = bytearray(made[0].encode())
    data[at % len(data)] = byte
    fast = parse_columns(bytes(data))
    if fast is not None:
        assert_same(fast, parse_lines(bytes(data), "x.obj"))
    else:
        try:
            slow = parse_lines(bytes(data), "x.obj")
        except BadFileError as error:
            told = error.where
        else:
            told = "line "
            assert slow.corners.max(initial=-1) < len(slow.positions) and slow.corners.min(initial=0) >= 0
        assert told.startswith("line ")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_store_and_file_give_each_other_back(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("any")
    width = data.draw(st.integers(3, 5))
    names = data.draw(
        st.lists(st.sampled_from(["a", "b c", "7", "ø", "x\\", "#"]), min_size=1, max_size=4, unique=True)
    )
    colors = data.draw(st.sampled_from([0, 3, 4]))
    has_normals = data.draw(st.booleans())
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    sizes = rng.integers(width, 9, len(names))
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    faces = [np.concatenate((np.arange(width), rng.integers(0, n, width * 3))) for n in sizes]
    for face, n in zip(faces, sizes, strict=True):
        face[-n if n <= len(face) else 0 :] = np.arange(n)[-len(face) :]
    attributes = {"color": rng.random((offsets[-1], colors), "f4")} if colors else {}
    attributes |= {"normal": rng.normal(size=(offsets[-1], 3)).astype("f4")} if has_normals else {}
    mesh = zvview.Mesh(
        rng.normal(0, 1e3, (offsets[-1], 3)).astype("f4"),
        attributes=attributes,
        offsets=offsets,
        object_ids=np.arange(len(names)) + 10,
        faces=np.concatenate([f.reshape(-1, width) + a for f, a in zip(faces, offsets[:-1], strict=True)]),
    )
    store = zvview.create(folder / "store", kind="mesh", axes=[{"name": n, "type": "space"} for n in "xyz"])
    store.write(mesh, object_attributes={"name": np.array(names, object)})
    convert(folder / "store", folder / "out.obj")
    convert(folder / "out.obj", folder / "again")
    again: Any = zvview.open(folder / "again").level(0).read()  # type: ignore[union-attr]
    is_kept = set(again.attributes) == set(attributes)
    assert is_kept or (has_normals and set(again.attributes) == set(attributes) - {"normal"})
    if is_kept:
        assert triangles(again) == triangles(mesh)
    assert len(again) == len(mesh)
    convert(folder / "again", folder / "twice.obj")
    assert triangles(read(folder / "twice.obj")) == triangles(again)
    sections = [
        sorted(line for line in (folder / name).read_text().splitlines() if line.startswith("o "))
        for name in ("out.obj", "twice.obj")
    ]
    assert sections[0] == sections[1] and len(sections[0]) == len(names)


def test_quads_stay_and_mixed_polygons_become_fans(tmp_path: Path) -> None:
    assert read(tmp_path / "quads.obj", CUBE + QUADS).faces.shape == (6, 4)
    mixed = read(tmp_path / "mixed.obj", CUBE + "f 1 2 4 3\nf 5 6 8\n")
    assert mixed.faces.tolist() == [[0, 1, 3], [0, 3, 2], [4, 5, 7]]
    (tmp_path / "wide.obj").write_text(CUBE + "v 2 2 2\nf 1 2 3 4 5 6 7 8 9\n")
    report = convert(tmp_path / "wide.obj", tmp_path / "store")
    assert "cut into triangles" in report.written[0].notes[0]
    assert zvview.open(tmp_path / "store").level(0).read().faces.shape == (7, 3)  # type: ignore[union-attr]


def test_objects_have_names_or_numbers(tmp_path: Path) -> None:
    back = "f -4 -3 -2\nf -3 -2 -1\n"
    text = f"# two\n# lines\no left side\n{TETRA}g a\n{back}o 42\n{TETRA}g b\n{back}o left side\nv 5 5 5\nf 1 2 9\n"
    (tmp_path / "in.obj").write_text(text)
    report = convert(Source(str(tmp_path / "in.obj"), unit="micrometer"), tmp_path / "store")
    assert any("groups (g)" in note for note in report.written[0].notes)
    store: Any = zvview.open(tmp_path / "store")
    level = store.level(0)
    assert level.object_ids.tolist() == [0, 42]
    assert np.ma.filled(level.object_attribute("name"), "").tolist() == ["left side", ""]
    assert [len(level.read_objects([i])) for i in (0, 42)] == [5, 4]
    assert zvview.check(tmp_path / "store").ok
    convert(tmp_path / "store", tmp_path / "out.obj")
    lines = (tmp_path / "out.obj").read_text().splitlines()
    assert lines[:4] == ["# two", "# lines", "# units: micrometer", "o left side"]
    assert [line for line in lines if line.startswith("o ")] == ["o left side", "o 42"]
    convert(tmp_path / "out.obj", tmp_path / "again")
    again: Any = zvview.open(tmp_path / "again")
    assert [axis.unit for axis in again.axes] == ["micrometer"] * 3
    assert triangles(again.level(0).read()) == triangles(level.read())


def test_groups_are_objects_where_no_others_are_and_shared_vertices_are_copied(tmp_path: Path) -> None:
    (tmp_path / "in.obj").write_text(f"{CUBE}g low\nf 1 2 4 3\ng sides far\nf 1 2 6 5\ng\nf 5 6 8 7\n")
    report = convert(tmp_path / "in.obj", tmp_path / "store")
    assert "4 vertices that objects share" in report.written[0].notes[0]
    level: Any = zvview.open(tmp_path / "store").level(0)  # type: ignore[union-attr]
    assert np.ma.filled(level.object_attribute("name"), None).tolist()[:2] == ["low", "sides far"]
    assert [level.read_objects([i]).positions.sum() for i in range(3)] == [4.0, 4.0, 8.0]
    assert len(level.read()) == 12


def test_colours_and_normals_that_are_one_for_each_vertex(tmp_path: Path) -> None:
    colored = "v 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 0 1 0 0.1 0.25 1\n"
    mesh = read(tmp_path / "a.obj", colored + "vn 0 0 1\nvn 0 0 -1\nvn 1 0 0\nf 1//1 2//3 3//1\n")
    assert mesh.attributes["color"].tolist() == np.array([[1, 0, 0], [0, 1, 0], [0.1, 0.25, 1]], "f4").tolist()
    assert mesh.attributes["normal"].tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1]]
    (tmp_path / "b.obj").write_text(TETRA + "vn 0 0 1\nvn 0 0 -1\nf 1//1 2//1 3//1\nf 1//2 2//2 4//2\n")
    report = convert(tmp_path / "b.obj", tmp_path / "store")
    assert "not one for each vertex" in report.written[0].notes[0]
    mixed = read(tmp_path / "c.obj", "v 0 0 0 1 0 0\nv 1 0 0\nv 0 1 0 0 0 1 0.5\nf 1 2 3\n").attributes["color"]
    assert np.isnan(mixed).tolist() == [[False, False, False, True], [True] * 4, [False] * 4]


def test_whole_numbers_are_written_as_parts_of_the_largest(tmp_path: Path) -> None:
    colors = np.array([[0, 51, 255]] * 3, "u1")
    store = zvview.create(tmp_path / "store", kind="mesh", axes="xyz", mode="w")
    store.write(zvview.Mesh(np.eye(3), attributes={"color": colors, "area": np.ones(3)}, faces=[[0, 1, 2]]))
    with pytest.warns(UserWarning, match="cannot hold the attributes area"):
        convert(tmp_path / "store", tmp_path / "out.obj")
    assert read(tmp_path / "out.obj").attributes["color"].tolist() == np.float32([[0, 0.2, 1]] * 3).tolist()


def test_what_a_store_has_no_place_for_is_told(tmp_path: Path) -> None:
    text = f"mtllib a.mtl\n{TETRA}vt 0 0\nusemtl steel\ns off\nf 1/1 2/1 3/1\nusemtl red paint\nf 1/1 2/1 4/1\nl 1 2\n"
    (tmp_path / "in.obj").write_text(text)
    (told,) = convert(tmp_path / "in.obj", tmp_path / "store").written
    assert any("steel, red paint" in note for note in told.notes)
    assert any("texture coordinates" in note and "points and lines" in note for note in told.notes)


def test_odd_files_that_are_allowed(tmp_path: Path) -> None:
    plain = read(tmp_path / "a.obj", CUBE + QUADS)
    for number, text in enumerate(
        (
            (CUBE + QUADS).replace("\n", "\r\n"),
            "\ufeff" + CUBE + QUADS,
            QUADS + CUBE,
            (CUBE + QUADS).replace("v ", "  v   ").replace("f ", "fo\t"),
            CUBE + QUADS.replace(" 4 3", " \\\n 4 3 # the first"),
            "# C:\\folder\\\n" + CUBE.replace("\n", " 1.0\n") + QUADS + "\n\n",
        )
    ):
        mesh = read(tmp_path / f"{number}.obj", text)
        assert np.array_equal(mesh.positions, plain.positions) and np.array_equal(mesh.faces, plain.faces), number
    assert read(tmp_path / "latin.obj", b"o \xe9t\xe9\n" + (CUBE + QUADS).encode()).faces.shape == (6, 4)


@pytest.mark.parametrize(
    ("text", "where", "told"),
    [
        ("", "", "no faces"),
        (CUBE, "", "no faces"),
        (CUBE + "f 1 2 9\n", "line 9", "vertex 9 of 8"),
        (CUBE + "f 1 2 0\n", "line 9", "vertex 0"),
        (CUBE + "f 1 2 -9\n", "line 9", "vertex -9"),
        (CUBE + "f 1 2\n", "line 9", "2 corners"),
        (CUBE + "f 1 2 x\n", "line 9", "'x' is no corner"),
        (CUBE + "f 1 2 /3\n", "line 9", "'/3' is no corner"),
        (CUBE + "f 1 2 1/1/1/1\n", "line 9", "no corner"),
        (CUBE + "f 1 2 1.0\n", "line 9", "no corner"),
        (CUBE + "f 1//1 2//1 3//1\n", "line 9", "normal 1 of 0"),
        (CUBE + "f 1 2 99999999999999999999\n", "line 9", "99999999999999999999"),
        (CUBE + QUADS + "# end\nfaces 1 2 3\n", "line 16", "'faces' is no keyword"),
        (CUBE + "v 1 2\n" + QUADS, "line 9", "2 values"),
        (CUBE + "v 1 2 nan\n" + QUADS, "line 9", "finite"),
        (CUBE + "v 1 2 1e999\n" + QUADS, "line 9", "finite"),
        (CUBE + "v 1 2 1_0\n" + QUADS, "line 9", "no number"),
        (CUBE + "vn 0 1\n" + QUADS, "line 9", "a normal of 2"),
        ("ply\nformat ascii 1.0\n", "line 1", "no keyword"),
        ("\x00\x01\x02\x03" * 9, "line 1", "no keyword"),
    ],
)
def test_a_bad_file_names_the_line(text: str, where: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "bad.obj").write_text(text)
    with pytest.raises(BadFileError) as caught:
        convert(tmp_path / "bad.obj", tmp_path / "store")
    assert caught.value.path.endswith("bad.obj")
    assert caught.value.where == where and told in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["bad.obj"]


def test_a_folder_gives_an_object_for_each_file_and_lists_the_bad_ones(tmp_path: Path) -> None:
    folder = tmp_path / "meshes"
    folder.mkdir()
    (folder / "12.obj").write_text("# made\n" + CUBE + QUADS)
    (folder / "soma.obj").write_text("# made\n" + TETRA + "f 1 2 3\n")
    (folder / "bad.obj").write_text(CUBE + "f 1 2 9\n")
    (folder / "13.obj").write_text("v 0 0 0 1 0 0\n" * 3 + "f 1 2 3\n")
    report = convert(folder, tmp_path / "store")
    assert [(Path(s.place).name, s.reason[:7]) for s in report.skipped] == [("bad.obj", "line 9:")]
    assert any("color left out" in note for note in report.written[0].notes)
    level: Any = zvview.open(tmp_path / "store").level(0)  # type: ignore[union-attr]
    titles = dict(zip(level.object_ids.tolist(), np.ma.filled(level.object_attribute("name"), ""), strict=True))
    assert titles == {12: "", 13: "", 1: "soma"}
    assert len(level.read_objects([12]).faces) == 12
    convert(tmp_path / "store", tmp_path / "out", to="obj")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["12.obj", "13.obj", "soma.obj"]
    assert triangles(read(tmp_path / "out" / "soma.obj")) == triangles(read(folder / "soma.obj"))
    assert (tmp_path / "out" / "12.obj").read_text().startswith("# made\nv 0")
    convert(tmp_path / "store", tmp_path / "one.obj", selection=Selection(objects=[13]))
    assert len(read(tmp_path / "one.obj")) == 3
    for name in ("12", "13", "soma"):
        (folder / f"{name}.obj").write_text("v")
    with pytest.raises(BadFileError, match="none of 4 files"):
        convert(folder, tmp_path / "none")


def test_colours_that_some_files_lack_are_no_numbers(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.obj").write_text("v 0 0 0 1 0 0\n" * 3 + "vn 0 0 1\nf 1//1 2//1 3//1\n")
    (tmp_path / "in" / "2.obj").write_text("v 1 1 1\n" * 3 + "f 1 2 3\n")
    convert(tmp_path / "in", tmp_path / "store")
    mesh: Any = zvview.open(tmp_path / "store").level(0).read_objects([2])  # type: ignore[union-attr]
    assert np.isnan(mesh.attributes["color"]).all() and np.isnan(mesh.attributes["normal"]).all()
    convert(tmp_path / "store", tmp_path / "out", to="obj")
    assert (tmp_path / "out" / "2.obj").read_text() == "v 1 1 1\n" * 3 + "f 1 2 3\n"
    assert (tmp_path / "out" / "1.obj").read_text().count("vn 0 0 1\n") == 3


def test_files_that_contradict_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "1.obj").write_text("# units: nm\n" + TETRA + "f 1 2 3\n")
    (folder / "2.obj").write_text("# units: um\n" + TETRA + "f 1 2 3\n")
    (folder / "3.obj").write_text(TETRA + "v 1e300 0 0\nf 1 2 3\n")
    report = convert(folder, tmp_path / "store")
    assert [Path(s.place).name for s in report.skipped] == ["2.obj", "3.obj"]
    assert "too large" in report.skipped[1].reason
    with pytest.raises(InvalidInputError, match="of kind 'mesh'"):
        open_obj(folder / "1.obj", ReadOptions(kind="skeleton"))
    with pytest.raises(InvalidInputError, match="have 3"):
        open_obj(folder / "1.obj", ReadOptions(axes=["x", "y"]))
    make_store(tmp_path / "points", "point_cloud")
    with pytest.raises(UnsupportedError, match="hold mesh"):
        convert(tmp_path / "points", tmp_path / "points.obj")
    flat = zvview.create(tmp_path / "flat", kind="mesh", axes="xy")
    flat.write(zvview.Mesh(np.eye(3)[:, :2], faces=[[0, 1, 2]]))
    with pytest.raises(InvalidInputError, match="three axes of space"):
        convert(tmp_path / "flat", tmp_path / "flat.obj")


def test_a_box_and_an_empty_selection(tmp_path: Path) -> None:
    made = make_store(tmp_path / "store", "mesh", size=600, n_objects=4)
    whole: Any = made.level(0).read()
    middle = np.median(whole.positions, axis=0)
    box = (whole.positions.min(axis=0), middle)
    with pytest.warns(UserWarning, match="cannot hold"):
        convert(tmp_path / "store", tmp_path / "part.obj", selection=Selection(box=box))
    with pytest.warns(UserWarning, match="cannot hold"):
        convert(tmp_path / "store", tmp_path / "none.obj", selection=Selection(box=(middle + 1e6, middle + 2e6)))
    part = read(tmp_path / "part.obj")
    assert 0 < len(part.faces) < len(whole.faces)
    assert set(map(tuple, part.positions.tolist())) <= set(map(tuple, whole.positions.tolist()))
    assert not any(line[:1] in "vf" for line in (tmp_path / "none.obj").read_text().splitlines())


def test_trimesh_reads_the_same(tmp_path: Path) -> None:
    import trimesh

    make_store(tmp_path / "store", "mesh", size=300, n_objects=1)
    with pytest.warns(UserWarning, match="cannot hold"):
        convert(tmp_path / "store", tmp_path / "mesh.obj")
    judge: Any = trimesh.load(tmp_path / "mesh.obj", process=False, maintain_order=True)
    found = read(tmp_path / "mesh.obj")
    assert np.array_equal(judge.vertices.astype("f4"), found.positions)
    assert np.array_equal(judge.faces, found.faces)


def test_real_meshes_come_back(package_data: Callable[..., Path], tmp_path: Path) -> None:
    for path in (package_data("navis", "data", "volumes", "neuropil.obj"), package_data("navis", "data", "obj")):
        for file in path.glob("*.obj") if path.is_dir() else [path]:
            data = file.read_bytes()
            assert_same(parse_columns(data), parse_lines(data, file.name))
        name = path.stem
        convert(path, tmp_path / name)
        target = tmp_path / f"{name}.out" if path.is_dir() else tmp_path / f"{name}.obj"
        convert(tmp_path / name, target, to="obj")
        for file in path.glob("*.obj") if path.is_dir() else [path]:
            out = target / file.name if path.is_dir() else target
            assert triangles(read(out)) == triangles(read(file))
            assert len(read(out)) == len(read(file))
