"""From numbers to units: each number in exactly one, the same ones every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.neuroglancer.exporting.reading import Fake
from zvview.cancel import CancelToken
from zvview.errors import Cancelled
from zvview.neuroglancer.encoding.shards import ShardSpec
from zvview.neuroglancer.exporting.planning import info_with_shards, plan_section
from zvview.neuroglancer.sources.contract import Section
from zvview.neuroglancer.sources.points import CHUNK_SHIFT, LEVEL_SHIFT

IDS = Section("by_id", None, ("by_id",))
CELLS = Section("spatial0", (16, 16, 16), ("spatial", 0))
MODELS = Section("")


@given(st.lists(st.lists(st.integers(0, 4095), max_size=30), max_size=12), st.booleans())
def test_each_number_is_in_one_unit(batches: list[list[int]], is_sharded: bool) -> None:
    taken: set[int] = set()
    distinct = []
    for batch in batches:
        distinct.append([key for key in batch if key not in taken])
        taken.update(batch)
    source = Fake(CELLS, distinct, dict.fromkeys(taken, b"x" * 8))
    plan = plan_section("points", source, 0, is_sharded=is_sharded)
    found = [batch.keys() for unit in plan.units for batch in unit.batches]
    assert sorted(np.concatenate([np.empty(0, np.uint64), *found]).tolist()) == sorted(taken)
    assert plan.count == len(taken) and len({unit.name for unit in plan.units}) == len(plan.units)
    assert (plan.spec is not None) == (is_sharded and bool(taken))
    for unit in plan.units if plan.spec is not None else ():
        assert all((plan.spec.locate(batch.keys())[0] == unit.shard).all() for batch in unit.batches)


def test_ids_are_in_shards_when_there_are_many() -> None:
    for count, is_sharded in ((1000, False), (1001, True)):
        source = Fake(IDS, [list(range(count))], dict.fromkeys(range(count), b"body"))
        plan = plan_section("points", source, 0, is_sharded=False)
        assert (plan.spec is not None) == is_sharded
        assert sum(map(len, plan.units)) == count


def test_a_chunk_is_read_for_one_shard_only() -> None:
    """Numbers such as ``level << 58 | chunk << 32 | row`` of chunks that are larger than a minishard is meant to be."""
    held: dict[int, bytes] = {}
    batches = []
    for level, chunks in ((1, 3), (0, 40)):
        for chunk in range(chunks):
            first = level << LEVEL_SHIFT | chunk << CHUNK_SHIFT
            batches.append(list(range(first, first + 20_000)))
    held = {batch[k]: bytes(60) for batch in batches for k in np.linspace(0, 19_999, 8).astype(int)}
    plan = plan_section("points", Fake(IDS, batches, held), 0, is_sharded=True)
    assert plan.spec is not None and len(plan.units) > 1
    assert sum(len(unit.batches) for unit in plan.units) == len(batches)


def test_shards_stay_as_they_were_while_the_section_is_about_as_large() -> None:
    def plan(count: int, known: dict[str, object] | None = None) -> ShardSpec | None:
        source = Fake(IDS, [list(range(count))], dict.fromkeys(range(count), bytes(4000)))
        return plan_section("points", source, 0, is_sharded=True, known=known).spec

    first = plan(9_000)
    assert first is not None
    known = {"count": 9_000, "sharding": first.document()}
    assert plan(10_500, known) == first != plan(20_000)
    assert plan(40_000, known) != first
    for damaged in ({}, {"count": 9_000, "sharding": {"hash": 3}}, {"count": "many", "sharding": {}}, {"count": 1}):
        assert plan(9_000, damaged) == first


def test_the_document_tells_of_the_shards_where_they_belong() -> None:
    spec = ShardSpec(minishard_bits=2)
    source = Fake(CELLS, [], {})
    document = info_with_shards(source, [spec])
    assert document["spatial"][0] == {"key": "spatial0", "sharding": spec.document()}
    assert "sharding" not in source.info["spatial"][0]
    assert info_with_shards(Fake(Section(""), [], {}), [spec])["sharding"] == spec.document()
    assert info_with_shards(source, [None]) == source.info


def test_planning_can_be_cancelled() -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        plan_section("points", Fake(IDS, [[1]], {1: b"x"}), 0, is_sharded=True, cancel=token)


@pytest.mark.parametrize(
    ("section", "head", "body", "encoding"),
    [
        (MODELS, 0, bytes(3000), "gzip"),
        (MODELS, 0, np.random.default_rng(0).bytes(3000), "raw"),
        (MODELS, 8, bytes(3000), "raw"),  # fragments of meshes are compressed by themselves, and read by ranges
        (CELLS, 0, bytes(3000), "raw"),
        (IDS, 0, bytes(3000), "raw"),
    ],
)
def test_models_are_compressed_where_that_saves_much(section: Section, head: int, body: bytes, encoding: str) -> None:
    source = Fake(section, [list(range(600)), list(range(600, 1200))], dict.fromkeys(range(1200), body), head)
    spec = plan_section("models", source, 0, is_sharded=True).spec
    assert spec is not None and spec.data_encoding == encoding


def test_no_more_is_read_for_a_plan_than_tells_how_large_contents_are(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    whole = Fake.read
    monkeypatch.setattr(Fake, "read", lambda *asked: [read.append(len(asked[2])), whole(*asked)][1])
    for size, most in ((100, 36), (1 << 19, 2), (1 << 21, 1)):
        read.clear()
        source = Fake(CELLS, [list(range(start, start + 20)) for start in range(0, 80, 20)], {})
        source.held = dict.fromkeys(range(80), bytes(size))
        plan = plan_section("points", source, 0, is_sharded=True)
        assert sum(read) == most
        assert sum(unit.cost for unit in plan.units) == 80 * size
    read.clear()
    plan_section("meshes", Fake(MODELS, [[3]], {3: bytes(9)}), 0, is_sharded=True)
    assert read == []


def test_what_takes_longest_is_told_also_where_nothing_is_measured() -> None:
    source = Fake(CELLS, [list(range(60)), list(range(60, 160))], dict.fromkeys(range(160), b"x"))
    assert [unit.cost for unit in plan_section("points", source, 0, is_sharded=False).units] == [60, 100]


def test_meshes_are_shared_out_though_their_files_are_small() -> None:
    held = dict.fromkeys(range(1, 301), bytes(8000))
    for form, most in (("sharded", 100), ("directory", 64)):
        source = Fake(MODELS, [list(held)], held, head=6000)
        plan = plan_section("meshes", source, 0, is_sharded=form == "sharded")
        sizes = [len(unit) for unit in plan.units]
        assert len(sizes) > 3 and max(sizes) <= most * 1.3 and sum(sizes) == 300
        assert plan.each == (50 * 8000 if plan.spec else 1)
        found = [batch.keys() for unit in plan.units for batch in unit.batches]
        assert sorted(np.concatenate(found).tolist()) == list(held)


def test_what_contents_cost_is_known_from_the_export_before() -> None:
    source = Fake(IDS, [list(range(5000))], dict.fromkeys(range(5000), bytes(40)))
    first = plan_section("points", source, 0, is_sharded=True)
    assert first.spec is not None and first.each == 40
    known = {"count": first.count, "sharding": first.spec.document(), "each": first.each}
    source.held = {}  # so that nothing is told by reading
    again = plan_section("points", source, 0, is_sharded=True, known=known)
    assert (again.spec, again.each) == (first.spec, 40) and sum(unit.cost for unit in again.units) == 200_000
