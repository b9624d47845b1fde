"""New stores appear as a whole or not at all, and nothing but a Zarr Vectors store is ever replaced."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import obstore.store
import pytest
from zarr.storage import LocalStore, MemoryStore, ObjectStore, ZipStore
from zarr.storage._wrapper import WrapperStore

from zvview.errors import ExistsError, InvalidInputError, UnreachableError, UnsupportedError
from zvview.store.places.folder_sink import FolderSink
from zvview.store.places.open import open_sink, open_source

COLLECTION = {"node_type": "group", "attributes": {"ome": {"version": "0.6", "type": "collection", "nodes": []}}}
KINDS = ["folder", "zip", "memory", "zarr store", "s3"]


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path):
    """A new place and the options to reach it."""
    if request.param == "s3":
        serving = request.getfixturevalue("bucket")
        return "s3://data/new", {"endpoint": serving.address.removesuffix("/data")}
    made = {"folder": tmp_path / "n.zv", "zip": str(tmp_path / "n.zip"), "memory": {}}
    return made.get(request.param, WrapperStore(MemoryStore())), None


def held(place: object, options: object) -> dict[str, bytes] | None:
    """All that a place holds, None where it cannot be opened."""
    try:
        source = open_source(place, storage_options=options)
    except UnreachableError:
        return None
    keys = source.list_keys("")
    found = {key: bytes(value) for key, value in zip(keys, source.get_many([(k, None) for k in keys]), strict=True)}
    source.close()
    return found


def test_nothing_opens_before_commit_and_abort_leaves_nothing(place, content: dict[str, bytes]) -> None:
    where, options = place
    sink = open_sink(where, storage_options=options)
    sink.put_many((key, [value]) for key, value in content.items())
    assert "zarr.json" not in (held(where, options) or {})
    sink.abort()
    sink.abort()
    assert not held(where, options)
    if isinstance(where, (str, Path)) and options is None:
        assert list(Path(where).parent.iterdir()) == []


def test_replacing_needs_overwrite_and_leaves_nothing_of_the_old(place, content: dict[str, bytes]) -> None:
    where, options = place
    for old in ({**content, "0/old": b"1"}, content):
        sink = open_sink(where, storage_options=options, overwrite=old is content)
        sink.put_many((key, [value[:2], value[2:]]) for key, value in old.items())
        sink.commit()
        sink.abort()
        assert held(where, options) == old
        with pytest.raises(ExistsError, match='mode="w"'):
            open_sink(where, storage_options=options)
    if isinstance(where, (str, Path)) and options is None:
        assert list(Path(where).parent.iterdir()) == [Path(where)]


def test_others_data_are_never_replaced(place) -> None:
    where, options = place
    image = {"zarr.json": b'{"node_type": "group", "attributes": {"ome": {"multiscales": []}}}', "0/c/0": b"precious"}
    sink = open_sink(where, storage_options=options)
    sink.put_many((key, [value]) for key, value in image.items())
    sink.commit()
    with pytest.raises(ExistsError, match="not a Zarr Vectors store"):
        open_sink(where, storage_options=options, overwrite=True)
    assert held(where, options) == image


@pytest.mark.parametrize("key", ["../out", "/out", "a//b", "", "a/../../b"])
def test_keys_stay_inside_and_are_written_once(place, key: str) -> None:
    where, options = place
    sink = open_sink(where, storage_options=options)
    with pytest.raises(InvalidInputError):
        sink.put_many([(key, [b"x"])])
    sink.put_many([("a/b", [b"x"]), ("zarr.json", [b"{}"])])
    for twice in ("a/b", "zarr.json"):
        with pytest.raises(InvalidInputError, match="twice"):
            sink.put_many([(twice, [b"y"])])
    sink.abort()


@pytest.mark.parametrize(("member", "replaceable"), [("zarr_vectors", True), ("ome", False)])
def test_a_collection_is_replaced_only_when_all_of_it_is_vectors(
    tmp_path: Path, member: str, replaceable: bool
) -> None:
    place = tmp_path / "many"
    sink = open_sink(place)
    first = json.dumps({"node_type": "group", "attributes": {"zarr_vectors": {}}}).encode()
    second = json.dumps({"node_type": "group", "attributes": {member: {}}}).encode()
    sink.put_many(
        [("zarr.json", [json.dumps(COLLECTION).encode()]), ("a/zarr.json", [first]), ("b/zarr.json", [second])]
    )
    sink.commit()
    if not replaceable:
        with pytest.raises(ExistsError):
            open_sink(place, overwrite=True)
    else:
        open_sink(place, overwrite=True).abort()
    assert sorted(path.name for path in place.iterdir()) == ["a", "b", "zarr.json"]


@pytest.mark.parametrize(
    "document",
    [b"", b"{", b"[]", b'{"attributes": 3}', b'{"node_type": "group", "attributes": 3}', b"[" * 100_000, b"\xff"],
)
def test_a_folder_with_a_broken_root_is_not_ours(tmp_path: Path, document: bytes) -> None:
    (tmp_path / "zarr.json").write_bytes(document)
    with pytest.raises(ExistsError):
        FolderSink(str(tmp_path), overwrite=True)
    assert (tmp_path / "zarr.json").read_bytes() == document


def test_empty_folders_are_filled_and_files_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    sink = open_sink(tmp_path / "empty")
    sink.put_many([("zarr.json", [b"{}"])])
    sink.commit()
    assert (tmp_path / "empty" / "zarr.json").read_bytes() == b"{}"
    for name in ("notes.txt", "notes.zip"):
        (tmp_path / name).write_text("precious")
        with pytest.raises(ExistsError):
            open_sink(tmp_path / name, overwrite=True)
        assert (tmp_path / name).read_text() == "precious"
    (tmp_path / "folder.zip").mkdir()
    open_sink(tmp_path / "folder.zip").abort()


@pytest.mark.parametrize("name", ["late.zv", "late.zip"])
def test_what_appears_meanwhile_is_kept(tmp_path: Path, name: str) -> None:
    sink = open_sink(tmp_path / name)
    sink.put_many([("zarr.json", [b"{}"])])
    if name.endswith("zip"):
        (tmp_path / name).write_text("precious")
    else:
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes").write_text("precious")
    with pytest.raises(ExistsError):
        sink.commit()
    sink.abort()
    assert "precious" in {path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_failed_swap_brings_the_old_store_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, rename = tmp_path / "s.zv", os.rename
    root = b'{"node_type": "group", "attributes": {"zarr_vectors": {}}}'
    old = open_sink(place)
    old.put_many([("zarr.json", [root]), ("mark", [b"old"])])
    old.commit()
    new = FolderSink(str(place), overwrite=True)
    new.put_many([("zarr.json", [root]), ("mark", [b"new"])])

    def refuse_new(source: str, target: str) -> None:
        if target == str(place) and "zvview-old-" not in source:
            raise PermissionError(13, "Permission denied")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse_new)
    with pytest.raises(UnreachableError, match="Permission denied"):
        new.commit()
    new.abort()
    assert (place / "mark").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [place]


def test_folders_keep_their_modes_when_they_are_replaced(tmp_path: Path) -> None:
    place = tmp_path / "s.zv"
    root = b'{"node_type": "group", "attributes": {"zarr_vectors": {}}}'
    for overwrite in (False, True):
        sink = FolderSink(str(place), overwrite=overwrite)
        sink.put_many([("zarr.json", [root]), ("a/b/c", [b"x"])])
        sink.make_folders(["a/empty"])
        sink.commit()
        if not overwrite:
            place.chmod(0o700)
            (place / "a" / "b").chmod(0o2750)
    modes = [path.stat().st_mode & 0o7777 for path in (place, place / "a" / "b")]
    assert modes == [0o700, 0o2750]
    assert (place / "a" / "empty").is_dir()


def test_a_mount_point_is_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: True)
    with pytest.raises(UnsupportedError, match="mount point"):
        FolderSink(str(tmp_path / "s"))
    assert list(tmp_path.iterdir()) == []


def test_keys_under_keys_and_many_pieces(tmp_path: Path) -> None:
    sink = open_sink(tmp_path / "s.zv")
    sink.put_many([("a", [bytes([i % 256]) for i in range(5000)])])
    with pytest.raises(InvalidInputError):
        sink.put_many([("a/b", [b"x"])])
    sink.commit()
    assert (tmp_path / "s.zv" / "a").read_bytes() == bytes(i % 256 for i in range(5000))


def test_equal_content_gives_equal_zips(tmp_path: Path, content: dict[str, bytes]) -> None:
    for name in ("a.zip", "b.zip"):
        sink = open_sink(tmp_path / name)
        sink.put_many((key, [value]) for key, value in content.items())
        sink.commit()
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UnreachableError):
        open_sink(tmp_path / "file" / "s.zv")
    with pytest.raises(UnsupportedError, match="read only"):
        open_sink("http://127.0.0.1:9/store")


@pytest.mark.parametrize("kind", ["memory", "local", "wrapped", "zip", "object"])
def test_store_objects_that_are_read_only_are_refused_untouched(tmp_path: Path, kind: str) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.writestr("zarr.json", "{}")
    (tmp_path / "s.zv").mkdir()
    place = {
        "memory": lambda: MemoryStore(read_only=True),
        "local": lambda: LocalStore(tmp_path / "s.zv", read_only=True),
        "wrapped": lambda: WrapperStore(MemoryStore(read_only=True)),
        "zip": lambda: ZipStore(tmp_path / "s.zip", mode="r"),
        "object": lambda: ObjectStore(obstore.store.MemoryStore(), read_only=True),
    }[kind]()
    for overwrite in (False, True):
        with pytest.raises(InvalidInputError, match="read-only"):
            open_sink(place, overwrite=overwrite)
    assert not place._is_open
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.zip", "s.zv"]
