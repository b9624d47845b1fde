from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import zvview
from zvview.errors import InvalidInputError
from zvview.store.editing.bases import read_bases
from zvview.store.editing.digests import digest_chunks
from zvview.store.store import Store
from zvview.testing import make_store

KINDS = ("point_cloud", "graph", "skeleton", "mesh", "streamline")


def make(kind: str, **options: Any) -> Store:
    return make_store({}, kind, size=300, chunk_shape=(250.0,) * 3, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_a_digest_tells_what_a_chunk_holds_and_not_how_it_is_stored(kind: str) -> None:
    digests = []
    for options in ({}, {"codec": "zstd"}, {"shards": 2}, {"codec": "zstd", "shards": 2}):
        store = make(kind, **options)
        digests.append(digest_chunks(store.reader(0), store.level(0).chunks))
    assert all(found == digests[0] for found in digests)
    assert len(set(digests[0])) == len(digests[0]) and {len(digest) for digest in digests[0]} == {16}


@pytest.mark.parametrize("kind", ["graph", "mesh"])
def test_any_changed_byte_of_a_chunk_changes_its_digest_and_no_other(kind: str) -> None:
    place: dict[str, bytes] = {}
    store = make_store(place, kind, size=300, chunk_shape=(250.0,) * 3)
    level = store.level(0)
    before = digest_chunks(store.reader(0), level.chunks)
    origin = np.floor(store.bounds[0] / level.chunk_shape).astype(int)
    families = ("vertices", "vertex_fragments", "vertex_attributes/", "fragment_attributes/", "links/0/", "link_attr")
    cells = [key for key in place if "/c/" in key and key.startswith(tuple(f"0/{name}" for name in families))]
    assert len({key.split("/")[1] for key in cells}) == 6
    for key in cells[:: max(len(cells) // 40, 1)]:
        held = place[key]
        place[key] = held[:-1] + bytes([held[-1] ^ 1])
        after = digest_chunks(Store(zvview.open(place)._source).reader(0), level.chunks)  # type: ignore[union-attr]
        place[key] = held
        chunk = np.array(key.rpartition("/c/")[2].split("/"), int) + origin
        changed = [i for i, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
        assert [tuple(level.chunks[i]) for i in changed] == [tuple(chunk)], key


def test_a_chunk_that_holds_nothing_has_a_digest() -> None:
    store = make("point_cloud")
    far, near = digest_chunks(store.reader(0), np.array([[100, 100, 100], [101, 100, 100]]))
    assert far == near
    assert digest_chunks(store.reader(0), np.empty((0, 3), np.int64)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_base_holds_each_vertex_by_its_row(kind: str) -> None:
    store = make(kind)
    level = store.level(0)
    bases = read_bases(store.reader(0), level.chunks)
    assert sum(len(base.positions) for base in bases) == level.vertex_count
    for chunk, base in zip(level.chunks, bases, strict=True):
        batch = level.read_chunks(chunk)
        np.testing.assert_array_equal(batch.positions[: len(base.positions)], base.positions)
        if base.owners is not None:
            owners = batch.vertex_object_ids[: len(base.positions)]  # type: ignore[union-attr]
            np.testing.assert_array_equal(owners, base.owners)


def test_a_row_that_the_chunk_does_not_have_is_refused() -> None:
    session = make("point_cloud").edit()
    found = session.find()
    refs = zvview.VertexRefs(found.refs.chunks[:1], np.array([5000]))
    with pytest.raises(InvalidInputError, match="no row 5000"):
        session.delete(refs)
    assert not session.is_changed
