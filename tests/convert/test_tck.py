from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from zvview.convert.contract import Outgoing, ReadOptions
from zvview.convert.tck import open_tck
from zvview.convert.tck_header import TckHeader
from zvview.convert.tck_writing import write_tck
from zvview.errors import BadFileError, InvalidInputError
from zvview.geometry.batches import Streamlines

NIBABEL = Path(nib.__file__).parent / "tests" / "data"
NAN = np.full((1, 3), np.nan)
END = np.full((1, 3), np.inf)


def to_store(path: Path, batch_bytes: int = 64 << 20) -> zvview.Store:
    place: dict[str, Any] = {}
    content = open_tck(path, ReadOptions(batch_bytes=batch_bytes))
    new = zvview.create(place, kind=content.kind, axes=content.axes)
    with new.writer() as writer:
        for incoming in content.batches():
            writer.append(incoming.batch, incoming.object_attributes)
        extras = content.extras()
        writer.close(groups=extras.groups, headers=extras.headers)
    return zvview.open(place)


def to_tck(store: zvview.Store, path: Path, **selection: Any) -> bytes:
    write_tck(path, Outgoing(store, store.level(0), **selection))
    return path.read_bytes()


def make_tck(
    blocks: list[np.ndarray], *, order: str = "<", count: int | None = None, extra: str = "", pad: int = 0
) -> bytes:
    """A file of blocks of points and separators, byte for byte."""
    lines = ["mrtrix tracks", f"datatype: Float32{'LE' if order == '<' else 'BE'}"]
    lines += [f"count: {count:010}"] if count is not None else []
    lines += [line for line in extra.split("\n") if line]
    text = "\n".join(lines) + "\nfile: . "
    at = len(text.encode()) + len("000\nEND\n") + pad
    head = f"{text}{at:03}\nEND\n".encode() + b"\0" * pad
    return head + b"".join(block.astype(f"{order}f4").tobytes() for block in blocks)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    counts = draw(st.lists(st.sampled_from([0, 1, 2, 30]), max_size=8))
    blocks = [b for n in counts for b in (rng.normal(0, 90, (n, 3)), NAN)]
    declared = draw(st.sampled_from([None, len(counts)]))
    extra = draw(st.sampled_from(["", "method: SD_STREAM\nroi: seed a.mif\nroi: mask b.mif", "note: µm\n  goes on"]))
    return make_tck(
        [*blocks, END], order=draw(st.sampled_from("<>")), count=declared, extra=extra, pad=draw(st.integers(0, 9))
    )


@settings(max_examples=60, deadline=None)
@given(files(), st.sampled_from([1 << 20, 40]))
def test_a_file_comes_back_byte_for_byte_and_is_what_nibabel_reads(data: bytes, batch_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "in.tck")
        path.write_bytes(data)
        store = to_store(path, batch_bytes)
        assert to_tck(store, Path(folder, "out.tck")) == data
        ids = store.level(0).object_ids
        assert ids is not None
        batch = store.level(0).read_objects(ids)
        assert isinstance(batch, Streamlines)
        truth = nib.streamlines.load(path).streamlines
        assert np.diff(batch.offsets).tolist() == [len(line) for line in truth]
        assert not len(batch) or batch.positions.tobytes() == truth._data.tobytes()


@pytest.mark.parametrize(
    "name", ["empty.tck", "simple.tck", "simple_big_endian.tck", "standard.tck", "multiline_header_field.tck"]
)
def test_nibabels_own_files_come_back(name: str, tmp_path: Path) -> None:
    store = to_store(NIBABEL / name)
    assert to_tck(store, tmp_path / name) == (NIBABEL / name).read_bytes()
    assert {axis.unit for axis in store.axes} == {"millimeter"}


def test_other_nans_separate_too_and_a_count_that_lies_is_told_and_corrected(tmp_path: Path) -> None:
    path = NIBABEL / "matlab_nan.tck"
    store = to_store(path)
    assert [s.reason for s in open_tck(path, ReadOptions()).extras().skipped] == [
        "the header counts them, the file ends after 1"
    ]
    assert to_tck(store, tmp_path / "out.tck") == path.read_bytes().replace(b"count: 615000", b"count: 000001", 1)


@pytest.mark.parametrize("name", ["no_header_end.tck", "no_header_end_eof.tck", "no_magic_number.tck"])
def test_nibabels_broken_files_are_refused(name: str) -> None:
    with pytest.raises(BadFileError, match=name):
        open_tck(NIBABEL / name, ReadOptions())


