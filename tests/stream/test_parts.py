from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import zvview
from zvview.cancel import CancelToken
from zvview.errors import Cancelled
from zvview.stream.facts import StoreFacts, gather_facts
from zvview.stream.loading import load_chunks
from zvview.stream.parts import ChunkPart, join_parts
from zvview.testing import make_store
from zvview.testing.batches import KINDS

SIZE = 1500


@lru_cache
def opened(kind: str) -> tuple[zvview.Store, StoreFacts]:
    objects: dict[str, bytes] = {}
    store = make_store(objects, kind, size=SIZE, chunk_shape=(200,) * 3)
    return store, gather_facts(store)


def loaded(kind: str, portions: list[NDArray[np.int64]]) -> dict[int, ChunkPart]:
    store, facts = opened(kind)
    parts = {}
    for rows in portions:
        got = load_chunks(store, facts, facts.levels[0], np.sort(rows))
        assert not got.notes
        parts.update(zip(np.sort(rows).tolist(), got.parts, strict=True))
    return parts


def joined(kind: str, parts: dict[int, ChunkPart], rows: NDArray[np.int64]) -> Any:
    _, facts = opened(kind)
    rows = np.sort(rows)
    return join_parts(kind, 3, facts.attributes, [(rows, [parts[row] for row in rows.tolist()])])


def content(batch: Any) -> tuple[Counter[Any], Counter[Any]]:
    """Vertices with all that they carry, and links by what their ends are; how often each occurs."""
    columns = [batch.positions.astype(np.float64)]
    values = [np.nan_to_num(np.asarray(v, np.float64), nan=-1e300) for _, v in sorted(batch.attributes.items())]
    columns += [v.reshape(len(batch), -1) for v in values]
    ids = batch.object_ids if isinstance(batch, zvview.Points) else batch.vertex_object_ids
    if ids is not None:
        columns.append(ids[:, None].astype(np.float64))
    vertices = list(map(tuple, np.concatenate(columns, axis=1).tolist()))
    if isinstance(batch, zvview.Points):
        return Counter(vertices), Counter()
    name = "segments" if hasattr(batch, "segments") else "faces" if hasattr(batch, "faces") else "edges"
    ends = [tuple(vertices[i] for i in link) for link in getattr(batch, name).tolist()]
    own = sorted(getattr(batch, "link_attributes", {}).items())
    values = [np.nan_to_num(np.asarray(v, np.float64), nan=-1e300).reshape(len(ends), -1) for _, v in own]
    more = map(tuple, np.concatenate(values, axis=1).tolist()) if values else [()] * len(ends)
    return Counter(vertices), Counter(zip(ends, more, strict=True))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.floats(0.1, 1))
def test_joined_chunks_are_what_one_read_gives(kind: str, seed: int, portions: int, share: float) -> None:
    store, facts = opened(kind)
    chunks = facts.levels[0].chunks
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(chunks))
    parts = loaded(kind, [p for p in np.array_split(order, portions) if len(p)])
    everything = joined(kind, parts, order)
    assert content(everything) == content(store.level(0).read(clip="chunks"))
    some = np.sort(order[: max(1, int(share * len(order)))])
    assert content(joined(kind, parts, some)) == content(store.level(0).read_chunks(chunks[some]))


GOLDEN = sorted(p.name for p in (Path(__file__).parents[1] / "data" / "golden").glob("*.zip"))


@pytest.mark.parametrize("name", GOLDEN)
def test_chunks_of_golden_stores_are_what_one_read_gives(name: str) -> None:
    """Other writers' layouts: shared and dead fragments, links without cells, Draco, chunks split by an attribute."""
    with zvview.open(Path(__file__).parents[1] / "data" / "golden" / name) as store:
        assert isinstance(store, zvview.Store)
        facts = gather_facts(store)
        assert facts.levels and not any("left out" in note for note in facts.notes)
        for level in facts.levels:
            rows = np.arange(len(level.chunks))
            portions = [p for p in np.array_split(rows, 3) if len(p)]
            parts = [part for p in portions for part in load_chunks(store, facts, level, p).parts]
            known = {n: m for n, m in store.level(level.number).attributes.items() if n in facts.attributes}
            batch = join_parts(facts.kind, facts.ndim, known, [(rows, parts)])
            assert content(batch) == content(store.level(level.number).read_chunks(level.chunks))


