from __future__ import annotations

import struct
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.streamlines.trk import header_2_dtype

import zvview
from zvview.convert.contract import Outgoing, ReadOptions
from zvview.convert.converting import convert
from zvview.convert.trk import open_trk
from zvview.convert.trk_plan import ROUNDING
from zvview.convert.trk_writing import write_trk
from zvview.errors import BadFileError, ExistsError, InvalidInputError, MissingError
from zvview.geometry.batches import Streamlines

NIBABEL = Path(nib.__file__).parent / "tests" / "data"
GOOD = ("simple.trk", "complex.trk", "complex_big_endian.trk", "empty.trk", "standard.trk", "standard.LPS.trk")


def load_with_nibabel(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nib.streamlines.load(path)


def to_store(path: Path, batch_bytes: int = 64 << 20) -> zvview.Store:
    place: dict[str, Any] = {}
    content = open_trk(path, ReadOptions(batch_bytes=batch_bytes))
    new = zvview.create(place, kind=content.kind, axes=content.axes, attributes=content.attribute_specs)
    with new.writer() as writer:
        for incoming in content.batches():
            writer.append(incoming.batch, incoming.object_attributes)
        extras = content.extras()
        writer.close(groups=extras.groups, headers=extras.headers)
    return zvview.open(place)


def to_trk(store: zvview.Store, path: Path, **selection: Any) -> bytes:
    write_trk(path, Outgoing(store, store.level(0), **selection))
    return path.read_bytes() if path.is_file() else b""


def make_trk(
    lines: list[np.ndarray],
    properties: np.ndarray | None = None,
    *,
    order: str = "<",
    count: int | None = None,
    scalar_names: tuple[bytes, ...] = (),
    property_names: tuple[bytes, ...] = (),
    **fields: Any,
) -> bytes:
    """A file of (n, 3 + scalars) lines, byte for byte."""
    width = lines[0].shape[1] if lines else 3
    properties = np.empty((len(lines), 0)) if properties is None else properties
    header = np.zeros((), header_2_dtype.newbyteorder(order))
    header["magic_number"], header["version"], header["hdr_size"] = b"TRACK", 2, 1000
    header["voxel_sizes"], header["dimensions"], header["voxel_order"] = 1, 1, b"RAS"
    header["voxel_to_rasmm"] = np.eye(4)
    header["nb_scalars_per_point"], header["nb_properties_per_streamline"] = width - 3, properties.shape[1]
    header["scalar_name"][: len(scalar_names)] = scalar_names
    header["property_name"][: len(property_names)] = property_names
    header["nb_streamlines"] = len(lines) if count is None else count
    for name, value in fields.items():
        header[name] = value
    records = [
        struct.pack(f"{order}i", len(line)) + line.astype(f"{order}f4").tobytes() + row.astype(f"{order}f4").tobytes()
        for line, row in zip(lines, properties, strict=True)
    ]
    return header.tobytes() + b"".join(records)


AXES = st.permutations([("L", "R"), ("P", "A"), ("I", "S")])


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """TRK files of all forms that nibabel reads."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    counts = draw(st.lists(st.sampled_from([0, 1, 2, 3, 17]), max_size=8))
    scalars, properties = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    scale = draw(st.sampled_from([1e-6, 1.0, 200.0, 1e4]))
    lines = [np.concatenate([rng.normal(0, scale, (n, 3)), rng.normal(size=(n, scalars))], axis=1) for n in counts]
    if counts and draw(st.booleans()):
        lines[-1][:, :3] = [[0.0, -0.0, 1e-30]]
    values = rng.normal(size=(len(counts), properties))
    values[rng.random(values.shape) < 0.2] = np.nan
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0] if draw(st.booleans()) else np.diag(rng.choice([-1.0, 1], 3))
    sizes = rng.uniform(0.3, 3, 3).astype(np.float32)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn * sizes, rng.normal(0, 100, 3)
    codes = "".join(draw(st.sampled_from(pair)) for pair in draw(AXES))
    names = {0: (), 1: (b"fa",), 2: (b"col\x002",), 3: (b"a/b", b"x\x002")}
    return make_trk(
        lines,
        values,
        order=draw(st.sampled_from("<>")),
        count=draw(st.sampled_from([None, 0])),
        scalar_names=names[scalars],
        property_names=draw(st.sampled_from([(), names[properties]])),
        voxel_to_rasmm=affine,
        voxel_sizes=sizes,
        dimensions=rng.integers(1, 300, 3),
        voxel_order=codes.encode(),
        reserved=draw(st.sampled_from([b"", b"kept"])),
    )


@settings(max_examples=60, deadline=None)
@given(files(), st.sampled_from([1 << 20, 64]))
def test_a_file_comes_back_byte_for_byte_and_is_what_nibabel_reads(data: bytes, batch_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "in.trk")
        path.write_bytes(data)
        store = to_store(path, batch_bytes)
        assert to_trk(store, Path(folder, "out.trk")) == data
        level = store.level(0)
        items = [*iter(nib.streamlines.TrkFile.load(path, lazy_load=True).tractogram)]
        ids = level.object_ids
        assert ids is not None and ids.tolist() == list(range(len(items)))
        batch = level.read_objects(ids)
        assert isinstance(batch, Streamlines)
        pieces = (
            dict(zip(batch.object_ids.tolist(), np.split(batch.positions, batch.offsets[1:-1]), strict=True))
            if len(batch)
            else {}
        )
        # nibabel cannot load files with empty streamlines and values whole; it multiplies all points at once
        if batch_bytes > 64 and items and all(len(t.streamline) for t in items):
            loaded = load_with_nibabel(path).streamlines
            assert [p.tobytes() for p in pieces.values()] == [line.tobytes() for line in loaded]
        assert {i: len(p) for i, p in pieces.items()} == {
            i: len(t.streamline) for i, t in enumerate(items) if len(t.streamline)
        }
        for name in level.object_attribute_names:
            assert level.object_attribute(name).dtype == np.float32


@pytest.mark.parametrize("name", GOOD)
def test_nibabels_own_files_come_back(name: str, tmp_path: Path) -> None:
    store = to_store(NIBABEL / name)
    assert to_trk(store, tmp_path / name) == (NIBABEL / name).read_bytes()
    assert {axis.unit for axis in store.axes} == {"millimeter"}
    truth = load_with_nibabel(NIBABEL / name)
    level = store.level(0)
    batch = level.read_objects(level.object_ids)
    assert batch.positions.tobytes() == truth.streamlines._data.astype("<f4").tobytes() or not len(batch)
    for key, values in truth.tractogram.data_per_point.items():
        assert np.array_equal(batch.attributes[key].reshape(len(batch), -1), values._data)
    for key, values in truth.tractogram.data_per_streamline.items():
        assert np.array_equal(level.object_attribute(key).reshape(len(truth.streamlines), -1), values)


def test_headers_are_kept_for_people(tmp_path: Path) -> None:
    kept = to_store(NIBABEL / "complex.trk").headers["trk"]
    assert kept["space"] == "rasmm" and kept["scalar_names"] == ["colors", "fa"] and kept["n_count"] == 3
    assert np.array(kept["vox_to_ras"]).reshape(4, 4)[3].tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("parts", [("tracks300.trk",), ("EuDX_small_25.trk",)])
def test_dipys_files_come_back(parts: tuple[str, ...], package_data: Callable[..., Path], tmp_path: Path) -> None:
    path = package_data("dipy", "data", "files", *parts)
    store = to_store(path)
    assert to_trk(store, tmp_path / "out.trk") == path.read_bytes()
    truth = load_with_nibabel(path).streamlines
    assert np.array_equal(store.level(0).read_objects(store.level(0).object_ids).positions, truth._data)


def test_an_archive_of_bundles_becomes_groups_and_files_again(
    package_data: Callable[..., Path], tmp_path: Path
) -> None:
    path = package_data("dipy", "data", "files", "minimal_bundles.zip")
    store = to_store(path)
    assert store.groups is not None
    assert len(store.groups) == 15 and "sub_1/AF_L" in store.groups.names
    write_trk(tmp_path / "out", Outgoing(store, store.level(0)))
    with zipfile.ZipFile(path) as archive:
        for name in (n for n in archive.namelist() if n.endswith(".trk")):
            assert (tmp_path / "out" / name).read_bytes() == archive.read(name)
    write_trk(tmp_path / "two", Outgoing(store, store.level(0), groups=["sub_2/AF_L", "sub_3/CST_R"]))
    assert sorted(p.relative_to(tmp_path / "two").as_posix() for p in (tmp_path / "two").rglob("*.trk")) == [
        "sub_2/AF_L.trk",
        "sub_3/CST_R.trk",
    ]


def one_folder(folder: Path) -> Path:
    rng = np.random.default_rng(1)
    for number, (name, scalars) in enumerate([("AF_L", 1), ("CST_R", 0)]):
        lines = [rng.normal(0, 50, (n, 3 + scalars)) for n in (4, 0, 9)]
        affine = np.diag([2.0, 2, 2, 1]) + np.outer([1, 1, 1, 0], [0, 0, 0, 10.0 * number])
        data = make_trk(lines, scalar_names=(b"fa",) * scalars, voxel_to_rasmm=affine, voxel_sizes=2)
        (folder / f"{name}.trk").write_bytes(data)
    return folder


def test_a_folder_of_different_files_comes_back_and_a_bad_one_is_listed(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    one_folder(folder)
    (folder / "bad.trk").write_bytes((folder / "AF_L.trk").read_bytes()[:-5])
    content = open_trk(folder, ReadOptions())
    assert [Path(s.place).name for s in content.extras().skipped] == ["bad.trk"]
    assert "streamline 2" in content.extras().skipped[0].reason
    store = to_store(folder)
    assert store.groups is not None and store.groups.names == ("AF_L", "CST_R")
    fa = store.level(0).read_objects([0, 3]).attributes["fa"]
    assert np.isfinite(fa[:4]).all() and np.isnan(fa[4:]).all()
    write_trk(tmp_path / "out", Outgoing(store, store.level(0)))
    for name in ("AF_L.trk", "CST_R.trk"):
        assert (tmp_path / "out" / name).read_bytes() == (folder / name).read_bytes()
    everything = to_trk(store, tmp_path / "all.trk")
    assert [len(s) for s in load_with_nibabel(tmp_path / "all.trk").streamlines] == [4, 9, 4, 9]
    assert struct.unpack("<i", everything[988:992]) == (6,)


def test_a_folder_of_bad_files_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.trk").write_bytes(b"TRACK")
    with pytest.raises(BadFileError, match=r"none of 1 files.*1000"):
        open_trk(tmp_path, ReadOptions())


TWO = [np.arange(12.0).reshape(4, 3), np.ones((2, 3))]


@pytest.mark.parametrize(
    ("data", "where", "reason"),
    [
        (b"", "", "no TRK file"),
        (b"TRACK\0" + bytes(100), "", "no TRK header"),
        (make_trk(TWO, hdr_size=999), "header", "hdr_size"),
        (make_trk(TWO, version=7), "header", "versions 1 and 2"),
        (make_trk(TWO, voxel_to_rasmm=np.diag([1, 1, 0, 1])), "header", "affine"),
        (make_trk(TWO, voxel_sizes=0), "header", ""),
        (make_trk(TWO, voxel_order=b"XYZ"), "header", ""),
        (make_trk(TWO, nb_scalars_per_point=-1), "header", "-1"),
        (make_trk(TWO, nb_properties_per_streamline=-4), "header", "-4"),
        (make_trk(TWO, scalar_name=b"a\0b\0c", nb_scalars_per_point=1), "header", ""),
        (make_trk(TWO, count=-2), "header", "-2 streamlines"),
        (make_trk(TWO)[:-1], "streamline 1", "cut off"),
        (make_trk(TWO)[: 1000 + 4 + 20], "streamline 0", "cut off"),
        (make_trk(TWO, count=0) + b"\1\0", "streamline 2", "2 bytes are no record"),
        (make_trk(TWO)[:1000] + struct.pack("<i", -1) + bytes(80), "streamline 0", "-1 points"),
        (make_trk(TWO)[:1000] + struct.pack("<i", 2**31 - 1) + bytes(80), "streamline 0", "cut off"),
        (make_trk([TWO[0], np.full((2, 3), np.nan)]), "streamline 1", "point 0 is at"),
        (make_trk([TWO[0], np.array([[1.0, 2, 3], [1, np.inf, 3]])]), "streamline 1", "point 1 is at"),
        (make_trk([np.full((1, 3), 3e38)], voxel_to_rasmm=np.diag([9, 9, 9, 1.0])), "streamline 0", "inf"),
    ],
)
def test_bad_files_name_the_streamline(data: bytes, where: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.trk"
    path.write_bytes(data)
    with pytest.raises(BadFileError) as caught:
        open_trk(path, ReadOptions())
    assert caught.value.where == where and reason in caught.value.reason and str(path) in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 1100), st.data())
def test_no_bytes_give_anything_but_a_store_or_a_bad_file(noise: bytes, at: int, data: st.DataObject) -> None:
    raw = bytearray(make_trk([np.ones((3, 4)), np.ones((1, 4))], np.ones((2, 2)), scalar_names=(b"fa",)))
    raw[at : at + len(noise)] = noise
    cut = data.draw(st.integers(0, len(raw)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.trk")
        path.write_bytes(bytes(raw[:cut] if data.draw(st.booleans()) else raw))
        try:
            batches = list(open_trk(path, ReadOptions()).batches())
        except BadFileError:
            return
        assert all(np.isfinite(one.batch.positions).all() for one in batches)


def test_a_count_of_more_than_there_is_is_told_and_corrected(tmp_path: Path) -> None:
    path = tmp_path / "lies.trk"
    path.write_bytes(make_trk(TWO, count=9))
    skipped = open_trk(path, ReadOptions()).extras().skipped
    assert [s.place for s in skipped] == [f"{path}, streamlines 2 to 8"]
    assert to_trk(to_store(path), tmp_path / "out.trk") == make_trk(TWO, count=2)


@pytest.mark.parametrize(
    ("behind", "told"),
    [
        (b"", "28 bytes, 1 streamlines, stand"),
        (b"odd", "31 bytes stand"),
        (struct.pack("<i", -1), "32 bytes stand"),
        (struct.pack("<i", 2**31 - 1), "32 bytes stand"),
    ],
)
def test_what_stands_behind_the_last_streamline_that_is_counted_is_told(
    behind: bytes, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "more.trk"
    path.write_bytes(make_trk(TWO, count=1) + behind)
    assert to_store(path).level(0).vertex_count == 4 == len(load_with_nibabel(path).streamlines._data)
    (skipped,) = convert(path, tmp_path / "store").skipped
    assert skipped.place == f"{path}, bytes 1052 to {path.stat().st_size - 1}"
    assert skipped.reason.startswith("the header counts 1 streamlines") and told in skipped.reason


def test_what_nibabel_assumes_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "old.trk"
    path.write_bytes(make_trk(TWO, version=1, voxel_order=b""))
    store = to_store(path)
    assert len(store.headers["trk"]["files"][0]["notes"]) == 2
    assert to_trk(store, tmp_path / "out.trk") == path.read_bytes()


def test_batches_are_small_and_all_is_read(tmp_path: Path) -> None:
    path = tmp_path / "many.trk"
    lines = [np.full((10, 3), float(i)) for i in range(100)]
    path.write_bytes(make_trk(lines))
    small = list(open_trk(path, ReadOptions(batch_bytes=500)).batches())
    assert len(small) >= 20
    joined = np.concatenate([one.batch.positions for one in small])
    assert np.array_equal(joined, next(open_trk(path, ReadOptions()).batches()).batch.positions)


def test_vertices_that_were_moved_are_written_where_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    affine = np.diag([2.0, 3, 4, 1]) + np.outer([1, 1, 1, 0], [0.1, 0.2, 0.3, 50])
    path = tmp_path / "in.trk"
    path.write_bytes(make_trk([rng.normal(0, 1e-3, (50, 3))], voxel_to_rasmm=affine, voxel_sizes=2))
    content = open_trk(path, ReadOptions())
    (one,) = content.batches()
    assert np.abs(one.batch.attributes[ROUNDING]).max() > 1000
    moved = one.batch.positions + 7
    store = zvview.create({}, kind="streamline", axes=content.axes)
    batch = Streamlines(moved, offsets=one.batch.offsets, attributes=one.batch.attributes)
    store.write(batch, headers=content.extras().headers)
    to_trk(store, tmp_path / "out.trk")
    assert np.allclose(load_with_nibabel(tmp_path / "out.trk").streamlines._data, moved, atol=1e-4)


def new_store(**axes: Any) -> zvview.Store:
    unit = axes.get("unit", "micrometer")
    names = axes.get("names", "zyx")
    store = zvview.create(
        {}, kind="streamline", axes=[{"name": n, "type": "space"} | ({"unit": unit} if unit else {}) for n in names]
    )
    batch = Streamlines(
        np.array([[3000, 2000, 1000], [3000, 2000, 1500], [0, 0, 0], [9, 9, 9]], np.float32),
        offsets=[0, 2, 4],
        object_ids=[5, 9],
        attributes={"speed": np.arange(4.0), "dir": np.ones((4, 3), np.float32), "kind": ["a", "b", "a", "b"]},
    )
    store.write(batch, {"mean": np.array([1, 2], np.int16), "note": ["x", "y"]}, {"both": [5, 9], "one": [9]})
    return store


def test_other_stores_are_written_in_ras_millimetres_with_their_values(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="left out") as told:
        to_trk(new_store(), tmp_path / "out.trk")
    assert {"'kind'" in str(w.message) or "'note'" in str(w.message) for w in told} == {True}
    found = load_with_nibabel(tmp_path / "out.trk")
    assert np.allclose(found.streamlines[0], [[1, 2, 3], [1.5, 2, 3]], atol=1e-6)
    assert found.tractogram.data_per_point["speed"][1].ravel().tolist() == [2, 3]
    assert found.tractogram.data_per_point["dir"][1].shape == (2, 3)
    assert found.tractogram.data_per_streamline["mean"].ravel().tolist() == [1, 2]


@pytest.mark.filterwarnings("ignore:attribute:UserWarning")
def test_selections(tmp_path: Path) -> None:
    store = new_store()
    to_trk(store, tmp_path / "one.trk", objects=[9])
    assert len(load_with_nibabel(tmp_path / "one.trk").streamlines) == 1
    to_trk(store, tmp_path / "box.trk", box=((-1, -1, -1), (20, 20, 20)))
    assert load_with_nibabel(tmp_path / "box.trk").tractogram.data_per_streamline["mean"].ravel().tolist() == [2]
    write_trk(tmp_path / "groups", Outgoing(store, store.level(0)))
    counts = {p.name: len(load_with_nibabel(p).streamlines) for p in (tmp_path / "groups").iterdir()}
    assert counts == {"both.trk": 2, "one.trk": 1}
    with pytest.raises(MissingError):
        to_trk(store, tmp_path / "none.trk", objects=[1])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["box.trk", "groups", "one.trk"]


def test_a_unit_is_not_guessed_and_nothing_is_replaced(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="unit"):
        to_trk(new_store(unit=None), tmp_path / "out.trk")
    with pytest.raises(InvalidInputError, match="'volt'"):
        to_trk(new_store(unit="volt"), tmp_path / "out.trk")
    (tmp_path / "out.trk").write_bytes(b"mine")
    with pytest.raises(ExistsError):
        to_trk(to_store(NIBABEL / "simple.trk"), tmp_path / "out.trk")
    with pytest.raises(InvalidInputError, match="group"):
        to_trk(to_store(NIBABEL / "simple.trk"), tmp_path / "folder")
    assert [p.name for p in tmp_path.iterdir()] == ["out.trk"]


def test_stated_units_and_axes_hold(tmp_path: Path) -> None:
    content = open_trk(NIBABEL / "simple.trk", ReadOptions(unit="micrometer", axes=("a", "b", "c")))
    assert [(axis.name, axis.unit) for axis in content.axes] == [(n, "micrometer") for n in "abc"]
    for wrong in (ReadOptions(axes=("a",)), ReadOptions(kind="mesh")):
        with pytest.raises(InvalidInputError):
            open_trk(NIBABEL / "simple.trk", wrong)


def test_the_command_finds_the_format(tmp_path: Path) -> None:
    convert(str(NIBABEL / "complex.trk"), tmp_path / "store.zv")
    convert(str(tmp_path / "store.zv"), tmp_path / "again.trk")
    assert (tmp_path / "again.trk").read_bytes() == (NIBABEL / "complex.trk").read_bytes()
