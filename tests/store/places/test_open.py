"""What callers name: paths in many spellings, addresses, objects, and what is none of them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.storage import LocalStore, MemoryStore

from zvview.errors import DamagedError, InvalidInputError, NotZarrVectorsError, UnreachableError
from zvview.store.places.folder import FolderSource
from zvview.store.places.open import open_sink, open_source


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "a b.zv" / "0").mkdir(parents=True)
    (tmp_path / "a b.zv" / "zarr.json").write_bytes(b"{}")
    return tmp_path / "a b.zv"


def test_spellings_of_a_folder(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(store.parent))
    monkeypatch.setenv("USERPROFILE", str(store.parent))
    spellings = [store, str(store), f"{store}/", f"{store}//", str(store / "zarr.json"), store.as_uri(), "~/a b.zv"]
    for spelling in [*spellings, LocalStore(store)]:
        assert open_source(spelling).get_many([("zarr.json", None)]) == [b"{}"]
    monkeypatch.chdir(store)
    for spelling in (".", "zarr.json", "./zarr.json"):
        assert open_source(spelling).get_many([("zarr.json", None)]) == [b"{}"]


def test_what_is_not_there_names_what_is(store: Path) -> None:
    with pytest.raises(UnreachableError, match="nearest folder that does is") as caught:
        open_source(store / "x" / "y.zv")
    assert str(caught.value).endswith(str(store))
    with pytest.raises(UnreachableError):
        open_source("C:\\data\\store.zv")
    (store / "notes.txt").write_text("x")
    with pytest.raises(NotZarrVectorsError, match=r"notes\.txt"):
        open_source(store / "notes.txt")


@pytest.mark.parametrize("place", ["", None, 3, b"bytes", "a\0b", "ftp://host/store", "az://c/x"])
def test_what_is_no_place(place: object) -> None:
    with pytest.raises(InvalidInputError):
        open_source(place)
    with pytest.raises(InvalidInputError):
        open_sink(place)


def test_storage_options_must_be_a_mapping() -> None:
    with pytest.raises(InvalidInputError, match="mapping"):
        open_source("s3://bucket/x", storage_options="key")


@pytest.mark.parametrize("kind", [dict, MemoryStore, "local"])
def test_zarr_reads_what_is_written_and_the_other_way_round(kind: object, tmp_path: Path) -> None:
    place = LocalStore(tmp_path / "new") if kind == "local" else kind()
    backing = MemoryStore() if kind is dict else place
    zarr.create_array(backing, name="a", data=np.arange(5), chunks=(5,))
    if kind is dict:
        place.update({key: value.to_bytes() for key, value in backing._store_dict.items()})
    read = open_source(place)
    copied = MemoryStore()
    sink = open_sink(copied)
    sink.put_many((key, read.get_many([(key, None)])) for key in read.list_keys(""))
    sink.commit()
    assert zarr.open_array(copied, path="a", mode="r")[:].tolist() == [0, 1, 2, 3, 4]


def test_a_fifo_a_folder_and_a_sparse_file_in_a_store(store: Path) -> None:
    os.mkfifo(store / "fifo")
    with open(store / "huge", "wb") as sparse:
        sparse.truncate(2**40)
    source = open_source(store)
    assert source.get_many([("fifo", None), ("0", None), ("a" * 5000, None), ("huge", (5, 8))]) == [
        b"",
        None,
        None,
        b"\0" * 3,
    ]
    with pytest.raises(DamagedError, match="1099511627776 bytes"):
        source.get_many([("huge", None)])


def test_failures_of_the_system_are_unreachable(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    source = FolderSource(str(store))
    for name in ("open", "listdir", "stat"):
        monkeypatch.setattr(os, name, refuse)
    with pytest.raises(UnreachableError, match="Input/output"):
        source.get_many([("zarr.json", None)])
    with pytest.raises(UnreachableError, match="Input/output"):
        source.list_names("")
    with pytest.raises(UnreachableError, match="Input/output"):
        source.stat_many(["zarr.json"])


def test_short_reads_are_completed(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (store / "cell").write_bytes(bytes(range(100)))
    read = os.read
    monkeypatch.setattr(os, "read", lambda handle, size: read(handle, min(size, 7)))
    assert open_source(store).get_many([("cell", None), ("cell", (3, 50))]) == [bytes(range(100)), bytes(range(3, 50))]