def test_a_joined_batch_is_valid_and_of_the_stores_kind() -> None:
    for kind in KINDS:
        batch = joined(kind, loaded(kind, [np.arange(4)]), np.arange(4))
        assert batch.kind == kind and set(batch.attributes) == set(opened(kind)[1].attributes)
        empty = join_parts(kind, 3, opened(kind)[1].attributes, [])
        assert empty.kind == kind and len(empty) == 0 and set(empty.attributes) == set(batch.attributes)


def test_parts_own_their_memory_and_tell_its_size() -> None:
    for kind in KINDS:
        for part in loaded(kind, [np.arange(6)]).values():
            arrays = [part.positions, part.offsets, part.links, *part.attributes.values()]
            assert all(a.base is None or a.base.nbytes == a.nbytes for a in arrays)
            assert part.nbytes >= sum(a.nbytes for a in arrays)


def test_levels_that_lack_an_attribute_have_its_missing_value_where_there_is_one() -> None:
    known = {
        "score": zvview.AttributeMetadata("score", np.dtype("<f4")),
        "kind": zvview.AttributeMetadata("kind", np.dtype("<i1"), categories=zvview.Categories(("a",), missing=-1)),
        "count": zvview.AttributeMetadata("count", np.dtype("<i4")),
    }
    full = ChunkPart(
        np.zeros((2, 3), np.float32),
        {"score": np.ones(2, np.float32), "kind": np.zeros(2, np.int8), "count": np.ones(2, np.int32)},
        np.array([4, 5]),
    )
    bare = ChunkPart(np.ones((1, 3), np.float32))
    batch: Any = join_parts("point_cloud", 3, known, [(np.array([0]), [full]), (np.array([0]), [bare])])
    assert set(batch.attributes) == {"score", "kind"}
    assert np.isnan(batch.attributes["score"][2]) and batch.labels("kind").tolist() == ["a", "a", None]
    assert batch.object_ids.tolist() == [4, 5, -1]


def test_several_levels_are_joined_without_mixing_their_rows() -> None:
    store, _ = opened("polyline")
    parts = loaded("polyline", [np.arange(10)])
    rows = np.arange(5), np.arange(5, 10)
    levels = [(r, [parts[i] for i in r.tolist()]) for r in rows]
    both = join_parts("polyline", 3, opened("polyline")[1].attributes, levels)
    apart = [content(join_parts("polyline", 3, opened("polyline")[1].attributes, [level])) for level in levels]
    vertices, segments = content(both)
    assert vertices == apart[0][0] + apart[1][0] and segments == apart[0][1] + apart[1][1]
    assert store.kind == "polyline"


def test_world_coordinates_are_delivered() -> None:
    objects: dict[str, bytes] = {}
    with zvview.create(objects, kind="point_cloud", axes="xyz", chunk_shape=(10,) * 3) as new:
        new.write(zvview.Points(np.array([[1.0, 2, 3]], np.float32)))
    root = json.loads(objects["zarr.json"])
    root["attributes"]["zarr_vectors"]["coordinate_offset"] = [1e6, 0, 0]
    objects["zarr.json"] = json.dumps(root).encode()
    store: Any = zvview.open(objects)
    facts = gather_facts(store)
    got = load_chunks(store, facts, facts.levels[0], np.array([0]))
    assert got.parts[0].positions.tolist() == store.level(0).read().positions.tolist()
    assert got.parts[0].positions.dtype == np.float64


class Patience(CancelToken):
    """Set by itself once it was looked at so many times."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.left = looks

    def raise_if_cancelled(self) -> None:
        self.left -= 1
        if self.left < 0:
            self.cancel()
        super().raise_if_cancelled()


@pytest.mark.parametrize("kind", KINDS)
def test_a_read_stops_between_chunks_too_when_it_is_told_to(kind: str) -> None:
    store, facts = opened(kind)
    level = facts.levels[0]
    rows = np.arange(min(20, len(level.chunks)))
    load_chunks(store, facts, level, rows)  # what stays in memory is read once, which is a look more
    token = Patience(10**6)
    assert len(load_chunks(store, facts, level, rows, None, token).parts) == len(rows)
    looks = 10**6 - token.left
    assert looks >= len(rows), "before each chunk, at least"
    for left in (0, looks // 2, looks - 1):
        with pytest.raises(Cancelled):
            load_chunks(store, facts, level, rows, None, Patience(left))
