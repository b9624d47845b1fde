from __future__ import annotations

import gc
import zipfile
from pathlib import Path

import pytest

from zvview.convert.file_sets import find_files, safe_names
from zvview.errors import BadFileError, UnreachableError


def test_files_below_a_folder_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.trk", "a.TRK", "sub/c.trk", ".hidden.trk", ".git/d.trk", "e.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = find_files(tmp_path, (".trk",))
    assert [file.name for file in found.files] == ["a", "b", "c"] and not found.is_single
    (tmp_path / "sub" / "b.trk").write_bytes(b"x")
    assert [file.name for file in find_files(tmp_path, (".trk",)).files] == ["a", "b", "sub/b", "sub/c"]


def test_a_single_file_has_any_suffix(tmp_path: Path) -> None:
    (tmp_path / "odd.dat").write_bytes(b"x")
    found = find_files(tmp_path / "odd.dat", (".trk",))
    assert found.is_single and found.files[0].name == "odd.dat"


def test_archives_are_unpacked_for_as_long_as_they_are_used(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../../evil.trk", b"one")
        archive.writestr("b.trk", b"two")
    found = find_files(tmp_path / "a.zip", (".trk",))
    paths = [file.path for file in found.files]
    assert [path.read_bytes() for path in paths] == [b"one", b"two"]
    assert [file.name for file in found.files] == ["evil", "b"]
    assert "a.zip, b.trk" in found.files[1].place
    del found
    gc.collect()
    assert not any(path.exists() for path in paths)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError):
        find_files(tmp_path / "none", (".trk",))
    with pytest.raises(BadFileError, match=r"ends in \.trk"):
        find_files(tmp_path, (".trk",))
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b.trk", b"two" * 1000)
    data = bytearray(path.read_bytes())
    data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(bytes(data))
    with pytest.raises(BadFileError, match="archive"):
        find_files(path, (".trk",))


def test_names_are_unique_and_lead_nowhere_else() -> None:
    assert safe_names(["a", "A", "", "..", "x/y", "c:d", ".h"], ".swc") == [
        "a.swc", "A_2.swc", "_.swc", "_...swc", "x_y.swc", "c_d.swc", "_.h.swc",
    ]  # fmt: skip
    assert safe_names(["x/y", "../z", "/etc"], ".trk", can_nest=True) == ["x/y.trk", "_../z.trk", "_/etc.trk"]
