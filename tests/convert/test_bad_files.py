"""A bad file among good ones is left out and listed with its place; alone it is an error that names the same place."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zvview.convert import convert
from zvview.errors import BadFileError

PLY = "ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
FACES = PLY.replace("end_header", "element face 1\nproperty list uchar int vertex_indices\nend_header").replace(
    "vertex 2", "vertex 3"
)
SWC = "1 1 0 0 0 1 -1\n2 3 1 1 1 1 1\n"
OBJ = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"

GOOD = {"ply": f"{PLY}0 0 0\n1 1 1\n", "swc": SWC, "obj": OBJ, "csv": "x,y,z\n1,2,3\n4,5,6\n"}
BAD = [
    ("ply", b"", "line 1"),
    ("ply", f"{PLY}0 0 0\nnan 1 1\n".encode(), "vertex 1"),
    ("ply", f"{PLY}0 0 0\n1 inf 1\n".encode(), "vertex 1"),
    ("ply", f"{PLY}0 0 0\n1 one 1\n".encode(), "line 9"),
    ("swc", b"", "no node"),
    ("swc", SWC.replace("1 1 0", "1 1 nan").encode(), "line 1"),
    ("swc", b"9007199254740993.0 1 0 0 0 1 -1\n", "line 1"),
    ("swc", b"\0" * 64, "line 1"),
    ("obj", b"", "no faces"),
    ("obj", OBJ.replace("v 1", "v nan").encode(), "line 2"),
    ("csv", b"", "empty"),
    ("csv", b"x,y,z\n1,2,3\nnan,2,3\n", "line 3"),
    ("csv", b"x,y,z\n1,2,3\n\n1,2,inf\n", "line 4"),
    ("csv", b"x,y,z\n1,2,here\n", "line 2"),
    ("csv", b"x,y,w\n1,2,3\n", "z"),
]


@pytest.mark.parametrize(("suffix", "data", "told"), BAD)
def test_a_bad_file_among_good_ones(suffix: str, data: bytes, told: str, tmp_path: Path) -> None:
    folder = tmp_path / "in dir é"
    folder.mkdir()
    good = GOOD[suffix].encode()
    (folder / f"a b.{suffix}").write_bytes(good)
    (folder / f"bäd.{suffix}").write_bytes(data)
    (folder / f"c.{suffix}").write_bytes(good.replace(b"\n", b"\r\n") if suffix != "csv" else b"\xef\xbb\xbf" + good)
    report = convert(folder, tmp_path / "store")
    [left_out] = report.skipped
    assert left_out.place == str(folder / f"bäd.{suffix}")
    alone = suffix == "csv" and data.startswith(b"x,y,w")
    assert alone or told in left_out.reason
    whole = convert(folder / f"c.{suffix}", tmp_path / "one").written[0]
    assert report.written[0].vertices == 2 * (whole.vertices or 0)
    if not alone:
        with pytest.raises(BadFileError, match="bäd") as caught:
            convert(folder / f"bäd.{suffix}", tmp_path / "other")
        assert told in str(caught.value)


def test_a_mesh_with_a_vertex_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_text(f"{FACES}0 0 0\n1 nan 1\n0 1 0\n3 0 1 2\n")
    with pytest.raises(BadFileError, match="expected finite numbers") as caught:
        convert(tmp_path / "a.ply", tmp_path / "store")
    assert caught.value.where == "vertex 1"


@pytest.mark.parametrize(("value", "told"), [(float("nan"), "row 1: nan"), (None, "row 1: the value is missing")])
def test_a_bad_parquet_file_among_good_ones(value: float | None, told: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, last in (("a", 2.0), ("b", value), ("c", 3.0)):
        pq.write_table(pa.table({"x": pa.array([1.0, last]), "y": [1, 2]}), tmp_path / "in" / f"{name}.parquet")
    report = convert(tmp_path / "in", tmp_path / "store")
    assert [entry.reason for entry in report.skipped] == [f"column 'x' is an axis: {told}"]
    assert report.written[0].vertices == 4


def test_a_folder_of_nothing_but_bad_tables(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in "ab":
        (tmp_path / "in" / f"{name}.csv").write_text("x,y\nnan,2\n")
    with pytest.raises(BadFileError, match="none of its 2 files can be read; the first: column 'x' is an axis"):
        convert(tmp_path / "in", tmp_path / "store")
