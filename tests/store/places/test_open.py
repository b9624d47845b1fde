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


class Spelled:
    """A path of a library of its own."""

    def __init__(self, path: object) -> None:
        self.path = path

    def __fspath__(self) -> object:
        return self.path


NO_HOST = [
    "http://",
    "https://",
    "s3://",
    "gs://",
    "s3:///x",
    "http:///zarr.json",
    "http://:80/x",
    "https://?x",
    "HTTP://",
]
NO_FILE = ["file://", "file:///", "file://host/x", "file://a/b", "file:///a#b", "file:///a?b", "file:///a%00b"]
NOTHING = ["", None, 3, 2.5, b"bytes", ["a"], ("a", "b"), {"a"}, object, "a\0b", Spelled(b"bytes")]


@pytest.mark.parametrize("place", [*NOTHING, *NO_HOST, *NO_FILE, "ftp://host/store", "az://c/x", "http://[bad/x"])
def test_what_is_no_place(place: object) -> None:
    with pytest.raises(InvalidInputError):
        open_source(place)
    with pytest.raises(InvalidInputError):
        open_sink(place)


@pytest.mark.parametrize("place", NO_HOST)
def test_addresses_without_a_host_say_what_is_expected(place: str) -> None:
    with pytest.raises(InvalidInputError, match=r"no host or bucket .* expected .*://NAME/path"):
        open_source(place)


@pytest.mark.parametrize("name", ["a b.zv", "50%.zv", "a#b?c.zv", "%20.zv", "g\u00e8ne+1.zv"])
def test_addresses_of_files_are_decoded_and_paths_are_not(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "zarr.json").write_bytes(b"{}")
    address = (tmp_path / name).as_uri()
    for spelling in (address, address + "/zarr.json", address.replace("file://", "FILE://localhost")):
        assert open_source(spelling).place == str(tmp_path / name)
    assert open_source(Spelled(str(tmp_path / name))).get_many([("zarr.json", None)]) == [b"{}"]
    with pytest.raises(UnreachableError):
        open_source(str(tmp_path / name.replace("%", "%25").replace(" ", "%20").replace("+", "%2B")) + "x")


def test_a_bare_fragment_in_the_address_of_a_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="write %3F and %23"):
        open_source(f"file://{tmp_path}/a#b")
    with pytest.raises(InvalidInputError, match="three slashes"):
        open_source("file://data/store.zv")


@pytest.mark.parametrize("held", [{"zarr.json": "{}"}, {"zarr.json": 5}, {"zarr.json": ["x"]}, {5: b"x"}, {b"a": b"x"}])
def test_dictionaries_hold_bytes_by_text(held: dict) -> None:
    with pytest.raises(InvalidInputError, match=r"expected (bytes|text)"):
        open_source(held).get_many([("zarr.json", None)])
    with pytest.raises(InvalidInputError, match=r"expected (bytes|text)"):
        open_source(held).stat_many(["zarr.json"])


def test_dictionaries_of_anything_that_holds_bytes() -> None:
    numbers = np.arange(6, dtype="<u2").reshape(2, 3)
    held = {"a": bytearray(b"abc"), "b": memoryview(b"abc")[::2], "c": numbers, "d": numbers[:0], "e": numbers[:, ::2]}
    found = [bytes(value) for value in open_source(held).get_many([(key, None) for key in held])]
    assert found == [b"abc", b"ac", numbers.tobytes(), b"", numbers[:, ::2].tobytes()]


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/x", "s3://bucket/x", "gs://bucket/x"])
@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("key", "storage_options must be a mapping"),
        ([("a", "b")], "storage_options must be a mapping"),
        ({5: "x"}, "storage_options must have names"),
        ({"headers": {"x": 5}}, "headers must be text: 'x' is int"),
        ({"headers": {5: "x"}}, "headers must have names"),
        ({"headers": "x"}, "headers must be a mapping"),
        ({"headers": {"a b": "x"}}, "header"),
        ({"client_options": 5}, "client_options must be a mapping"),
        ({"client_options": {"no_such": "x"}}, "no_such"),
        ({"client_options": {"timeout": 5}}, "client_options"),
        ({"retry_config": 3}, "retry_config must be a mapping"),
        ({"no_such_option": "x", "region": "r"}, "no_such_option"),
        ({"region": 5, "endpoint": 5}, "region"),
    ],
)
def test_options_of_the_wrong_kind_are_named(
    address: str, options: object, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")  # nobody is asked for it
    with pytest.raises(InvalidInputError, match=named):
        open_source(address, storage_options=options)


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
