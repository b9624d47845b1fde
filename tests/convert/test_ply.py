"""PLY: round trips of points and meshes in all three forms, real quirks, and bad files that must be told as such."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zvview
from zvview.convert.contract import ReadOptions
from zvview.convert.converting import convert
from zvview.convert.ply_reading import open_ply
from zvview.convert.sources import Selection, Source
from zvview.errors import BadFileError, InvalidInputError
from zvview.testing import make_store

FORMS = ("ascii", "binary_little_endian", "binary_big_endian")
CUBE = np.array([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)], "f4")
QUADS = [[0, 1, 3, 2], [4, 5, 7, 6], [0, 1, 5, 4], [2, 3, 7, 6], [0, 2, 6, 4], [1, 3, 7, 5]]
KINDS = {"f4": "float", "f8": "double", "u1": "uchar", "i2": "short", "i4": "int", "u4": "uint"}


def ply(
    form: str,
    columns: dict[str, Any],
    faces: list[list[int]] | None = None,
    face_values: dict[str, Any] | None = None,
    comments: tuple[str, ...] = (),
) -> bytes:
    """A file made without the code under test."""
    order = ">" if form.endswith("big_endian") else "<"
    rows = len(next(iter(columns.values())))
    head = ["ply", f"format {form} 1.0", *(f"comment {c}" for c in comments), f"element vertex {rows}"]
    head += [f"property {KINDS[np.asarray(c).dtype.str[1:]]} {name}" for name, c in columns.items()]
    values = {name: np.asarray(c) for name, c in (face_values or {}).items()}
    if faces is not None:
        head += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
        head += [f"property {KINDS[c.dtype.str[1:]]} {name}" for name, c in values.items()]
    out = io.BytesIO()
    out.write(("\n".join([*head, "end_header"]) + "\n").encode())
    if form == "ascii":
        for i in range(rows):
            out.write((" ".join(str(np.asarray(c)[i]) for c in columns.values()) + "\n").encode())
        for i, corners in enumerate(faces or []):
            tokens = [len(corners), *corners, *(c[i] for c in values.values())]
            out.write((" ".join(map(str, tokens)) + "\n").encode())
        return out.getvalue()
    table = np.empty(rows, [(name, np.asarray(c).dtype.newbyteorder(order)) for name, c in columns.items()])
    for name, c in columns.items():
        table[name] = c
    out.write(table.tobytes())
    for i, corners in enumerate(faces or []):
        out.write(struct.pack(f"{order}B{len(corners)}i", len(corners), *corners))
        out.write(b"".join(c[i : i + 1].astype(c.dtype.newbyteorder(order)).tobytes() for c in values.values()))
    return out.getvalue()


def xyz(positions: np.ndarray[Any, Any]) -> dict[str, Any]:
    return {name: positions[:, d] for d, name in enumerate("xyz")}


def read(path: Path, **options: Any) -> Any:
    """The only batch of a file."""
    (incoming,) = open_ply(path, ReadOptions(**options)).batches()
    return incoming.batch


@pytest.mark.parametrize("form", FORMS)
def test_points_come_and_go_with_all_their_properties(form: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    columns = xyz(rng.normal(0, 100, (300, 3)).astype("f4"))
    columns |= {name: rng.integers(0, 256, 300).astype("u1") for name in ("red", "green", "blue")}
    columns |= {name: rng.normal(0, 1, 300) for name in ("nx", "ny", "nz")}
    columns |= {"label": rng.integers(-5, 5, 300).astype("i2"), "quality": rng.normal(0, 1, 300).astype("f4")}
    (tmp_path / "in.ply").write_bytes(ply(form, columns, comments=("made by hand", "zvview is not this")))
    report = convert(Source(str(tmp_path / "in.ply"), unit="nanometer"), tmp_path / "store")
    assert report.skipped == () and report.written[0].vertices == 300
    store: Any = zvview.open(tmp_path / "store")
    assert [a.unit for a in store.axes] == ["nanometer"] * 3
    assert store.attributes["color"].channel_names == ("red", "green", "blue")
    assert store.attributes["normal"].dtype == np.float64
    assert zvview.check(tmp_path / "store").ok
    convert(tmp_path / "store", tmp_path / "out.ply")
    text = (tmp_path / "out.ply").read_bytes().split(b"end_header")[0].decode()
    assert f"format {form} 1.0" in text and "comment made by hand\n" in text and "comment zvview is not this" in text
    assert [line.split()[-1] for line in text.splitlines() if line.startswith("property")] == list(columns)
    (again,) = open_ply(tmp_path / "out.ply", ReadOptions()).batches()
    batch: Any = again.batch
    order = np.lexsort(batch.positions.T)
    wanted = np.lexsort(np.stack([columns[n] for n in "xyz"]))
    assert np.array_equal(batch.positions[order], np.stack([columns[n] for n in "xyz"], 1)[wanted])
    assert np.array_equal(batch.attributes["normal"][order, 2], columns["nz"][wanted])
    assert np.array_equal(batch.attributes["color"][order, 0], columns["red"][wanted])
    assert batch.attributes["label"].dtype == np.int16
    assert open_ply(tmp_path / "out.ply", ReadOptions()).axes == store.axes


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mixed", [False, True])
def test_faces_of_any_number_of_corners(form: str, mixed: bool, tmp_path: Path) -> None:
    faces = [*QUADS[:-1], *([[1, 3, 7], [1, 7, 5]] if mixed else QUADS[-1:])]
    values = {"part": np.arange(len(faces), dtype="i4"), "area": np.linspace(0, 1, len(faces))}
    (tmp_path / "cube.ply").write_bytes(ply(form, xyz(CUBE), faces, values))
    report = convert(tmp_path / "cube.ply", tmp_path / "store")
    store: Any = zvview.open(tmp_path / "store")
    mesh = store.level(0).read()
    assert store.kind == "mesh" and zvview.check(tmp_path / "store").ok
    if mixed:
        assert mesh.faces.shape == (12, 3)
        assert "triangles" in report.written[0].notes[0]
        assert np.bincount(mesh.link_attributes["part"]).tolist() == [2] * 5 + [1, 1]
    else:
        assert mesh.faces.shape == (6, 4) and report.written[0].notes == ()
    convert(tmp_path / "store", tmp_path / "out.ply")
    again = read(tmp_path / "out.ply")
    where = {tuple(p): i for i, p in enumerate(again.positions.tolist())}
    rows = np.array([where[tuple(p)] for p in mesh.positions.tolist()])

    def told(batch: Any, moved: Any) -> list[Any]:
        columns = zip(moved.tolist(), batch.link_attributes["part"], batch.link_attributes["area"], strict=True)
        return sorted((sorted(f), int(p), float(a)) for f, p, a in columns)

    assert told(again, again.faces) == told(mesh, rows[mesh.faces])
    assert again.link_attributes["part"].dtype == np.int32


SCALARS = {
    "f4": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "f8": st.floats(allow_nan=False, allow_infinity=False),
    "u1": st.integers(0, 255),
    "i2": st.integers(-(2**15), 2**15 - 1),
    "u4": st.integers(0, 2**32 - 1),
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), form=st.sampled_from(FORMS), rows=st.integers(0, 12))
def test_any_file_is_read_as_it_was_made(data: Any, form: str, rows: int, tmp_path: Path) -> None:
    kinds = data.draw(st.dictionaries(st.sampled_from("abcdefg"), st.sampled_from(sorted(SCALARS)), max_size=4))
    columns = {
        name: np.array(data.draw(st.lists(SCALARS[kind], min_size=rows, max_size=rows)), kind)
        for name, kind in [("x", "f4"), ("y", "f4"), ("z", "f4"), *kinds.items()]
    }
    corners = st.lists(st.integers(0, max(0, rows - 1)), min_size=3, max_size=6)
    faces = data.draw(st.none() | st.lists(corners, min_size=1, max_size=6)) if rows else None
    (tmp_path / "any.ply").write_bytes(ply(form, columns, faces))
    batch = read(tmp_path / "any.ply")
    assert np.array_equal(batch.positions, np.stack([columns[n] for n in "xyz"], axis=1))
    for name in kinds:
        assert np.array_equal(batch.attributes[name], columns[name])
        assert batch.attributes[name].dtype == columns[name].dtype
    if faces is not None:
        alike = len({len(f) for f in faces}) == 1
        fans = faces if alike else [[f[0], f[i], f[i + 1]] for f in faces for i in range(1, len(f) - 1)]
        assert batch.faces.tolist() == fans


def test_a_large_file_of_points_comes_in_several_batches(tmp_path: Path) -> None:
    positions = np.random.default_rng(0).normal(0, 1, (5000, 3)).astype("f4")
    for form in FORMS:
        (tmp_path / f"{form}.ply").write_bytes(ply(form, xyz(positions)))
        batches = [i.batch for i in open_ply(tmp_path / f"{form}.ply", ReadOptions(batch_bytes=12_000)).batches()]
        assert [len(b) for b in batches] == [1000] * 5
        assert np.array_equal(np.concatenate([b.positions for b in batches]), positions)


def test_a_folder_is_one_mesh_of_named_objects_and_bad_files_are_listed(tmp_path: Path) -> None:
    folder = tmp_path / "meshes"
    folder.mkdir()
    for i, name in enumerate(("a", "b", "d")):
        (folder / f"{name}.ply").write_bytes(ply(FORMS[i], xyz(CUBE + 2 * i), QUADS))
    (folder / "c.ply").write_bytes(ply(FORMS[1], xyz(CUBE), QUADS)[:-3])
    (folder / "e.ply").write_bytes(b"plx\n")
    report = convert(folder, tmp_path / "store")
    assert sorted(Path(s.place).name for s in report.skipped) == ["c.ply", "e.ply"]
    store: Any = zvview.open(tmp_path / "store")
    assert store.level(0).object_attribute("name").tolist() == ["a", "b", "d"]
    assert len(store.level(0).read_objects([1]).faces) == 12
    convert(tmp_path / "store", tmp_path / "all.ply")
    assert len(read(tmp_path / "all.ply").offsets) == 4
    convert(Source(str(tmp_path / "store")), tmp_path / "one.ply", selection=Selection(objects=[2]))
    one = read(tmp_path / "one.ply")
    assert one.object_ids.tolist() == [2] and one.positions.min() == 4


@pytest.mark.parametrize("kind", ["point_cloud", "mesh"])
@pytest.mark.parametrize("form", FORMS)
def test_what_zvview_adds_comes_back(kind: str, form: str, tmp_path: Path) -> None:
    made = make_store(tmp_path / "store", kind, size=400, n_objects=3)
    batch = made.level(0).read()
    wide = np.arange(len(batch)) + (1 << 40)
    truth = np.arange(len(batch)) % 3 == 0
    values = {n: batch.labels(n) for n in batch.attributes} | {"wide": wide, "truth": truth}
    content = replace(batch, attributes=values, categories={})
    store = zvview.create(tmp_path / "more", kind=kind, axes=made.axes)
    store.write(content, headers={"ply": {"format": form, "comments": ["kept"], "obj_info": ["too"]}})
    convert(tmp_path / "more", tmp_path / "out.ply")
    convert(tmp_path / "out.ply", tmp_path / "again")
    first, second = (zvview.open(tmp_path / n).level(0).read() for n in ("more", "again"))  # type: ignore[union-attr]
    rows = [np.lexsort((b.attributes["wide"],)) for b in (first, second)]
    assert np.array_equal(first.positions[rows[0]], second.positions[rows[1]])
    for name in first.attributes:
        one, two = first.labels(name)[rows[0]], second.labels(name)[rows[1]]
        assert np.array_equal(one, two) and one.dtype == two.dtype, name
    again: Any = zvview.open(tmp_path / "again")
    assert again.axes == made.axes
    assert {n: m.unit for n, m in again.attributes.items()} == {n: m.unit for n, m in store.attributes.items()}
    assert again.headers["ply"]["comments"] == ["kept"] and again.headers["ply"]["obj_info"] == ["too"]


GOOD = ply("ascii", xyz(CUBE), QUADS)
BINARY = ply("binary_little_endian", xyz(CUBE), QUADS)


def swap(old: bytes, new: bytes, data: bytes = GOOD) -> bytes:
    assert old in data
    return data.replace(old, new, 1)


@pytest.mark.parametrize(
    ("data", "where", "told"),
    [
        (b"", "line 1", "header has no end"),
        (b"solid\n", "line 1", "no PLY file"),
        (GOOD[:60], "line", "header"),
        (swap(b"format ascii 1.0\n", b""), "line", "format"),
        (swap(b"element vertex 8", b"element vertex -8"), "line 3", "vertex -8"),
        (swap(b"float x", b"float128 x"), "line 4", "float128"),
        (swap(b"float y", b"float x"), "line 5", "two properties"),
        (swap(b"property float x", b"property float u"), "header", "no x"),
        (swap(b"element vertex 8", b"element vertex 9"), "line", ""),
        (swap(b"element vertex 8", b"element vertex 7"), "line", ""),
        (swap(b"element face 6", b"element face 7"), "", "ends after 6 of 7"),
        (swap(b"element face 6", b"element face 5"), "end of the file", "more data"),
        (swap(b"element vertex 8", b"element vertex 4611686018427387904"), "header", "bytes"),
        (swap(b"element vertex 8", b"element vertex 99999999999999999999"), "line 3", ""),
        (swap(b"\n1.0 0.0 0.0\n", b"\n1.0 zero 0.0\n"), "line 11", "zero"),
        (swap(b"\n1.0 0.0 0.0\n", b"\n1.0 0.0\n"), "line 11", ""),
        (swap(b"\n4 0 1 3 2\n", b"\n4 0 1 3 8\n"), "face 0", "8 vertices"),
        (swap(b"\n4 0 1 3 2\n", b"\n4 0 1 3 -1\n"), "face 0", "-1"),
        (swap(b"\n4 0 1 3 2\n", b"\n2 0 1\n"), "face 0", "2 corners"),
        (swap(b"\n4 0 1 3 2\n", b"\n5 0 1 3 2\n"), "line 18", "5 0 1 3 2"),
        (swap(b"\n4 0 1 3 2\n", b"\n999999999999999999999 0 1 3 2\n"), "line 18", ""),
        (swap(b"\n1.0 0.0 0.0\n", b"\n1.0 \xff\xfe 0.0\n"), "line", "text"),
        (BINARY[:-1], "", "ends"),
        (BINARY + b"x", "end of the file", "more data"),
        (BINARY[:200], "header", "bytes"),
        (swap(b"element face 6", b"element face 7", BINARY), "row 6", "6 of 7"),
        (swap(b"element vertex 8", b"element vertex 7", BINARY), "", ""),
        (swap(b"element face", b"element tristrips", BINARY), "header", "strips"),
        (swap(b"vertex_indices", b"corners", BINARY), "header", "vertex_indices"),
    ],
)
def test_a_bad_file_names_the_place(data: bytes, where: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "bad.ply").write_bytes(data)
    with pytest.raises(BadFileError) as caught:
        convert(tmp_path / "bad.ply", tmp_path / "store")
    assert caught.value.path.endswith("bad.ply")
    assert caught.value.where.startswith(where) and told in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["bad.ply"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(form=st.sampled_from(FORMS), at=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.integers(0, 10_000))
def test_damage_ends_in_an_error_or_in_a_mesh_of_the_same_size(
    form: str, at: int, byte: int, cut: int, tmp_path: Path
) -> None:
    data = bytearray(ply(form, xyz(CUBE), QUADS))
    data[at % len(data)] = byte
    (tmp_path / "flip.ply").write_bytes(data)
    try:
        found = read(tmp_path / "flip.ply")
    except (BadFileError, InvalidInputError):
        pass
    else:
        assert len(found) in (8, 80, 800) or len(found) <= 8
        assert found.ndim in (2, 3)
    (tmp_path / "cut.ply").write_bytes(ply(form, xyz(CUBE), QUADS)[: cut % (len(data) - 1)])
    with pytest.raises(BadFileError):
        read(tmp_path / "cut.ply")


def test_elements_that_no_store_holds_are_told(tmp_path: Path) -> None:
    data = swap(b"element face 6", b"element material 1\nproperty list uchar float shine\nelement face 6")
    data = swap(b"\n4 0 1 3 2\n", b"\n2 0.5 0.25\n4 0 1 3 2\n", data)
    (tmp_path / "more.ply").write_bytes(data)
    report = convert(tmp_path / "more.ply", tmp_path / "store")
    assert [s.place.rpartition(", ")[2] for s in report.skipped] == ["element material"]
    assert len(zvview.open(tmp_path / "store").level(0).read().faces) == 6  # type: ignore[union-attr]


def test_carriage_returns_blank_lines_and_old_names(tmp_path: Path) -> None:
    for number, data in enumerate((GOOD.replace(b"\n", b"\r\n"), GOOD.replace(b"\n", b"\r"), GOOD + b"\n\n")):
        (tmp_path / f"{number}.ply").write_bytes(data.replace(b"vertex_indices", b"vertex_index"))
        assert read(tmp_path / f"{number}.ply").faces.shape == (6, 4)


def test_trimesh_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import trimesh

    make_store(tmp_path / "store", "mesh", size=300)
    convert(tmp_path / "store", tmp_path / "mesh.ply")
    judge: Any = trimesh.load(tmp_path / "mesh.ply", process=False)
    found = read(tmp_path / "mesh.ply")
    assert np.array_equal(judge.vertices.astype("f4"), found.positions)
    assert np.array_equal(judge.faces, found.faces)


def test_real_meshes(package_data: Callable[[str], Path], tmp_path: Path) -> None:
    lines = [line.split() for line in (package_data("navis") / "data/volumes/neuropil.obj").read_text().splitlines()]
    positions = np.array([line[1:4] for line in lines if line[:1] == ["v"]], "f8").astype("f4")
    faces = [[int(t.split("/")[0]) - 1 for t in line[1:4]] for line in lines if line[:1] == ["f"]]
    (tmp_path / "neuropil.ply").write_bytes(ply("binary_big_endian", xyz(positions), faces))
    convert(Source(str(tmp_path / "neuropil.ply"), scale=[8], unit="nanometer"), tmp_path / "store")
    mesh: Any = zvview.open(tmp_path / "store").level(0).read()  # type: ignore[union-attr]
    assert len(mesh.faces) == len(faces) == 18_000
    where = {tuple(p): i for i, p in enumerate((positions.astype("f8") * 8).astype("f4").tolist())}
    rows = np.array([where[tuple(p)] for p in mesh.positions.tolist()])
    roll = [min(f[i:] + f[:i] for i in range(3)) for f in rows[mesh.faces].tolist()]
    assert sorted(roll) == sorted(min(f[i:] + f[:i] for i in range(3)) for f in faces)
