"""Formats by suffix, by name and by what a folder holds; nothing is loaded before it is asked for."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

from zvview.convert.registry import ENTRIES, explain_missing_packages, find_entry, find_format, load_format
from zvview.errors import BadFileError, MissingError, UnsupportedError


def test_importing_the_registry_loads_no_format_and_no_third_party() -> None:
    code = "import zvview.convert.registry, zvview.cli, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(run.stdout.split())
    assert not loaded & {"nibabel", "pyarrow", "pandas"}
    assert not loaded & {f"zvview.convert.{entry.module}" for entry in ENTRIES}


@pytest.mark.parametrize("module", sorted({entry.module for entry in ENTRIES}))
def test_modules_hold_what_the_registry_says(module: str) -> None:
    formats = import_module(f"zvview.convert.{module}").FORMATS
    assert {f.name for f in formats} == {e.name for e in ENTRIES if e.module == module}
    suffixes = {e.name: set(e.suffixes) for e in ENTRIES}
    assert all(set(f.suffixes) == suffixes[f.name] and f.kinds for f in formats)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        *(("a.csv", "csv"), ("A.TSV", "tsv"), ("b.c.csv.gz", "csv"), ("/x/y.Parquet", "parquet"), ("m.ply", "ply")),
        *(("s.swc", "swc"), ("t.trk", "trk"), ("t.tck", "tck"), ("a.zarr", None), ("csv", None), ("a.csv.bz2", None)),
    ],
)
def test_the_suffix_tells_the_format(path: str, name: str | None) -> None:
    entry = find_entry(path)
    assert (entry and entry.name) == name


def test_folders_and_archives_are_told_by_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("a.ply", "deep/b.ply", "readme.txt", "table.csv", ".hidden.csv", ".x.csv", ".y.csv"):
        (tmp_path / name).write_bytes(b"x")
    assert find_format(tmp_path).name == "ply"
    assert find_format(tmp_path, "csv").name == "csv"
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("in/a.csv", "x")
        archive.writestr("__MACOSX/in/a.ply", "x")
        archive.writestr("__MACOSX/in/b.ply", "x")
    assert find_format(tmp_path / "all.zip").name == "csv"
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadFileError, match="no file of a known format"):
        find_format(tmp_path / "empty")


def test_what_is_unknown_lists_what_there_is() -> None:
    with pytest.raises(UnsupportedError, match=r"swc \(.swc\).*ply \(.ply\)"):
        find_format("file.xyz")
    with pytest.raises(MissingError, match="'parquet'"):
        load_format("xyz")


def test_a_missing_package_is_told_with_its_remedy() -> None:
    with pytest.raises(UnsupportedError, match=r'pip install "zvview\[convert\]"'), explain_missing_packages():
        raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow.csv")
    with pytest.raises(ModuleNotFoundError), explain_missing_packages():
        raise ModuleNotFoundError("No module named 'other'", name="other")
