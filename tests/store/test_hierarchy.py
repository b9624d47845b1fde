"""Documents of nodes: read once, listed, and compared where they came from an index."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import zvview
from zvview.errors import DamagedError
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.store.decoded_chunks import DecodedChunks
from zvview.store.hierarchy import Hierarchy, StaleMetadata, document_key, fingerprint, parse_document, share_document
from zvview.store.patching.overlay import Overlay
from zvview.store.places.memory import MemorySource
from zvview.testing import make_store


def document(kind: str = "group", **attributes: Any) -> bytes:
    return json.dumps({"zarr_format": 3, "node_type": kind, "attributes": attributes}).encode()


class CountingSource(MemorySource):
    """Memory that counts its waves, and may refuse to list."""

    def __init__(self, held: dict[str, Any], *, can_list: bool = True) -> None:
        super().__init__(held)
        self.can_list = can_list
        self.waves: list[list[str]] = []

    def get_many(self, requests: Sequence[Any], cancel: Any = None) -> list[Any]:
        self.waves.append([key for key, _ in requests])
        return super().get_many(requests, cancel)


STORE = {
    "zarr.json": document(),
    "0/zarr.json": document(level=1),
    "0/links/zarr.json": document(),
    "0/links/c/zarr.json": document("array"),
    "0/links/stray.txt": b"",
    "0/links/empty/x": b"",
}


def test_documents_come_in_one_wave_and_once() -> None:
    source = CountingSource(dict(STORE))
    hierarchy = Hierarchy(source)
    found = hierarchy.documents(["", "0", "nowhere", "0"])
    assert [d is not None for d in found] == [True, True, False, True]
    assert hierarchy.attributes("0") == {"level": 1} and hierarchy.attributes("nowhere") is None
    assert source.waves == [["zarr.json", "0/zarr.json", "nowhere/zarr.json"]]


def test_children_are_nodes_whatever_their_name() -> None:
    hierarchy = Hierarchy(CountingSource(dict(STORE)))
    assert hierarchy.children("0/links") == ["c"]
    assert hierarchy.children("") == ["0"]
    assert hierarchy.children("0/links/c") == []


def test_where_nothing_lists_candidates_are_probed() -> None:
    hierarchy = Hierarchy(CountingSource(dict(STORE), can_list=False))
    assert not hierarchy.can_enumerate and hierarchy.names("0/links") is None
    assert hierarchy.children("0/links", ["b", "c", "c"]) == ["c"]
    assert hierarchy.children("0/links", lambda: iter(["c"])) == ["c"]


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"\xff", b'{"node_type": "file"}', b'{"node_type": "group", "attributes": 3}']
)
def test_what_is_no_document_is_damage(data: bytes) -> None:
    with pytest.raises(DamagedError, match=r"a/zarr\.json"):
        parse_document(data, "a")


def test_deeply_nested_json_is_damage() -> None:
    with pytest.raises(DamagedError):
        parse_document(b"[" * 200_000, "a")


def indexed(source: CountingSource, **stale: bytes) -> Hierarchy:
    """A hierarchy that believes an index of the store, in which some documents are older."""
    old = {key.removesuffix("/zarr.json"): data for key, data in source._objects.items() if key.endswith("/zarr.json")}
    old |= stale
    parsed = {path: parse_document(data, path) for path, data in old.items()}
    return Hierarchy(source, parsed, {path: fingerprint(data) for path, data in old.items()})


def test_true_indexes_cost_no_wave() -> None:
    source = CountingSource(dict(STORE), can_list=False)
    hierarchy = indexed(source)
    assert hierarchy.attributes("0") == {"level": 1} and hierarchy.document("nowhere") is None
    assert hierarchy.can_enumerate and hierarchy.children("0/links") == ["c"]
    assert source.waves == []
    paths, requests = hierarchy.unverified_requests()
    assert set(paths) == {"0", "nowhere", "0/links/c"}
    hierarchy.settle(paths, source.get_many(requests))
    assert hierarchy.unverified_requests() == ([], [])


def test_stale_indexes_give_way() -> None:
    source = CountingSource(dict(STORE))
    hierarchy = indexed(source, **{"0": document(level=7)})
    assert hierarchy.attributes("0") == {"level": 7}
    paths, requests = hierarchy.unverified_requests()
    with pytest.raises(StaleMetadata):
        hierarchy.settle(paths, source.get_many(requests))
    assert hierarchy.attributes("0") == {"level": 1}
    hierarchy.settle(*_again(hierarchy, source))


def test_nodes_that_the_index_lacks_are_found_at_last() -> None:
    source = CountingSource(dict(STORE))
    hierarchy = indexed(source)
    source._objects["1/zarr.json"] = document()
    assert hierarchy.document("1") is None
    with pytest.raises(StaleMetadata):
        hierarchy.settle(*_again(hierarchy, source))
    assert hierarchy.document("1") is not None


def test_damaged_documents_are_not_replaced_by_the_copy_in_the_index() -> None:
    source = CountingSource(dict(STORE))
    hierarchy = indexed(source)
    source._objects["0/zarr.json"] = b"{"
    for _ in range(2):
        hierarchy.document("0")
        with pytest.raises(DamagedError, match=r"0/zarr\.json"):
            hierarchy.settle(*_again(hierarchy, source))


def _again(hierarchy: Hierarchy, source: CountingSource) -> tuple[list[str], list[Any]]:
    paths, requests = hierarchy.unverified_requests()
    return paths, source.get_many(requests)


def test_fingerprints_are_those_of_the_bytes() -> None:
    hierarchy = Hierarchy(CountingSource(dict(STORE)))
    assert hierarchy.match_fingerprints({"0": fingerprint(STORE["0/zarr.json"])})
    assert not hierarchy.match_fingerprints({"0": fingerprint(STORE["zarr.json"])})
    assert not hierarchy.match_fingerprints({"nowhere": ""})
    assert document_key("") == "zarr.json" and document_key("a/b") == "a/b/zarr.json"


def test_documents_are_shared_where_decoded_chunks_are() -> None:
    source, overlay = MemorySource(STORE), Overlay(MemorySource(STORE))
    first = share_document(overlay, STORE["0/zarr.json"], "0")
    assert share_document(overlay, bytearray(STORE["0/zarr.json"]), "1") is first
    assert share_document(overlay, STORE["zarr.json"], "") != first
    assert share_document(source, STORE["0/zarr.json"], "0") is not share_document(source, STORE["0/zarr.json"], "0")
    with pytest.raises(DamagedError, match="no JSON"):
        share_document(overlay, b"{", "0")


@pytest.mark.parametrize("kind", ["point_cloud", "streamline", "graph", "skeleton", "mesh"])
def test_a_commit_changes_no_document_that_it_shares(kind: str, tmp_path: Path) -> None:
    place, kept = tmp_path / "store.zarrvectors", []
    make_store(place, kind, size=300, n_objects=4, chunk_shape=(250.0,) * 3).close()
    build_pyramid(place, PyramidOptions(levels=2))
    keep = DecodedChunks.keep

    def note(self: DecodedChunks, how: Any, encoded: Any, decoded: Any) -> None:
        if how == "document":
            kept.append((decoded.document, copy.deepcopy(decoded.document)))
        keep(self, how, encoded, decoded)

    with zvview.open(place) as store, mock.patch.object(DecodedChunks, "keep", note):
        assert isinstance(store, zvview.Store)
        with store.edit() as edit:
            edit.delete_objects(1)
    assert len(kept) > 10 and all(shared == before for shared, before in kept)
