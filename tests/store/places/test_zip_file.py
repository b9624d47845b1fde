"""Zip files that lie, break off or come from elsewhere end in an error of ours, and never in other bytes."""

from __future__ import annotations

import contextlib
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import DamagedError, NotZarrVectorsError, UnsupportedError, ZvviewError
from zvview.store.places.open import open_source
from zvview.store.places.zip_file import ZipSource

BODY = bytes(range(200)) * 5


def write(path: Path, method: int = zipfile.ZIP_STORED, names: tuple[str, ...] = ("zarr.json", "0/a")) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # duplicates are the point of one test
        with zipfile.ZipFile(path, "w", method) as archive:
            for i, name in enumerate(names):
                archive.writestr(name, BODY[i:])
    return path


def patched(path: Path, offset: int, value: int, size: int = 4) -> Path:
    """The first directory entry of a zip with one of its fields changed."""
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + offset
    data[at : at + size] = value.to_bytes(size, "little")
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    ("offset", "value"),
    [(16, 1), (20, 0), (20, 2**31), (24, 0), (24, 999), (24, 1001), (24, 2**32 - 2), (42, 7), (42, 2**31)],
    ids=["crc", "stored 0", "stored 2G", "size 0", "size less", "size more", "size 4G", "header off", "header far"],
)
def test_lying_directories_are_damage(tmp_path: Path, method: int, offset: int, value: int) -> None:
    place = patched(write(tmp_path / "s.zip", method), offset, value)
    source = ZipSource(str(place))
    with pytest.raises(DamagedError) as caught:
        source.get_many([("0/a", None), ("zarr.json", None)])
    assert caught.value.cells == (1,)
    source.close()


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_changed_zips_give_the_same_bytes_or_an_error(tmp_path_factory: pytest.TempPathFactory, data, method) -> None:
    path = tmp_path_factory.mktemp("z") / "s.zip"
    good = bytearray(write(path, method).read_bytes())
    for at in data.draw(st.lists(st.integers(0, len(good) - 1), min_size=1, max_size=3)):
        good[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(good[: data.draw(st.integers(len(good) // 2, len(good)))])
    found: list = []
    with contextlib.suppress(ZvviewError), contextlib.closing(ZipSource(str(path))) as source:
        found = source.get_many([("zarr.json", None), ("0/a", None)])
    assert all(answer is None or bytes(answer) in (BODY, BODY[1:]) for answer in found)


def test_the_last_of_equal_names_counts(tmp_path: Path) -> None:
    source = ZipSource(str(write(tmp_path / "s.zip", names=("zarr.json", "0/a", "0/a"))))
    assert source.get_many([("0/a", (0, 2))]) == [BODY[2:4]]
    source.close()


def test_a_bomb_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zarr.json", bytes(50_000_000))
    source = ZipSource(str(patched(tmp_path / "s.zip", 24, 1000)))
    with pytest.raises(DamagedError, match="1001 bytes or more"):
        source.get_many([("zarr.json", None)])
    source.close()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_are_named(tmp_path: Path, method: int) -> None:
    source = ZipSource(str(write(tmp_path / "s.zip", method)))
    with pytest.raises(UnsupportedError, match=f"method {method}"):
        source.get_many([("zarr.json", None)])
    source.close()


def test_hostile_and_foreign_names(tmp_path: Path) -> None:
    names = ("./zarr.json", "../out", "/abs", "a\\b")
    source = open_source(write(tmp_path / "s.zip", names=names))
    assert [found is None for found in source.get_many([("zarr.json", None), ("abs", None), ("a/b", None)])] == [
        0,
        0,
        0,
    ]
    source.close()
    (tmp_path / "no.zip").write_bytes(b"PK\x03\x04" + bytes(50))
    with pytest.raises(NotZarrVectorsError, match="zip"):
        open_source(tmp_path / "no.zip")
