"""What may be a store is told from its name or its root document; everything else is declined without a sound."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from zvview.napari.recognising import is_address, is_candidate
from zvview.testing import make_store


def test_stores_in_folders_and_zips_are_recognised(tmp_path: Path) -> None:
    for name in ("a.zarrvectors", "plain", "b.zip"):
        make_store(str(tmp_path / name), "point_cloud", size=50).close()
        assert is_candidate(str(tmp_path / name))
    assert is_candidate(str(tmp_path / "plain" / "zarr.json"))
    assert is_candidate(str(tmp_path / "plain") + "/")


@pytest.mark.parametrize(
    "document",
    ["", "{", "[]", "null", '{"attributes": 3}', '{"attributes": {"ome": {"version": "0.5"}}}', "[" * 100_000],
)
def test_other_folders_are_declined(tmp_path: Path, document: str) -> None:
    (tmp_path / "zarr.json").write_text(document)
    assert not is_candidate(str(tmp_path))


def test_what_is_no_zarr_is_declined(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("words")
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 and no more")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("zarr.json", json.dumps({"attributes": {}}))
    for name in ("a.txt", "bad.zip", "other.zip", "none.zv", ""):
        assert not is_candidate(str(tmp_path / name))
    assert not is_candidate("nul\0byte")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://h/a.zarrvectors", True),
        ("http://h/a.zv/", True),
        ("s3://b/deep/a.zv?versionId=1", True),
        ("https://h/a.zv.zip", True),
        ("https://h/x/zarr.json", True),
        ("https://h/a.zarr", False),
        ("https://h/", False),
        ("ftp://h/a.zv", False),
    ],
)
def test_addresses_go_by_their_name(address: str, expected: bool) -> None:
    assert is_candidate(address) is expected


def test_drives_are_no_addresses() -> None:
    assert not is_address(r"C:\data\a.zv") and is_address("HTTPS://h/a.zv")