LINE = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    ("data", "where", "reason"),
    [
        (b"", "", "no TCK file"),
        (b"mrtrix tracks\nfile: . 67\ndatatype: Float64LE\nEND\n", "header", "float32"),
        (b"mrtrix tracks\nfile: other.dat 0\ndatatype: Float32LE\nEND\n", "header", "single-file"),
        (b"mrtrix tracks\nfile: . 9999\ndatatype: Float32LE\nEND\n", "header", "9999"),
        (b"mrtrix tracks\nfile: .\ndatatype: Float32LE\nEND\n", "header", ""),
        (b"mrtrix tracks\n\xff\xfe: 1\nEND\n", "header", ""),
        (make_tck([LINE, NAN, END])[:-1], "", "within a point"),
        (make_tck([LINE, NAN]), "", "inf inf inf"),
        (make_tck([]), "", "inf inf inf"),
        (make_tck([LINE, NAN, LINE, END]), "streamline 1", "separator"),
        (make_tck([LINE, NAN, np.array([[1, np.nan, 2]]), NAN, END]), "streamline 1", "point 0"),
        (make_tck([LINE, END, NAN, LINE, NAN, END]), "streamline 0", "point 2"),
    ],
)
def test_bad_files_name_the_streamline(data: bytes, where: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.tck"
    path.write_bytes(data)
    with pytest.raises(BadFileError) as caught:
        open_tck(path, ReadOptions())
    assert caught.value.where == where and reason in caught.value.reason


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 200), st.data())
def test_no_bytes_give_anything_but_a_store_or_a_bad_file(noise: bytes, at: int, data: st.DataObject) -> None:
    raw = bytearray(make_tck([LINE, NAN, LINE, NAN, END], count=2))
    raw[at : at + len(noise)] = noise
    cut = data.draw(st.integers(0, len(raw)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.tck")
        path.write_bytes(bytes(raw[:cut] if data.draw(st.booleans()) else raw))
        try:
            batches = list(open_tck(path, ReadOptions()).batches())
        except BadFileError:
            return
        assert all(np.isfinite(one.batch.positions).all() for one in batches)


def test_what_nibabel_assumes_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "bare.tck"
    points = np.concatenate([LINE, NAN, END]).astype("<f4").tobytes()
    path.write_bytes(b"mrtrix tracks\ncount: 1\nEND\n" + points)
    store = to_store(path)
    assert len(store.headers["tck"]["files"][0]["notes"]) == 2
    assert to_tck(store, tmp_path / "out.tck") == path.read_bytes()


def test_a_folder_becomes_groups_and_files_again(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number, name in enumerate(("a", "b")):
        (folder / f"{name}.tck").write_bytes(
            make_tck([LINE + number, NAN, NAN, LINE, NAN, END], count=3, order="<>"[number])
        )
    (folder / "c.tck").write_bytes(b"nothing")
    assert [Path(s.place).name for s in open_tck(folder, ReadOptions()).extras().skipped] == ["c.tck"]
    store = to_store(folder)
    write_tck(tmp_path / "out", Outgoing(store, store.level(0)))
    for name in ("a.tck", "b.tck"):
        assert (tmp_path / "out" / name).read_bytes() == (folder / name).read_bytes()
    data = to_tck(store, tmp_path / "part.tck", objects=[0, 1, 5])
    header = TckHeader.parse(data, "part")
    assert header.declared_count == 3
    assert len(nib.streamlines.load(tmp_path / "part.tck").streamlines) == 2


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_counts_of_any_length_keep_the_header_true(before: int, after: int) -> None:
    text = f"mrtrix tracks\ncount: {before}\ndatatype: Float32LE\nfile: . 00\nEND\n"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        raw = text.replace(". 00", f". {len(text)}").encode()
        header = TckHeader.parse(raw, "made").with_count(after)
    assert header.declared_count == after and header.data_offset == len(header.raw)
    assert header.raw.endswith(b"END\n")


def test_more_streamlines_than_a_short_count_holds(tmp_path: Path) -> None:
    path = tmp_path / "in.tck"
    data = make_tck([LINE, NAN, LINE, NAN, END], extra="count: 1")
    path.write_bytes(data)
    store = to_store(path)
    assert to_tck(store, tmp_path / "same.tck") == data
    lines = Streamlines(np.tile(LINE, (12, 1)).astype("f4"), offsets=np.arange(0, 25, 2))
    other = zvview.create({}, kind="streamline", axes=store.axes)
    other.write(lines, headers=store.headers)
    to_tck(other, tmp_path / "out.tck")
    assert len(nib.streamlines.load(tmp_path / "out.tck").streamlines) == 12


def test_other_stores_are_written_with_a_header_of_their_own(tmp_path: Path) -> None:
    store = zvview.create({}, kind="polyline", axes=[{"name": n, "unit": "meter"} for n in "xyz"])
    batch = zvview.Polylines(np.ones((4, 3), "f4"), offsets=[0, 3, 4], attributes={"speed": np.ones(4)})
    store.write(batch)
    with pytest.warns(UserWarning, match="speed"):
        to_tck(store, tmp_path / "out.tck")
    found = nib.streamlines.load(tmp_path / "out.tck")
    assert [line.tolist() for line in found.streamlines] == [[[1000.0] * 3] * 3, [[1000.0] * 3]]
    assert found.header["count"] == "0000000002"


def test_a_store_without_a_unit_is_refused(tmp_path: Path) -> None:
    store = zvview.create({}, kind="streamline")
    store.write(Streamlines(np.ones((2, 3), "f4")))
    with pytest.raises(InvalidInputError, match="millimetres"):
        to_tck(store, tmp_path / "out.tck")
    assert not list(tmp_path.iterdir())
